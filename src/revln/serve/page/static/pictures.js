/** Pictures of records. Where the server wants its token they are fetched with it, since an `img` cannot show one. */

import { ask, needsToken } from "./api.js";

/** @type {WeakMap<Element, string>} */
const waiting = new WeakMap();
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      fetchInto(/** @type {HTMLImageElement} */ (target), waiting.get(target) ?? "");
    }
  },
  { rootMargin: "400px" },
);

/**
 * Shows a picture once it comes near to what is seen.
 * @param {HTMLImageElement} image
 * @param {string} path
 */
export function show(image, path) {
  if (needsToken) {
    waiting.set(image, path);
    near.observe(image);
  } else {
    image.loading = "lazy";
    image.src = path;
  }
}

/**
 * Shows a picture at once.
 * @param {HTMLImageElement} image
 * @param {string} path
 */
export function showNow(image, path) {
  if (needsToken) fetchInto(image, path);
  else {
    image.loading = "eager";
    image.src = path;
  }
}

/** @param {string} id */
export const thumb = (id) => `/v1/records/${id}/thumb`;

/** @param {string} id */
export const preview = (id) => `/v1/records/${id}/preview`;

/** @param {string} id */
export const file = (id) => `/v1/records/${id}/file`;

/**
 * @param {HTMLImageElement} image
 * @param {string} path
 */
async function fetchInto(image, path) {
  waiting.set(image, path);
  try {
    const address = URL.createObjectURL(await (await ask("GET", path)).blob());
    const release = () => URL.revokeObjectURL(address);
    if (waiting.get(image) !== path) return release(); // another is to be shown by now
    image.addEventListener("load", release, { once: true });
    image.addEventListener("error", release, { once: true });
    image.src = address;
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}
