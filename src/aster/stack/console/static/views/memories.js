// Every memory of a bank, page by page.

import { askMemory } from "../api.js";
import { bankFrame, memoryPath } from "../bank.js";
import { h, link } from "../dom.js";
import { shownOr } from "../problem.js";
import { badge, empty, moment, tagsOf } from "../show.js";

const PAGE = 25;

/** @param {any} memory */
export function memoryRow(memory) {
  return h(
    "li",
    { class: "memory" },
    h("p", { class: "words" }, memory.content),
    h(
      "p",
      { class: "meta" },
      memory.archived_at && [badge("archived"), " "],
      memory.layer !== "fact" && [badge(memory.layer, "accent"), " "],
      memory.speaker && [h("strong", {}, memory.speaker), " · "],
      moment(memory.occurred_at ?? memory.retained_at),
      " · ",
      link(memoryPath(memory.bank_id, memory.memory_id), "open", {
        "aria-label": `Open memory ${memory.memory_id}`,
      }),
    ),
    tagsOf(memory.tags),
  );
}

/** @param {import("../router.js").Place} place */
export async function memories({ params: { bank }, query, signal }) {
  const own = `/v1/banks/${encodeURIComponent(bank)}/memories`;
  const below = `/memory/${encodeURIComponent(bank)}/memories`;
  const asked = askMemory("GET", own, { query: { limit: PAGE, cursor: query.get("cursor") }, signal });
  const shown = await shownOr(asked, ({ value }) => [
    value.memories.length === 0
      ? empty("There is no memory in this bank.", link(`/memory/${encodeURIComponent(bank)}/retain`, "Retain one"))
      : h("ul", { class: "memories" }, value.memories.map(memoryRow)),
    h(
      "p",
      { class: "pager" },
      query.get("cursor") && link(below, "First page"),
      value.next_cursor &&
        link(`${below}?cursor=${encodeURIComponent(value.next_cursor)}`, "Next page", { rel: "next" }),
    ),
  ]);
  return bankFrame(bank, "memories", shown);
}
