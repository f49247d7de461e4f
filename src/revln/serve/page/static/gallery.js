/** The photos that were found, in rows, page by page. */

import { photoAddress } from "./address.js";
import { find, make } from "./dom.js";
import { show, thumb } from "./pictures.js";
import { fileName, percent, t } from "./words.js";

/** @typedef {{photos: any[], last: boolean}} Page */

const [NARROWEST, WIDEST] = [0.6, 2.4];
const LEAST = 0.005; // chance that is shown

export class Gallery {
  /** @param {(error: unknown) => void} onError */
  constructor(onError) {
    this.list = find("gallery");
    this.onError = onError;
    /** @type {Map<string, any>} photos by id, in their order */
    this.photos = new Map();
    /** @type {((offset: number) => Promise<Page>) | null} */
    this.load = null;
    this.loading = false;
    new IntersectionObserver((entries) => entries[0].isIntersecting && this.#more(), { rootMargin: "900px" }).observe(
      find("more"),
    );
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#move(event));
  }

  /**
   * Shows other photos.
   * @param {any[]} photos the first of them
   * @param {((offset: number) => Promise<Page>) | null} load gives those from a place on
   * @param {boolean} weak whether none of them fits
   */
  fill(photos, load, weak) {
    this.photos.clear();
    this.list.replaceChildren();
    this.list.classList.toggle("weak", weak);
    this.load = load;
    this.#add(photos);
  }

  /**
   * The photos beside one.
   * @param {string} id
   * @returns {[string | undefined, string | undefined]}
   */
  beside(id) {
    const ids = [...this.photos.keys()];
    const place = ids.indexOf(id);
    return place < 0 ? [undefined, undefined] : [ids[place - 1], ids[place + 1]];
  }

  /** @param {string} id */
  remove(id) {
    this.photos.delete(id);
    this.#tile(id)?.parentElement?.remove();
  }

  /** @param {string} id */
  focus(id) {
    this.#tile(id)?.focus();
  }

  /** Puts the focus on the first photo. */
  focusFirst() {
    this.list.querySelector("a")?.focus();
  }

  /** @param {string} id */
  #tile(id) {
    return this.list.querySelector(`a[data-id="${id}"]`);
  }

  /** @param {any[]} photos */
  #add(photos) {
    const fresh = photos.filter((photo) => !this.photos.has(photo.id));
    for (const photo of fresh) this.photos.set(photo.id, photo);
    this.list.append(...fresh.map(tile));
  }

  async #more() {
    const { load } = this;
    if (!load || this.loading) return;
    this.loading = true;
    try {
      const { photos, last } = await load(this.photos.size);
      if (load !== this.load) return;
      if (last) this.load = null;
      this.#add(photos);
    } catch (error) {
      this.load = null;
      this.onError(error);
    } finally {
      this.loading = false;
    }
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const here = document.activeElement;
    if (!(here instanceof HTMLAnchorElement) || event.altKey || event.ctrlKey || event.metaKey) return;
    const tiles = [...this.list.querySelectorAll("a")];
    const place = tiles.indexOf(here);
    const goal = {
      ArrowRight: () => tiles[place + 1],
      ArrowLeft: () => tiles[place - 1],
      ArrowDown: () => inNextRow(here, tiles.slice(place + 1)),
      ArrowUp: () => inNextRow(here, tiles.slice(0, place).reverse()),
      Home: () => tiles[0],
      End: () => tiles[tiles.length - 1],
    }[event.key];
    if (!goal) return;
    event.preventDefault();
    goal()?.focus();
  }
}

/** @param {any} photo */
function tile(photo) {
  const { width, height } = photo.meta;
  const said = photo.text ?? photo.label ?? fileName(photo.uri);
  const image = make("img", { alt: said, decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(make("span", { class: "blank", text: t("no_picture") })));
  show(image, thumb(photo.id));
  const words = make("span", { class: "said", "aria-hidden": "true", text: said });
  const share = photo.probability >= LEAST ? chance(photo.probability) : null;
  const link = make("a", { href: photoAddress(photo.id), "data-id": photo.id, class: "tile" }, image, words, share);
  const item = make("li", {}, link);
  item.style.setProperty("--aspect", String(Math.min(Math.max(width / height || 1, NARROWEST), WIDEST)));
  return item;
}

/** @param {number} share that a photo fits by */
function chance(share) {
  const seen = make("span", { "aria-hidden": "true", text: percent(share) });
  const heard = make("span", { class: "unseen", text: `, ${t("fits", { share: percent(share) })}` });
  return make("span", { class: "chance" }, seen, heard);
}

/**
 * Of the tiles in the next row the one that is most above or below another.
 * @param {Element} here
 * @param {Element[]} others the nearest first
 */
function inNextRow(here, others) {
  const from = here.getBoundingClientRect();
  const middle = from.left + from.width / 2;
  const next = others.find((tile) => Math.abs(tile.getBoundingClientRect().top - from.top) > 4);
  if (!next) return undefined;
  const { top } = next.getBoundingClientRect();
  const row = others.filter((tile) => Math.abs(tile.getBoundingClientRect().top - top) <= 4);
  const distance = (/** @type {Element} */ tile) => {
    const { left, right } = tile.getBoundingClientRect();
    return Math.max(left - middle, middle - right, 0);
  };
  return /** @type {HTMLElement} */ (row.reduce((best, tile) => (distance(tile) < distance(best) ? tile : best)));
}
