// Who the person is, to each of the two APIs. Held by this module for as long as the page is open: a reload forgets it,
// and nothing of it is written to storage, cookies or addresses.

import { importSecret, signedHeaders } from "./signing.js";

/**
 * @typedef {{principal: string, onBehalfOf: string, apiKey: string, token: string, adminToken: string}} MemoryCaller
 */
/** @typedef {import("./signing.js").Signer} Signer */

/** @type {MemoryCaller} */
const NOBODY = { principal: "", onBehalfOf: "", apiKey: "", token: "", adminToken: "" };

/** Tells `change` whenever somebody else is calling. */
export const changes = new EventTarget();

let memory = NOBODY;
/** @type {Signer | null} */
let signer = null;

/** What may be shown of the memory side's caller. */
export function memoryCaller() {
  return {
    principal: memory.principal,
    onBehalfOf: memory.onBehalfOf,
    hasKey: memory.apiKey !== "",
    hasToken: memory.token !== "",
    hasAdminToken: memory.adminToken !== "",
  };
}

/** @param {Partial<MemoryCaller>} caller */
export function callMemoryAs(caller) {
  memory = { ...NOBODY, ...caller };
  changes.dispatchEvent(new Event("change"));
}

/** What may be shown of the policy side's caller; null before anybody has signed in. */
export function policyCaller() {
  return signer && { tenant: signer.tenant, role: signer.role, user: signer.user, keyId: signer.keyId };
}

/** @param {{tenant: string, role: string, user: string, keyId: string, secret: string}} caller */
export async function callPolicyAs({ secret, ...who }) {
  signer = { ...who, key: await importSecret(secret) };
  changes.dispatchEvent(new Event("change"));
}

/** Sign with the same key in another role. @param {string} role */
export function actAs(role) {
  if (signer) signer = { ...signer, role };
  changes.dispatchEvent(new Event("change"));
}

export function forgetPolicyCaller() {
  signer = null;
  changes.dispatchEvent(new Event("change"));
}

/** @param {URL} url @returns {Record<string, string>} */
export function memoryHeaders(url) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (memory.principal) headers["X-Astrocyte-Principal"] = memory.principal;
  if (memory.onBehalfOf) headers["X-Astrocyte-On-Behalf-Of"] = memory.onBehalfOf;
  if (memory.apiKey) headers["X-Api-Key"] = memory.apiKey;
  if (memory.token) headers.Authorization = `Bearer ${memory.token}`;
  if (memory.adminToken && url.pathname.startsWith("/v1/admin/")) headers["X-Admin-Token"] = memory.adminToken;
  return headers;
}

/**
 * @param {string} method
 * @param {URL} url
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {Promise<Record<string, string>>}
 */
export async function policyHeaders(method, url, body) {
  return signer ? signedHeaders(signer, method, url, body) : {};
}
