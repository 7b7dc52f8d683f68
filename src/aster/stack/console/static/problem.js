// An error, told: what the API said, its code and the request's id, and what the person can do about it.

import { ApiError } from "./api.js";
import { h, link } from "./dom.js";

/** Ways out, by the code that the APIs give. */
const ADVICE = /** @type {Record<string, string>} */ ({
  SIGNATURE_INVALID: "The secret does not fit this tenant (or this key). Sign in again with the right one.",
  SIGNATURE_MISSING: "The policy service answers signed requests only. Sign in first.",
  TIMESTAMP_OUT_OF_WINDOW: "This machine's clock and the server's differ by more than five minutes. Set them right.",
  PRECONDITION_FAILED: "Somebody was faster. What you wrote is kept: look at their version, then open this page again.",
  CONCURRENT_MODIFICATION: "Somebody was faster. Look at the state as it is now, then decide again.",
  KEYS_UNAVAILABLE: "Its operator sets ASTER_SECURITY_KEYS_MASTER_KEY, then it can.",
  ORIGIN_NOT_ALLOWED: "The tenant lets pages of other origins ask. Its OWNER adds this one, or asks from a terminal.",
  UNREACHABLE: "What you typed is still here.",
});
const BY_STATUS = /** @type {Record<number, string>} */ ({
  401: "Say who you are on the Access page, then come back: what you typed is kept.",
  403: "The role or grant you act with does not allow this.",
  429: "Too many requests in too short a time. Wait a moment.",
});

/** @param {Error} error @returns {HTMLElement} */
export function problem(error) {
  if (!(error instanceof ApiError)) {
    return h("div", { class: "problem", role: "alert" }, h("p", {}, h("strong", {}, error.message || String(error))));
  }
  const advice = ADVICE[error.code] ?? BY_STATUS[error.status];
  const facts = [
    error.code && h("code", {}, error.code),
    error.status ? `HTTP ${error.status}` : null,
    error.requestId && h("span", {}, "request ", h("code", {}, error.requestId)),
  ].filter(Boolean);
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", {}, h("strong", {}, error.message)),
    error.problems.length > 0 &&
      h(
        "ul",
        {},
        error.problems.map(({ path, message }) => h("li", {}, path && [h("code", {}, path), " "], message)),
      ),
    advice && h("p", {}, advice, error.status === 401 && [" ", link("/access", "Access")]),
    h(
      "p",
      { class: "facts" },
      facts.map((fact, index) => [index > 0 && " · ", fact]),
    ),
  );
}

/**
 * What is shown of an answer, or of the error that came instead: a part of a page that fails leaves the rest alone.
 * @template T
 * @param {Promise<T>} asked
 * @param {(value: T) => import("./dom.js").Child | Promise<import("./dom.js").Child>} shown
 * @returns {Promise<import("./dom.js").Child>}
 */
export async function shownOr(asked, shown) {
  try {
    return await shown(await asked);
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    return problem(/** @type {Error} */ (error));
  }
}
