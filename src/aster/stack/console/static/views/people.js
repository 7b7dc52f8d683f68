// Who may act as what: role assignments, for the tenant's OWNER.

import { askPolicy } from "../api.js";
import { button, h } from "../dom.js";
import { field, form, momentOf } from "../form.js";
import { go } from "../router.js";
import { badge, empty, moment, number, section, table } from "../show.js";
import { ROLES } from "../signin.js";
import { acting } from "../acting.js";
import { accessTabs } from "./access.js";

const PATH = "/api/v1/tenant/rbac/assignments";
const SIZE = 200;

const again = () => go(location.hash.slice(1));

function assigning() {
  return form({
    label: "Assign a role",
    draft: "assign",
    fields: [
      field({
        name: "user",
        label: "User",
        required: true,
        pattern: "[!-~]+",
        maxlength: 128,
        placeholder: "mia@acme.com",
      }),
      field({ name: "role", label: "The most they may act as", type: "select", options: ROLES, value: "MEMBER" }),
      field({ name: "expires", label: "Until", type: "datetime-local", hint: "Empty: until it is taken away." }),
    ],
    submit: "Assign",
    async act({ user, role, expires }) {
      await askPolicy("PUT", `${PATH}/${encodeURIComponent(user)}`, {
        body: { role, expiresAt: momentOf(expires) },
      });
      again();
    },
  });
}

/** @param {import("../router.js").Place} place */
export async function people({ signal }) {
  const { value, headers } = await askPolicy("GET", PATH, { query: { size: SIZE }, signal });
  const total = Number(headers.get("X-Total-Count") ?? value.length);
  const { attempt, outcome } = acting();
  const rows = value.map((/** @type {any} */ each) => [
    each.userId,
    badge(each.role, "accent"),
    moment(each.expiresAt),
    [moment(each.createdAt), ` by ${each.createdBy}`],
    button(
      "Take away",
      attempt(async () => {
        await askPolicy("DELETE", `${PATH}/${encodeURIComponent(each.userId)}`);
        again();
      }),
      { "aria-label": `Take the role of ${each.userId} away` },
    ),
  ]);
  return {
    title: "Access",
    told: "Roles",
    content: [
      accessTabs("people"),
      h("p", { class: "quiet" }, "An assignment is a ceiling: the role that a request names counts only up to it."),
      value.length === 0
        ? empty("Nobody is assigned: everybody may be what the tenant's settings let an unassigned user be.")
        : table("Assignments", ["User", "At most", "Until", "Assigned", ""], rows),
      total > value.length && h("p", { class: "quiet" }, `${number(value.length)} of ${number(total)} are shown.`),
      outcome,
      section("Assign", assigning()),
    ],
  };
}
