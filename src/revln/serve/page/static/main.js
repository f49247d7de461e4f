/** The page: what is asked for leads to photos, and a photo to all that is known of it. */

import { currentQuery, filtersOf, keepQuery } from "./address.js";
import { Adding } from "./adding.js";
import { ApiError, askJson, quietly } from "./api.js";
import { find, tell } from "./dom.js";
import { Gallery } from "./gallery.js";
import { PhotoView } from "./photo.js";
import { Search } from "./search.js";
import "./token.js";
import { duration, switchLanguage, t, tn } from "./words.js";

const PAGE = 60; // photos
const FITS = 0.5; // the chance from which on a photo fits well

const gallery = new Gallery(fail);
const search = new Search(() => {
  keepQuery(search.query());
  run();
});
/** @type {PhotoView | undefined} none until it is known what the server can do */
let view;
let runs = 0;

/** Looks for what is asked for, and shows it. */
async function run() {
  runs += 1;
  const mine = runs;
  const query = search.query();
  const { image, textWeight } = search;
  find("mix").hidden = !(image && query.text);
  tell(find("notice"));
  find("status").textContent = t("loading");
  find("gallery").setAttribute("aria-busy", "true");
  const asked = query.text || image;
  const page = (/** @type {number} */ offset) => (asked ? found(query, image, textWeight, offset) : newest(query, offset));
  try {
    const first = await page(0);
    if (mine !== runs) return; // something else is asked for by now
    const weak = first.matched === false && first.photos.length > 0;
    gallery.fill(first.photos, first.last ? null : page, weak);
    find("title").textContent = titleOf(query, image);
    find("status").textContent = statusOf(first, weak);
  } catch (error) {
    if (mine === runs) fail(error);
  } finally {
    if (mine === runs) find("gallery").setAttribute("aria-busy", "false");
  }
}

/**
 * A page of what a search finds.
 * @param {import("./address.js").Query} query
 * @param {File | null} image
 * @param {number} textWeight
 * @param {number} offset
 */
async function found(query, image, textWeight, offset) {
  /** @type {Record<string, any>} */
  const asked = { ...filtersOf(query), k: PAGE, offset };
  if (query.text) asked.text = query.text;
  let answer;
  if (image) {
    const form = new FormData();
    for (const [name, value] of Object.entries(asked)) for (const one of [value].flat()) form.append(name, one);
    if (query.text) form.set("text_weight", String(textWeight));
    form.set("image", image);
    answer = await askJson("POST", "/v1/search", { form });
  } else answer = await askJson("POST", "/v1/search", { json: asked });
  const { hits, matched, seconds } = answer;
  return { photos: hits, last: hits.length < PAGE, matched, seconds };
}

/**
 * A page of the newest photos.
 * @param {import("./address.js").Query} query
 * @param {number} offset
 */
async function newest(query, offset) {
  const given = new URLSearchParams({ k: String(PAGE), offset: String(offset) });
  for (const [name, value] of Object.entries(filtersOf(query))) for (const one of [value].flat()) given.append(name, one);
  const { records, total } = await askJson("GET", `/v1/records?${given}`);
  return { photos: records, last: offset + records.length >= total, total };
}

/**
 * @param {import("./address.js").Query} query
 * @param {File | null} image
 */
function titleOf({ text }, image) {
  if (text) return t(image ? "results_mixed" : "results_for", { text });
  return t(image ? "results_like" : "newest");
}

/**
 * @param {{photos: any[], total?: number, seconds?: number}} first
 * @param {boolean} weak
 */
function statusOf({ photos, total, seconds }, weak) {
  if (weak) return t("no_match");
  if (!photos.length) return Object.keys(filtersOf(search.query())).length ? t("none") : `${t("empty")} ${t("empty_hint")}`;
  if (seconds === undefined) return tn("count", total ?? photos.length);
  const fitting = photos.filter((photo) => photo.probability >= FITS).length;
  const time = duration(seconds);
  return fitting < PAGE ? tn("fit", fitting, { time }) : t("first_found", { n: fitting, time });
}

/**
 * Says what went wrong.
 * @param {unknown} error
 */
function fail(error) {
  if (!(error instanceof ApiError)) throw error;
  find("status").textContent = "";
  tell(find("notice"), error.message);
}

/** Says anew how many photos there are; what a search says of itself stays true. */
async function countAgain() {
  const query = search.query();
  if (query.text || search.image) return;
  const mine = runs;
  const first = await newest(query, 0);
  if (mine === runs) find("status").textContent = statusOf(first, false);
}

/** Searches again, where what is found may have changed. */
function refresh() {
  quietly(search.readChoices());
  run();
}

function listen() {
  find("language").addEventListener("click", (/** @type {Event} */ event) => {
    switchLanguage(/** @type {HTMLElement} */ (event.currentTarget).dataset.language ?? "");
  });
  document.addEventListener("keydown", (event) => {
    const typing = /** @type {Element} */ (event.target).closest("input, textarea, select");
    if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      find("query").select();
      find("query").focus();
    } else if (event.key === "ArrowDown" && document.activeElement === find("query") && find("suggestions").hidden) {
      event.preventDefault();
      gallery.focusFirst();
    }
  });
  addEventListener("popstate", () => {
    const query = currentQuery();
    if (JSON.stringify(query) !== JSON.stringify(search.query())) {
      search.fill(query);
      run();
    }
    view?.follow();
  });
}

async function start() {
  listen();
  search.fill(currentQuery());
  try {
    const abilities = await askJson("GET", "/v1/abilities");
    view = new PhotoView(gallery, abilities, (text) => tell(find("notice"), text), () => quietly(countAgain()));
    if (abilities.writes) new Adding(abilities, refresh);
    await Promise.all([run(), search.readChoices()]);
    await view.follow();
  } catch (error) {
    fail(error);
  }
}

await start();
