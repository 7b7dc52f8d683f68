// Forms from a list of fields: labelled, busy while they ask, with what went wrong below them, and nothing typed lost,
// neither to an error nor to a look at another page.

import { append, fill, h, uniqueId } from "./dom.js";
import { problem } from "./problem.js";

/**
 * @typedef {{name: string, label: string, type?: string, value?: any, hint?: string,
 *   options?: (string | [string, string])[], wide?: boolean, [attribute: string]: any}} Field
 */

/** What was typed and not yet done, by form; secrets are never in it. @type {Map<string, Record<string, any>>} */
const drafts = new Map();
/** The drafts among them that are work, not questions: leaving the page asks first. @type {Set<string>} */
const unsaved = new Set();

/** @param {Field} spec @param {string} id @param {string} hintId */
function controlOf({ name, label, type = "text", value, hint, options, wide, ...attributes }, id, hintId) {
  const shared = { id, name, "aria-describedby": hint ? hintId : null, ...attributes };
  if (type === "select") {
    const list = (options ?? []).map((each) => (Array.isArray(each) ? each : [each, each]));
    return h(
      "select",
      shared,
      list.map(([each, words]) => h("option", { value: each, selected: each === value }, words)),
    );
  }
  if (type === "textarea") {
    const area = h("textarea", { rows: 4, ...shared });
    area.value = value ?? "";
    return area;
  }
  if (type === "checkbox") return h("input", { type, checked: value === true, ...shared });
  const list =
    options &&
    h(
      "datalist",
      { id: `${id}-list` },
      options.map((each) => h("option", { value: each })),
    );
  const input = h("input", {
    type,
    value,
    list: list && `${id}-list`,
    autocomplete: "off",
    spellcheck: "false",
    ...shared,
  });
  return list ? [input, list] : input;
}

/** A labelled control. @param {Field} spec @returns {HTMLElement} */
export function field(spec) {
  const id = uniqueId("field");
  const hintId = `${id}-hint`;
  const label = h("label", { for: id }, spec.label);
  const control = controlOf(spec, id, hintId);
  const hint = spec.hint && h("p", { class: "hint", id: hintId }, spec.hint);
  const isCheck = spec.type === "checkbox";
  const classes = ["field", spec.wide && "wide", isCheck && "check"].filter(Boolean).join(" ");
  return h("div", { class: classes }, isCheck ? [control, label] : [label, control], hint);
}

/** Fields that few need, folded away. @param {string} words @param {Field[]} fields @param {boolean} [isOpen] */
export function more(words, fields, isOpen = false) {
  return h(
    "details",
    { class: "more", open: isOpen },
    h("summary", {}, words),
    h("div", { class: "fields" }, fields.map(field)),
  );
}

/** Every control's value by its name: text trimmed only where it is asked for. @param {HTMLFormElement} form */
function valuesOf(form) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const control of /** @type {any} */ (form.elements)) {
    if (control.name) values[control.name] = control.type === "checkbox" ? control.checked : control.value;
  }
  return values;
}

/** @param {HTMLFormElement} form @param {string} key @param {boolean} isWork */
function keepDraft(form, key, isWork) {
  const kept = drafts.get(key);
  for (const control of /** @type {any} */ (form.elements)) {
    if (!kept || !(control.name in kept) || control.type === "password") continue;
    if (control.type === "checkbox") control.checked = kept[control.name];
    else control.value = kept[control.name];
  }
  form.addEventListener("input", () => {
    const values = valuesOf(form);
    for (const control of /** @type {any} */ (form.elements))
      if (control.type === "password") delete values[control.name];
    drafts.set(key, values);
    if (isWork) unsaved.add(key);
  });
}

/** Whether something was written that a closed page would lose. */
export function hasUnsaved() {
  return unsaved.size > 0;
}

/** @param {string} key */
export function forgetDraft(key) {
  drafts.delete(key);
  unsaved.delete(key);
}

/**
 * A form that does one thing. `act` gets the values and the place below the form for what came of it; what it returns
 * is shown there. A `draft` is kept under that name while the person looks at another page; with `isWork` they are
 * asked before the whole page is closed.
 * @param {{fields: import("./dom.js").Child, submit: string,
 *   act: (values: Record<string, any>, outcome: HTMLElement) => any, draft?: string, isWork?: boolean, label?: string,
 *   class?: string, also?: import("./dom.js").Child, danger?: boolean, quiet?: boolean}} spec
 * @returns {HTMLElement}
 */
export function form({ fields, submit, act, draft, isWork = false, label, also, danger, quiet, class: kind = "" }) {
  const outcome = h("div", { class: "outcome", "aria-live": "polite" });
  const go = h("button", { type: "submit", class: danger ? "danger" : quiet ? null : "primary" }, submit);
  const element = h("form", { class: `form ${kind}`.trim(), "aria-label": label ?? submit });
  append(element, [h("div", { class: "fields" }, fields), h("div", { class: "actions" }, go, also)]);
  let isBusy = false;
  element.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    go.setAttribute("aria-disabled", "true");
    element.setAttribute("aria-busy", "true");
    try {
      const shown = await act(valuesOf(element), outcome);
      if (shown !== undefined) fill(outcome, shown);
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") fill(outcome, problem(/** @type {Error} */ (error)));
    } finally {
      isBusy = false;
      go.removeAttribute("aria-disabled");
      element.removeAttribute("aria-busy");
    }
  });
  if (draft) keepDraft(element, draft, isWork);
  return h("div", { class: "form-and-outcome" }, element, outcome);
}

/** Words between commas, without the empty ones. @param {string} text */
export function listOf(text) {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
}

/** A moment of `datetime-local` (this machine's time) as the APIs take it; null when empty. @param {string} local */
export function momentOf(local) {
  return local ? new Date(local).toISOString() : null;
}
