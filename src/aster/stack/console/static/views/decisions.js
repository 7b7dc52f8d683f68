// The tenant's audit chain: newest first, filtered, verified, and taken along.

import { askPolicy } from "../api.js";
import { decisionTable, eventWords } from "../decisions.js";
import { h, link } from "../dom.js";
import { field, form, momentOf, more } from "../form.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { badge, download, empty, facts, moment, number, section } from "../show.js";

const PAGE = 50;
const FILTERS = ["eventType", "module", "function", "user", "requestId", "success", "from", "to"];
const EVENTS = [
  "POLICY_EVALUATED",
  "POLICY_CREATED",
  "POLICY_DEPLOYED",
  "POLICY_UPDATED",
  "POLICY_DELETED",
  "POLICY_ROLLED_BACK",
  "VERSION_SUBMITTED",
  "VERSION_APPROVED",
  "VERSION_REJECTED",
  "VERSION_ACTIVATED",
  "VERSION_DEPRECATED",
  "VERSION_ARCHIVED",
  "TENANT_SETTINGS_CHANGED",
  "RBAC_ASSIGNED",
  "RBAC_REVOKED",
  "KEY_CREATED",
  "KEY_REVOKED",
  "AUDIT_CUT",
];

/** @param {Record<string, string>} values */
function filterForm(values) {
  return form({
    label: "Which records",
    class: "search",
    fields: [
      field({
        name: "eventType",
        label: "What",
        type: "select",
        options: [
          ["", "everything"],
          ...EVENTS.map((each) => /** @type {[string, string]} */ ([each, eventWords(each)])),
        ],
        value: values.eventType,
      }),
      field({ name: "module", label: "Module", value: values.module, placeholder: "finance.loan" }),
      field({ name: "user", label: "Who", value: values.user }),
      more(
        "More filters",
        [
          {
            name: "success",
            label: "Outcome",
            type: "select",
            options: [
              ["", "any"],
              ["true", "ok"],
              ["false", "failed"],
            ],
            value: values.success,
          },
          { name: "function", label: "Rule", value: values.function },
          { name: "requestId", label: "Request id", value: values.requestId },
          { name: "from", label: "From", type: "datetime-local", value: values.from },
          { name: "to", label: "Until", type: "datetime-local", value: values.to },
        ],
        ["success", "function", "requestId", "from", "to"].some((name) => values[name] !== ""),
      ),
    ],
    submit: "Filter",
    act: (given) => go("/decisions", given),
  });
}

/** As the API takes them: with times in UTC. @param {Record<string, string>} values */
function askedOf(values) {
  return { ...values, from: momentOf(values.from), to: momentOf(values.to) };
}

/** @param {any} found */
function verdictOf(found) {
  const count = `${number(found.recordsVerified)} ${found.recordsVerified === 1 ? "record" : "records"}`;
  const span = `${count}, #${found.firstSequence} to #${found.lastSequence}`;
  if (found.valid) {
    return h(
      "div",
      { class: "done" },
      h("p", { class: "verdict" }, badge("the chain is whole", "good"), ` ${span}`),
      h(
        "p",
        { class: "quiet" },
        "Keep its head elsewhere, and a cut tail can be proved: ",
        h("code", { class: "hash" }, found.head),
      ),
    );
  }
  return h(
    "div",
    { class: "problem", role: "alert" },
    h(
      "p",
      { class: "verdict" },
      badge("the chain is broken", "bad"),
      " ",
      found.brokenSequence
        ? ["at ", link(`/decisions/${found.brokenSequence}`, `record #${found.brokenSequence}`)]
        : "",
    ),
    facts([
      ["What is wrong", found.reason],
      ["It tells the time", found.brokenAt && moment(found.brokenAt)],
      ["Fit before it", span],
    ]),
  );
}

function verifying() {
  return form({
    label: "Verify the chain",
    fields: [
      more("Only a part, or from a head you kept", [
        { name: "start", label: "From", type: "datetime-local" },
        { name: "end", label: "Until", type: "datetime-local" },
        { name: "anchorSequence", label: "Kept: sequence", inputmode: "numeric" },
        { name: "anchorHash", label: "Kept: hash", pattern: "[0-9a-f]{64}" },
      ]),
    ],
    submit: "Verify the chain",
    async act({ start, end, anchorSequence, anchorHash }) {
      const query = {
        start: momentOf(start),
        end: momentOf(end),
        anchorSequence,
        anchorHash,
        full: start || end ? "true" : null,
      };
      return verdictOf((await askPolicy("GET", "/api/v1/audit/verify-chain", { query })).value);
    },
  });
}

/** Every page of an export, one after the other. @param {Record<string, any>} query @param {HTMLElement} outcome */
async function exported(query, outcome) {
  /** @type {Blob[]} */
  const parts = [];
  let after = "";
  do {
    const { response, headers } = await askPolicy("GET", "/api/v1/audit/export", { query: { ...query, after } });
    const text = await response.text();
    parts.push(new Blob([query.format === "csv" && after ? text.slice(text.indexOf("\n") + 1) : text]));
    after = headers.get("X-Next-After") ?? "";
    outcome.textContent = after ? `Read up to record #${after} …` : "";
  } while (after);
  return new Blob(parts);
}

/** @param {Record<string, string>} values */
function exporting(values) {
  return form({
    label: "Export",
    fields: field({
      name: "format",
      label: "As",
      type: "select",
      options: [
        ["ndjson", "JSON Lines: the whole chain, for verification elsewhere"],
        ["csv", "a table (CSV) of what is filtered above"],
      ],
    }),
    submit: "Download",
    async act({ format }, outcome) {
      const filters = format === "csv" ? askedOf(values) : {};
      download(`audit.${format}`, await exported({ format, ...filters }, outcome));
      return h(
        "p",
        { class: "done" },
        "Downloaded. ",
        format === "ndjson" && h("code", {}, "aster audit verify"),
        format === "ndjson" && " checks it without this server.",
      );
    },
  });
}

/** @param {URLSearchParams} query @param {any[]} records @param {string | null} reached */
function older(query, records, reached) {
  const last = reached ? Number(reached) : records.at(-1)?.sequence;
  const rest = new URLSearchParams(query);
  rest.set("before", String(last));
  return last > 1 && link(`/decisions?${rest}`, "Older records", { rel: "next" });
}

/** @param {import("../router.js").Place} place */
export async function decisions({ query, signal }) {
  const values = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const asked = askPolicy("GET", "/api/v1/audit", {
    query: { ...askedOf(values), before: query.get("before"), size: PAGE },
    signal,
  });
  const listed = await shownOr(asked, ({ value, headers }) => [
    value.length === 0 ? empty("No record fits.") : decisionTable("Audit records, newest first", value),
    h(
      "p",
      { class: "pager" },
      query.get("before") && link("/decisions", "Newest"),
      older(query, value, headers.get("X-Next-Before")),
    ),
  ]);
  return {
    title: "Decisions",
    content: [
      filterForm(values),
      listed,
      section("Is the chain whole?", verifying()),
      section("Take it along", exporting(values)),
    ],
  };
}
