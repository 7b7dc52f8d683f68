// A tenant's policies.

import { askPolicy } from "../api.js";
import { h, link } from "../dom.js";
import { field, form } from "../form.js";
import { API, policyPath, stateOf } from "../policy.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { empty, moment, number, table } from "../show.js";

const PAGE = 50;
const STATUSES = ["DRAFT", "SUBMITTED", "APPROVED", "REJECTED", "DEPRECATED", "ARCHIVED"];

/** @param {URLSearchParams} query */
function filters(query) {
  return form({
    label: "Which policies",
    class: "search",
    fields: [
      field({
        name: "module",
        label: "Module",
        type: "search",
        value: query.get("module") ?? "",
        placeholder: "finance.loan",
      }),
      field({
        name: "status",
        label: "State",
        type: "select",
        options: [["", "any"], ...STATUSES.map((each) => /** @type {[string, string]} */ ([each, each.toLowerCase()]))],
        value: query.get("status") ?? "",
      }),
      field({
        name: "includeDeleted",
        label: "Withdrawn ones, too",
        type: "checkbox",
        value: query.get("includeDeleted") === "true",
      }),
    ],
    submit: "Filter",
    act: (values) => go("/policies", values),
  });
}

/** @param {any} policy */
function rowOf(policy) {
  return [
    [
      link(policyPath(policy.policyId), policy.name),
      policy.name !== policy.moduleName && h("div", { class: "quiet" }, policy.moduleName),
    ],
    `v${policy.version}`,
    policy.deleted ? "withdrawn" : stateOf(policy.status),
    policy.functions.join(", "),
    policy.locale,
    moment(policy.updatedAt),
    policy.createdBy,
  ];
}

/** @param {import("../router.js").Place} place */
export async function policies({ query, signal }) {
  const page = Number(query.get("page") ?? 0);
  const asked = Object.fromEntries(["module", "status", "includeDeleted"].map((name) => [name, query.get(name)]));
  const shown = await shownOr(
    askPolicy("GET", API, { query: { ...asked, page, size: PAGE }, signal }),
    ({ value, headers }) => {
      const total = Number(headers.get("X-Total-Count") ?? value.length);
      if (value.length === 0) return empty("There is no such policy yet.", link("/policies/new", "Write one"));
      const turned = (/** @type {number} */ to) =>
        `/policies?${new URLSearchParams({ ...Object.fromEntries(query), page: String(to) })}`;
      return [
        h("p", { class: "quiet" }, `${number(total)} ${total === 1 ? "policy" : "policies"}`),
        table("Policies", ["Policy", "Active", "State", "Rules", "Language", "Changed", "By"], value.map(rowOf)),
        h(
          "p",
          { class: "pager" },
          page > 0 && link(turned(page - 1), "Previous page"),
          (page + 1) * PAGE < total && link(turned(page + 1), "Next page"),
        ),
      ];
    },
  );
  return {
    title: "Policies",
    content: [h("p", {}, link("/policies/new", "Write a policy", { class: "action" })), filters(query), shown],
  };
}
