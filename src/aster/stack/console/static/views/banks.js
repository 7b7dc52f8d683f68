// Every bank there is, or a way to one whose name is known, and a form that makes a new one.

import { ApiError, askMemory } from "../api.js";
import { DUPLICATES, PERSONAL } from "../bank.js";
import { h, link } from "../dom.js";
import { field, forgetDraft, form } from "../form.js";
import { problem } from "../problem.js";
import { go } from "../router.js";
import { empty, section, table } from "../show.js";

/** @param {string} bank */
const bankPath = (bank) => `/memory/${encodeURIComponent(bank)}`;

/** The names, page after page. @param {string} after @param {AbortSignal} signal */
async function listed(after, signal) {
  try {
    const { value } = await askMemory("GET", "/v1/admin/banks", { query: { after }, signal });
    if (value.banks.length === 0)
      return empty("There is no bank yet. Retaining something makes one, or make one here.");
    const rows = value.banks.map((/** @type {string} */ bank) => [
      link(bankPath(bank), bank),
      [link(`${bankPath(bank)}/memories`, "memories"), " · ", link(`${bankPath(bank)}/about`, "statistics")],
    ]);
    const next = value.next_after && link(`/memory?after=${encodeURIComponent(value.next_after)}`, "Next banks");
    return [table("Banks", ["Bank", "See"], rows), next && h("p", {}, next)];
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      return [
        h("p", {}, "The list of banks needs the admin token. A bank whose name you know can be opened without it."),
        problem(error),
      ];
    }
    throw error;
  }
}

function opening() {
  return form({
    label: "Open a bank by its name",
    fields: [field({ name: "bank", label: "Bank", required: true, placeholder: "user-alice" })],
    submit: "Open",
    act: ({ bank }) => go(bankPath(bank.trim())),
    class: "inline-form",
  });
}

function making() {
  return form({
    label: "Make a bank",
    draft: "bank",
    fields: [
      field({
        name: "bank",
        label: "Name",
        required: true,
        hint: "What an agent will name it by, such as user-alice.",
      }),
      field({ name: "description", label: "Description" }),
      field({ name: "duplicates", label: "The same text twice", type: "select", options: DUPLICATES }),
      field({ name: "pii", label: "Personal data", type: "select", options: PERSONAL }),
    ],
    submit: "Make it",
    async act({ bank, description, duplicates, pii }) {
      const settings = Object.fromEntries(
        Object.entries({ description, duplicates, pii }).filter(([, value]) => value !== ""),
      );
      await askMemory("POST", "/v1/banks", { body: { bank_id: bank.trim(), settings } });
      forgetDraft("bank");
      go(bankPath(bank.trim()));
    },
  });
}

/** @param {import("../router.js").Place} place */
export async function banks({ query, signal }) {
  return {
    title: "Memory",
    content: [
      await listed(query.get("after") ?? "", signal),
      section("Open a bank", opening()),
      section("Make a bank", making()),
    ],
  };
}
