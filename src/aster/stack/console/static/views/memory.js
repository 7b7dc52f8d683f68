// One memory: what it says, when what happened to it, and ways to change, archive or forget it.

import { acting } from "../acting.js";
import { askMemory } from "../api.js";
import { bankFrame } from "../bank.js";
import { button, fill, h } from "../dom.js";
import { field, forgetDraft, form, listOf, momentOf } from "../form.js";
import { shownOr } from "../problem.js";
import { go } from "../router.js";
import { badge, empty, facts, moment, section, tagsOf } from "../show.js";
import { memoryRow } from "./memories.js";

/** `datetime-local` of a moment, in this machine's time. @param {string | null} iso */
function localOf(iso) {
  if (!iso) return "";
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @param {any} memory */
function metadataOf(memory) {
  const rows = Object.entries(memory.metadata);
  return rows.length > 0 && facts(rows.map(([name, value]) => [name, String(value)]));
}

/** What happened to it, the first first. @param {any} memory */
function historyOf(memory) {
  const events = [
    ["happened", memory.occurred_at],
    [`retained${memory.retained_by ? ` by ${memory.retained_by}` : ""}`, memory.retained_at],
    ["changed", memory.updated_at],
    ["archived", memory.archived_at],
  ].filter(([, when]) => when);
  events.sort(([, a], [, b]) => String(a).localeCompare(String(b)));
  return h(
    "ol",
    { class: "timeline" },
    events.map(([what, when]) => h("li", {}, moment(when), " ", h("span", {}, what))),
  );
}

/** @param {string} path @param {any} memory */
function editing(path, memory) {
  const draft = `edit ${path}`;
  return form({
    label: "Change this memory",
    draft,
    isWork: true,
    fields: [
      field({
        name: "content",
        label: "Content",
        type: "textarea",
        rows: 5,
        value: memory.content,
        required: true,
        wide: true,
      }),
      field({ name: "tags", label: "Tags", value: memory.tags.join(", ") }),
      field({
        name: "occurred_at",
        label: "When it happened",
        type: "datetime-local",
        step: 1,
        value: localOf(memory.occurred_at),
      }),
      field({ name: "speaker", label: "Speaker", value: memory.speaker ?? "" }),
    ],
    submit: "Change it",
    async act({ content, tags, occurred_at, speaker }) {
      const body = {
        ...(content !== memory.content && { content }),
        ...(tags !== memory.tags.join(", ") && { tags: listOf(tags) }),
        ...(occurred_at !== localOf(memory.occurred_at) && { occurred_at: momentOf(occurred_at) }),
        ...(speaker !== (memory.speaker ?? "") && { speaker: speaker || null }),
      };
      if (Object.keys(body).length === 0) return h("p", { class: "quiet" }, "Nothing was changed.");
      await askMemory("PATCH", path, { body });
      forgetDraft(draft);
      return go(location.hash.slice(1));
    },
  });
}

/** What takes it out of what is found, or out of the world. @param {string} path @param {any} memory */
function leaving(path, memory) {
  const { attempt, outcome } = acting();
  const step = memory.archived_at ? "restore" : "archive";
  const archive = attempt(async () => {
    await askMemory("POST", `${path}/${step}`);
    go(location.hash.slice(1));
  });
  const forget = attempt(async () => {
    await askMemory("DELETE", path);
    go(`/memory/${encodeURIComponent(memory.bank_id)}/memories`);
  });
  const ask = () =>
    fill(
      outcome,
      h(
        "div",
        { class: "problem" },
        h(
          "p",
          {},
          "What is forgotten can't be brought back: its text, words and vectors go, and what was derived from it alone.",
        ),
        h(
          "div",
          { class: "actions" },
          button("Forget it for good", forget, { class: "danger" }),
          button("Keep it", () => fill(outcome)),
        ),
      ),
    );
  return [
    h(
      "div",
      { class: "actions" },
      button(memory.archived_at ? "Restore: find it again" : "Archive: find it no more", archive),
      button("Forget…", ask),
    ),
    outcome,
  ];
}

/** @param {string} path @param {AbortSignal} signal */
function provenanceOf(path, signal) {
  return shownOr(askMemory("GET", `${path}/provenance`, { signal }), ({ value }) =>
    value.sources.length === 0
      ? empty("Its sources were forgotten.")
      : h("ul", { class: "memories" }, value.sources.map(memoryRow)),
  );
}

/** @param {string} path @param {any} found @param {AbortSignal} signal */
async function pageOf(path, found, signal) {
  const isDerived = found.layer !== "fact";
  return [
    h("blockquote", { class: "words whole" }, found.content),
    tagsOf(found.tags),
    h(
      "div",
      { class: "columns spaced" },
      section(
        "About it",
        facts([
          ["Id", h("code", {}, found.memory_id)],
          ["State", found.archived_at ? badge("archived") : badge("found by recall", "good")],
          ["Layer", isDerived && found.layer],
          ["Speaker", found.speaker],
          ["Session", found.session_id],
          ["Source", found.source],
          ["Kind of text", found.content_type],
        ]),
        metadataOf(found),
      ),
      section("History", historyOf(found)),
    ),
    isDerived && section("Made from", await provenanceOf(path, signal)),
    section("Change", editing(path, found)),
    section("Let go", leaving(path, found)),
  ];
}

/** @param {import("../router.js").Place} place */
export async function memory({ params: { bank, memory: id }, signal }) {
  const path = `/v1/banks/${encodeURIComponent(bank)}/memories/${encodeURIComponent(id)}`;
  const shown = await shownOr(askMemory("GET", path, { signal }), ({ value }) => pageOf(path, value, signal));
  return bankFrame(bank, "memories", shown);
}
