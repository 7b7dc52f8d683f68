// Reflect: an answer from memory, each claim with the memory it rests on.

import { askMemory } from "../api.js";
import { bankFrame, memoryPath } from "../bank.js";
import { button, h, link } from "../dom.js";
import { field, form, listOf, momentOf, more } from "../form.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { badge, empty, moment, section } from "../show.js";

const METHODS = [
  ["auto", "as the server is set"],
  ["extractive", "the memories' own words"],
  ["language_model", "a language model"],
];

/** @param {string} bank @param {Record<string, string>} values */
function reflectForm(bank, values) {
  return form({
    label: "Reflect",
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
        "Options",
        [
          { name: "tags", label: "Only memories tagged", value: values.tags, placeholder: "oven, plan" },
          { name: "as_of", label: "As it was known at", type: "datetime-local", value: values.as_of },
          {
            name: "method",
            label: "Answered by",
            type: "select",
            options: /** @type {any} */ (METHODS),
            value: values.method || "auto",
          },
        ],
        values.tags !== "" || values.as_of !== "" || !["", "auto"].includes(values.method),
      ),
    ],
    submit: "Reflect",
    act: (given) =>
      go(`/memory/${encodeURIComponent(bank)}/reflect`, {
        ...given,
        method: given.method === "auto" ? "" : given.method,
      }),
  });
}

/** The answer, its `[1]` made ways to what is cited. @param {string} answer @param {HTMLElement[]} sources */
function cited(answer, sources) {
  return answer.split(/(\[\d+\])/).map((part) => {
    const number = Number(/^\[(\d+)\]$/.exec(part)?.[1]);
    const source = sources[number - 1];
    if (!source) return part;
    const jump = () => {
      source.focus();
      source.scrollIntoView({ block: "center" });
    };
    return button(part, jump, { class: "cite", "aria-label": `Source ${number}` });
  });
}

/** @param {any} hit */
function sourceOf(hit) {
  return h(
    "li",
    { class: "source", tabindex: "-1" },
    h("p", { class: "words" }, hit.text),
    h(
      "p",
      { class: "meta" },
      hit.speaker && [h("strong", {}, hit.speaker), " · "],
      moment(hit.occurred_at ?? hit.retained_at),
      " · ",
      link(memoryPath(hit.bank_id, hit.memory_id), "open", { "aria-label": `Open memory ${hit.memory_id}` }),
    ),
  );
}

/** @param {any} found */
function answerOf(found) {
  if (found.sources.length === 0) return empty("Nothing is known that answers this.");
  const sources = found.sources.map(sourceOf);
  const by = found.model ? `${found.method} (${found.model})` : found.method;
  return [
    section(
      "Answer",
      h("div", { class: "answer" }, cited(found.answer, sources)),
      h("p", { class: "meta" }, badge(`confidence ${found.confidence.toFixed(2)}`, "accent"), by && ` by ${by}`),
      found.fallback_reason && h("p", { class: "quiet" }, found.fallback_reason),
    ),
    section("Sources", h("ol", { class: "sources" }, sources)),
  ];
}

/** @param {import("../router.js").Place} place */
export async function reflect({ params: { bank }, query, signal }) {
  const values = Object.fromEntries(["q", "tags", "as_of", "method"].map((name) => [name, query.get(name) ?? ""]));
  const tags = listOf(values.tags);
  const body = {
    query: values.q,
    bank_id: bank,
    method: values.method || "auto",
    ...(tags.length > 0 && { tags }),
    ...(values.as_of && { as_of: momentOf(values.as_of) }),
  };
  const found = values.q && shownOr(askMemory("POST", "/v1/reflect", { body, signal }), ({ value }) => answerOf(value));
  return bankFrame(bank, "reflect", [reflectForm(bank, values), await found]);
}
