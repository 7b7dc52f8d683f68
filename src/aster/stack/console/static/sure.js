// What can't be undone is done only once its name was typed.

import { field } from "./form.js";

/** @param {string} name @param {string} what e.g. `to forget the whole bank` @param {string} [hint] */
export function sureField(name, what, hint) {
  return field({ name: "sure", label: `Type ${name} ${what}`, required: true, hint });
}

/** Throws unless the name was typed. @param {string} typed @param {string} name */
export function mustBeSure(typed, name) {
  if (typed.trim() !== name) throw new Error(`“${typed}” is not “${name}”: nothing was done.`);
}
