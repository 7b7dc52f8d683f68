// Retain one text.

import { askMemory } from "../api.js";
import { bankFrame, memoryPath } from "../bank.js";
import { fill, h, link } from "../dom.js";
import { field, forgetDraft, form, listOf, momentOf, more } from "../form.js";

const TYPES = [
  ["text", "plain text"],
  ["markdown", "Markdown"],
  ["document", "a document"],
  ["dialogue", "a dialogue"],
];

/** @param {string} bank @param {any} kept */
function toldOf(bank, kept) {
  if (!kept.stored && !kept.deduplicated) {
    return h("div", { class: "problem", role: "alert" }, h("p", {}, h("strong", {}, kept.error ?? "It was not kept.")));
  }
  const words = kept.deduplicated ? "This was known already: " : "Kept: ";
  return h(
    "div",
    { class: "done" },
    h("p", {}, words, link(memoryPath(bank, kept.memory_id), `memory ${kept.memory_id}`)),
    kept.personal_data?.length > 0 && h("p", {}, `Personal data in it: ${kept.personal_data.join(", ")}.`),
  );
}

/** @param {import("../router.js").Place} place */
export function retain({ params: { bank } }) {
  const draft = `retain ${bank}`;
  const element = form({
    label: "Retain",
    draft,
    isWork: true,
    fields: [
      field({
        name: "content",
        label: "What to remember",
        type: "textarea",
        rows: 6,
        required: true,
        wide: true,
        "data-focus": true,
      }),
      field({ name: "tags", label: "Tags", placeholder: "profile, theme", hint: "Between commas." }),
      field({
        name: "occurred_at",
        label: "When it happened",
        type: "datetime-local",
        hint: "Empty: not known.",
      }),
      more("Where it comes from", [
        { name: "speaker", label: "Speaker" },
        { name: "session_id", label: "Session" },
        { name: "source", label: "Source" },
        {
          name: "content_type",
          label: "Kind of text",
          type: "select",
          options: /** @type {any} */ (TYPES),
          value: "text",
        },
      ]),
    ],
    submit: "Retain",
    async act({ content, tags, occurred_at, speaker, session_id, source, content_type }, outcome) {
      const body = {
        bank_id: bank,
        content,
        content_type,
        tags: listOf(tags),
        occurred_at: momentOf(occurred_at),
        speaker: speaker || null,
        session_id: session_id || null,
        source: source || null,
      };
      const { value } = await askMemory("POST", "/v1/retain", { body });
      fill(outcome, toldOf(bank, value));
      if (!value.stored && !value.deduplicated) return;
      forgetDraft(draft);
      /** @type {any} */ (outcome.parentElement?.querySelector("textarea")).value = "";
    },
  });
  return bankFrame(bank, "retain", element);
}
