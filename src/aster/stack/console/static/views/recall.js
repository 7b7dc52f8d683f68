// Recall, with what every hit was found by.

import { askMemory } from "../api.js";
import { h, link } from "../dom.js";
import { evidenceOf, scaleOf } from "../evidence.js";
import { field, form, listOf, momentOf, more } from "../form.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { badge, empty, facts, moment, number, section, tagsOf } from "../show.js";
import { bankFrame, filterFields, memoryPath } from "../bank.js";

const HITS = 10;

/**
 * What the form asks, from the address; the address is what is reloaded and sent to somebody.
 * @param {URLSearchParams} query
 */
function asked(query) {
  return Object.fromEntries(
    ["q", "tags", "match", "from", "to", "as_of", "limit", "min_score", "rerank"].map((name) => [
      name,
      query.get(name) ?? "",
    ]),
  );
}

/** @param {string} bank @param {Record<string, string>} values */
function recallForm(bank, values) {
  return form({
    label: "Recall",
    class: "search",
    fields: [
      field({
        name: "q",
        label: "Question",
        type: "search",
        value: values.q,
        required: true,
        wide: true,
        "data-focus": values.q === "",
      }),
      more(
        "Filters",
        [
          ...filterFields(values),
          { name: "as_of", label: "As it was known at", type: "datetime-local", value: values.as_of },
          {
            name: "limit",
            label: "At most",
            type: "number",
            min: 1,
            max: 100,
            value: values.limit,
            placeholder: String(HITS),
          },
          {
            name: "min_score",
            label: "Score of at least",
            type: "number",
            min: 0,
            max: 1,
            step: 0.05,
            value: values.min_score,
            placeholder: "0",
          },
          {
            name: "rerank",
            label: "Look at the best a second time",
            type: "checkbox",
            value: values.rerank === "true",
          },
        ],
        Object.entries(values).some(([name, value]) => name !== "q" && value !== ""),
      ),
    ],
    submit: "Recall",
    act: (given) => go(`/memory/${encodeURIComponent(bank)}`, { ...given, match: given.tags ? given.match : "" }),
  });
}

/** @param {string} bank @param {Record<string, string>} values */
function requestOf(bank, values) {
  const tags = listOf(values.tags);
  return {
    query: values.q,
    bank_id: bank,
    max_results: Number(values.limit || HITS),
    min_score: Number(values.min_score || 0),
    rerank: values.rerank === "true",
    trace: true,
    ...(tags.length > 0 && { tags, tag_match: values.match || "any" }),
    ...((values.from || values.to) && { time_range: { start: momentOf(values.from), end: momentOf(values.to) } }),
    ...(values.as_of && { as_of: momentOf(values.as_of) }),
  };
}

/** @param {any} hit @param {any} trace @param {number} scale @param {number} place */
function hitOf(hit, trace, scale, place) {
  return h(
    "li",
    { class: "hit" },
    h("p", { class: "words" }, hit.text),
    h(
      "p",
      { class: "meta" },
      badge(hit.score.toFixed(2), place === 0 ? "accent" : "neutral"),
      " ",
      hit.speaker && [h("strong", {}, hit.speaker), " · "],
      moment(hit.occurred_at ?? hit.retained_at),
      " · ",
      link(memoryPath(hit.bank_id, hit.memory_id), "open", { "aria-label": `Open memory ${hit.memory_id}` }),
    ),
    tagsOf(hit.tags ?? []),
    trace && evidenceOf(trace.legs, scale),
  );
}

/** @param {any} trace */
function workOf(trace) {
  const times = Object.entries(trace.strategy_timings_ms).map(([name, ms]) => `${name} ${Number(ms).toFixed(1)} ms`);
  const counts = Object.entries(trace.strategy_candidate_counts).map(
    ([name, count]) => `${name} ${number(Number(count))}`,
  );
  return h(
    "details",
    { class: "more" },
    h("summary", {}, "How it was searched"),
    facts([
      ["Candidates", number(trace.total_candidates)],
      ["Found by", counts.join(", ")],
      ["Took", `${trace.latency_ms.toFixed(1)} ms${times.length > 0 ? ` (${times.join(", ")})` : ""}`],
      ["Fused by", trace.fusion_method],
    ]),
  );
}

/** @param {any} found */
function resultsOf(found) {
  if (found.hits.length === 0) return empty("Nothing was found.", "Fewer filters, or a lower score, let more in.");
  const scale = scaleOf(found.trace.hits);
  const hits = found.hits.map((/** @type {any} */ hit, /** @type {number} */ place) =>
    hitOf(hit, found.trace.hits[place], scale, place),
  );
  const count = `${number(found.hits.length)} of ${number(found.total_available)}, the best first`;
  return section("Hits", h("p", { class: "quiet" }, count), h("ol", { class: "hits" }, hits), workOf(found.trace));
}

/** @param {import("../router.js").Place} place */
export async function recall({ params: { bank }, query, signal }) {
  const values = asked(query);
  const found =
    values.q &&
    shownOr(askMemory("POST", "/v1/recall", { body: requestOf(bank, values), signal }), ({ value }) =>
      resultsOf(value),
    );
  return bankFrame(bank, "recall", [recallForm(bank, values), await found]);
}
