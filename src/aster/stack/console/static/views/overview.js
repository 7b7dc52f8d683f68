// The first page: is it well, what is it, what does it hold, what did it decide last.

import { aboutServer } from "../about.js";
import { askMemory, askOpenly, askPolicy } from "../api.js";
import { h, link } from "../dom.js";
import { hasRole } from "../policy.js";
import { shownOr } from "../problem.js";
import { policyCaller } from "../session.js";
import { badge, empty, facts, number, section } from "../show.js";
import { decisionTable } from "../decisions.js";

const LAST = 8;
const MAX_BANKS = 100;

/** @param {AbortSignal} signal */
async function healthOf(signal) {
  const { status, value } = await askOpenly("/readyz", signal);
  const isWell = status === 200;
  return section(
    "Health",
    h("p", { class: "verdict" }, badge(isWell ? "ready" : value.status, isWell ? "good" : "bad")),
    facts(
      value.checks.map((/** @type {any} */ each) => [
        each.name,
        [badge(each.status, each.status === "ok" ? "good" : "bad"), each.detail && ` ${each.detail}`],
      ]),
    ),
    h(
      "p",
      { class: "quiet" },
      h("a", { href: "/metrics" }, "metrics"),
      " · ",
      h("a", { href: "/docs" }, "API reference"),
    ),
  );
}

/** @param {any} about */
function serverOf(about) {
  return section(
    "This server",
    facts([
      ["Version", about.version],
      ["Serves", about.systems.join(", ")],
      ["Memory auth mode", about.memoryAuth],
      ["P2P address", about.node && h("code", { class: "address" }, about.node)],
    ]),
  );
}

/** @param {AbortSignal} signal */
function memoryOf(signal) {
  return shownOr(askMemory("GET", "/v1/admin/banks", { signal }), ({ value }) => {
    const count = value.banks.length;
    const many = value.next_after ? `more than ${number(count)}` : number(count);
    if (count === 0) return empty("Nothing was retained yet.", link("/memory", "Make a bank"));
    return [
      h("p", { class: "big" }, link("/memory", `${many} ${count === 1 ? "bank" : "banks"}`)),
      h(
        "ul",
        { class: "inline" },
        value.banks
          .slice(0, MAX_BANKS)
          .map((/** @type {string} */ bank) => h("li", {}, link(`/memory/${encodeURIComponent(bank)}`, bank))),
      ),
    ];
  });
}

/** @param {AbortSignal} signal */
function policiesOf(signal) {
  if (policyCaller() === null) return empty("Policies are told to signed requests only.", link("/access", "Sign in"));
  return shownOr(askPolicy("GET", "/api/v1/policies", { query: { size: 1 }, signal }), ({ headers }) => {
    const count = Number(headers.get("X-Total-Count"));
    return h("p", { class: "big" }, link("/policies", `${number(count)} ${count === 1 ? "policy" : "policies"}`));
  });
}

/** @param {AbortSignal} signal */
function lastOf(signal) {
  if (policyCaller() === null) return empty("The audit chain is read by ADMIN and OWNER.", link("/access", "Sign in"));
  if (!hasRole("ADMIN"))
    return empty(
      `The audit chain is read by ADMIN and OWNER; you act as ${policyCaller()?.role}.`,
      link("/access", "Act as another role"),
    );
  return shownOr(askPolicy("GET", "/api/v1/audit", { query: { size: LAST }, signal }), ({ value }) =>
    value.length === 0 ? empty("Nothing was decided yet.") : decisionTable("Last records", value),
  );
}

/** @param {import("../router.js").Place} place */
export async function overview({ signal }) {
  const about = await aboutServer();
  const has = (/** @type {string} */ name) => about.systems.includes(name);
  const [health, memory, policies, last] = await Promise.all([
    healthOf(signal),
    has("memory") ? memoryOf(signal) : null,
    has("policy") ? policiesOf(signal) : null,
    has("policy") ? lastOf(signal) : null,
  ]);
  return {
    title: "Overview",
    content: [
      h(
        "div",
        { class: "columns" },
        health,
        serverOf(about),
        memory && section("Memory", memory),
        policies && section("Policies", policies),
      ),
      last && section("Last decisions", last),
    ],
  };
}
