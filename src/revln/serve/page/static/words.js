/** The words of the page in its language, and how numbers and dates are written in it. */

const root = document.documentElement;

/** Code of the language, such as `en`. */
export const language = root.dataset.language ?? "en";

const words = await (await fetch(`/page/${language}.json`)).json();
const plural = new Intl.PluralRules(root.lang);
const shares = new Intl.NumberFormat(root.lang, { style: "percent", maximumFractionDigits: 0 });
const days = new Intl.DateTimeFormat(root.lang, { dateStyle: "long", timeStyle: "short" });

/**
 * A text of the page.
 * @param {string} key
 * @param {Record<string, string | number>} [values] for the places in braces
 */
export const t = (key, values = {}) => filled(words[key], values);

/**
 * What the server refuses, which it says in English, in the page's language as far as that is known.
 * @param {string} code of the refusal
 * @param {string} detail what the server says
 */
export const refused = (code, detail) => filled(words.refused[code] ?? "{detail}", { detail });

/**
 * @param {string} text
 * @param {Record<string, string | number>} values for its places in braces
 */
function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (/** @type {string} */ place, /** @type {string} */ name) => {
    return String(values[name] ?? place);
  });
}

/**
 * A text of the page about a number of things.
 * @param {string} key without its ending
 * @param {number} n
 * @param {Record<string, string | number>} [values]
 */
export function tn(key, n, values = {}) {
  const form = plural.select(n) === "one" ? "one" : "other";
  return t(`${key}_${form}`, { n: n.toLocaleString(root.lang), ...values });
}

/** @param {number} share 0 to 1 */
export const percent = (share) => shares.format(share);

/** @param {number} seconds */
export function duration(seconds) {
  const [value, unit] = seconds < 1 ? [Math.ceil(1000 * seconds), "ms"] : [Math.round(10 * seconds) / 10, "s"];
  return `${value.toLocaleString(root.lang)} ${unit}`;
}

/**
 * The size of a file.
 * @param {number} n
 */
export function bytes(n) {
  const [unit, value] = n < 1e6 ? ["kilobyte", Math.ceil(n / 1e3)] : ["megabyte", n / 1e6];
  return new Intl.NumberFormat(root.lang, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
}

/** @param {string} moment ISO 8601 without a zone, as the camera's clock showed it */
export const day = (moment) => days.format(new Date(moment));

/**
 * The name of a file.
 * @param {string} uri
 */
export const fileName = (uri) => uri.split(/[/\\]/).pop() || uri;

/** Has the page shown in the other language. */
export function switchLanguage(/** @type {string} */ code) {
  document.cookie = `revln_lang=${code}; Path=/; Max-Age=31536000; SameSite=Strict`;
  location.reload();
}
