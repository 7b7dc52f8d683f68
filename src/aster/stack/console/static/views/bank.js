// About a bank: what it holds, how it is set, and all of it as a file.

import { askMemory } from "../api.js";
import { bankFrame, DUPLICATES, PERSONAL } from "../bank.js";
import { h } from "../dom.js";
import { field, forgetDraft, form, listOf } from "../form.js";
import { shownOr } from "../problem.js";
import { download, facts, moment, number, section } from "../show.js";

/** @param {any} counts */
function countsOf(counts) {
  return facts([
    ["Memories", number(counts.memories)],
    ["Archived", counts.archived > 0 && number(counts.archived)],
    ["Derived", counts.derived > 0 && number(counts.derived)],
    ["Passages", number(counts.passages)],
    ["Characters", number(counts.characters)],
    ["Sessions", number(counts.sessions)],
    ["Speakers", number(counts.speakers)],
    ["Forgotten", number(counts.forgotten)],
    ["Legal holds", counts.holds > 0 && number(counts.holds)],
    [
      "Happened",
      counts.first_occurred_at && [moment(counts.first_occurred_at), " – ", moment(counts.last_occurred_at)],
    ],
    [
      "Retained",
      counts.first_retained_at && [moment(counts.first_retained_at), " – ", moment(counts.last_retained_at)],
    ],
  ]);
}

/** @param {Record<string, number>} tags */
function tagCounts(tags) {
  const rows = Object.entries(tags).sort(([, a], [, b]) => b - a);
  return (
    rows.length > 0 &&
    section(
      "Tags",
      h(
        "ul",
        { class: "tags" },
        rows.map(([tag, count]) => h("li", {}, `${tag} ${number(count)}`)),
      ),
    )
  );
}

/** @param {string} path @param {any} settings */
function settingsForm(path, settings) {
  const draft = `settings ${path}`;
  const days = (/** @type {string} */ text) => (text === "" ? null : Number(text));
  return form({
    label: "Settings of this bank",
    draft,
    isWork: true,
    fields: [
      field({ name: "description", label: "Description", value: settings.description ?? "", wide: true }),
      field({
        name: "duplicates",
        label: "The same text twice",
        type: "select",
        options: DUPLICATES,
        value: settings.duplicates ?? "",
      }),
      field({
        name: "pii",
        label: "Personal data",
        type: "select",
        options: PERSONAL,
        value: settings.pii ?? "",
      }),
      field({
        name: "archive",
        label: "Archive after days",
        type: "number",
        min: 0,
        value: settings.archive_after_days ?? "",
        hint: "0: never. Empty: as the server is set.",
      }),
      field({
        name: "delete",
        label: "Delete after days",
        type: "number",
        min: 0,
        value: settings.delete_after_days ?? "",
      }),
      field({ name: "exempt", label: "Except those tagged", value: (settings.exempt_tags ?? []).join(", ") }),
    ],
    submit: "Save settings",
    async act(values) {
      const body = {
        description: values.description || null,
        duplicates: values.duplicates || null,
        pii: values.pii || null,
        archive_after_days: days(values.archive),
        delete_after_days: days(values.delete),
        exempt_tags: values.exempt ? listOf(values.exempt) : null,
      };
      await askMemory("PUT", path, { body });
      forgetDraft(draft);
      return h("p", { class: "done" }, "Saved.");
    },
  });
}

/** @param {string} path @param {string} bank */
function exporting(path, bank) {
  return form({
    label: "Export",
    fields: h(
      "p",
      { class: "hint form-note" },
      "Memories, what was derived from them, settings, holds, the ids of what was forgotten, as JSON Lines. Needs admin.",
    ),
    submit: "Download the bank",
    async act() {
      const { response } = await askMemory("GET", `${path}/export`);
      download(`${bank}.jsonl`, await response.blob());
    },
  });
}

/** @param {string} path @param {string} id @param {any} info @param {any} counts */
function pageOf(path, id, info, counts) {
  return [
    h(
      "div",
      { class: "columns" },
      section("Holds", countsOf(counts)),
      section(
        "Is",
        facts([
          ["Description", info.settings?.description],
          ["Made", moment(info.created_at)],
          ["Vectors by", info.model],
        ]),
        tagCounts(counts.tags),
      ),
    ),
    section("Settings", settingsForm(path, info.settings ?? {})),
    section("Export", exporting(path, id)),
  ];
}

/** @param {import("../router.js").Place} place */
export async function bank({ params: { bank: id }, signal }) {
  const path = `/v1/banks/${encodeURIComponent(id)}`;
  const asked = Promise.all([askMemory("GET", path, { signal }), askMemory("GET", `${path}/statistics`, { signal })]);
  return bankFrame(id, "about", await shownOr(asked, ([info, counts]) => pageOf(path, id, info.value, counts.value)));
}
