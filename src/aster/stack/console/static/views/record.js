// One audit record: who did what, its place in the chain, and, for an evaluation, the proof by doing it again.

import { askPolicy } from "../api.js";
import { eventWords, outcomeOf } from "../decisions.js";
import { h, link } from "../dom.js";
import { field, form } from "../form.js";
import { raw } from "../json.js";
import { policyPath } from "../policy.js";
import { badge, crumbs, facts, json, moment, section } from "../show.js";

/** @param {string | null | undefined} hash */
const hashOf = (hash) => hash && h("code", { class: "hash" }, hash);

/** @param {string} name @param {boolean} fits @returns {[string, Node]} */
function check(name, fits) {
  return [name, badge(fits ? "the same" : "different", fits ? "good" : "bad")];
}

/** @param {any} found */
function proofOf(found) {
  return [
    h(
      "p",
      { class: "verdict" },
      badge(found.proved ? "proved" : "not proved", found.proved ? "good" : "bad"),
      found.proved
        ? " The same source on the same input gives what was recorded."
        : " What was evaluated now is not what was recorded.",
    ),
    facts([
      check("Source", found.sourceMatches),
      check("Input", found.inputMatches),
      check("Outcome", found.outcomeMatches),
      ["Recorded hash", hashOf(found.recordedResultHash)],
      ["Hash now", hashOf(found.resultHash)],
      ["Error", found.error],
    ]),
    found.inputMatches && found.sourceMatches && found.error === null && json(found.result, "The result"),
  ];
}

/** @param {any} record */
function replaying(record) {
  const isStored = Boolean(record.policyId && record.version);
  return form({
    label: "Replay",
    draft: `replay ${record.sequence}`,
    fields: [
      field({
        name: "context",
        label: "Context as JSON",
        type: "textarea",
        rows: 8,
        class: "code",
        required: true,
        wide: true,
        hint: "The chain keeps hashes, not data: bring what was decided on.",
      }),
      !isStored &&
        field({
          name: "source",
          label: "Source",
          type: "textarea",
          rows: 8,
          class: "code",
          required: true,
          wide: true,
          hint: "It was not a stored policy's.",
        }),
      !isStored && field({ name: "locale", label: "Language", placeholder: "en-US" }),
    ],
    submit: "Evaluate again and compare",
    async act({ context, source, locale }) {
      const body = { context: raw(context, "The context"), ...(source && { source }), ...(locale && { locale }) };
      return proofOf((await askPolicy("POST", `/api/v1/audit/${record.sequence}/replay`, { body })).value);
    },
  });
}

/** @param {any} record */
function subject(record) {
  if (!record.policyModule) return null;
  const words = `${record.policyModule}${record.policyFunction ? `.${record.policyFunction}` : ""}`;
  return record.policyId
    ? link(
        policyPath(record.policyId, record.version ? `/versions/${record.version}` : ""),
        `${words}${record.version ? ` v${record.version}` : ""}`,
      )
    : words;
}

/** @param {import("../router.js").Place} place */
export async function record({ params: { sequence }, signal }) {
  const { value: found } = await askPolicy("GET", `/api/v1/audit/${encodeURIComponent(sequence)}`, { signal });
  const took = found.executionTimeMicros ?? (found.executionTimeMs === undefined ? null : found.executionTimeMs * 1000);
  return {
    title: `Record #${found.sequence}`,
    above: crumbs([["/decisions", "Decisions"]]),
    content: [
      h(
        "div",
        { class: "columns" },
        section(
          "What happened",
          facts([
            ["What", eventWords(found.eventType)],
            ["When", moment(found.occurredAt)],
            ["Policy", subject(found)],
            ["Outcome", outcomeOf(found)],
            ["Took", took !== null && took !== undefined && `${(took / 1000).toFixed(3)} ms`],
            ["Who", [found.actorId, " ", badge(found.actorRole)]],
            ["By key", found.keyId],
            ["From", [found.entrance, found.clientIp && ` ${found.clientIp}`]],
            ["Request", hashOf(found.requestId)],
          ]),
        ),
        section(
          "In the chain",
          facts([
            ["Hash", hashOf(found.hash)],
            ["Of the one before", hashOf(found.previousHash)],
            ["Source", hashOf(found.sourceHash)],
            ["Input", hashOf(found.inputHash)],
            ["Result", hashOf(found.resultHash)],
            ["Trace", hashOf(found.traceHash)],
          ]),
          h(
            "p",
            { class: "pager" },
            found.sequence > 1 && link(`/decisions/${found.sequence - 1}`, `← #${found.sequence - 1}`),
            link(`/decisions/${found.sequence + 1}`, `#${found.sequence + 1} →`),
          ),
        ),
      ),
      found.payload && section("More", json(found.payload, "What the record says besides")),
      found.eventType === "POLICY_EVALUATED" && section("Prove it", replaying(found)),
    ],
  };
}
