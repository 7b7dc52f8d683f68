// A tenant's settings, for its OWNER.

import { askPolicy } from "../api.js";
import { h } from "../dom.js";
import { field, forgetDraft, form, listOf } from "../form.js";
import { ROLES } from "../signin.js";
import { accessTabs } from "./access.js";

/** @param {string} text */
const numberOrNull = (text) => (text.trim() === "" ? null : Number(text));

/** @param {any} settings @returns {import("../form.js").Field[]} */
function fieldsOf(settings) {
  const rate = settings.rateLimit ?? {};
  return [
    { name: "displayName", label: "Name to show", value: settings.displayName },
    {
      name: "defaultLocale",
      label: "Language of policies",
      type: "select",
      options: ["en-US", "de-DE", "zh-CN"],
      value: settings.defaultLocale,
    },
    {
      name: "unassignedRole",
      label: "The most an unassigned user may be",
      type: "select",
      options: ROLES,
      value: settings.unassignedRole,
    },
    {
      name: "auditEvaluations",
      label: "Evaluations in the audit chain",
      type: "select",
      options: ["all", "errors", "sampled", "none"],
      value: settings.auditEvaluations,
    },
    {
      name: "auditRetentionDays",
      label: "Keep audit records for days",
      type: "number",
      min: 1,
      value: settings.auditRetentionDays ?? "",
      hint: "Empty: for ever.",
    },
    {
      name: "maxSteps",
      label: "Steps an evaluation may take",
      type: "number",
      min: 1,
      value: settings.maxSteps ?? "",
      hint: "Empty: the operator's limit.",
    },
    {
      name: "rateRequests",
      label: "Requests…",
      type: "number",
      min: 1,
      value: rate.requests ?? "",
      hint: "Empty: the operator's limit.",
    },
    { name: "rateSeconds", label: "… in seconds", type: "number", min: 1, value: rate.windowSeconds ?? "" },
    {
      name: "corsOrigins",
      label: "Origins whose pages may ask",
      value: (settings.corsOrigins ?? []).join(", "),
      placeholder: location.origin,
      hint: "Empty: the operator decides. With a list, this console's own origin must be in it.",
    },
    {
      name: "approvalRequired",
      label: "A version needs approval before it decides",
      type: "checkbox",
      value: settings.approvalRequired,
    },
    {
      name: "allowSelfApproval",
      label: "Authors may approve their own",
      type: "checkbox",
      value: settings.allowSelfApproval,
    },
    {
      name: "strictTypes",
      label: "Refuse sources with errors of types",
      type: "checkbox",
      value: settings.strictTypes,
    },
    { name: "redactPii", label: "Black out personal data in records", type: "checkbox", value: settings.redactPii },
  ];
}

/** @param {Record<string, any>} values */
function patchOf({ rateRequests, rateSeconds, corsOrigins, maxSteps, auditRetentionDays, ...same }) {
  const origins = listOf(corsOrigins);
  return {
    ...same,
    maxSteps: numberOrNull(maxSteps),
    auditRetentionDays: numberOrNull(auditRetentionDays),
    corsOrigins: origins.length > 0 ? origins : null,
    rateLimit: rateRequests ? { requests: Number(rateRequests), windowSeconds: Number(rateSeconds || 60) } : null,
  };
}

/** What is different, so that nobody else's change is undone. @param {any} before @param {any} after */
function changed(before, after) {
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => JSON.stringify(before[name] ?? null) !== JSON.stringify(value)),
  );
}

/** @param {import("../router.js").Place} place */
export async function tenant({ signal }) {
  let { value: settings } = await askPolicy("GET", "/api/v1/tenant", { signal });
  const element = form({
    label: "Tenant settings",
    draft: "tenant",
    isWork: true,
    fields: fieldsOf(settings).map(field),
    submit: "Save",
    async act(values) {
      const body = changed(settings, patchOf(values));
      if (Object.keys(body).length === 0) return h("p", { class: "quiet" }, "Nothing was changed.");
      settings = (await askPolicy("PATCH", "/api/v1/tenant/settings", { body })).value;
      forgetDraft("tenant");
      return h("p", { class: "done" }, `Saved: ${Object.keys(body).join(", ")}.`);
    },
  });
  return { title: "Access", told: "Tenant settings", content: [accessTabs("tenant"), element] };
}
