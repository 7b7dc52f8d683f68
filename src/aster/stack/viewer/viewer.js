// Shows an OpenAPI document of this server. Everything is set as text, never as markup: a document can't run anything.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH = 6;

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function resolved(schema, components) {
  const name = schema?.$ref?.split("/").pop();
  return name === undefined ? schema : components[name];
}

// A schema as the JSON it describes, with the kind of each value in words.
function sketch(schema, components, depth = 0) {
  const found = resolved(schema, components) ?? {};
  if (depth > DEPTH) return "…";
  if (found.anyOf) return found.anyOf.map((each) => sketch(each, components, depth + 1)).find((each) => each !== "null");
  if (found.enum) return found.enum.join(" | ");
  if (found.type === "object" && found.properties) {
    const entries = Object.entries(found.properties);
    return Object.fromEntries(entries.map(([name, each]) => [name, sketch(each, components, depth + 1)]));
  }
  if (found.type === "array") return [sketch(found.items ?? {}, components, depth + 1)];
  return found.type ?? "any JSON";
}

function shown(title, schema, components) {
  const text = JSON.stringify(sketch(schema, components), null, 2);
  return [made("h4", {}, title), made("pre", { tabindex: "0", "aria-label": title }, text)];
}

function parametersOf(operation) {
  if (!operation.parameters?.length) return [];
  const rows = operation.parameters.map((each) =>
    made("tr", {}, made("td", {}, made("code", {}, each.name)), made("td", {}, each.in),
      made("td", {}, each.required ? "required" : "optional"), made("td", {}, each.schema?.type ?? "")));
  const head = ["Parameter", "In", "", "Type"].map((each) => made("th", { scope: "col" }, each));
  return [made("table", {}, made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows))];
}

function shownOperation(path, method, operation, components) {
  const parts = parametersOf(operation);
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  if (body) parts.push(...shown("Body", body, components));
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const schema = answer.content?.["application/json"]?.schema;
    if (schema) parts.push(...shown(`${status} ${answer.description}`, schema, components));
    else parts.push(made("h4", {}, `${status} ${answer.description}`));
  }
  const access = operation["x-access"] ? [made("span", { class: "access" }, operation["x-access"])] : [];
  const summary = made("summary", {}, ...access, made("span", { class: "method" }, method.toUpperCase()),
    made("code", {}, path), ` ${operation.summary ?? ""}`);
  const details = made("details", { id: operation.operationId ?? "" }, summary, made("div", { class: "operation" }, ...parts));
  details.dataset.words = `${method} ${path} ${operation.summary} ${operation["x-access"]}`.toLowerCase();
  return details;
}

function filtered() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const each of document.querySelectorAll("details")) {
    each.hidden = !words.every((word) => each.dataset.words.includes(word));
    count += each.hidden ? 0 : 1;
  }
  document.getElementById("count").textContent = `${count} operations`;
}

async function show() {
  const documents = await (await fetch("/docs/documents.json")).json();
  const asked = new URLSearchParams(location.search).get("document");
  const chosen = documents.find((each) => each === asked) ?? documents[0];
  for (const each of documents) {
    const link = made("a", { href: `/docs?document=${encodeURIComponent(each)}` }, each);
    if (each === chosen) link.setAttribute("aria-current", "page");
    document.getElementById("documents").append(made("li", {}, link));
  }
  const openapi = await (await fetch(chosen)).json();
  document.title = document.getElementById("title").textContent = `${openapi.info.title} ${openapi.info.version}`;
  const components = openapi.components?.schemas ?? {};
  const main = document.getElementById("operations");
  for (const [path, operations] of Object.entries(openapi.paths))
    for (const method of METHODS)
      if (operations[method]) main.append(shownOperation(path, method, operations[method], components));
  document.getElementById("filter").addEventListener("input", filtered);
  filtered();
  if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

show().catch((error) => {
  document.getElementById("count").textContent = `The document could not be read: ${error.message}`;
});
