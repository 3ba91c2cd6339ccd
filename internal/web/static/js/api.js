// Calls of the HTTP interface, and what can go wrong with them.
import { pause } from "./patience.js";

/** Refusals of 4xx that a repeat of the same call may overcome: the way was bad, not the request. */
const PASSING = new Set(["foreign", "body_cut", "digest_mismatch"]);

/**
 * An answer that says no (RFC 9457). One that is no problem document of ours, as
 * proxies and networks with a sign-in page give, has the code "foreign": it says
 * nothing about what was asked, whatever its status.
 */
export class Problem extends Error {
  /** @param {number} status @param {any} body @param {number | null} retryAfter seconds */
  constructor(status, body, retryAfter) {
    super(body.code);
    this.status = status;
    /** @type {string} one of the interface's codes, or "foreign" */
    this.code = body.code ?? "internal";
    this.body = body;
    this.retryAfter = retryAfter;
  }

  /** Whether the same call may succeed later. */
  get passing() {
    return this.status >= 500 || this.status === 429 || this.status === 408 || PASSING.has(this.code);
  }
}

/** No answer came: the connection broke, or nothing moved for too long. */
export class NoAnswer extends Error {
  /** @param {string} said @param {boolean} [revived] called off by us, to be tried anew at once */
  constructor(said, revived = false) {
    super(said);
    this.revived = revived;
  }
}

/** The caller ended the call. */
export class Ended extends Error {}

/** How long one JSON call may take, in milliseconds. */
const CALL_LIMIT = 90_000;
/** How long a part may stand still, in milliseconds. */
const STALL_LIMIT = 60_000;
/** How long the server may take to answer for a part that it has whole. */
const ANSWER_LIMIT = 150_000;

/**
 * Makes one call.
 * @param {string} method
 * @param {string} path under /api/v1
 * @param {{token?: string, json?: any, key?: string, signal?: AbortSignal}} [options]
 *   signal calls it off, to be made again
 * @returns {Promise<any>} the answer's JSON, null when it has none
 * @throws {Problem | NoAnswer}
 */
export async function call(method, path, { token, json, key, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const limit = new AbortController();
  const end = () => limit.abort();
  const timer = setTimeout(end, CALL_LIMIT);
  signal?.addEventListener("abort", end);
  try {
    const answer = await fetch(`/api/v1${path}`, {
      method, headers, body: json === undefined ? undefined : JSON.stringify(json),
      cache: "no-store", credentials: "same-origin", signal: limit.signal,
    });
    const body = await answer.text();
    if (answer.ok) return body === "" ? null : readJSON(body, answer.status);
    throw new Problem(answer.status, readProblem(body), seconds(answer.headers.get("Retry-After")));
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new NoAnswer(String(error), signal?.aborted);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/**
 * Makes a call again and again until it is answered for good.
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {object} options
 * @param {import("./patience.js").Patience} options.patience
 * @param {() => number} [options.random]
 * @param {AbortSignal} [options.signal]
 * @param {(problem: Problem) => boolean} [options.unless] which passing refusals are an answer all the same
 * @param {(ms: number, error: Problem | NoAnswer) => void} [options.waiting] told before each wait
 * @returns {Promise<T>}
 * @throws {Problem | Ended}
 */
export async function persist(attempt, { patience, random = Math.random, signal, unless = () => false, waiting = () => {} }) {
  for (let tries = 1; ; tries++) {
    if (signal?.aborted) throw new Ended();
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted) throw new Ended();
      if (error instanceof NoAnswer && error.revived) continue;
      const again = error instanceof NoAnswer || (error instanceof Problem && error.passing && !unless(error));
      if (!again) throw error;
      const ms = pause(tries, error instanceof Problem ? error.retryAfter : null, random);
      waiting(ms, error);
      await patience.sleep(ms, signal);
    }
  }
}

/**
 * Sends one part. XMLHttpRequest, because fetch cannot tell how far a body is, nor
 * so notice that a connection stands still.
 * @param {string} fileId
 * @param {number} number
 * @param {Blob} bytes
 * @param {{token: string, signal?: AbortSignal, moved?: (bytes: number) => void}} options
 *   moved is told what left since it was told last
 * @returns {Promise<{number: number, size: number, crc32: string, state: string}>}
 * @throws {Problem | NoAnswer}
 */
export function putPart(fileId, number, bytes, { token, signal, moved = () => {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer = 0;
    let loaded = 0;
    const end = () => request.abort();
    const patience = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(end, ms);
    };
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    };
    request.open("PUT", `/api/v1/files/${fileId}/parts/${number}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      patience(event.loaded < bytes.size ? STALL_LIMIT : ANSWER_LIMIT);
      moved(event.loaded - loaded);
      loaded = event.loaded;
    });
    request.upload.addEventListener("load", () => patience(ANSWER_LIMIT));
    request.addEventListener("load", () => {
      over();
      readAnswer(request, resolve, reject);
    });
    for (const kind of ["error", "abort", "timeout"]) {
      request.addEventListener(kind, () => {
        over();
        reject(new NoAnswer(kind));
      });
    }
    signal?.addEventListener("abort", end);
    patience(STALL_LIMIT);
    request.send(bytes);
  });
}

function readAnswer(request, resolve, reject) {
  const { status, responseText: body } = request;
  try {
    if (status === 200) resolve(readJSON(body, status));
    else reject(new Problem(status, readProblem(body), seconds(request.getResponseHeader("Retry-After"))));
  } catch (error) {
    reject(error);
  }
}

/** An answer of ours is JSON; a page in its place comes from something in between. */
function readJSON(body, status) {
  try {
    return JSON.parse(body);
  } catch {
    throw new Problem(status, { code: "foreign" }, null);
  }
}

/** @param {string} body @returns {any} the problem, or one with the code "foreign" when it is none of ours */
export function readProblem(body) {
  try {
    const problem = JSON.parse(body);
    if (typeof problem.code === "string" && typeof problem.request_id === "string") return problem;
  } catch {
    // As below.
  }
  return { code: "foreign" };
}

/** @param {string | null} header Retry-After in seconds; a date is not used by this interface */
export function seconds(header) {
  const value = Number(header);
  return header !== null && Number.isFinite(value) && value >= 0 ? value : null;
}
