// Forget, in two steps: what would go, and then exactly that.

import { askMemory } from "../api.js";
import { bankFrame } from "../bank.js";
import { fill, h, link } from "../dom.js";
import { field, form, listOf, momentOf } from "../form.js";
import { badge, empty, number } from "../show.js";
import { mustBeSure, sureField } from "../sure.js";
import { memoryRow } from "./memories.js";

const SHOWN = 200;

/** @param {Record<string, any>} values */
function selectionOf({ query, min_score, tags, before, since, whole }) {
  if (whole) return { scope: "all" };
  const named = listOf(tags);
  return {
    ...(query && { query, min_score: Number(min_score || 0.5) }),
    ...(named.length > 0 && { tags: named }),
    ...(before && { before_date: momentOf(before) }),
    ...(since && { since_date: momentOf(since) }),
  };
}

/**
 * What the second step forgets: the very memories that were shown where all were, so that what came in since stays.
 * @param {any} selection @param {any} preview
 */
function chosenOf(selection, preview) {
  if (selection.scope) return selection;
  if (selection.query || preview.total <= preview.memories.length)
    return { memory_ids: preview.memories.map((/** @type {any} */ each) => each.memory_id) };
  return selection;
}

/** @param {string} bank @param {any} selection @param {any} preview */
function confirming(bank, selection, preview) {
  const chosen = chosenOf(selection, preview);
  const count = chosen.memory_ids?.length ?? preview.total;
  const isWhole = selection.scope === "all";
  return form({
    label: "Forget for good",
    danger: true,
    fields: [
      field({
        name: "reason",
        label: "Reason",
        hint: "Kept in the record that something was forgotten; the texts are not.",
      }),
      isWhole && sureField(bank, "to forget the whole bank"),
    ],
    submit: isWhole ? "Forget the whole bank for good" : `Forget ${number(count)} for good`,
    async act({ reason, sure }, outcome) {
      if (isWhole) mustBeSure(sure, bank);
      const { value } = await askMemory("POST", "/v1/forget", {
        body: { bank_id: bank, ...chosen, reason: reason || null },
      });
      const told = h(
        "div",
        { class: "done", tabindex: "-1" },
        h("p", {}, `${number(value.deleted_count)} forgotten. What was derived from them alone is gone, too.`),
      );
      fill(/** @type {HTMLElement} */ (outcome.closest(".preview")), told);
      told.focus();
    },
  });
}

/** @param {string} bank @param {any} selection @param {any} preview */
function previewOf(bank, selection, preview) {
  if (preview.total === 0) return empty("Nothing would be forgotten.");
  const shown = preview.memories.length;
  const rest =
    preview.total > shown &&
    h(
      "p",
      { class: "quiet" },
      `${number(shown)} of ${number(preview.total)} are shown${selection.query ? "; only these would go" : ""}.`,
    );
  return h(
    "div",
    { class: "preview" },
    h("h2", {}, `${number(preview.total)} would be forgotten`),
    preview.holds?.length > 0
      ? h(
          "div",
          { class: "problem", role: "alert" },
          h(
            "p",
            {},
            "A legal hold forbids it: ",
            preview.holds.map((/** @type {string} */ each) => badge(each, "bad")),
          ),
        )
      : confirming(bank, selection, preview),
    rest,
    h("ul", { class: "memories" }, preview.memories.map(memoryRow)),
  );
}

/** @param {import("../router.js").Place} place */
export function forget({ params: { bank } }) {
  const element = form({
    label: "What to forget",
    draft: `forget ${bank}`,
    fields: [
      field({
        name: "query",
        label: "What a recall finds",
        type: "search",
        placeholder: "the address of Nora",
        "data-focus": true,
      }),
      field({
        name: "min_score",
        label: "with a score of at least",
        type: "number",
        min: 0,
        max: 1,
        step: 0.05,
        placeholder: "0.5",
      }),
      field({ name: "tags", label: "Tagged", placeholder: "oven, plan" }),
      field({ name: "since", label: "Happened since", type: "datetime-local" }),
      field({ name: "before", label: "Happened before", type: "datetime-local" }),
      field({ name: "whole", label: "The whole bank", type: "checkbox" }),
    ],
    submit: "Show what would go",
    async act(values) {
      const selection = selectionOf(values);
      const body = { bank_id: bank, ...selection, limit: SHOWN };
      const { value } = await askMemory("POST", "/v1/forget/preview", { body });
      return previewOf(bank, selection, value);
    },
  });
  const one = h(
    "p",
    { class: "quiet" },
    "Nothing is forgotten before you have seen it. Conditions add up. A single memory is forgotten on ",
    link(`/memory/${encodeURIComponent(bank)}/memories`, "its own page"),
    ".",
  );
  return bankFrame(bank, "forget", [one, element]);
}
