// Where everything begins: the table of pages, and who is calling, shown on every one of them.

import { fill, h, link } from "./dom.js";
import { hasUnsaved } from "./form.js";
import { startRouter } from "./router.js";
import { signedView } from "./policy.js";
import { changes, memoryCaller, policyCaller } from "./session.js";
import { access } from "./views/access.js";
import { decisions } from "./views/decisions.js";
import { bank } from "./views/bank.js";
import { banks } from "./views/banks.js";
import { forget } from "./views/forget.js";
import { grants } from "./views/grants.js";
import { keys } from "./views/keys.js";
import { memories } from "./views/memories.js";
import { memory } from "./views/memory.js";
import { overview } from "./views/overview.js";
import { record } from "./views/record.js";
import { recall } from "./views/recall.js";
import { people } from "./views/people.js";
import { policies } from "./views/policies.js";
import { policy } from "./views/policy.js";
import { policyEdit, policyNew } from "./views/policy-edit.js";
import { policyEvaluate } from "./views/policy-evaluate.js";
import { policyDiff, policyVersions } from "./views/policy-versions.js";
import { reflect } from "./views/reflect.js";
import { retain } from "./views/retain.js";
import { tenant } from "./views/tenant.js";

/** @type {[string, import("./router.js").View][]} */
const PAGES = [
  ["/", overview],
  ["/memory", banks],
  ["/memory/:bank", recall],
  ["/memory/:bank/reflect", reflect],
  ["/memory/:bank/retain", retain],
  ["/memory/:bank/memories", memories],
  ["/memory/:bank/memories/:memory", memory],
  ["/memory/:bank/forget", forget],
  ["/memory/:bank/about", bank],
  ["/policies", signedView("Policies", policies)],
  ["/policies/new", signedView("Write a policy", policyNew)],
  ["/policies/:policy", signedView("Policy", policy)],
  ["/policies/:policy/evaluate", signedView("Evaluate", policyEvaluate)],
  ["/policies/:policy/versions", signedView("Versions", policyVersions)],
  ["/policies/:policy/versions/:version", signedView("Version", policy)],
  ["/policies/:policy/diff/:from/:to", signedView("Compare versions", policyDiff)],
  ["/policies/:policy/edit", signedView("New version", policyEdit)],
  ["/decisions", signedView("Decisions", decisions)],
  ["/decisions/:sequence", signedView("Record", record)],
  ["/access", access],
  ["/access/tenant", signedView("Tenant settings", tenant)],
  ["/access/people", signedView("Roles", people)],
  ["/access/keys", signedView("Keys", keys)],
  ["/access/grants", grants],
];

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

function showCallers() {
  const memory = memoryCaller();
  const policy = policyCaller();
  const principal = memory.principal || (memory.hasToken ? "by token" : "anonymous");
  fill(
    byId("callers"),
    link("/access", [h("span", { class: "quiet" }, "memory "), principal]),
    link("/access", [
      h("span", { class: "quiet" }, "policy "),
      policy ? `${policy.tenant} · ${policy.role}` : "not signed in",
    ]),
  );
}

changes.addEventListener("change", showCallers);
addEventListener("beforeunload", (event) => {
  if (hasUnsaved()) event.preventDefault();
});
byId("skip").addEventListener("click", () => byId("main").focus());
showCallers();
startRouter(PAGES, byId("main"), byId("announcer"));
