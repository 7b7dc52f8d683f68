// What the memory gateway's configuration grants to whom.

import { askMemory } from "../api.js";
import { h } from "../dom.js";
import { shownOr } from "../problem.js";
import { badge, empty, facts, table } from "../show.js";
import { accessTabs } from "./access.js";

/** @param {any} told */
function grantsOf(told) {
  const rows = told.grants.map((/** @type {any} */ each) => [
    h("code", {}, each.bank_id),
    h("code", {}, each.principal),
    each.permissions.join(", "),
  ]);
  return [
    facts([
      ["Access control", told.enabled ? badge("on", "good") : badge("off: every caller may do everything")],
      ["Where no grant fits", told.default_policy],
      ["A policy restricts further", told.policy_file],
    ]),
    rows.length === 0 ? empty("There is no grant.") : table("Grants", ["Bank", "Principal", "May"], rows),
  ];
}

/** @param {import("../router.js").Place} place */
export async function grants({ signal }) {
  const shown = await shownOr(askMemory("GET", "/v1/admin/grants", { signal }), ({ value }) => grantsOf(value));
  return { title: "Access", told: "Memory grants", content: [accessTabs("grants"), shown] };
}
