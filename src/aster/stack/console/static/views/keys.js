// Named signing keys, for the tenant's OWNER. A secret is shown once, when it is made.

import { askPolicy } from "../api.js";
import { acting } from "../acting.js";
import { button, h } from "../dom.js";
import { field, forgetDraft, form, momentOf } from "../form.js";
import { go } from "../router.js";
import { badge, empty, facts, moment, section, table } from "../show.js";
import { ROLES } from "../signin.js";
import { accessTabs } from "./access.js";

const PATH = "/api/v1/tenant/keys";

/** @param {any} made */
function secretOnce(made) {
  const copied = h("span", { role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(made.secret);
    copied.textContent = "Copied.";
  };
  return h(
    "div",
    { class: "done" },
    h("p", {}, h("strong", {}, "This secret is shown once. "), "Keep it now; nobody can show it again."),
    facts([
      ["Key id", h("code", {}, made.keyId)],
      ["Secret", h("code", { class: "secret" }, made.secret)],
    ]),
    h("div", { class: "actions" }, button("Copy the secret", copy), copied),
  );
}

function making() {
  return form({
    label: "Make a key",
    draft: "key",
    fields: [
      field({
        name: "label",
        label: "What it is for",
        maxlength: 200,
        required: true,
        placeholder: "nightly batch",
      }),
      field({
        name: "roleCeiling",
        label: "The most it may do",
        type: "select",
        options: ROLES,
        value: "MEMBER",
      }),
      field({ name: "expires", label: "Until", type: "datetime-local", hint: "Empty: until it is revoked." }),
    ],
    submit: "Make a key",
    async act({ label, roleCeiling, expires }) {
      const { value } = await askPolicy("POST", PATH, {
        body: { label, roleCeiling, expiresAt: momentOf(expires) },
      });
      forgetDraft("key");
      return secretOnce(value);
    },
  });
}

/** @param {import("../router.js").Place} place */
export async function keys({ signal }) {
  const { value } = await askPolicy("GET", PATH, { signal });
  const { attempt, outcome } = acting();
  const rows = value.map((/** @type {any} */ each) => [
    h("code", {}, each.keyId),
    each.label,
    badge(each.roleCeiling),
    [moment(each.createdAt), ` by ${each.createdBy}`],
    moment(each.expiresAt),
    each.revokedAt
      ? badge("revoked", "bad")
      : button(
          "Revoke",
          attempt(async () => {
            await askPolicy("DELETE", `${PATH}/${encodeURIComponent(each.keyId)}`);
            go(location.hash.slice(1));
          }),
          { "aria-label": `Revoke key ${each.keyId}` },
        ),
  ]);
  return {
    title: "Access",
    told: "Keys",
    content: [
      accessTabs("keys"),
      value.length === 0
        ? empty("There is no named key.")
        : table("Named keys", ["Key", "For", "At most", "Made", "Until", ""], rows),
      outcome,
      section("Make a key", making()),
    ],
  };
}
