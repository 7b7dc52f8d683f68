// Saying who one is: to the memory gateway by headers, to the policy service by a key that signs. Both are tried at
// once, so that a wrong word is told here and not on some later page.

import { askMemory, askPolicy } from "./api.js";
import { fill, h } from "./dom.js";
import { field, form } from "./form.js";
import { actAs, callMemoryAs, callPolicyAs, forgetPolicyCaller, memoryCaller, policyCaller } from "./session.js";
import { canSign } from "./signing.js";
import { facts } from "./show.js";

export const ROLES = ["VIEWER", "MEMBER", "ADMIN", "OWNER"];
const PRINCIPAL = {
  name: "principal",
  label: "Principal",
  placeholder: "user:alice",
  pattern: "[ -~]*",
  maxlength: 256,
};
const TOKEN = { name: "token", label: "Bearer token", type: "password", hint: "A JWT, sent as Authorization: Bearer." };
const BEHALF = {
  name: "onBehalfOf",
  label: "On behalf of",
  placeholder: "user:bob",
  pattern: "[ -~]*",
  maxlength: 256,
};

/** What each auth mode asks for. @type {Record<string, import("./form.js").Field[]>} */
const ASKED = {
  dev: [
    { ...PRINCIPAL, hint: "Believed as it is: auth mode dev is for one's own machine. Empty is anonymous." },
    BEHALF,
  ],
  api_key: [
    { name: "apiKey", label: "API key", type: "password", required: true },
    { ...PRINCIPAL, required: true },
    BEHALF,
  ],
  jwt: [{ ...TOKEN, required: true }],
  jwt_hs256: [{ ...TOKEN, required: true }],
  jwt_oidc: [{ ...TOKEN, required: true }],
};
const ADMIN = {
  name: "adminToken",
  label: "Admin token",
  type: "password",
  hint: "Only for /v1/admin: the list of banks, grants. Leave empty where the server has none.",
};

/** @param {any} who */
function whoIs(who) {
  return facts([
    ["Principal", who.principal],
    ["Acts for", who.on_behalf_of && `${who.on_behalf_of.type}:${who.on_behalf_of.id}`],
    ["Tenant", who.tenant_id],
    ["Auth mode", who.auth_mode],
    ["Without a grant", who.default_policy],
  ]);
}

/** @param {string} mode */
export function memorySignIn(mode) {
  const asked = ASKED[mode] ?? [{ ...PRINCIPAL }, { name: "apiKey", label: "API key", type: "password" }, TOKEN];
  const known = memoryCaller();
  const valued = asked.map((each) =>
    each.type === "password" ? each : { ...each, value: known[/** @type {"principal"} */ (each.name)] },
  );
  return form({
    label: "Memory: who you are",
    fields: [...valued, ADMIN].map(field),
    submit: "Use these",
    async act(values) {
      callMemoryAs(values);
      const { value } = await askMemory("GET", "/v1/whoami");
      return h("div", { class: "done" }, h("p", {}, "The gateway takes you for:"), whoIs(value));
    },
  });
}

function nowhereToSign() {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", {}, h("strong", {}, "Requests can't be signed on this page.")),
    h(
      "p",
      {},
      "Browsers allow it (WebCrypto) only to pages that came over HTTPS or from this very machine. Open the console at ",
      h("code", {}, "http://127.0.0.1"),
      " on the server's machine (an SSH tunnel does: ",
      h("code", {}, "ssh -L 8080:127.0.0.1:8080 HOST"),
      "), or put TLS in front of it.",
    ),
  );
}

/** @param {() => void} onSignedIn */
export function policySignIn(onSignedIn) {
  if (!canSign()) return nowhereToSign();
  const known = policyCaller();
  return form({
    label: "Policy: sign in",
    draft: "sign-in",
    fields: [
      field({
        name: "tenant",
        label: "Tenant",
        value: known?.tenant,
        required: true,
        pattern: "[a-zA-Z0-9_\\-]{1,64}",
        placeholder: "acme-corp",
      }),
      field({
        name: "secret",
        label: "Secret",
        type: "password",
        required: true,
        hint: "Becomes a key that signs and can't be read, gone with this page. A first start puts one in DATA/policy.secret.",
      }),
      field({ name: "role", label: "Role", type: "select", options: ROLES, value: known?.role ?? "ADMIN" }),
      field({
        name: "user",
        label: "User",
        value: known?.user,
        pattern: "[!-~]*",
        maxlength: 128,
        placeholder: "dana@acme.com",
        hint: "Who the audit chain says it was.",
      }),
      field({
        name: "keyId",
        label: "Key id",
        value: known?.keyId,
        pattern: "[a-zA-Z0-9_\\-]{1,64}",
        hint: "Only if the secret is a named key's.",
      }),
    ],
    submit: "Sign in",
    async act(given, outcome) {
      await callPolicyAs(/** @type {any} */ (given));
      try {
        await askPolicy("GET", "/api/v1/policies", { query: { size: 1 } });
      } catch (error) {
        forgetPolicyCaller();
        throw error;
      }
      const typed = outcome.parentElement?.querySelector("input[type=password]");
      if (typed) /** @type {HTMLInputElement} */ (typed).value = "";
      fill(outcome, h("p", { class: "done" }, `Signed in to ${given.tenant} as ${given.role}.`));
      onSignedIn();
    },
  });
}

/** Another role with the same key, within what the server allows. @param {(role: string) => void} onChange */
export function roleSwitch(onChange) {
  const known = policyCaller();
  const change = (/** @type {any} */ event) => {
    actAs(event.target.value);
    onChange(event.target.value);
  };
  return field({ name: "role", label: "Act as", type: "select", options: ROLES, value: known?.role, on: { change } });
}
