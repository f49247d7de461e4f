/** Questions about a photo, their answers, and the right ones that somebody teaches. */

import { Answering } from "./answers.js";
import { ApiError, askJson, quietly } from "./api.js";
import { find, make, tell } from "./dom.js";
import { t } from "./words.js";

export class Teaching {
  /** @param {boolean} answers whether the model answers questions */
  constructor(answers) {
    this.answers = answers;
    this.answering = new Answering(find("answer"), "/v1/ask");
    this.question = "";
    this.record = /** @type {any} */ (null);
    this.form = find("teach-form"); // none on a server that only reads
    find("ask-section").hidden = !answers;
    find("ask-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#ask();
    });
    this.form?.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#teach();
    });
  }

  /**
   * Shows another photo.
   * @param {any} record
   */
  show(record) {
    this.record = record;
    this.answering.clear();
    find("question").value = "";
    if (this.form) this.form.hidden = true;
    if (this.form) tell(find("teach-status"));
    this.#list([]);
    if (this.answers) quietly(this.#readTaught());
  }

  async #ask() {
    const { record } = this;
    this.question = find("question").value.trim();
    if (!this.question) return;
    if (this.form) {
      this.form.hidden = true;
      this.form.reset();
      tell(find("teach-status"));
    }
    const answer = await this.answering.say(record, { question: this.question });
    if (answer && this.form) this.form.hidden = false;
  }

  async #teach() {
    const answer = this.form.elements.answer.value.trim();
    try {
      await askJson("POST", "/v1/records", { json: { id: this.record.id, question: this.question, answer } });
      this.form.hidden = true;
      tell(find("teach-status"), t("taught"));
      await this.#readTaught();
      find("question").focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(find("teach-status"), error.message);
    }
  }

  async #readTaught() {
    const { record } = this;
    const { records } = await askJson("GET", `/v1/records?${new URLSearchParams({ about: record.id })}`);
    if (record === this.record) this.#list(records);
  }

  /** @param {any[]} taught */
  #list(taught) {
    find("taught").hidden = !taught.length;
    find("taught").querySelector("ul").replaceChildren(...taught.map((record) => this.#item(record)));
  }

  /** @param {any} taught */
  #item(taught) {
    const { question, answer } = taught.meta;
    const words = make("span", {}, make("span", { class: "facts", text: question }), make("span", { text: answer }));
    const label = `${t("forget")}: ${question}`;
    const forget = make("button", { type: "button", class: "quiet", text: t("forget"), "aria-label": label });
    forget.addEventListener("click", async () => {
      await quietly(askJson("DELETE", `/v1/records/${taught.id}`)); // it may be gone already
      tell(find("teach-status"), t("forgotten"));
      await this.#readTaught();
      find("question").focus();
    });
    return make("li", {}, words, this.form ? forget : null);
  }
}
