/** What somebody who types may mean: a list below the search box, as in the ARIA pattern of a combobox. */

import { askJson } from "./api.js";
import { find, make } from "./dom.js";
import { t } from "./words.js";

const KEY = "revln-recent";
const [MOST_RECENT, MOST] = [6, 8];
const PAUSE = 120; // milliseconds of not typing

export class Suggestions {
  /**
   * @param {HTMLInputElement} box
   * @param {() => void} onChoice
   */
  constructor(box, onChoice) {
    this.box = box;
    this.list = find("suggestions");
    this.onChoice = onChoice;
    this.chosen = -1;
    this.timer = 0;
    box.addEventListener("input", () => this.#soon());
    box.addEventListener("focus", () => this.#soon());
    box.addEventListener("blur", () => this.close());
    box.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("mousedown", (/** @type {MouseEvent} */ event) => event.preventDefault()); // keeps the focus
  }

  /** Hides the list. */
  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.chosen = -1;
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), PAUSE);
  }

  async #open() {
    const typed = this.box.value.trim();
    let found = recent().map((text) => ({ text, note: t("recent") }));
    if (typed) {
      try {
        const given = new URLSearchParams({ prefix: typed.slice(0, 200), k: String(MOST) });
        const { suggestions } = await askJson("GET", `/v1/suggestions?${given}`);
        found = suggestions.map((/** @type {any} */ it) => ({ text: it.text, note: it.photos.toLocaleString() }));
      } catch {
        found = []; // searching itself says what is wrong
      }
    }
    if (typed !== this.box.value.trim() || document.activeElement !== this.box) return;
    if (!found.length || (found.length === 1 && found[0].text === typed)) return this.close();
    this.list.replaceChildren(...found.map((it, place) => this.#option(it, place)));
    this.list.hidden = false;
    this.chosen = -1;
    this.box.setAttribute("aria-expanded", "true");
  }

  /**
   * @param {{text: string, note: string}} suggestion
   * @param {number} place
   */
  #option({ text, note }, place) {
    const on = { click: () => this.#take(text) };
    const words = make("span", { text });
    const options = { id: `suggestion-${place}`, role: "option", "aria-selected": "false", "data-text": text, on };
    return make("li", options, words, make("small", { text: note }));
  }

  /** @param {string} text */
  #take(text) {
    this.box.value = text;
    this.close();
    this.onChoice();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const options = [...this.list.children];
    if (this.list.hidden || event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      // Up from the first, and down from the last, is what was typed: one place more than there are options.
      const places = options.length + 1;
      const here = this.chosen < 0 ? options.length : this.chosen;
      this.chosen = (here + (event.key === "ArrowDown" ? 1 : places - 1)) % places;
      options.forEach((option, place) => option.setAttribute("aria-selected", String(place === this.chosen)));
      if (options[this.chosen]) this.box.setAttribute("aria-activedescendant", options[this.chosen].id);
      else this.box.removeAttribute("aria-activedescendant");
    } else if (event.key === "Enter" && options[this.chosen]) {
      event.preventDefault();
      this.#take(options[this.chosen].dataset.text);
    }
  }
}

/** What was searched for lately, the last first. @returns {string[]} */
function recent() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]").filter((/** @type {unknown} */ text) => typeof text === "string");
  } catch {
    return [];
  }
}

/** @param {string} text */
export function remember(text) {
  const others = recent().filter((other) => other !== text);
  localStorage.setItem(KEY, JSON.stringify([text, ...others].slice(0, MOST_RECENT)));
}
