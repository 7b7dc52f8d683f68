// A decision trace as a tree: what was asked, of which values, which way it went, and what came of it.

import { h, link } from "./dom.js";
import { badge } from "./show.js";

/**
 * @typedef {{sequence: number, kind: string, expression: string, result: any, matched: boolean, line: number,
 *   depth: number, operands: Record<string, any>, children: Step[], condition?: boolean, branch?: string | null,
 *   notEvaluated?: string[]}} Step
 * @typedef {(line: number) => string} LineLink where a line of the source can be read
 */

/** A value in one line, as people write it: `Middle`, `Decision {approved: true}`, `[1, 2]`. @param {any} value */
export function short(value) {
  return typeof value === "string" ? value : inner(value);
}

/** @param {any} value @returns {string} */
function inner(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inner).join(", ")}]`;
  if (value._enum && value.variant) {
    return value.args?.length > 0 ? `${value.variant}(${value.args.map(inner).join(", ")})` : value.variant;
  }
  const { __type: type, ...fields } = value;
  const shown = Object.entries(fields).map(([name, each]) => `${name}: ${inner(each)}`);
  return `${type ? `${type} ` : ""}{${shown.join(", ")}}`;
}

/** @param {Step} step */
function verdictOf(step) {
  if (step.condition === undefined || step.condition === null) return null;
  return badge(step.condition ? "yes" : "no", step.condition ? "good" : "neutral");
}

/** @param {Step} step */
function operandsOf(step) {
  const known = Object.entries(step.operands ?? {});
  const skipped = step.notEvaluated ?? [];
  if (known.length === 0 && skipped.length === 0) return null;
  return h(
    "ul",
    { class: "operands", "aria-label": "Values" },
    known.map(([name, value]) => h("li", {}, h("code", {}, name), " = ", h("code", { class: "value" }, short(value)))),
    skipped.map((name) => h("li", { class: "quiet" }, h("code", {}, name), " not looked at")),
  );
}

/** @param {Step} step @param {LineLink} [lineLink] @returns {HTMLElement} */
function stepOf(step, lineLink) {
  const line = `line ${step.line}`;
  const hasResult = step.result !== null && step.result !== undefined;
  return h(
    "li",
    { class: `step ${step.matched ? "taken" : "passed"}` },
    h(
      "p",
      { class: "asked" },
      h("span", { class: "kind" }, step.kind),
      " ",
      h("code", {}, step.expression),
      " ",
      verdictOf(step),
      " ",
      h("span", { class: "quiet" }, lineLink ? link(lineLink(step.line), line) : line),
    ),
    operandsOf(step),
    hasResult && h("p", { class: "came" }, "→ ", h("code", { class: "value" }, short(step.result))),
    step.children?.length > 0 &&
      h(
        "ol",
        { class: "steps" },
        step.children.map((each) => stepOf(each, lineLink)),
      ),
  );
}

/**
 * @param {{moduleName: string, functionName: string, steps: Step[], finalResult: any, truncated: boolean}} trace
 * @param {LineLink} [lineLink]
 */
export function traceTree(trace, lineLink) {
  return h(
    "div",
    { class: "trace" },
    h(
      "p",
      { class: "root" },
      h("span", { class: "kind" }, "rule"),
      " ",
      h("code", {}, `${trace.moduleName}.${trace.functionName}`),
    ),
    h(
      "ol",
      { class: "steps", "aria-label": "Decision trace" },
      trace.steps.map((each) => stepOf(each, lineLink)),
    ),
    trace.truncated && h("p", { class: "quiet" }, "The trace was cut off: it is longer than is kept."),
  );
}
