// Writing a policy, or its next version: checked as it is typed, tried on a context before it is deployed.

import { askPolicy } from "../api.js";
import { button, fill, h } from "../dom.js";
import { editor } from "../editor.js";
import { evaluating } from "../evaluating.js";
import { field, forgetDraft, form, more } from "../form.js";
import { highlighter, lexicons } from "../highlight.js";
import { raw } from "../json.js";
import { ANY, API, policyFrame, policyPath, policyUrl, wordsOf } from "../policy.js";
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

/** @param {() => {source: string, locale: string}} written what is in the editor now */
function trying(written) {
  const place = h("div", {});
  const open = async () => {
    try {
      fill(
        place,
        await evaluating({
          draft: "try",
          schemaOf: async (rule) =>
            (await askPolicy("POST", `${API}/schema`, { body: { ...written(), functionName: rule } })).value,
          async evaluate(rule, context) {
            const body = { ...written(), functionName: rule, context };
            return (await askPolicy("POST", `${API}/evaluate-source`, { query: { trace: true }, body })).value;
          },
        }),
      );
    } catch (error) {
      fill(place, problem(/** @type {Error} */ (error)));
    }
  };
  return section(
    "Try it",
    h("p", { class: "quiet" }, "On the text above as it is, before anything is stored."),
    button("Show the form", open),
    place,
  );
}

/** What was typed of words of one's own, as the API takes it. @param {any} kept @param {Record<string, any>} values */
function wordsFrom(kept, { vocabulary, aliasSet }) {
  const own = typeof kept.vocabulary === "object" && !vocabulary ? kept.vocabulary : vocabulary;
  if (!aliasSet) return { ...(own && { vocabulary: own }) };
  return { ...(own && { vocabulary: own }), aliasSet: raw(aliasSet, "The alias set") };
}

/** @param {any} kept @param {import("../highlight.js").Lexicon[]} all */
function wordFields(kept, all) {
  const shipped = [...new Set(all.flatMap((each) => Object.keys(each.vocabularies ?? {})))];
  const aliases = kept.aliasSet ? JSON.stringify(kept.aliasSet, null, 2) : "";
  return more(
    "Words of its own",
    [
      {
        name: "vocabulary",
        label: "Vocabulary",
        options: shipped,
        value: typeof kept.vocabulary === "string" ? kept.vocabulary : "",
        hint: typeof kept.vocabulary === "object" ? "Empty: the one of the version before." : "A shipped one.",
      },
      {
        name: "aliasSet",
        label: "Aliases as JSON",
        type: "textarea",
        rows: 4,
        class: "code",
        value: aliases,
        placeholder: '{"RETURN": ["Answer"]}',
        hint: "Own words by keyword kind.",
      },
    ],
    Object.keys(kept).length > 0,
  );
}

/**
 * @param {any} summary null for a new policy
 * @param {any} version what is changed: its source, language and words
 * @param {AbortSignal} signal
 * @param {string | null} [etag] the policy as it was read: if somebody deploys meanwhile, theirs is not passed over
 */
async function writing(summary, version, signal, etag = null) {
  const kept = wordsOf(version);
  const all = await lexicons(policyCaller()?.tenant ?? "");
  const colours = () =>
    highlighter(
      all.find((each) => each.id === chosen()),
      kept.aliasSet,
    );
  const draft = summary ? `policy ${summary.policyId}` : "policy";
  const chooser = field({
    name: "locale",
    label: "Language",
    type: "select",
    options: all.map((each) => /** @type {[string, string]} */ ([each.id, each.name])),
    value: version.locale,
    on: { change: () => code.recheck(colours()) },
  });
  const ownWords = wordFields(kept, all);
  const chosen = () => /** @type {any} */ (chooser.querySelector("select")).value;
  const written = () => {
    const typed = (/** @type {string} */ name) =>
      /** @type {any} */ (ownWords.querySelector(`[name=${name}]`)).value.trim();
    return {
      source: code.area.value,
      locale: chosen(),
      ...wordsFrom(kept, { vocabulary: typed("vocabulary"), aliasSet: typed("aliasSet") }),
    };
  };
  const code = editor({
    label: "Source",
    value: version.source,
    highlight: colours(),
    check: async (own) => (await askPolicy("POST", `${API}/compile`, { body: written(), signal: own })).value,
  });
  signal.addEventListener("abort", () => code.stop());
  const element = form({
    label: summary ? "Deploy the next version" : "Deploy a policy",
    draft,
    isWork: true,
    fields: [
      h("div", { class: "wide" }, code.element),
      chooser,
      ownWords,
      !summary && field({ name: "name", label: "Name", hint: "Empty: its module's." }),
      field({ name: "notes", label: "Notes", placeholder: "What is different, and why" }),
      field({
        name: "activate",
        label: "Make it active at once",
        type: "checkbox",
        value: true,
        hint: "Where the tenant asks for approval, it waits for that.",
      }),
    ],
    submit: summary ? "Deploy the next version" : "Deploy",
    async act({ notes, name, activate }) {
      const body = { ...written(), notes, activate, ...(name && { name }) };
      const { value } = summary
        ? await askPolicy("PUT", policyUrl(summary.policyId), {
            body,
            headers: etag ? { "If-Match": etag } : {},
          })
        : await askPolicy("POST", API, { body });
      forgetDraft(draft);
      go(policyPath(value.policyId, `/versions/${value.version}`));
    },
  });
  ownWords.addEventListener("change", () => code.recheck());
  queueMicrotask(() => code.recheck(colours())); // a draft may have brought another text
  return [element, trying(written)];
}

/** @param {import("../router.js").Place} place */
export async function policyEdit({ params: { policy: id }, signal }) {
  const { value: summary, headers } = await askPolicy("GET", policyUrl(id), { query: ANY, signal });
  const { value: version } = await askPolicy("GET", `${policyUrl(id)}/versions/${summary.version}`, { signal });
  return policyFrame(summary, "edit", await writing(summary, version, signal, headers.get("ETag")));
}

/** @param {import("../router.js").Place} place */
export async function policyNew({ signal }) {
  return {
    title: "Write a policy",
    above: crumbs([["/policies", "Policies"]]),
    content: await writing(null, { source: FIRST, locale: "en-US" }, signal),
  };
}
