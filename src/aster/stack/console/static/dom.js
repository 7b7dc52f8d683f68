// Elements from data. Whatever is shown is set as text or as an attribute of a fixed name, never as markup: what
// memories and policies say is somebody else's word, and must not become part of the page.

/**
 * What an element may hold: lists within lists; false, null and undefined are nothing.
 * @typedef {Node | string | number | null | undefined | false | any[]} Child
 */

/**
 * A new element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `on` is a table of listeners; null, undefined and false leave one out.
 * @param {...Child} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Child[]} children */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(/** @type {any} */ (child));
  }
}

/** Replace what an element holds. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

let count = 0;

/** An id nobody else on the page has. @param {string} stem */
export function uniqueId(stem) {
  count += 1;
  return `${stem}-${count}`;
}

/**
 * A link inside the console. @param {string} path e.g. `/memory/bakery`, already encoded
 * @param {Child} words @param {Record<string, any>} [attributes]
 */
export function link(path, words, attributes = {}) {
  return h("a", { href: `#${path}`, ...attributes }, words);
}

/** @param {string} words @param {() => void} onClick @param {Record<string, any>} [attributes] */
export function button(words, onClick, attributes = {}) {
  return h("button", { type: "button", on: { click: onClick }, ...attributes }, words);
}
