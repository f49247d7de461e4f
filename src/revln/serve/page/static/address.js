/** What is looked for and which photo is open, as the address of the page has it, so that going back works. */

/** @typedef {{text: string, from: string, to: string, label: string, source: string, folder: string}} Query */

const NAMES = { text: "q", from: "from", to: "to", label: "label", source: "source", folder: "folder" };

/** Filters among the fields of a query. */
export const FILTERS = /** @type {const} */ (["from", "to", "label", "source", "folder"]);

/** @returns {Query} */
export function currentQuery() {
  const given = new URLSearchParams(location.search);
  return /** @type {Query} */ (Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, given.get(name) ?? ""])));
}

/** @param {Query} query */
export function keepQuery(query) {
  const given = new URLSearchParams();
  for (const [key, name] of Object.entries(NAMES)) {
    const value = query[/** @type {keyof Query} */ (key)];
    if (value) given.set(name, value);
  }
  const search = given.size ? `?${given}` : "";
  if (search !== location.search) history.pushState(null, "", `/${search}`);
}

/** Id of the photo that is open, if any. */
export const currentPhoto = () => /^#photo=([0-9a-f]{20})$/.exec(location.hash)?.[1] ?? null;

/** @param {string} id */
export const photoAddress = (id) => `#photo=${id}`;

/**
 * The filters of a query as the API has them.
 * @param {Query} query
 * @returns {Record<string, any>}
 */
export function filtersOf({ from, to, label, source, folder }) {
  const given = {
    taken_from: from,
    taken_to: to,
    labels: label && [label],
    sources: source && [source],
    folder,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value));
}
