// Calls of the API.

import { t } from "./i18n.js";
import { problemText } from "./problems.js";

const PATIENCE = 20_000;

/** An answer that says no, in words for a person. Status 0: there was no answer. */
export class Problem extends Error {
  constructor({ status = 0, code, detail, title, errors = [] }, retryAfter = 0) {
    super(problemText({ status, code, detail, title }));
    Object.assign(this, { status, code, errors, retryAfter });
  }
}

let signedOut = null;

/** Says who is to be told when a call finds that the session has ended. */
export const whenSignedOut = (listener) => (signedOut = listener);

/**
 * `body` goes as JSON, a `Blob` as it is. `version` is the one that a change is meant for (`If-Match`); `patience` the
 * milliseconds that the answer may take, for calls that wait for something.
 */
export async function call(method, path, { body, key, version, patience = PATIENCE } = {}) {
  const told = signedOut;
  const headers = { Accept: "application/json" };
  const isFile = body instanceof Blob;
  if (body) headers["Content-Type"] = isFile ? body.type || "application/octet-stream" : "application/json";
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  if (key) headers["Idempotency-Key"] = key;
  let response, answer;
  try {
    const signal = AbortSignal.timeout(patience);
    response = await fetch(`/api/v1${path}`, { method, headers, body: isFile ? body : body && JSON.stringify(body), signal });
    answer = response.status === 204 ? null : await response.json();
  } catch (error) {
    // Accepted, and nothing to be said of it yet.
    if (response?.status === 202 && error instanceof SyntaxError) return null;
    if (!response || response.ok) {
      const why = error.name === "TimeoutError" ? "too_slow" : "unreachable";
      throw new Problem({ detail: t(`problems.${navigator.onLine ? why : "offline"}`) });
    }
  }
  if (response.ok) return answer;
  if (response.status === 401 && told && told === signedOut) told();
  throw new Problem({ ...answer, status: response.status }, Number(response.headers.get("Retry-After")) || 0);
}

/** Also where the page is served without TLS, and browsers keep `randomUUID` to themselves. */
export const newKey = () =>
  crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
