// Layer 2 of the policy service, in the browser: HMAC-SHA256 over the canonical message, with a key that WebCrypto
// keeps and never hands out again. The message is METHOD|path|query|timestamp|nonce|sha256(body); version 2 appends
// |tenant|role|user, so that nobody on the way can raise a role.

const NONCE_BYTES = 16;
const encoder = new TextEncoder();

/**
 * Who signs. `key` can sign and can't be read.
 * @typedef {{tenant: string, role: string, user: string, keyId: string, key: CryptoKey}} Signer
 */

/** WebCrypto exists where the page came over HTTPS or from this machine. */
export function canSign() {
  return globalThis.isSecureContext && globalThis.crypto?.subtle !== undefined;
}

/** @param {ArrayBuffer | Uint8Array} bytes */
function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A key of the secret's UTF-8 bytes that can't be exported. @param {string} secret @returns {Promise<CryptoKey>} */
export function importSecret(secret) {
  return crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/**
 * The text that version 1 signs; `path` and `query` exactly as on the wire.
 * @param {string} method @param {string} path @param {string} query @param {string} timestamp @param {string} nonce
 * @param {Uint8Array<ArrayBuffer>} body
 */
export async function canonicalMessage(method, path, query, timestamp, nonce, body) {
  const digest = hex(await crypto.subtle.digest("SHA-256", body));
  return [method.toUpperCase(), path, query, timestamp, nonce, digest].join("|");
}

/** Lower-case hex. @param {CryptoKey} key @param {string} message */
export async function sign(key, message) {
  return hex(await crypto.subtle.sign("HMAC", key, encoder.encode(message)));
}

/**
 * The headers that take a request through all three layers. A request that is sent again must be signed again.
 * @param {Signer} signer @param {string} method @param {URL} url @param {Uint8Array<ArrayBuffer>} body
 * @returns {Promise<Record<string, string>>}
 */
export async function signedHeaders(signer, method, url, body) {
  const timestamp = String(Date.now());
  const nonce = hex(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
  const message = await canonicalMessage(method, url.pathname, url.search.slice(1), timestamp, nonce, body);
  const identity = [signer.tenant, signer.role, signer.user].join("|");
  /** @type {Record<string, string>} */
  const headers = {
    "X-Tenant-Id": signer.tenant,
    "X-User-Role": signer.role,
    "X-Aster-Timestamp": timestamp,
    "X-Aster-Nonce": nonce,
    "X-Aster-Signature-Version": "2",
    "X-Aster-Signature": await sign(signer.key, `${message}|${identity}`),
  };
  if (signer.user) headers["X-User-Id"] = signer.user;
  if (signer.keyId) headers["X-Aster-Key-Id"] = signer.keyId;
  return headers;
}
