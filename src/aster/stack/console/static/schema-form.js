// A form from what a rule takes: a control for every leaf, a frame for every record, rows for lists; and JSON for what
// has no form, or for whoever prefers it.

import { button, fill, h, uniqueId } from "./dom.js";
import { field } from "./form.js";
import { encode, Raw, raw } from "./json.js";

/**
 * @typedef {{name: string, type: string, typeKind: string, optional: boolean, pii?: boolean, fields?: Parameter[],
 *   enumVariants?: string[], constraints?: any[]}} Parameter
 * @typedef {{element: HTMLElement, read: () => any}} Input `read` gives undefined for what is left out.
 */

const NUMBERS = new Set(["Int", "Long", "Float", "Number", "Decimal"]);
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** What was typed, digit by digit where it is JSON as it stands. @param {string} text @param {string} name */
function numberOf(text, name) {
  const given = text.trim();
  if (given === "") return undefined;
  if (JSON_NUMBER.test(given)) return new Raw(given);
  throw new Error(`${name} must be a number such as 12 or 0.5, not “${given}”.`);
}

/** @param {Parameter} of */
function hintOf(of) {
  const bounds = (of.constraints ?? []).map((each) => {
    if (each.kind === "range")
      return [each.min, each.max].every((bound) => bound !== undefined)
        ? `${each.min} to ${each.max}`
        : each.min !== undefined
          ? `at least ${each.min}`
          : `at most ${each.max}`;
    return each.kind === "pattern" ? `like ${each.pattern}` : "";
  });
  return [of.type, ...bounds, of.optional && "may be left out", of.pii && "personal data"].filter(Boolean).join(", ");
}

/** @param {HTMLElement} holder @returns {any} */
const controlIn = (holder) => holder.querySelector("input, select, textarea");

/** @param {Parameter} of @param {string} path @returns {Input} */
function leaf(of, path) {
  const shared = { name: path, label: of.name, hint: hintOf(of) };
  const choices = of.type === "Bool" ? ["true", "false"] : of.enumVariants;
  if (choices) {
    const element = field({ ...shared, type: "select", options: ["", ...choices] });
    const read = () => {
      const chosen = controlIn(element).value;
      if (chosen === "") return undefined;
      return of.type === "Bool" ? chosen === "true" : chosen;
    };
    return { element, read };
  }
  const isNumber = NUMBERS.has(of.type);
  const element = field({ ...shared, inputmode: isNumber ? "decimal" : null });
  const read = () => {
    const text = controlIn(element).value;
    if (isNumber) return numberOf(text, path);
    return text === "" && of.optional ? undefined : text;
  };
  return { element, read };
}

/** @param {Parameter} of @param {string} path @returns {Input} */
function written(of, path) {
  const element = field({
    name: path,
    label: of.name,
    hint: `${hintOf(of)}, as JSON`,
    type: "textarea",
    rows: 3,
    class: "code",
  });
  const read = () => {
    const text = controlIn(element).value.trim();
    return text === "" ? undefined : raw(text, of.name);
  };
  return { element, read };
}

/** @param {Parameter} of @param {string} path @returns {Input} */
function record(of, path) {
  const inputs = (of.fields ?? []).map((each) => ({ name: each.name, input: inputOf(each, `${path}.${each.name}`) }));
  const element = h(
    "fieldset",
    { class: "record" },
    h("legend", {}, of.name, " ", h("span", { class: "quiet" }, of.type)),
    h(
      "div",
      { class: "fields" },
      inputs.map(({ input }) => input.element),
    ),
  );
  const read = () => {
    const entries = inputs.map(({ name, input }) => [name, input.read()]).filter(([, value]) => value !== undefined);
    const isEmpty = entries.every(([, value]) => value === "");
    return of.optional && isEmpty ? undefined : Object.fromEntries(entries);
  };
  return { element, read };
}

/** @param {Parameter} of @param {string} path @returns {Input} */
function list(of, path) {
  const inner = {
    ...of,
    name: "",
    optional: false,
    constraints: [],
    ...innerOf(of, of.type.replace(/^list of /, "")),
  };
  const rows = h("ol", { class: "rows" });
  /** @type {Input[]} */
  let inputs = [];
  let count = 0;
  const add = () => {
    count += 1;
    const input = inputOf({ ...inner, name: `${of.name} ${count}` }, `${path}.${count}`);
    const row = h("li", {}, input.element);
    const remove = () => {
      inputs = inputs.filter((each) => each !== input);
      row.remove();
    };
    row.append(button("Remove", remove, { "aria-label": `Remove ${of.name} ${count}` }));
    inputs.push(input);
    rows.append(row);
  };
  const element = h(
    "fieldset",
    { class: "record" },
    h("legend", {}, of.name, " ", h("span", { class: "quiet" }, of.type)),
    rows,
    button(`Add to ${of.name}`, add),
  );
  return { element, read: () => inputs.map((each) => each.read()) };
}

/** What a list or an option is of. @param {Parameter} of @param {string} type */
function innerOf(of, type) {
  const isList = type.startsWith("list of ");
  const typeKind = isList
    ? "LIST"
    : of.fields
      ? "STRUCT"
      : of.enumVariants
        ? "ENUM"
        : /^[\p{L}\w]+$/u.test(type)
          ? "PRIMITIVE"
          : "UNKNOWN";
  return { type, typeKind };
}

/** @param {Parameter} of @param {string} path @returns {Input} */
function inputOf(of, path) {
  switch (of.typeKind) {
    case "PRIMITIVE":
    case "ENUM":
      return leaf(of, path);
    case "STRUCT":
      return record(of, path);
    case "LIST":
      return list(of, path);
    case "OPTION":
      return inputOf(
        { ...of, ...innerOf(of, of.type.replace(/^option of /, "").replace(/\?$/, "")), optional: true },
        path,
      );
    default:
      return written(of, path);
  }
}

/** The whole context of a rule. @param {Parameter[]} parameters @returns {Input} */
export function contextForm(parameters) {
  const inputs = parameters.map((each) => ({ name: each.name, input: inputOf(each, each.name) }));
  const asForm = () =>
    Object.fromEntries(
      inputs.map(({ name, input }) => [name, input.read()]).filter(([, value]) => value !== undefined),
    );
  const own = h(
    "div",
    { class: "fields" },
    inputs.length > 0
      ? inputs.map(({ input }) => input.element)
      : h("p", { class: "hint form-note" }, "This rule takes nothing."),
  );
  const id = uniqueId("json");
  const text = h("textarea", { id, name: "json", rows: 10, class: "code", spellcheck: "false" });
  const asText = h("div", { class: "field", hidden: true }, h("label", { for: id }, "Context as JSON"), text);
  const toggle = field({ name: "asJson", label: "Write it as JSON", type: "checkbox", on: { change: switched } });
  const told = h("p", { class: "problem", hidden: true, role: "alert" });
  const isJson = () => controlIn(toggle).checked;
  function switched() {
    told.hidden = true;
    try {
      if (isJson() && text.value.trim() === "") text.value = encode(asForm(), 2);
    } catch (error) {
      fill(told, /** @type {Error} */ (error).message);
      told.hidden = false;
    }
    own.hidden = isJson();
    asText.hidden = !isJson();
  }
  queueMicrotask(switched); // a draft may have ticked it
  return {
    element: h("div", { class: "context" }, own, asText, toggle, told),
    read: () => (isJson() ? raw(text.value, "The context") : asForm()),
  };
}
