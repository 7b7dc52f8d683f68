// Which evidence found a hit: a bar for each leg, to the right for it and to the left against it, to one scale for all
// hits of a recall, so that they can be compared by eye.

import { h } from "./dom.js";

/** @typedef {{leg: string, rank: number, score: number, added: number | null}} Leg */

const MEANINGS = /** @type {Record<string, string>} */ ({
  keyword: "Words in common (BM25)",
  semantic: "Meaning in common (cosine)",
  wording: "Words alike the question's",
  neighbour: "A turn near it was found",
  session: "Of a conversation that was found",
  speaker: "Said by whom the question names",
  entity: "Names what other hits name",
  time: "When the question asks about",
  rerank: "A second, closer look",
});

/** The longest bar there will be. @param {{legs: Leg[]}[]} traces */
export function scaleOf(traces) {
  return Math.max(0.001, ...traces.flatMap(({ legs }) => legs.map(({ added }) => Math.abs(added ?? 0))));
}

/** @param {Leg[]} legs @param {number} scale */
export function evidenceOf(legs, scale) {
  const rows = legs.map(({ leg, rank, score, added }) => {
    const bar = h("span", { class: `bar ${added !== null && added < 0 ? "against" : "for"}` });
    bar.style.setProperty("--share", String(Math.abs(added ?? 0) / scale));
    return h(
      "tr",
      {},
      h("th", { scope: "row", title: MEANINGS[leg] }, leg),
      h("td", { class: "track", "aria-hidden": "true" }, bar),
      h("td", { class: "figure" }, added === null ? "–" : `${added > 0 ? "+" : ""}${added.toFixed(2)}`),
      h("td", { class: "figure quiet" }, score.toFixed(2)),
      h("td", { class: "figure quiet" }, `#${rank}`),
    );
  });
  const heads = [
    ["leg", ""],
    ["", "track"],
    ["added", "figure"],
    ["score", "figure"],
    ["rank", "figure"],
  ];
  return h(
    "table",
    { class: "evidence" },
    h("caption", { class: "unseen" }, "Evidence: what each leg added to the sum"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map(([words, kind]) => h("th", { scope: "col", class: kind }, words)),
      ),
    ),
    h("tbody", {}, rows),
  );
}
