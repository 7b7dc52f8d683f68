// A policy's versions, and what changed from one to another.

import { askPolicy } from "../api.js";
import { diffView } from "../diff.js";
import { h, link } from "../dom.js";
import { field, form } from "../form.js";
import { ANY, policyFrame, policyPath, policyUrl, stateOf } from "../policy.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { badge, empty, facts, moment, section, table } from "../show.js";

/** @param {string} id @param {any[]} versions @param {number} from @param {number} to */
function comparing(id, versions, from, to) {
  const options = versions.map(
    (each) =>
      /** @type {[string, string]} */ ([
        String(each.version),
        `version ${each.version}${each.active ? " (active)" : ""}`,
      ]),
  );
  return form({
    label: "Compare",
    fields: [
      field({ name: "from", label: "From", type: "select", options, value: String(from) }),
      field({ name: "to", label: "To", type: "select", options, value: String(to) }),
    ],
    submit: "Compare",
    act: (values) => go(policyPath(id, `/diff/${values.from}/${values.to}`)),
  });
}

/** @param {string} id @param {any} version */
function rowOf(id, version) {
  return [
    link(policyPath(id, `/versions/${version.version}`), `version ${version.version}`),
    [stateOf(version.status), " ", version.active && badge("active", "accent")],
    version.notes,
    moment(version.createdAt),
    version.createdBy,
    h("code", { title: version.sourceHash }, version.sourceHash.slice(0, 12)),
    version.version > 1 &&
      link(policyPath(id, `/diff/${version.version - 1}/${version.version}`), "changes", {
        "aria-label": `Changes of version ${version.version}`,
      }),
  ];
}

/** Which version decided when, the last first. @param {any[]} past */
function activationsOf(past) {
  const rows = past
    .toReversed()
    .map((each) => [
      `version ${each.version}`,
      each.kind,
      moment(each.activatedAt),
      each.deactivatedAt ? moment(each.deactivatedAt) : badge("now", "accent"),
      each.activatedBy,
      each.reason,
    ]);
  return table("Which version decided when", ["Version", "By", "From", "Until", "Who", "Reason"], rows);
}

/** @param {string} id @param {AbortSignal} signal */
async function known(id, signal) {
  const [{ value: summary }, { value: versions }] = await Promise.all([
    askPolicy("GET", policyUrl(id), { query: ANY, signal }),
    askPolicy("GET", `${policyUrl(id)}/versions`, { query: { ...ANY, order: "desc" }, signal }),
  ]);
  return { summary, versions };
}

/** @param {import("../router.js").Place} place */
export async function policyVersions({ params: { policy: id }, signal }) {
  const { summary, versions } = await known(id, signal);
  const newest = versions[0].version;
  const past = await shownOr(askPolicy("GET", `${policyUrl(id)}/activations`, { query: ANY, signal }), ({ value }) =>
    activationsOf(value),
  );
  return policyFrame(summary, "versions", [
    table(
      "Versions",
      ["Version", "State", "Notes", "Deployed", "By", "Source", ""],
      versions.map((/** @type {any} */ each) => rowOf(id, each)),
    ),
    section("What decided when", past),
    versions.length > 1 && section("Compare", comparing(id, versions, newest - 1, newest)),
  ]);
}

/** @param {import("../router.js").Place} place */
export async function policyDiff({ params: { policy: id, from, to }, signal }) {
  const { summary, versions } = await known(id, signal);
  const path = `${policyUrl(id)}/versions/${encodeURIComponent(from)}/diff/${encodeURIComponent(to)}`;
  const { value: found } = await askPolicy("GET", path, { signal });
  return policyFrame(summary, "versions", [
    comparing(id, versions, found.fromVersion, found.toVersion),
    h("h2", {}, `What changed from version ${found.fromVersion} to ${found.toVersion}`),
    facts([
      ["Rules added", found.addedFunctions.join(", ")],
      ["Rules removed", found.removedFunctions.join(", ")],
    ]),
    found.diff === ""
      ? empty("Nothing: their sources are the same.")
      : diffView(found.diff, `Changes from version ${from} to ${to}`),
  ]);
}
