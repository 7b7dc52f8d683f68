// Writing a policy: a text area over its own words told apart, checked by the service while one types.

import { button, fill, h } from "./dom.js";
import { diagnosticOf, linesOf } from "./source.js";

const QUIET_MS = 350;

/**
 * @typedef {import("./source.js").Diagnostic} Diagnostic
 * @typedef {import("./highlight.js").Highlighter} Highlighter
 * @typedef {{success: boolean, module: {name: string, functions: string[]} | null, diagnostics: Diagnostic[],
 *   error: string | null}} Verdict
 * @typedef {{element: HTMLElement, area: HTMLTextAreaElement, recheck: (highlight?: Highlighter) => void,
 *   stop: () => void}} Editor
 */

/**
 * Make a column's elements those of other lines; what is the same at both ends stays, so that typing costs one line.
 * @param {HTMLElement} column @param {string[]} before @param {string[]} after @param {(line: string) => Node} make
 */
function replaceChanged(column, before, after, make) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === after.at(-1 - same)) same += 1;
  for (const old of [...column.children].slice(start, before.length - same)) old.remove();
  const next = column.children[start] ?? null;
  for (const line of after.slice(start, after.length - same)) column.insertBefore(make(line), next);
}

/**
 * @param {{label: string, value: string, highlight: Highlighter,
 *   check: (signal: AbortSignal) => Promise<Verdict>}} spec
 * @returns {Editor}
 */
export function editor({ label, value, highlight, check }) {
  const shown = h("div", { class: "shown", "aria-hidden": "true" });
  const numbers = h("div", { class: "numbers", "aria-hidden": "true" });
  const area = h("textarea", {
    name: "source",
    class: "code",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    "aria-label": label,
    rows: 18,
    required: true,
  });
  const verdict = h("div", { class: "checked", role: "status" });
  area.value = value;
  let words = highlight;
  /** @type {string[]} */
  let drawn = [];
  /** @type {Element[]} */
  let wrong = [];
  /** @type {Diagnostic[]} */
  let known = [];
  let waiting = 0;
  let asking = new AbortController();

  const draw = () => {
    const lines = linesOf(`${area.value}\n`);
    replaceChanged(shown, drawn, lines, (line) => h("div", {}, line === "" ? "\u200b" : words(line)));
    while (numbers.childElementCount > lines.length) numbers.lastElementChild?.remove();
    numbers.append(...lines.slice(numbers.childElementCount).map(() => h("div")));
    drawn = lines;
    for (const line of wrong) line.classList.remove("wrong");
    const places = known.map((each) => each.startLine - 1);
    wrong = places.flatMap((place) => [shown.children[place], numbers.children[place]]).filter(Boolean);
    for (const line of wrong) line.classList.add("wrong");
  };
  const scroll = () => {
    shown.scrollTop = numbers.scrollTop = area.scrollTop;
    shown.scrollLeft = area.scrollLeft;
  };
  const goTo = (/** @type {Diagnostic} */ found) => {
    const before =
      area.value
        .split("\n")
        .slice(0, found.startLine - 1)
        .join("\n").length + (found.startLine > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(
      before + found.startColumn - 1,
      before + Math.max(found.startColumn, found.endLine === found.startLine ? found.endColumn - 1 : found.startColumn),
    );
  };
  const tell = (/** @type {Verdict} */ answer) => {
    known = answer.diagnostics;
    draw();
    const rules = answer.module?.functions ?? [];
    const errors = known.filter((each) => each.severity === "error").length;
    fill(
      verdict,
      h(
        "p",
        { class: errors > 0 || !answer.success ? "bad" : "good" },
        answer.success && errors === 0
          ? `It can be evaluated: ${rules.join(", ") || "no rule"} in ${answer.module?.name}.`
          : (known.length === 0 && answer.error) || `${errors} ${errors === 1 ? "error" : "errors"}.`,
      ),
      known.length > 0 &&
        h(
          "ul",
          {},
          known.map((each) =>
            h(
              "li",
              {},
              button(`line ${each.startLine}`, () => goTo(each), { class: "plain" }),
              " ",
              diagnosticOf(each),
            ),
          ),
        ),
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
      if (/** @type {Error} */ (error).name !== "AbortError")
        fill(verdict, h("p", { class: "bad" }, `Not checked: ${/** @type {Error} */ (error).message}`));
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
    element: h(
      "div",
      { class: "editor-and-verdict" },
      h("div", { class: "editor" }, numbers, h("div", { class: "layers" }, shown, area)),
      verdict,
    ),
    area,
    recheck(next) {
      if (next) {
        words = next;
        drawn = [];
        fill(shown);
      }
      draw();
      ask();
    },
    stop() {
      clearTimeout(waiting);
      asking.abort();
    },
  };
}
