// Evaluating a rule: a form of what it takes, and below it what was decided and why.

import { ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { field, form } from "./form.js";
import { problem } from "./problem.js";
import { contextForm } from "./schema-form.js";
import { badge, facts, json, section } from "./show.js";
import { diagnosticOf } from "./source.js";
import { short, traceTree } from "./trace.js";

/** @param {any} value */
function resultOf(value) {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    const { __type: type, ...fields } = value;
    return [
      type && h("p", { class: "quiet" }, type),
      facts(Object.entries(fields).map(([name, each]) => [name, h("code", { class: "value" }, short(each))])),
    ];
  }
  return h("p", { class: "big" }, short(value));
}

/** What came of an evaluation. @param {any} decided @param {import("./trace.js").LineLink} [lineLink] */
function decisionOf(decided, lineLink) {
  const took = decided.executionTimeMicros
    ? `${(decided.executionTimeMicros / 1000).toFixed(2)} ms`
    : `${decided.executionTimeMs} ms`;
  if (decided.error !== null) {
    const told = new ApiError(decided.error, {
      status: 0,
      code: decided.errorCode ?? "",
      requestId: "",
      system: "policy",
    });
    return [
      problem(told),
      decided.diagnostics?.length > 0 &&
        h(
          "ul",
          {},
          decided.diagnostics.map((/** @type {any} */ each) =>
            h("li", {}, `line ${each.startLine}: `, diagnosticOf(each)),
          ),
        ),
    ];
  }
  return [
    section(
      "Decision",
      h("div", { class: "decision" }, resultOf(decided.result)),
      h("p", { class: "quiet" }, `${decided.executedFunction ?? ""} decided in ${took}`),
      (decided.warnings ?? []).map((/** @type {string} */ each) => h("p", {}, badge("warning"), " ", each)),
    ),
    decided.decisionTrace && section("Why", traceTree(decided.decisionTrace, lineLink)),
    h("details", { class: "more" }, h("summary", {}, "The whole answer as JSON"), json(decided, "The answer")),
  ];
}

/**
 * @param {{draft: string, schemaOf: (rule: string | null) => Promise<any>,
 *   evaluate: (rule: string, context: any) => Promise<any>, lineLink?: import("./trace.js").LineLink}} spec
 * @returns {Promise<HTMLElement>}
 */
export async function evaluating({ draft, schemaOf, evaluate, lineLink }) {
  const holder = h("div", {});
  const show = async (/** @type {string | null} */ rule) => {
    const schema = await schemaOf(rule);
    if (!schema.success) return fill(holder, problem(new Error(schema.error ?? "What the rule takes is not known.")));
    const context = contextForm(schema.parameters ?? []);
    const change = (/** @type {any} */ event) => show(event.target.value);
    const chosen =
      schema.functions.length > 1 &&
      field({
        name: "rule",
        label: "Rule",
        type: "select",
        options: schema.functions,
        value: schema.functionName,
        on: { change },
      });
    fill(
      holder,
      form({
        label: "Evaluate",
        draft: `${draft} ${schema.functionName}`,
        fields: [chosen, h("div", { class: "wide" }, context.element)],
        submit: "Evaluate",
        act: async () => decisionOf(await evaluate(schema.functionName, context.read()), lineLink),
      }),
    );
    return undefined;
  };
  await show(null);
  return holder;
}
