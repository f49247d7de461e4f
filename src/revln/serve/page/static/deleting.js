/** Deleting photos from the memory, which is asked about first. */

import { askJson } from "./api.js";
import { find } from "./dom.js";

const MOST = "1000"; // answers that a photo was taught, at a time

/** Whether anything may be deleted; a server that only reads sends nothing to ask with. */
export const mayDelete = find("confirm") !== null;

/**
 * Asks whether a photo is to be deleted.
 * @param {string} uri of its file
 * @returns {Promise<boolean>}
 */
export function confirmed(uri) {
  const dialog = find("confirm");
  find("confirm-file").textContent = uri;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "delete"), { once: true });
  });
}

/**
 * Has the memory forget a photo, and the answers that it was taught about it.
 * @param {string} id
 */
export async function forget(id) {
  const { records } = await askJson("GET", `/v1/records?${new URLSearchParams({ about: id, k: MOST })}`);
  for (const taught of records) await askJson("DELETE", `/v1/records/${taught.id}`);
  await askJson("DELETE", `/v1/records/${id}`);
}
