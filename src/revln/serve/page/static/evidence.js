/** What an answer rests on: the records with their weights, and the photo itself. */

import { photoAddress } from "./address.js";
import { askJson } from "./api.js";
import { bar, make } from "./dom.js";
import { showNow, thumb } from "./pictures.js";
import { percent, t } from "./words.js";

const LEAST = 0.005; // weights below are not shown
const PHOTOS = new Set(["image", "image_text"]);

/**
 * Cards for what an answer rests on, the weightiest first.
 * @param {any} answer
 * @param {any} photo record that it is about
 * @returns {Promise<HTMLElement>}
 */
export async function evidenceOf(answer, photo) {
  const weighty = answer.evidence.filter((/** @type {any} */ it) => it.weight >= LEAST);
  const records = await recordsOf(weighty.map((/** @type {any} */ it) => it.id));
  const cards = weighty
    .filter((/** @type {any} */ it) => records.has(it.id)) // else it was deleted meanwhile
    .map((/** @type {any} */ it) => ({ weight: it.weight, card: recordCard(it, records.get(it.id), photo) }));
  cards.push({ weight: answer.none_weight, card: card(answer.none_weight, photo, t("itself"), null) });
  cards.sort((a, b) => b.weight - a.weight);
  const list = make("ul", { class: "strip evidence" }, ...cards.map((it) => it.card));
  return make("div", { class: "rests" }, make("h4", { text: t("rests_on") }), list);
}

/** @param {string[]} ids */
async function recordsOf(ids) {
  if (!ids.length) return new Map();
  const given = new URLSearchParams(ids.map((id) => ["ids", id]));
  const { records } = await askJson("GET", `/v1/records?${given}`);
  return new Map(records.map((/** @type {any} */ record) => [record.id, record]));
}

/**
 * @param {any} evidence
 * @param {any} record
 * @param {any} photo
 */
function recordCard({ weight, text, label }, record, photo) {
  let note = "";
  if (record.kind === "qa") note = t("taught_answer");
  else if (record.id === photo.id) note = t("own_text");
  else if (!PHOTOS.has(record.kind)) note = t("knowledge");
  const address = PHOTOS.has(record.kind) && record.id !== photo.id ? photoAddress(record.id) : null;
  return card(weight, record, text ?? label ?? "", address, note);
}

/**
 * @param {number} weight
 * @param {any} record
 * @param {string} text
 * @param {string | null} address
 * @param {string} [note]
 */
function card(weight, record, text, address, note = "") {
  let picture = make("span", { class: "blank", "aria-hidden": "true", text: "“ ”" });
  if (record.meta.width) {
    picture = make("img", { alt: "", decoding: "async" });
    showNow(picture, thumb(record.id));
  }
  const share = make("span", { class: "weight" }, bar(weight), make("b", { text: percent(weight) }));
  const said = make("span", { class: "said", text, title: text });
  const small = note ? make("small", { text: note }) : null;
  const shown = [picture, share, said, small];
  return make("li", {}, address ? make("a", { href: address }, ...shown) : make("div", {}, ...shown));
}
