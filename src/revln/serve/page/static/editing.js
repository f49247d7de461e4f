/** Correcting what is known of a photo. */

import { ApiError, askJson } from "./api.js";
import { find, make, tell } from "./dom.js";
import { t } from "./words.js";

export class Editing {
  /** @param {(record: any) => void} onSaved */
  constructor(onSaved) {
    this.onSaved = onSaved;
    this.form = find("edit-form"); // none on a server that only reads
    this.record = /** @type {any} */ (null);
    this.form?.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const { texts, label } = this.form.elements;
      this.save({ texts: texts.value.split("\n"), label: label.value.trim() || null });
    });
    find("edit")?.addEventListener("click", () => this.open());
    find("edit-cancel")?.addEventListener("click", () => this.#close());
  }

  /**
   * Shows what is known of a photo.
   * @param {any} record
   */
  show(record) {
    this.record = record;
    const texts = record.texts.map((/** @type {string} */ text) => make("li", { text }));
    if (record.label) texts.unshift(make("li", { class: "label", text: record.label }));
    if (!texts.length) texts.push(make("li", { class: "facts", text: t("no_texts") }));
    find("texts").replaceChildren(...texts);
    tell(find("edit-status"));
    if (this.form) this.form.hidden = true;
    if (find("edit")) find("edit").hidden = false;
  }

  /**
   * Opens the form.
   * @param {string} [more] a text to correct, put first
   */
  open(more) {
    const { texts, label } = this.form.elements;
    texts.value = [...(more ? [more] : []), ...this.record.texts].join("\n");
    label.value = this.record.label ?? "";
    this.form.hidden = false;
    find("edit").hidden = true;
    tell(find("edit-status"));
    texts.focus();
    if (more) texts.setSelectionRange(0, more.length);
  }

  /**
   * Has the server keep a change.
   * @param {{texts?: string[], label?: string | null}} change
   */
  async save(change) {
    try {
      const record = await askJson("PATCH", `/v1/records/${this.record.id}`, { json: change });
      this.show(record);
      tell(find("edit-status"), t("saved"));
      find("edit").focus();
      this.onSaved(record);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(find("edit-status"), error.message);
    }
  }

  #close() {
    this.show(this.record);
    find("edit").focus();
  }
}
