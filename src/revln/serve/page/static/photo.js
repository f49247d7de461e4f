/** One photo: large, with all that is known of it, what the model says of it, and what may be done to it. */

import { currentPhoto, photoAddress } from "./address.js";
import { Answering } from "./answers.js";
import { ApiError, askJson, quietly } from "./api.js";
import { confirmed, forget } from "./deleting.js";
import { find, make, tell } from "./dom.js";
import { Duplicates } from "./duplicates.js";
import { Editing } from "./editing.js";
import { file, preview, show, showNow, thumb } from "./pictures.js";
import { Teaching } from "./teaching.js";
import { day, fileName, language, percent, t } from "./words.js";

const SIMILAR = 12;

export class PhotoView {
  /**
   * @param {import("./gallery.js").Gallery} gallery
   * @param {any} abilities of the server
   * @param {(text: string) => void} tellAll says something outside of the view
   * @param {() => void} onForgotten called when a photo was deleted from the memory
   */
  constructor(gallery, abilities, tellAll, onForgotten) {
    this.gallery = gallery;
    this.tellAll = tellAll;
    this.onForgotten = onForgotten;
    this.dialog = find("photo");
    this.picture = find("picture");
    /** @type {string | null} id of the photo that is shown, or on its way */
    this.wanted = null;
    this.record = /** @type {any} */ (null);
    this.speaks = abilities.languages;
    this.captioning = new Answering(find("caption"), "/v1/caption");
    this.editing = new Editing((record) => {
      this.record = record;
      Object.assign(this.gallery.photos.get(record.id) ?? {}, { text: record.text, label: record.label });
    });
    this.teaching = new Teaching(abilities.answers);
    this.duplicates = new Duplicates((id) => this.#forgotten(id));
    find("caption-section").hidden = !this.speaks.length;
    this.#listen();
  }

  /** Shows the photo that the address names, or none. */
  async follow() {
    const id = currentPhoto();
    if (id === this.wanted) return;
    this.wanted = id;
    if (!id) {
      this.dialog.close();
      return;
    }
    try {
      const record = await askJson("GET", `/v1/records/${id}`);
      if (id === currentPhoto()) this.#fill(record);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.wanted = null;
      history.replaceState(null, "", location.pathname + location.search);
      this.dialog.close();
      this.tellAll(error.message);
    }
  }

  /** Closes it. */
  close() {
    const steps = depth();
    if (steps) history.go(-steps);
    else {
      history.replaceState(null, "", location.pathname + location.search);
      this.follow();
    }
  }

  #listen() {
    document.addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest('a[href^="#photo="]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      history.pushState({ depth: depth() + 1 }, "", link.getAttribute("href"));
      this.follow();
    });
    find("close-photo").addEventListener("click", () => this.close());
    this.dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.close();
    });
    this.dialog.addEventListener("close", () => {
      this.captioning.clear();
      this.teaching.answering.clear();
      this.picture.removeAttribute("src");
      if (this.record) this.gallery.focus(this.record.id);
      this.record = null;
      if (currentPhoto()) this.close(); // a browser closes it by itself when Escape is pressed again
    });
    find("previous").addEventListener("click", () => this.#turn(0));
    find("next").addEventListener("click", () => this.#turn(1));
    this.dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (/** @type {Element} */ (event.target).closest("input, textarea, select")) return;
      if (event.key === "ArrowLeft") this.#turn(0);
      if (event.key === "ArrowRight") this.#turn(1);
    });
    this.picture.addEventListener("error", () => this.#showThumb());
    find("describe").addEventListener("click", () => this.#describe());
    find("keep-caption")?.addEventListener("click", () => {
      const texts = [...this.record.texts, this.caption];
      this.editing.save({ texts });
    });
    find("correct-caption")?.addEventListener("click", () => this.editing.open(this.caption));
    find("delete")?.addEventListener("click", () => this.#delete());
  }

  /** @param {0 | 1} side */
  #turn(side) {
    const id = this.gallery.beside(this.record.id)[side];
    if (!id) return;
    history.replaceState(history.state, "", photoAddress(id)); // so that going back leaves the view, not the photo
    this.follow();
  }

  /** @param {any} record */
  #fill(record) {
    const wasOpen = this.dialog.open;
    this.record = record;
    const name = fileName(record.uri);
    find("photo-name").textContent = name;
    this.#showPicture(record, name);
    find("facts").textContent = factsOf(record).join(" · ");
    this.editing.show(record);
    this.captioning.clear();
    this.#showCaptionButtons(false);
    find("describe").textContent = t("describe");
    this.teaching.show(record);
    this.#showWhy(this.gallery.photos.get(record.id));
    this.#showNeighbours();
    if (!wasOpen) this.dialog.showModal();
    this.dialog.querySelector(".side").scrollTop = 0;
    quietly(this.#showOthers(record));
  }

  #showNeighbours() {
    const [previous, next] = this.gallery.beside(this.record.id);
    find("previous").hidden = !previous;
    find("next").hidden = !next;
  }

  /**
   * @param {any} record
   * @param {string} name
   */
  #showPicture(record, name) {
    const { width, height } = record.meta;
    this.isThumb = false;
    tell(find("preview-only"));
    this.picture.alt = record.text ?? record.label ?? name;
    if (width && height) {
      this.picture.width = width;
      this.picture.height = height;
    }
    showNow(this.picture, preview(record.id));
    find("original").hidden = document.documentElement.dataset.token === "yes"; // a link cannot show a token
    find("original").href = file(record.id);
  }

  #showThumb() {
    if (this.isThumb || !this.record) return;
    this.isThumb = true;
    tell(find("preview-only"), t("preview_only"));
    showNow(this.picture, thumb(this.record.id));
  }

  async #describe() {
    const { record } = this;
    this.#showCaptionButtons(false);
    const asked = this.speaks.includes(language) ? { lang: language } : {};
    const answer = await this.captioning.say(record, asked);
    if (!answer) return;
    this.caption = answer.text;
    find("describe").textContent = t("describe_again");
    this.#showCaptionButtons(!record.texts.includes(answer.text));
  }

  /** @param {boolean} shown */
  #showCaptionButtons(shown) {
    for (const id of ["keep-caption", "correct-caption"]) if (find(id)) find(id).hidden = !shown;
  }

  /** @param {any} hit what the search said of the photo, if it was found by one */
  #showWhy(hit) {
    const found = hit?.probability !== undefined;
    find("why").hidden = !found;
    if (!found) return;
    const told = [
      [t("why_probability"), percent(hit.probability)],
      [t("why_score"), hit.score.toFixed(3)],
      [t("why_text"), hit.text],
      [t("why_via"), hit.via && (hit.via.text || hit.via.label)],
    ].filter(([, value]) => value);
    const entries = told.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]);
    find("why").querySelector("dl").replaceChildren(...entries);
  }

  /**
   * Shows its duplicates, and photos that are like it, where these are not to appear again.
   * @param {any} record
   */
  async #showOthers(record) {
    const list = find("similar");
    list.replaceChildren();
    const same = new Set(await quietly(this.duplicates.show(record)));
    if (record.id !== this.record?.id) return;
    const { hits } = await askJson("POST", "/v1/similar", { json: { id: record.id, k: SIMILAR + same.size } });
    if (record.id !== this.record?.id) return;
    const others = hits.filter((/** @type {any} */ hit) => !same.has(hit.id)).slice(0, SIMILAR);
    list.replaceChildren(...others.map(similarTile));
  }

  async #delete() {
    const { id, uri } = this.record;
    if (!(await confirmed(uri))) return;
    try {
      await forget(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(find("edit-status"), error.message);
      return;
    }
    this.close();
    this.#forgotten(id);
    this.tellAll(t("deleted"));
  }

  /**
   * Takes a photo out of the gallery behind the view.
   * @param {string} id
   */
  #forgotten(id) {
    this.gallery.remove(id);
    if (this.record) this.#showNeighbours();
    this.onForgotten();
  }
}

/** How many photos were opened one from another; none of them when the page was opened with a photo. */
const depth = () => history.state?.depth ?? 0;

/** @param {any} record */
function factsOf({ meta }) {
  const size = meta.width && meta.height ? `${meta.width} × ${meta.height}` : "";
  return [meta.taken_at ? day(meta.taken_at) : "", meta.camera ?? "", size].filter(Boolean);
}

/** @param {any} hit */
function similarTile(hit) {
  const image = make("img", { alt: hit.text ?? hit.label ?? fileName(hit.uri), decoding: "async" });
  show(image, thumb(hit.id));
  return make("li", {}, make("a", { href: photoAddress(hit.id) }, image));
}
