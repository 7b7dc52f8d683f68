// Who one is to each side, and what one may do.

import { aboutServer } from "../about.js";
import { askMemory } from "../api.js";
import { button, h } from "../dom.js";
import { field, form, listOf } from "../form.js";
import { go } from "../router.js";
import { forgetPolicyCaller, policyCaller } from "../session.js";
import { badge, facts, json, section, tabs } from "../show.js";
import { memorySignIn, policySignIn, roleSwitch } from "../signin.js";

const OPERATIONS = ["recall", "retain", "reflect", "history", "forget"];

/** @param {string} current */
export function accessTabs(current) {
  return tabs("Access", [
    ["/access", "Who you are", current === "you"],
    ["/access/tenant", "Tenant", current === "tenant"],
    ["/access/people", "Roles", current === "people"],
    ["/access/keys", "Keys", current === "keys"],
    ["/access/grants", "Memory grants", current === "grants"],
  ]);
}

function signedIn() {
  const who = policyCaller();
  if (who === null) return policySignIn(() => go("/access"));
  const leave = () => {
    forgetPolicyCaller();
    go("/access");
  };
  return [
    facts([
      ["Tenant", who.tenant],
      ["Role", badge(who.role, "accent")],
      ["User", who.user || "anonymous"],
      ["Key", who.keyId || "the tenant's own"],
    ]),
    h(
      "div",
      { class: "fields" },
      roleSwitch(() => go("/access")),
    ),
    h("div", { class: "actions" }, button("Sign out", leave)),
  ];
}

function mayI() {
  return form({
    label: "What would be allowed",
    draft: "authz",
    fields: [
      field({
        name: "operation",
        label: "Operation",
        options: OPERATIONS,
        required: true,
        placeholder: "recall",
      }),
      field({ name: "banks", label: "Banks", required: true, placeholder: "user-alice, team" }),
    ],
    submit: "Would it be allowed?",
    async act({ operation, banks }) {
      const { value } = await askMemory("POST", "/v1/authz/check", {
        body: { operation: operation.trim(), banks: listOf(banks) },
      });
      return [
        h(
          "p",
          { class: "verdict" },
          badge(value.allowed ? "allowed" : "denied", value.allowed ? "good" : "bad"),
          " ",
          value.reason,
        ),
        facts([
          ["Rule", value.rule],
          ["Permission", value.permission],
          ["Principal", value.principal],
          ["Banks", value.banks.join(", ")],
        ]),
        value.trace?.length > 0 && json(value.trace, "How it was decided"),
      ];
    },
  });
}

export async function access() {
  const about = await aboutServer();
  const has = (/** @type {string} */ name) => about.systems.includes(name);
  return {
    title: "Access",
    content: [
      accessTabs("you"),
      h(
        "p",
        { class: "quiet" },
        "What you enter stays in this page's memory: nothing is stored, and a reload forgets it.",
      ),
      has("memory") && section("Memory", memorySignIn(about.memoryAuth ?? "")),
      has("memory") && section("Would it be allowed?", mayI()),
      has("policy") && section("Policy", signedIn()),
    ],
  };
}
