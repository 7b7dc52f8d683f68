// What the pages of one policy share: their frame, its versions' states and the steps between them.

import { lexicons } from "./highlight.js";
import { go } from "./router.js";
import { policyCaller } from "./session.js";
import { badge, crumbs, tabs } from "./show.js";
import { policySignIn, ROLES } from "./signin.js";
import { h } from "./dom.js";

export const API = "/api/v1/policies";
/** Reading shows withdrawn policies, too. */
export const ANY = { includeDeleted: true };

/** @param {string} id */
export const policyUrl = (id) => `${API}/${encodeURIComponent(id)}`;
/** @param {string} id @param {string} [below] */
export const policyPath = (id, below = "") => `/policies/${encodeURIComponent(id)}${below}`;

const STATES = /** @type {Record<string, "good" | "bad" | "neutral" | "accent">} */ ({
  APPROVED: "good",
  SUBMITTED: "accent",
  REJECTED: "bad",
});

/** @param {string} status */
export function stateOf(status) {
  return badge(status.toLowerCase(), STATES[status] ?? "neutral");
}

/**
 * The steps that a version in a state can take: the API's word, the button's, and the least role.
 * @type {Record<string, [string, string, string][]>}
 */
export const STEPS = {
  DRAFT: [
    ["submit", "Submit for approval", "MEMBER"],
    ["archive", "Archive", "MEMBER"],
  ],
  SUBMITTED: [
    ["approve", "Approve", "ADMIN"],
    ["reject", "Reject", "ADMIN"],
  ],
  REJECTED: [
    ["submit", "Submit again", "MEMBER"],
    ["archive", "Archive", "MEMBER"],
  ],
  APPROVED: [
    ["activate", "Make it active", "MEMBER"],
    ["deprecate", "Deprecate", "MEMBER"],
  ],
  DEPRECATED: [["archive", "Archive", "MEMBER"]],
};

/** Whether who is signed in says to have a role at least. @param {string} least */
export function hasRole(least) {
  return ROLES.indexOf(policyCaller()?.role ?? "") >= ROLES.indexOf(least);
}

/** The language a version is written in. @param {string} locale */
export async function lexiconOf(locale) {
  const all = await lexicons(policyCaller()?.tenant ?? "");
  return all.find((each) => each.id === locale);
}

/**
 * The words of its own that a version is written in, as the API takes them with a source.
 * @param {any} version @returns {{vocabulary?: any, aliasSet?: Record<string, string[]>}}
 */
export function wordsOf(version) {
  const vocabulary = version.vocabulary ?? version.vocabularyId;
  return { ...(vocabulary && { vocabulary }), ...(version.aliasSet && { aliasSet: version.aliasSet }) };
}

/**
 * @param {any} summary
 * @param {string} current
 * @param {import("./dom.js").Child} content
 * @returns {import("./router.js").Page}
 */
export function policyFrame(summary, current, content) {
  const own = (/** @type {string} */ below) => policyPath(summary.policyId, below);
  const list = [
    ["", "Source", "source"],
    ["/evaluate", "Evaluate", "evaluate"],
    ["/versions", "Versions", "versions"],
    ["/edit", "New version", "edit"],
  ];
  return {
    title: summary.name,
    told: `${summary.name}: ${current}`,
    above: crumbs([["/policies", "Policies"]]),
    content: [
      tabs(
        `Policy ${summary.name}`,
        list.map(([below, words, name]) => [own(below), words, name === current]),
      ),
      content,
    ],
  };
}

/** A page for those who are signed in; the others are asked to, and then see it. @param {string} title
 * @param {import("./router.js").View} view @returns {import("./router.js").View} */
export function signedView(title, view) {
  return (place) => {
    if (policyCaller() !== null) return view(place);
    const signIn = policySignIn(() => go(location.hash.slice(1)));
    return {
      title,
      content: [
        h("p", {}, "The policy service answers signed requests only. What you enter stays in this page's memory."),
        signIn,
      ],
    };
  };
}
