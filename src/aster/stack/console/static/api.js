// One way to ask each API, with the caller's own credentials, and one kind of error for whatever comes back instead.

import { decode, encode } from "./json.js";
import { memoryHeaders, policyHeaders } from "./session.js";

/** Anything an API refuses, in its own words. `problems` name the places that are wrong. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status: number, code: string, requestId: string, system: string,
   *   problems?: {path: string, message: string}[]}} facts
   */
  constructor(message, facts) {
    super(message);
    this.name = "ApiError";
    this.status = facts.status;
    this.code = facts.code;
    this.requestId = facts.requestId;
    this.system = facts.system;
    this.problems = facts.problems ?? [];
  }
}

/**
 * @typedef {{query?: Record<string, any>, body?: any, signal?: AbortSignal,
 *   headers?: Record<string, string>}} Options
 * @typedef {{value: any, headers: Headers, status: number, response: Response}} Answer
 */

/** @param {string} path @param {Record<string, any>} [query] */
function addressOf(path, query = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

/** @param {Response} response @param {string} system */
async function errorOf(response, system) {
  const text = await response.text();
  let told;
  try {
    told = JSON.parse(text);
  } catch {
    told = {};
  }
  return new ApiError(told.error ?? told.detail ?? (text.slice(0, 300) || response.statusText || "no answer"), {
    status: response.status,
    code: told.errorCode ?? told.code ?? "",
    requestId: told.requestId ?? response.headers.get("X-Request-Id") ?? "",
    system,
    problems: told.details,
  });
}

/** @param {string} system @param {URL} url @param {RequestInit} request */
async function send(system, url, request) {
  let response;
  try {
    response = await fetch(url, { ...request, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError("The server can't be reached. Nothing was changed here; try again when it runs.", {
      status: 0,
      code: "UNREACHABLE",
      requestId: "",
      system,
    });
  }
  if (!response.ok) throw await errorOf(response, system);
  return response;
}

/** @param {Response} response @returns {Promise<Answer>} */
async function answerOf(response) {
  const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
  const value = isJson ? decode(await response.text()) : null;
  return { value, headers: response.headers, status: response.status, response };
}

/** @param {any} body */
function encoded(body) {
  return body === undefined ? new Uint8Array() : new TextEncoder().encode(encode(body));
}

/**
 * Ask the memory gateway. @param {string} method @param {string} path @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export async function askMemory(method, path, { query, body, signal, headers } = {}) {
  const url = addressOf(path, query);
  const sent = { ...headers, ...memoryHeaders(url) };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  return answerOf(
    await send("memory", url, {
      method,
      signal,
      headers: sent,
      body: body === undefined ? undefined : encoded(body),
    }),
  );
}

/**
 * Ask the policy service, signed over the very bytes that are sent.
 * @param {string} method @param {string} path @param {Options} [options] @returns {Promise<Answer>}
 */
export async function askPolicy(method, path, { query, body, signal, headers } = {}) {
  const url = addressOf(path, query);
  const bytes = encoded(body);
  const sent = { ...headers, ...(await policyHeaders(method, url, bytes)) };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  return answerOf(
    await send("policy", url, { method, signal, headers: sent, body: body === undefined ? undefined : bytes }),
  );
}

/** What the server tells everybody, of itself. @param {string} path @param {AbortSignal} [signal] */
export async function askOpenly(path, signal) {
  const response = await fetch(path, { signal, credentials: "omit", cache: "no-store" });
  return { status: response.status, value: await response.json() };
}
