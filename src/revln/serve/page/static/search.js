/** The search box with its picture, the slider between the two, and the filters. */

import { FILTERS } from "./address.js";
import { askJson } from "./api.js";
import { find, make } from "./dom.js";
import { Suggestions, remember } from "./suggestions.js";

/** @typedef {import("./address.js").Query} Query */

const PAUSE = 200; // milliseconds after the slider has moved

export class Search {
  /** @param {() => void} onSearch called when something else is asked for */
  constructor(onSearch) {
    this.onSearch = onSearch;
    this.box = find("query");
    this.filters = find("filters");
    this.slider = find("text-weight");
    /** @type {File | null} */
    this.image = null;
    this.suggestions = new Suggestions(this.box, () => this.#submit());
    find("search").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#listenForImages();
    this.#listenForFilters();
    let timer = 0;
    this.slider.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(onSearch, PAUSE);
    });
  }

  /** What is asked for, without the picture. @returns {Query} */
  query() {
    const filters = Object.fromEntries(FILTERS.map((name) => [name, this.filters.elements.namedItem(name).value]));
    return /** @type {Query} */ ({ text: this.box.value.trim(), ...filters });
  }

  /** How much the text counts against the picture, 0 to 1. */
  get textWeight() {
    return this.slider.valueAsNumber;
  }

  /**
   * Shows a query in the form.
   * @param {Query} query
   */
  fill(query) {
    this.box.value = query.text;
    for (const name of FILTERS) {
      const field = this.filters.elements.namedItem(name);
      if (query[name] && field.options && ![...field.options].some((option) => option.value === query[name])) {
        field.append(make("option", { value: query[name], text: query[name] }));
      }
      field.value = query[name];
    }
    this.#showFilters();
  }

  /** Lists what can be chosen from. */
  async readChoices() {
    const facets = await askJson("GET", "/v1/facets");
    const folders = facets.folders.map((/** @type {any} */ it) => it.value);
    const common = beginning(folders);
    for (const [name, values] of [["label", facets.labels], ["source", facets.sources], ["folder", facets.folders]]) {
      const field = this.filters.elements.namedItem(name);
      const chosen = field.value;
      const options = values.map(({ value, photos }) => {
        const shown = name === "folder" ? value.slice(common.length) || value : value;
        return make("option", { value, text: `${shown} (${photos.toLocaleString()})` });
      });
      field.replaceChildren(field.options[0], ...options);
      field.parentElement.hidden = options.length < 2 && !chosen;
      field.value = chosen;
    }
    const labels = facets.labels.map((/** @type {any} */ it) => make("option", { value: it.value }));
    find("known-labels")?.replaceChildren(...labels);
  }

  /**
   * Searches by a picture.
   * @param {File | null} image none takes it away
   */
  setImage(image) {
    const shown = find("query-picture").querySelector("img");
    this.#standIn(false);
    if (this.image) URL.revokeObjectURL(shown.src);
    this.image = image;
    find("query-picture").hidden = !image;
    if (image) shown.src = URL.createObjectURL(image);
    else shown.removeAttribute("src");
    this.onSearch();
  }

  /**
   * Shows an icon in the place of a picture that the server can read and the browser cannot, such as HEIC.
   * @param {boolean} needed
   */
  #standIn(needed) {
    find("query-picture").querySelector("img").hidden = needed;
    find("query-picture").querySelector(".stand-in").hidden = !needed;
  }

  #submit() {
    this.suggestions.close();
    const { text } = this.query();
    if (text) remember(text);
    this.onSearch();
  }

  #listenForImages() {
    const chooser = find("query-image");
    find("query-picture").querySelector("img").addEventListener("error", () => this.#standIn(true));
    find("pick-image").addEventListener("click", () => chooser.click());
    find("remove-image").addEventListener("click", () => {
      this.setImage(null);
      this.box.focus();
    });
    chooser.addEventListener("change", () => {
      if (chooser.files[0]) this.setImage(chooser.files[0]);
      chooser.value = "";
    });
    document.addEventListener("paste", (event) => {
      const [image] = event.clipboardData?.files ?? [];
      if (!image || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.setImage(image);
    });
    const veil = find("drop");
    const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault(); // or else the browser would open the file in the place of the page
      veil.hidden = document.querySelector("dialog[open]") !== null;
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) veil.hidden = true;
    });
    document.addEventListener("drop", (event) => {
      veil.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      const [image] = event.dataTransfer?.files ?? [];
      if (image && !document.querySelector("dialog[open]")) this.setImage(image);
    });
  }

  #listenForFilters() {
    const button = find("show-filters");
    button.addEventListener("click", () => {
      this.filters.hidden = !this.filters.hidden;
      button.setAttribute("aria-expanded", String(!this.filters.hidden));
    });
    this.filters.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
    this.filters.addEventListener("change", () => {
      this.#showFilters();
      this.onSearch();
    });
    this.filters.addEventListener("reset", () =>
      setTimeout(() => {
        this.#showFilters();
        this.onSearch();
      }),
    );
  }

  /** Says how many filters there are, and shows them when there are some. */
  #showFilters() {
    const query = this.query();
    const count = FILTERS.filter((name) => query[name]).length;
    const badge = find("filter-count");
    badge.textContent = String(count);
    badge.hidden = count === 0;
    if (count) {
      this.filters.hidden = false;
      find("show-filters").setAttribute("aria-expanded", "true");
    }
  }
}

/**
 * The folder that holds all of some folders, with its separator.
 * @param {string[]} folders
 */
function beginning(folders) {
  const [first = ""] = folders;
  let length = 0;
  while (length < first.length && folders.every((folder) => folder[length] === first[length])) length += 1;
  return first.slice(0, Math.max(first.lastIndexOf("/", length - 1), first.lastIndexOf("\\", length - 1)) + 1);
}
