// The words of a policy, told apart: keywords (of whichever language it is written in), texts, numbers, comments.

import { askPolicy } from "./api.js";
import { h } from "./dom.js";

/** @typedef {{id: string, name: string, direction: string, keywords: Record<string, string>,
 *   vocabularies?: Record<string, unknown>}} Lexicon */
/** @typedef {(line: string) => (Node | string)[]} Highlighter */

/** @type {Map<string, Promise<Lexicon[]>>} */
const asked = new Map();

/**
 * Every language a policy may be written in; asked once a tenant.
 * @param {string} tenant
 * @returns {Promise<Lexicon[]>}
 */
export function lexicons(tenant) {
  const known = asked.get(tenant);
  if (known) return known;
  const answer = askPolicy("GET", "/api/v1/lexicons").then(({ value }) => value);
  asked.set(tenant, answer);
  answer.catch(() => asked.delete(tenant));
  return answer;
}

const LETTER = /\p{L}/u;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

/** @param {string[]} words the longest first, so that `is not` is not taken for `is` */
function alternatives(words) {
  return words.map((word) => word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replace(/ +/g, "\\s+")).join("|") || "(?!)";
}

/** @param {Lexicon | undefined} lexicon @param {Record<string, string[]> | null} [aliases] own words for keywords
 * @returns {Highlighter} */
export function highlighter(lexicon, aliases) {
  const words = [...Object.values(lexicon?.keywords ?? {}), ...Object.values(aliases ?? {}).flat()].filter((word) =>
    LETTER.test(word),
  );
  words.sort((a, b) => b.length - a.length);
  const spaced = alternatives(words.filter((word) => !UNSPACED.test(word)));
  const unspaced = alternatives(words.filter((word) => UNSPACED.test(word)));
  const pattern = new RegExp(
    [
      String.raw`(?<comment>(?:\/\/|#).*)`,
      String.raw`(?<text>"(?:[^"\\]|\\.)*"?|“[^”]*”?|「[^」]*」?)`,
      String.raw`(?<![\p{L}\p{N}_.])(?<number>\d+(?:\.\d+)?)`,
      `(?<![\\p{L}\\p{N}_.])(?<spaced>${spaced})(?![\\p{L}\\p{N}_])`,
      `(?<unspaced>${unspaced})`,
    ].join("|"),
    "giu",
  );
  return (line) => {
    const parts = [];
    let end = 0;
    for (const found of line.matchAll(pattern)) {
      const kind = Object.entries(found.groups ?? {}).find(([, value]) => value !== undefined)?.[0] ?? "";
      parts.push(
        line.slice(end, found.index),
        h("span", { class: kind.endsWith("spaced") ? "keyword" : kind }, found[0]),
      );
      end = found.index + found[0].length;
    }
    parts.push(line.slice(end));
    return parts;
  };
}
