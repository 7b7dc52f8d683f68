// What the pages of one bank share: their frame, and the filters of memories.

import { crumbs, tabs } from "./show.js";

const TABS = [
  ["", "Recall", "recall"],
  ["/reflect", "Reflect", "reflect"],
  ["/retain", "Retain", "retain"],
  ["/memories", "Memories", "memories"],
  ["/forget", "Forget", "forget"],
  ["/about", "About", "about"],
];

// What a bank may do with the same text twice, and with personal data.
/** @type {[string, string][]} */
export const DUPLICATES = [
  ["", "as the server is set"],
  ["exact", "keep once"],
  ["near", "keep once, also when nearly the same"],
  ["keep", "keep both"],
];
/** @type {[string, string][]} */
export const PERSONAL = [
  ["", "as the server is set"],
  ["off", "not looked for"],
  ["warn", "kept, with a warning"],
  ["redact", "blacked out"],
  ["reject", "refused"],
];

/** @param {string} bank @param {string} memory */
export function memoryPath(bank, memory) {
  return `/memory/${encodeURIComponent(bank)}/memories/${encodeURIComponent(memory)}`;
}

/**
 * @param {string} bank @param {string} current @param {import("./dom.js").Child} content
 * @returns {import("./router.js").Page}
 */
export function bankFrame(bank, current, content) {
  const own = `/memory/${encodeURIComponent(bank)}`;
  const list = TABS.map(
    ([below, words, name]) => /** @type {[string, string, boolean]} */ ([`${own}${below}`, words, name === current]),
  );
  const words = TABS.find(([, , name]) => name === current)?.[1];
  return {
    title: bank,
    told: `${words} · ${bank}`,
    content: [tabs(`Bank ${bank}`, list), content],
    above: crumbs([["/memory", "Memory"]]),
  };
}

/** @param {Record<string, string>} values @returns {import("./form.js").Field[]} */
export function filterFields(values) {
  return [
    { name: "tags", label: "Tags", value: values.tags, placeholder: "oven, plan" },
    {
      name: "match",
      label: "Tags that must be there",
      type: "select",
      value: values.match || "any",
      options: [
        ["any", "any of them"],
        ["all", "all of them"],
        ["none", "none of them"],
      ],
    },
    { name: "from", label: "Happened from", type: "datetime-local", value: values.from },
    { name: "to", label: "Happened until", type: "datetime-local", value: values.to },
  ];
}
