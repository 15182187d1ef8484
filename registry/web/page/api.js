/* Calls to the API; the server's clock as its answers show it; refusals in a visitor's words. */

const API = "/api/";

/**
 * The server's clock, from the Date of its answers. These are whole seconds, so each answer narrows
 * down the time. The visitor's clock plays no part: performance.now() only counts.
 */
export const clock = {
  low: -Infinity,
  high: Infinity,
  /** @param {string | null} date @param {number} sent @param {number} received */
  learn(date, sent, received) {
    const second = Date.parse(date || "");
    if (Number.isNaN(second)) return;
    this.low = Math.max(this.low, second - received);
    this.high = Math.min(this.high, second + 1000 - sent);
    if (this.low > this.high) [this.low, this.high] = [second - received, second + 1000 - sent];
  },
  now() {
    return this.high === Infinity ? Date.now() : performance.now() + (this.low + this.high) / 2;
  },
};

/** For visitors; the API's own words are for programmers. @type {Record<string, string>} */
const WORDS = {
  503: "The registry cannot be reached just now. Try again in a moment.",
  "registry-closed": "The registry has closed, and takes no more gifts.",
  "processing-off": "This host sends registries nowhere.",
};

/** @param {number} status */
function words(status) {
  if (status === 401 || status === 403) {
    return "This host wants a key: open this page with ?code=… and the key.";
  }
  if (status === 500) return "The host stumbled over this.";
  return `The host answered with ${status}, which this page does not understand. Try again later.`;
}

/** An answer that is not what was asked for: a problem of the API, or of something else. */
export class Refusal extends Error {
  /** @param {number} status @param {{type?: string, detail?: string}} problem */
  constructor(status, problem) {
    const kind = String(problem.type || "").split(/[/#]/).at(-1) || "";
    super(WORDS[kind] || (kind && (WORDS[status] || problem.detail)) || words(status));
    this.status = status;
    this.kind = kind;
    /** Whether to send the same again: the host crashed, restarts or does not reach its storage. */
    this.again = kind ? status === 503 : status !== 401 && status !== 403;
  }
}

let key = "";

/** Sets the function key that each call carries from now on. @param {string} value */
export function useKey(value) {
  key = value;
}

/**
 * Calls the API, whose answer must be as `isWhole` says, or 304.
 * Throws Refusal, or TypeError where nothing answered.
 * @param {string} path
 * @param {(body: any) => unknown} isWhole
 * @param {RequestInit & {headers?: Record<string, string>}} options
 * @returns {Promise<{status: number, body: any, etag: string}>}
 */
export async function call(path, isWhole, options = {}) {
  const headers = { ...options.headers, ...(key && { "x-functions-key": key }) };
  const sent = performance.now();
  const signal = AbortSignal.timeout(15000);
  const answer = await fetch(API + path, { ...options, headers, cache: "no-store", signal });
  clock.learn(answer.headers.get("Date"), sent, performance.now());
  if (answer.status === 304) return { status: 304, body: null, etag: "" };
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body || !isWhole(body)) throw new Refusal(answer.status, body || {});
  return { status: answer.status, body, etag: answer.headers.get("ETag") || "" };
}
