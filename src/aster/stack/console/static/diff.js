// A unified diff, its lines told apart by sign, colour and, for those who hear the page, words.

import { h } from "./dom.js";

const KINDS = /** @type {Record<string, [string, string]>} */ ({
  "+": ["added", "added: "],
  "-": ["removed", "removed: "],
  "@": ["place", ""],
});

/** @param {string} diff @param {string} label */
export function diffView(diff, label) {
  const lines = diff.split("\n").filter((line) => !line.startsWith("---") && !line.startsWith("+++"));
  return h(
    "ol",
    { class: "lines diff", tabindex: "0", "aria-label": label },
    lines.map((line) => {
      const [kind, words] = KINDS[line[0]] ?? ["", ""];
      return h(
        "li",
        { class: kind || null },
        words && h("span", { class: "unseen" }, words),
        h("code", {}, line || " "),
      );
    }),
  );
}
