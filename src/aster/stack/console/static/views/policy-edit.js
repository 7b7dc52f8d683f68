// Writing a policy, or its next version: checked as it is typed, tried on a context before it is deployed.

import { askPolicy } from "../api.js";
import { button, fill, h } from "../dom.js";
import { editor } from "../editor.js";
import { evaluating } from "../evaluating.js";
import { field, forgetDraft, form } from "../form.js";
import { highlighter, lexicons } from "../highlight.js";
import { API, policyFrame, policyPath, policyUrl } from "../policy.js";
import { problem } from "../problem.js";
import { go } from "../router.js";
import { policyCaller } from "../session.js";
import { crumbs, section } from "../show.js";

const FIRST = `Module demo.greeting.

Rule greet given name as Text, produce Text:
  If name is equal to ""
    Return "Hello, stranger".
  Return "Hello, " plus name.
`;

/** @param {() => {source: string, locale: string}} written */
function trying(written) {
  const place = h("div", {});
  const open = async () => {
    try {
      fill(place, await evaluating({
        draft: "try",
        schemaOf: async (rule) => (await askPolicy("POST", `${API}/schema`, { body: { ...written(), functionName: rule } })).value,
        async evaluate(rule, context) {
          const body = { ...written(), functionName: rule, context };
          return (await askPolicy("POST", `${API}/evaluate-source`, { query: { trace: true }, body })).value;
        },
      }));
    } catch (error) {
      fill(place, problem(/** @type {Error} */ (error)));
    }
  };
  return section("Try it", h("p", { class: "quiet" }, "On the text above as it is, before anything is stored."), button("Show the form", open), place);
}

/** @param {any} summary @param {string} source @param {string} locale @param {AbortSignal} signal */
async function writing(summary, source, locale, signal) {
  const all = await lexicons(policyCaller()?.tenant ?? "");
  const wordsOf = (/** @type {string} */ id) => highlighter(all.find((each) => each.id === id));
  const draft = summary ? `policy ${summary.policyId}` : "policy";
  const chooser = field({ name: "locale", label: "Language", type: "select", options: all.map((each) => /** @type {[string, string]} */ ([each.id, each.name])), value: locale, on: { change: () => code.recheck(wordsOf(chosen())) } });
  const chosen = () => /** @type {any} */ (chooser.querySelector("select")).value;
  const code = editor({
    label: "Source",
    value: source,
    highlight: wordsOf(locale),
    check: async (text, own) => (await askPolicy("POST", `${API}/compile`, { body: { source: text, locale: chosen() }, signal: own })).value,
  });
  signal.addEventListener("abort", () => code.stop());
  const element = form({
    label: summary ? "Deploy the next version" : "Deploy a policy",
    draft,
    fields: [
      h("div", { class: "wide" }, code.element),
      chooser,
      !summary && field({ name: "name", label: "Name", hint: "Empty: its module's." }),
      field({ name: "notes", label: "Notes", placeholder: "What is different, and why" }),
      field({ name: "activate", label: "Make it active at once", type: "checkbox", value: true, hint: "Where the tenant asks for approval, it waits for that." }),
    ],
    submit: summary ? "Deploy the next version" : "Deploy",
    async act({ notes, name, activate }) {
      const body = { source: code.area.value, locale: chosen(), notes, activate, ...(name && { name }) };
      const { value } = summary ? await askPolicy("PUT", policyUrl(summary.policyId), { body }) : await askPolicy("POST", API, { body });
      forgetDraft(draft);
      go(policyPath(value.policyId, `/versions/${value.version}`));
    },
  });
  queueMicrotask(() => code.recheck(wordsOf(chosen()))); // a draft may have brought another text
  return [element, trying(() => ({ source: code.area.value, locale: chosen() }))];
}

/** @param {import("../router.js").Place} place */
export async function policyEdit({ params: { policy: id }, signal }) {
  const { value: summary } = await askPolicy("GET", policyUrl(id), { query: { include: "source" }, signal });
  return policyFrame(summary, "edit", await writing(summary, summary.source, summary.locale, signal));
}

/** @param {import("../router.js").Place} place */
export async function policyNew({ signal }) {
  return { title: "Write a policy", above: crumbs([["/policies", "Policies"]]), content: await writing(null, FIRST, "en-US", signal) };
}
