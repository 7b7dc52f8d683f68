// Small pieces that every page shows in the same way: moments, counts, tables of facts, tags, hashes, empty states.

import { h, link } from "./dom.js";

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const numbers = new Intl.NumberFormat();
/** @type {Set<any>} */
const NOTHING = new Set([null, undefined, "", false]);

/** @param {string | null | undefined} iso */
export function moment(iso) {
  if (!iso) return h("span", { class: "quiet" }, "–");
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : h("time", { datetime: iso, title: iso }, moments.format(date));
}

/** @param {number} value */
export function number(value) {
  return numbers.format(value);
}

/**
 * Names and what they are; rows without anything to say are left out.
 * @param {[string, import("./dom.js").Child][]} rows
 */
export function facts(rows) {
  const told = rows.filter(([, value]) => !NOTHING.has(value) && !(Array.isArray(value) && value.length === 0));
  return h(
    "dl",
    { class: "facts-list" },
    told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** @param {string[]} tags */
export function tagsOf(tags) {
  return tags.length === 0
    ? null
    : h(
        "ul",
        { class: "tags", "aria-label": "Tags" },
        tags.map((tag) => h("li", {}, tag)),
      );
}

/**
 * A table that scrolls inside itself when the page is narrow.
 * @param {string} caption @param {import("./dom.js").Child[]} heads @param {import("./dom.js").Child[][]} rows
 */
export function table(caption, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

/** @param {import("./dom.js").Child} words @param {import("./dom.js").Child} [way] what to do about it */
export function empty(words, way) {
  return h("div", { class: "empty" }, h("p", {}, words), way && h("p", {}, way));
}

/** @param {string} words @param {"good" | "bad" | "neutral" | "accent"} kind */
export function badge(words, kind = "neutral") {
  return h("span", { class: `badge ${kind}` }, words);
}

/** A section with its heading. @param {string} title @param {...import("./dom.js").Child} content */
export function section(title, ...content) {
  return h("section", { "aria-label": title }, h("h2", {}, title), content);
}

/** Pages beside each other. @param {string} label @param {[string, string, boolean][]} tabs path, words, is current */
export function tabs(label, tabs) {
  return h(
    "nav",
    { class: "tabs", "aria-label": label },
    h(
      "ul",
      {},
      tabs.map(([path, words, isCurrent]) =>
        h("li", {}, link(path, words, { "aria-current": isCurrent ? "page" : null })),
      ),
    ),
  );
}

/** Where one is, above the page's content. @param {[string, string][]} above path, words */
export function crumbs(above) {
  return h(
    "nav",
    { class: "crumbs", "aria-label": "Above this page" },
    above.map(([path, words]) => [h("span", { "aria-hidden": "true" }, "← "), link(path, words)]),
  );
}

/** JSON, to be read. @param {any} value @param {string} label */
export function json(value, label) {
  return h("pre", { class: "json", tabindex: "0", "aria-label": label }, JSON.stringify(value, null, 2));
}

/** A file for the person to keep. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const anchor = h("a", { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
