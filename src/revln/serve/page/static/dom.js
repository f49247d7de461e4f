/** Small help with elements. What is shown is always text, never HTML. */

/**
 * The element with an id.
 * @param {string} id
 * @returns {any}
 */
export const find = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {string} name of the element
 * @param {Record<string, any>} [options] `class`, `text`, `on` (listeners by event), else attributes; null is left out
 * @param {...(Node | null)} children
 * @returns {any}
 */
export function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key === "text") element.textContent = value;
    else if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Shows a text in an element, or hides the element when there is none.
 * @param {HTMLElement} element
 * @param {string} [text]
 */
export function tell(element, text = "") {
  element.textContent = text;
  element.hidden = !text;
}

/**
 * A bar that shows a share.
 * @param {number} share 0 to 1
 * @returns {HTMLElement}
 */
export function bar(share) {
  const filled = make("span");
  filled.style.setProperty("--share", String(Math.min(Math.max(share, 0), 1)));
  return make("span", { class: "share", "aria-hidden": "true" }, filled);
}
