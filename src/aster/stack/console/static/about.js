// What this server is, asked once: it does not change while it runs.

import { askOpenly } from "./api.js";

/** @typedef {{version: string, systems: string[], memoryAuth: string | null, node: string | null}} About */

/** @type {Promise<About> | null} */
let asked = null;

/** @returns {Promise<About>} */
export function aboutServer() {
  asked ??= askOpenly("/console/about.json").then(({ value }) => value);
  asked.catch(() => {
    asked = null;
  });
  return asked;
}
