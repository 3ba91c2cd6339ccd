// Downloads by the browser itself, which keeps them when the page goes and goes on
// where they broke.
import { NoAnswer, Problem, readProblem, seconds } from "./api.js";

/** How long an answer may take, in milliseconds: a ZIP of many files is planned first. */
const LIMIT = 60_000;

/**
 * Asks for the first byte of what is behind an address, and so whether it can be
 * had: a HEAD reads nothing, and would not notice that the store is away or the
 * file damaged.
 * @param {string} path under /api/v1
 * @returns {Promise<number>} bytes in all
 * @throws {Problem | NoAnswer}
 */
export async function lengthOf(path) {
  let answer;
  let body;
  try {
    answer = await fetch(`/api/v1${path}`, {
      headers: { Accept: "*/*", Range: "bytes=0-0" }, cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(LIMIT),
    });
    body = await answer.text();
  } catch (error) {
    throw new NoAnswer(String(error));
  }
  if (!answer.ok) throw new Problem(answer.status, readProblem(body), seconds(answer.headers.get("Retry-After")));
  const whole = answer.headers.get("Content-Range")?.split("/")[1]; // an empty file has no range
  return Number(whole ?? body.length);
}

/**
 * Makes links below an element ask first. A browser that is refused says nothing of
 * use, or leaves the page.
 * @param {Element} place
 * @param {(error: unknown, name: string, again: () => void) => void} refused
 */
export function wireFetching(place, refused) {
  place.addEventListener("click", (event) => {
    const { button, ctrlKey, metaKey, shiftKey, altKey } = /** @type {MouseEvent} */ (event);
    const link = /** @type {Element} */ (event.target).closest("a[download]");
    if (!link || button !== 0 || ctrlKey || metaKey || shiftKey || altKey) return;
    event.preventDefault();
    fetchAfterAsking(/** @type {HTMLAnchorElement} */ (link), refused);
  });
}

/** @param {HTMLAnchorElement} link @param {(error: unknown, name: string, again: () => void) => void} refused */
async function fetchAfterAsking(link, refused) {
  if (link.ariaBusy === "true") return;
  const { pathname } = link;
  const name = link.dataset.name ?? "";
  link.ariaBusy = "true";
  try {
    await lengthOf(pathname.replace(/^\/api\/v1/, ""));
    fetchNow(pathname);
  } catch (error) {
    refused(error, name, () => fetchAfterAsking(link, refused));
  } finally {
    link.ariaBusy = null;
  }
}

/** Hands an address to the browser. @param {string} path */
function fetchNow(path) {
  const link = document.createElement("a");
  link.href = path;
  link.download = ""; // the server says the name
  link.click();
}
