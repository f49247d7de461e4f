/** Asking whoever sits there for the server's token, once for as long as the tab is open. */

import { door, keepToken } from "./api.js";
import { find, tell } from "./dom.js";
import { t } from "./words.js";

/** @type {Promise<void> | null} */
let asking = null;

door.ask = () => (asking ??= askForToken().finally(() => (asking = null)));

/** @returns {Promise<void>} when there is one that the server takes */
function askForToken() {
  const dialog = find("token");
  const form = dialog.querySelector("form");
  const open = () => dialog.showModal();
  dialog.addEventListener("close", open); // there is nothing to see without it
  open();
  return new Promise((resolve) => {
    form.onsubmit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const token = form.elements.token.value.trim();
      if (!(await opens(token))) {
        tell(find("token-status"), t("token_wrong"));
        return;
      }
      keepToken(token);
      form.reset();
      dialog.removeEventListener("close", open);
      dialog.close();
      resolve();
    };
  });
}

/** @param {string} token */
async function opens(token) {
  try {
    return (await fetch("/v1/abilities", { headers: { Authorization: `Bearer ${token}` } })).ok;
  } catch {
    return false; // such as a token that no header can hold
  }
}
