// Audit records as rows: who did what, when, and how it went.

import { h, link } from "./dom.js";
import { badge, moment, table } from "./show.js";

/** `POLICY_EVALUATED` in words. @param {string} eventType */
export function eventWords(eventType) {
  return eventType.toLowerCase().replaceAll("_", " ");
}

/** What a record is about. @param {any} record */
function subjectOf(record) {
  if (!record.policyModule) return "";
  const version = record.version ? ` v${record.version}` : "";
  return h(
    "span",
    { class: "subject" },
    record.policyModule,
    record.policyFunction && `.${record.policyFunction}`,
    version,
  );
}

/** @param {any} record */
export function outcomeOf(record) {
  if (record.success === undefined || record.success === null) return "";
  return record.success ? badge("ok", "good") : badge(record.errorCode ?? "failed", "bad");
}

/** @param {string} caption @param {any[]} records */
export function decisionTable(caption, records) {
  const rows = records.map((record) => [
    link(`/decisions/${record.sequence}`, `#${record.sequence}`),
    moment(record.occurredAt),
    eventWords(record.eventType),
    subjectOf(record),
    [record.actorId, " ", h("span", { class: "quiet" }, record.actorRole)],
    outcomeOf(record),
  ]);
  return table(caption, ["Record", "When", "What", "Policy", "Who", "Outcome"], rows);
}
