/** Captions and answers as the model says them, with what they rest on. */

import { ApiError, askByWord } from "./api.js";
import { bar, make } from "./dom.js";
import { evidenceOf } from "./evidence.js";
import { percent, t } from "./words.js";

export class Answering {
  /**
   * @param {HTMLElement} place where answers are shown
   * @param {string} path of the API
   */
  constructor(place, path) {
    this.place = place;
    this.path = path;
    this.stop = new AbortController();
  }

  /** Takes away what is shown, and ends what is being said. */
  clear() {
    this.stop.abort();
    this.place.replaceChildren();
  }

  /**
   * Has the model say something about a photo.
   * @param {any} photo record
   * @param {any} asked what is sent with its id
   * @returns {Promise<any>} the answer; nothing when it failed or is not wanted any more
   */
  async say(photo, asked) {
    this.clear();
    const stop = new AbortController();
    this.stop = stop;
    // Busy while the words come, so that a screen reader says the whole instead of each.
    const text = make("p", { class: "spoken saying", "aria-live": "polite", "aria-busy": "true" });
    this.place.append(text);
    try {
      const answer = await askByWord(this.path, { id: photo.id, ...asked }, (word) => text.append(word), stop.signal);
      const evidence = await evidenceOf(answer, photo);
      if (stop.signal.aborted) return null;
      text.textContent = answer.text;
      this.place.append(...(answer.abstained ? [make("p", { class: "facts", text: t("unsure") })] : []));
      this.place.append(confidence(answer), evidence);
      return answer;
    } catch (error) {
      if (stop.signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.place.replaceChildren(make("p", { class: "notice", role: "alert", text: error.message }));
      return null;
    } finally {
      text.classList.remove("saying");
      text.setAttribute("aria-busy", "false");
    }
  }
}

/** @param {any} answer */
function confidence(answer) {
  const words = make("span", { text: t("confidence", { share: percent(answer.confidence) }) });
  return make("p", { class: "confidence" }, bar(answer.confidence), words);
}
