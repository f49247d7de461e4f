/** Other records of a photo's picture: copies of its file and versions of it, which may be deleted one by one. */

import { photoAddress } from "./address.js";
import { ApiError, askJson } from "./api.js";
import { confirmed, forget, mayDelete } from "./deleting.js";
import { find, make, tell } from "./dom.js";
import { show, thumb } from "./pictures.js";
import { bytes, fileName, t } from "./words.js";

export class Duplicates {
  /** @param {(id: string) => void} onDeleted */
  constructor(onDeleted) {
    this.onDeleted = onDeleted;
    this.section = find("duplicates-section");
    this.list = find("duplicates");
    this.shown = ""; // id of the photo whose duplicates are shown, or on their way
  }

  /**
   * Shows those of another photo.
   * @param {any} record
   * @returns {Promise<string[]>} their ids
   */
  async show(record) {
    this.shown = record.id;
    this.section.hidden = true;
    this.list.replaceChildren();
    tell(find("duplicates-status"));
    const { duplicates } = await askJson("GET", `/v1/records/${record.id}/duplicates`);
    if (record.id === this.shown) {
      this.list.replaceChildren(...duplicates.map((/** @type {any} */ it) => this.#item(it)));
      this.section.hidden = !duplicates.length;
    }
    return duplicates.map((/** @type {any} */ it) => it.id);
  }

  /** @param {any} duplicate */
  #item(duplicate) {
    const { id, uri, kind, width, height, size } = duplicate;
    const name = fileName(uri);
    const image = make("img", { alt: "", decoding: "async" });
    image.addEventListener("error", () => image.replaceWith(make("span", { class: "blank", text: t("no_picture") })));
    show(image, thumb(id));
    const measures = `${width} × ${height} · ${bytes(size)}`.replaceAll(" ", "\u00a0"); // they stay on one line
    const words = [
      make("span", { class: "name", text: name }),
      make("span", { class: "facts" }, ...breakable(uri.slice(0, uri.length - name.length))),
      make("span", { class: "facts", text: `${t(kind === "exact" ? "same_file" : "other_version")} · ${measures}` }),
    ];
    const link = make("a", { href: photoAddress(id) }, image, make("span", { class: "words" }, ...words));
    const item = make("li", {}, link);
    if (mayDelete) item.append(this.#button(item, id, uri));
    return item;
  }

  /**
   * @param {HTMLElement} item
   * @param {string} id
   * @param {string} uri
   */
  #button(item, id, uri) {
    const label = `${t("delete")}: ${uri}`; // names alone are often the same
    const button = make("button", { type: "button", class: "quiet danger", text: t("delete_confirm"), "aria-label": label });
    button.addEventListener("click", async () => {
      if (!(await confirmed(uri))) return;
      const { shown } = this;
      try {
        await forget(id);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (shown === this.shown) tell(find("duplicates-status"), error.message);
        return;
      }
      if (shown === this.shown) this.#remove(item);
      this.onDeleted(id);
    });
    return button;
  }

  /** @param {HTMLElement} item */
  #remove(item) {
    const beside = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    tell(find("duplicates-status"), t("deleted"));
    const next = beside?.querySelector("button") ?? find("duplicates-title"); // the focus was on what is gone
    next.focus();
  }
}

/**
 * A path that may be broken after each folder.
 * @param {string} path
 * @returns {Node[]}
 */
function breakable(path) {
  return path.split(/(?<=[/\\])/).flatMap((part) => [document.createTextNode(part), make("wbr")]);
}
