// One version of a policy, to be read: its source with what is wrong in it, what it is, and the steps it can take.

import { acting } from "../acting.js";
import { askPolicy } from "../api.js";
import { button, h, link } from "../dom.js";
import { field, form } from "../form.js";
import { highlighter } from "../highlight.js";
import {
  ANY,
  API,
  hasRole,
  lexiconOf,
  policyFrame,
  policyPath,
  policyUrl,
  stateOf,
  STEPS,
  wordsOf,
} from "../policy.js";
import { go } from "../router.js";
import { badge, facts, moment, section } from "../show.js";
import { sourceView } from "../source.js";
import { mustBeSure, sureField } from "../sure.js";

/**
 * What the service finds in a source; nothing for those who may not ask.
 * @param {any} version
 * @param {AbortSignal} signal
 */
async function diagnosticsOf(version, signal) {
  if (!hasRole("MEMBER")) return [];
  const { value } = await askPolicy("POST", `${API}/compile`, {
    body: { source: version.source, locale: version.locale, ...wordsOf(version) },
    signal,
  });
  return value.diagnostics;
}

/**
 * The steps a version can take, with one reason for whichever is taken.
 * @param {any} summary @param {any} version
 */
function stepsOf(summary, version) {
  if (version.active) {
    return h("p", { class: "quiet" }, "It decides. To deprecate or archive it, make another version active first.");
  }
  const own = `${policyUrl(summary.policyId)}/versions/${version.version}`;
  const { attempt, outcome } = acting();
  const reason = field({ name: "comment", label: "Reason" });
  const take = (/** @type {string} */ step) =>
    attempt(async () => {
      const comment = /** @type {HTMLInputElement} */ (reason.querySelector("input")).value;
      await askPolicy("POST", `${own}/${step}`, { body: { comment } });
      go(location.hash.slice(1));
    });
  const steps = (STEPS[version.status] ?? []).map(([step, words, least]) =>
    button(words, take(step), { title: hasRole(least) ? null : `Needs the role ${least}` }),
  );
  if (steps.length === 0) return h("p", { class: "quiet" }, "There is no step left for it.");
  return [h("div", { class: "fields" }, reason), h("div", { class: "actions" }, steps), outcome];
}

/** @param {any} summary @param {any} active */
function rollback(summary, active) {
  if (active.version < 2) return null;
  return form({
    label: "Roll back",
    fields: [
      field({
        name: "target",
        label: "Back to version",
        type: "number",
        min: 1,
        max: active.version - 1,
        value: active.version - 1,
        required: true,
      }),
      field({ name: "reason", label: "Reason", required: true }),
    ],
    submit: "Roll back",
    async act({ target, reason }) {
      await askPolicy("POST", `${policyUrl(summary.policyId)}/rollback`, {
        body: { targetVersion: Number(target), reason },
      });
      go(location.hash.slice(1));
    },
  });
}

/** What is not its source. @param {any} summary */
function describing(summary) {
  return form({
    label: "Name and description",
    quiet: true,
    fields: [
      field({ name: "name", label: "Name", value: summary.name, required: true }),
      field({ name: "description", label: "Description", value: summary.description }),
      field({
        name: "libraryVisible",
        label: "Other policies may use it",
        type: "checkbox",
        value: summary.libraryVisible,
      }),
    ],
    submit: "Save",
    async act({ name, description, libraryVisible }) {
      await askPolicy("PATCH", policyUrl(summary.policyId), { body: { name, description, libraryVisible } });
      go(location.hash.slice(1));
    },
  });
}

/** @param {any} summary */
function withdrawing(summary) {
  return form({
    label: "Withdraw",
    danger: true,
    fields: sureField(summary.name, "to withdraw it", "It answers no more. Its versions and audit records stay."),
    submit: "Withdraw the policy",
    async act({ sure }) {
      mustBeSure(sure, summary.name);
      await askPolicy("DELETE", policyUrl(summary.policyId));
      go("/policies");
    },
  });
}

/** The versions of other policies that it was deployed with. @param {any[]} pins */
function usesOf(pins) {
  return (
    pins.length > 0 &&
    h(
      "ul",
      { class: "inline" },
      pins.map((each) =>
        h("li", {}, link(policyPath(each.policyId, `/versions/${each.version}`), `${each.module} v${each.version}`)),
      ),
    )
  );
}

/** @param {any} summary @param {any} version */
function aboutOf(summary, version) {
  return facts([
    [
      "Version",
      [
        `${version.version} `,
        version.active ? badge("active", "accent") : badge("not active"),
        " ",
        stateOf(version.status),
      ],
    ],
    ["Module", h("code", {}, version.moduleName)],
    ["Rules", version.functions.join(", ")],
    ["Language", version.locale],
    ["Notes", version.notes],
    ["Last reason", version.comment],
    ["Deployed", [moment(version.createdAt), ` by ${version.createdBy}`]],
    [
      "Words",
      [version.vocabularyId, version.aliasSet && ` ${Object.keys(version.aliasSet).length} aliases`].filter(Boolean),
    ],
    ["Came by", version.sourceKind],
    ["Uses", usesOf(version.dependencies ?? [])],
    ["Source hash", h("code", { class: "hash" }, version.sourceHash)],
    ["Envelope", h("code", { class: "hash" }, version.envelopeHash)],
    ["Toolchain", version.toolchain],
    ["Policy id", h("code", { class: "hash" }, summary.policyId)],
  ]);
}

/** @param {import("../router.js").Place} place */
export async function policy({ params, query, signal }) {
  const { value: summary } = await askPolicy("GET", policyUrl(params.policy), { query: ANY, signal });
  const number = params.version ?? summary.version;
  const { value: version } = await askPolicy(
    "GET",
    `${policyUrl(params.policy)}/versions/${encodeURIComponent(number)}`,
    { query: ANY, signal },
  );
  const [lexicon, diagnostics] = await Promise.all([lexiconOf(version.locale), diagnosticsOf(version, signal)]);
  const marked = Number(query.get("line")) || undefined;
  const isCurrent = version.active;
  return policyFrame(summary, isCurrent ? "source" : "versions", [
    summary.description && h("p", { class: "lead" }, summary.description),
    summary.deleted && h("p", { class: "problem" }, "This policy was withdrawn."),
    !isCurrent && h("h2", {}, `Version ${version.version}`),
    sourceView(version.source, highlighter(lexicon, version.aliasSet), {
      diagnostics,
      label: `Source of version ${version.version}`,
      marked,
    }),
    section("About this version", aboutOf(summary, version)),
    section("Steps", stepsOf(summary, version), isCurrent && rollback(summary, version)),
    isCurrent && section("Name and description", describing(summary)),
    isCurrent && section("Withdraw", withdrawing(summary)),
  ]);
}
