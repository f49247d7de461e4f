/** The server's API. With a token, every request shows it; no cookie does, so no other site can have one sent. */

import { refused, t } from "./words.js";

const KEY = "revln-token";

/** What the server refuses, or has failed at. */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Asks whoever sits there for the token; set by the form that does. @type {{ask: () => Promise<void>}} */
export const door = { ask: async () => {} };

/** Whether pictures have to be asked for with the token. */
export const needsToken = document.documentElement.dataset.token === "yes";

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

/**
 * Asks the server.
 * @param {string} method
 * @param {string} path
 * @param {{json?: any, form?: FormData, signal?: AbortSignal, accept?: string}} [options]
 * @returns {Promise<Response>} one that is well
 */
export async function ask(method, path, { json, form, signal, accept } = {}) {
  for (;;) {
    /** @type {Record<string, string>} */
    const headers = accept ? { Accept: accept } : {};
    const token = sessionStorage.getItem(KEY);
    if (token) headers.Authorization = `Bearer ${token}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      const body = form ?? (json === undefined ? undefined : JSON.stringify(json));
      response = await fetch(path, { method, headers, body, signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError("unreachable", t("unreachable"));
    }
    if (response.status === 401 && needsToken) {
      if (token === sessionStorage.getItem(KEY)) await door.ask(); // else another request has got a new one meanwhile
    } else if (response.ok) return response;
    else throw await refusal(response);
  }
}

/**
 * Asks the server for JSON; the arguments are those of `ask`.
 * @param {string} method
 * @param {string} path
 * @param {Parameters<typeof ask>[2]} [options]
 */
export const askJson = async (method, path, options) => (await ask(method, path, options)).json();

/**
 * Waits for something that the page can do without: what the server refuses is passed over.
 * @param {Promise<any>} work
 */
export const quietly = (work) =>
  work.catch((error) => {
    if (!(error instanceof ApiError)) throw error;
  });

/**
 * Asks for an answer that comes word by word.
 * @param {string} path
 * @param {any} json
 * @param {(word: string) => void} onWord
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the whole answer
 */
export async function askByWord(path, json, onWord, signal) {
  const response = await ask("POST", path, { json, signal, accept: "text/event-stream" });
  const reader = /** @type {ReadableStream} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      if (signal.aborted) throw error;
      return { done: true, value: "" };
    });
    if (done) throw new ApiError("ended_early", t("ended_early"));
    const events = (waiting + value).split("\n\n");
    waiting = events.pop() ?? "";
    for (const event of events) {
      const [name, data] = event.split("\n").map((line) => line.slice(line.indexOf(": ") + 2));
      const told = JSON.parse(data);
      if (name === "token") onWord(told.text);
      else if (name === "answer") return told;
      else throw new ApiError(told.error.code, sentence(told.error));
    }
  }
}

/** @param {Response} response */
async function refusal(response) {
  if (response.status === 413) return new ApiError("too_large", t("too_large"));
  const { error } = await response.json();
  return new ApiError(error.code, sentence(error));
}

/** @param {{code: string, message: string, way_out?: string}} error */
export const sentence = ({ code, message, way_out }) => refused(code, way_out ? `${message}: ${way_out}` : message);
