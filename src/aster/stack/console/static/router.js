// Pages by the part of the address behind `#`, so that each can be linked to, gone back to and reloaded, and nothing of
// an address is ever sent to a server.

import { fill, h } from "./dom.js";
import { problem } from "./problem.js";

const SLOW_MS = 200;

/**
 * Where the person is: what the address names, and a signal that ends when they go elsewhere.
 * @typedef {{path: string, params: Record<string, string>, query: URLSearchParams, signal: AbortSignal}} Place
 * @typedef {{title: string, content: import("./dom.js").Child, above?: import("./dom.js").Child, told?: string}} Page
 * @typedef {(place: Place) => Page | Promise<Page>} View
 */

/** @param {string} pattern such as `/memory/:bank` */
function matcher(pattern) {
  const parts = pattern.split("/");
  return (/** @type {string[]} */ given) => {
    if (given.length !== parts.length) return null;
    /** @type {Record<string, string>} */
    const params = {};
    for (const [index, part] of parts.entries()) {
      if (part.startsWith(":") && given[index] !== "") params[part.slice(1)] = given[index];
      else if (part !== given[index]) return null;
    }
    return params;
  };
}

/** A path part as it was before it was encoded; null for what is not percent-encoded right. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The path and the query behind `#`. */
function address() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/", query: new URLSearchParams(query) };
}

/** Go to another page, or to this one anew. @param {string} path @param {Record<string, any>} [query] */
export function go(path, query = {}) {
  const wanted = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) wanted.set(name, String(value));
  }
  const text = wanted.toString();
  const target = `#${path}${text ? `?${text}` : ""}`;
  if (location.hash === target) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = target;
}

/**
 * Show the page that the address names, now and whenever it changes. @param {[string, View][]} table
 * @param {HTMLElement} outlet @param {HTMLElement} announcer where a new page's title is told to those who can't see it
 */
export function startRouter(table, outlet, announcer) {
  const routes = table.map(([pattern, view]) => ({ match: matcher(pattern), view }));
  let leaving = new AbortController();
  let isFirst = true;

  async function show() {
    leaving.abort();
    leaving = new AbortController();
    const { signal } = leaving;
    const { path, query } = address();
    const parts = path.split("/").map(decoded);
    const found = parts.includes(null)
      ? []
      : routes.map(({ match, view }) => ({ params: match(/** @type {string[]} */ (parts)), view }));
    const chosen = found.find(({ params }) => params !== null);
    markCurrent(path);
    const slow = setTimeout(() => fill(outlet, h("p", { class: "quiet" }, "Loading…")), SLOW_MS);
    let page;
    try {
      page = chosen
        ? await chosen.view({ path, params: chosen.params ?? {}, query, signal })
        : {
            title: "No such page",
            content: h("p", {}, "There is no page at this address. ", h("a", { href: "#/" }, "Back to the overview")),
          };
    } catch (error) {
      page = { title: "This page could not be shown", content: problem(/** @type {Error} */ (error)) };
    } finally {
      clearTimeout(slow);
    }
    if (signal.aborted) return;
    const heading = h("h1", { tabindex: "-1" }, page.title);
    fill(outlet, page.above, heading, page.content);
    const told = page.told ?? page.title;
    document.title = `${told} · Aster`;
    announcer.textContent = told;
    outlet.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const wanted = /** @type {HTMLElement | null} */ (outlet.querySelector("[data-focus]"));
    if (wanted || !isFirst) (wanted ?? heading).focus({ preventScroll: true }); // a first page is begun at its very top
    isFirst = false;
    if (isNewPath(path)) scrollTo(0, 0);
    wanted?.scrollIntoView({ block: "nearest" });
  }

  addEventListener("hashchange", show);
  show();
}

let shownPath = "";

/** @param {string} path */
function isNewPath(path) {
  const before = shownPath;
  shownPath = path;
  return before !== path;
}

/** Say in the navigation where we are. @param {string} path */
function markCurrent(path) {
  const section = `#/${path.split("/")[1] ?? ""}`;
  for (const each of document.querySelectorAll("nav a[data-section]")) {
    if (each.getAttribute("href") === section) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
}
