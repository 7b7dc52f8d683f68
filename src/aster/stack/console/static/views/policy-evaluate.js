// Evaluating a stored policy, the active version or another.

import { askPolicy } from "../api.js";
import { h } from "../dom.js";
import { evaluating } from "../evaluating.js";
import { ANY, API, policyFrame, policyPath, policyUrl } from "../policy.js";

/** @param {import("../router.js").Place} place */
export async function policyEvaluate({ params: { policy: id }, signal }) {
  const { value: summary } = await askPolicy("GET", policyUrl(id), { query: ANY, signal });
  const element = await evaluating({
    draft: `evaluate ${id}`,
    schemaOf: async (rule) => (await askPolicy("GET", `${policyUrl(id)}/schema`, { query: { function: rule } })).value,
    lineLink: (line) => policyPath(id, `?line=${line}`),
    async evaluate(rule, context) {
      const body = { policyModule: summary.moduleName, policyFunction: rule, context };
      return (await askPolicy("POST", `${API}/evaluate`, { query: { trace: true }, body })).value;
    },
  });
  return policyFrame(summary, "evaluate", [
    h(
      "p",
      { class: "quiet" },
      `Version ${summary.version} decides. The decision goes into the audit chain, as any other.`,
    ),
    element,
  ]);
}
