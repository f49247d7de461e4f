/** Uploading photos, and having a folder of the server indexed. */

import { ApiError, askJson, quietly, sentence } from "./api.js";
import { find, make, tell } from "./dom.js";
import { fileName, t, tn } from "./words.js";

const PAUSE = 400; // milliseconds between looks at a run
const RUNNING = new Set(["waiting", "running"]);

export class Adding {
  /**
   * @param {any} abilities of the server
   * @param {() => void} onAdded
   */
  constructor(abilities, onAdded) {
    this.onAdded = onAdded;
    this.dialog = find("add");
    this.job = "";
    find("show-add").addEventListener("click", () => this.dialog.showModal());
    find("close-add").addEventListener("click", () => this.dialog.close());
    this.#listenForUploads();
    if (abilities.roots.length) this.#listenForFolders(abilities.roots);
  }

  #listenForUploads() {
    const { files } = find("upload-form").elements;
    find("upload-form").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
    files.addEventListener("change", () => {
      this.#upload([...files.files]);
      files.value = "";
    });
    this.dialog.addEventListener("drop", (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      this.#upload([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** @param {File[]} photos */
  async #upload(photos) {
    const [progress, status] = [find("upload-progress"), find("upload-status")];
    const label = find("upload-form").elements.label.value.trim();
    const refused = [];
    progress.hidden = false;
    progress.max = photos.length;
    for (const [place, photo] of photos.entries()) {
      progress.value = place;
      tell(status, t("uploading", { done: place, total: photos.length }));
      const form = new FormData();
      form.set("image", photo);
      if (label) form.set("label", label);
      try {
        await askJson("POST", "/v1/records", { form });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        refused.push(`${fileName(photo.name)}: ${error.message}`);
      }
    }
    progress.hidden = true;
    tell(status, [tn("uploaded", photos.length - refused.length), ...refused].join("\n"));
    this.onAdded();
  }

  /** @param {string[]} roots */
  #listenForFolders(roots) {
    const form = find("index-form");
    form.hidden = false;
    form.elements.path.value = roots[0];
    find("roots").replaceChildren(...roots.map((value) => make("option", { value })));
    tell(find("index-hint"), t("index_hint", { roots: roots.join(", ") }));
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const asked = { path: form.elements.path.value, labels_from_folders: form.elements.labels.checked };
      this.#follow(askJson("POST", "/v1/jobs", { json: asked }));
    });
    find("index-stop").addEventListener("click", () => quietly(askJson("DELETE", `/v1/jobs/${this.job}`)));
    quietly(this.#resume());
  }

  /** Goes on showing a run that was started before the page was opened. */
  async #resume() {
    const { jobs } = await askJson("GET", "/v1/jobs");
    const job = jobs.find((/** @type {any} */ it) => RUNNING.has(it.state));
    if (!job) return;
    find("index-form").elements.path.value = job.path;
    await this.#follow(Promise.resolve(job));
  }

  /**
   * Shows how far a run is until it ends.
   * @param {Promise<any>} started the run
   */
  async #follow(started) {
    const [progress, status, stop] = [find("index-progress"), find("index-status"), find("index-stop")];
    const start = find("index-form").querySelector("[type=submit]");
    start.disabled = true;
    try {
      let job = await started;
      this.job = job.id;
      progress.hidden = stop.hidden = false;
      while (RUNNING.has(job.state)) {
        if (job.total) [progress.max, progress.value] = [job.total, job.done];
        else progress.removeAttribute("value");
        tell(status, stateOf(job));
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        job = await askJson("GET", `/v1/jobs/${this.job}`);
      }
      tell(status, stateOf(job));
      this.onAdded();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(status, error.message);
    } finally {
      start.disabled = false;
      progress.hidden = stop.hidden = true;
    }
  }
}

/** @param {any} job */
function stateOf({ state, done, total, report, error }) {
  if (state === "waiting") return t("index_waiting");
  if (state === "running") return total ? t("index_running", { done, total }) : t("index_counting");
  if (state === "cancelled") return t("index_cancelled");
  if (error) return sentence(error);
  const skipped = report.skipped.length ? ` ${tn("index_skipped", report.skipped.length)}` : "";
  return t("index_done", report) + skipped;
}
