// A policy's source to be read: numbered lines, words told apart, and what is wrong with a line under it.

import { h } from "./dom.js";

/**
 * @typedef {{severity: string, code: string, message: string, startLine: number, startColumn: number, endLine: number,
 *   endColumn: number, help?: string | null, module?: string | null}} Diagnostic
 */

/** @param {string} source */
export function linesOf(source) {
  return source.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** @param {Diagnostic} found */
export function diagnosticOf(found) {
  const kind = found.severity === "error" ? "bad" : "neutral";
  return [
    h("span", { class: `mark ${kind}` }, found.severity),
    " ",
    found.message,
    " ",
    h("code", {}, found.code),
    found.help && [h("br"), found.help],
  ];
}

/** Where it is, shown by a line of carets of the same width. @param {Diagnostic} found @param {string} line */
function caretsOf(found, line) {
  const width =
    found.endLine === found.startLine ? found.endColumn - found.startColumn : line.length - found.startColumn + 1;
  return `${" ".repeat(Math.max(0, found.startColumn - 1))}${"^".repeat(Math.max(1, width))}`;
}

/**
 * @param {string} source @param {import("./highlight.js").Highlighter} highlight
 * @param {{diagnostics?: Diagnostic[], label?: string, marked?: number}} [options] `marked` is a line to look at
 */
export function sourceView(source, highlight, { diagnostics = [], label = "Source", marked } = {}) {
  const lines = linesOf(source).map((line, index) => {
    const number = index + 1;
    const own = diagnostics.filter((each) => each.startLine === number && !each.module);
    return h(
      "li",
      {
        class: [own.length > 0 && "wrong", marked === number && "marked"].filter(Boolean).join(" ") || null,
        "data-focus": marked === number,
        tabindex: marked === number ? "-1" : null,
      },
      h("code", {}, highlight(line)),
      own.map((each) =>
        h(
          "div",
          { class: "under" },
          h("code", { "aria-hidden": "true" }, caretsOf(each, line)),
          h("p", {}, diagnosticOf(each)),
        ),
      ),
    );
  });
  return h("ol", { class: "lines", tabindex: "0", "aria-label": label }, lines);
}
