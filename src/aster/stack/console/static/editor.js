// Writing a policy: a text area over its own words told apart, checked by the service while one types.

import { button, fill, h } from "./dom.js";
import { diagnosticOf, linesOf } from "./source.js";

const QUIET_MS = 350;

/** @typedef {{success: boolean, module: {name: string, functions: string[]} | null, diagnostics: import("./source.js").Diagnostic[], error: string | null}} Verdict */

/**
 * @param {{label: string, value: string, highlight: import("./highlight.js").Highlighter,
 *   check: (signal: AbortSignal) => Promise<Verdict>}} spec
 * @returns {{element: HTMLElement, area: HTMLTextAreaElement, recheck: (highlight?: import("./highlight.js").Highlighter) => void, stop: () => void}}
 */
export function editor({ label, value, highlight, check }) {
  const shown = h("div", { class: "shown", "aria-hidden": "true" });
  const numbers = h("div", { class: "numbers", "aria-hidden": "true" });
  const area = h("textarea", { name: "source", class: "code", spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": label, rows: 18, required: true });
  const verdict = h("div", { class: "checked", role: "status" });
  area.value = value;
  let words = highlight;
  /** @type {import("./source.js").Diagnostic[]} */
  let known = [];
  let waiting = 0;
  let asking = new AbortController();

  const draw = () => {
    const lines = linesOf(`${area.value}\n`);
    const wrong = new Set(known.map((each) => each.startLine));
    fill(shown, lines.map((line, index) => h("div", { class: wrong.has(index + 1) ? "wrong" : null }, line === "" ? "\u200b" : words(line))));
    fill(numbers, lines.map((_, index) => h("div", { class: wrong.has(index + 1) ? "wrong" : null }, String(index + 1))));
    scroll();
  };
  const scroll = () => {
    shown.scrollTop = numbers.scrollTop = area.scrollTop;
    shown.scrollLeft = area.scrollLeft;
  };
  const goTo = (/** @type {import("./source.js").Diagnostic} */ found) => {
    const before = area.value.split("\n").slice(0, found.startLine - 1).join("\n").length + (found.startLine > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(before + found.startColumn - 1, before + Math.max(found.startColumn, found.endLine === found.startLine ? found.endColumn - 1 : found.startColumn));
  };
  const tell = (/** @type {Verdict} */ answer) => {
    known = answer.diagnostics;
    draw();
    const rules = answer.module?.functions ?? [];
    const errors = known.filter((each) => each.severity === "error").length;
    fill(
      verdict,
      h("p", { class: errors > 0 || !answer.success ? "bad" : "good" }, answer.success && errors === 0 ? `It can be evaluated: ${rules.join(", ") || "no rule"} in ${answer.module?.name}.` : (known.length === 0 && answer.error) || `${errors} ${errors === 1 ? "error" : "errors"}.`),
      known.length > 0 && h("ul", {}, known.map((each) => h("li", {}, button(`line ${each.startLine}`, () => goTo(each), { class: "plain" }), " ", diagnosticOf(each)))),
    );
  };
  const ask = async () => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    if (area.value.trim() === "") return fill(verdict);
    try {
      tell(await check(signal));
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") fill(verdict, h("p", { class: "bad" }, `Not checked: ${/** @type {Error} */ (error).message}`));
    }
    return undefined;
  };
  const typed = () => {
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(ask, QUIET_MS);
  };
  area.addEventListener("input", typed);
  area.addEventListener("scroll", scroll);
  return {
    element: h("div", { class: "editor-and-verdict" }, h("div", { class: "editor" }, numbers, h("div", { class: "layers" }, shown, area)), verdict),
    area,
    recheck(next) {
      words = next ?? words;
      draw();
      ask();
    },
    stop() {
      clearTimeout(waiting);
      asking.abort();
    },
  };
}
