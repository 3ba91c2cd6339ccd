// What the studio's pages have in common.
import { NoAnswer, Problem } from "./api.js";
import { $, readBoot, say, setAttribute, setShown, setText, wireCopying } from "./dom.js";
import { Focus, inSight } from "./focus.js";
import { Notices } from "./notices.js";
import { figures, translator } from "./text.js";

/** How long the page may take to come anew, in milliseconds. */
const LIMIT = 30_000;

export const boot = readBoot();
export const t = translator(boot.texts, boot.language);
export const format = figures(boot.language);
const notices = new Notices($("notices"), boot.icons, t);
const focus = new Focus(home);
/** @type {HTMLElement | null} the button whose work was done last */
let pressed = null;

/** Where the focus goes with a notice that is closed: back to what was pressed, else to the title. */
function home() {
  if (inSight(pressed)) return pressed;
  const title = document.querySelector("h1");
  title.tabIndex = -1;
  return title;
}

/** @param {import("./notices.js").Notice[]} wanted */
function tell(wanted) {
  notices.show(wanted);
  focus.keep();
}

/** What an error means for a studio. Most sentences of the interface are for guests. */
export function sentenceOf(error) {
  if (!(error instanceof Problem)) {
    if (error instanceof NoAnswer) return t("studio.no_answer");
    throw error;
  }
  const field = error.body.field && boot.texts[`studio.field.${error.body.field}`];
  const own = field || boot.texts[`studio.error.${error.code}`] || t(`error.${error.code}`);
  return error.retryAfter === null ? own : `${own} ${t("studio.wait", { time: format.duration(error.retryAfter) })}`;
}

/** Shows a sentence beside what it is about, or takes it away. @param {HTMLElement} place @param {string} sentence */
export function showWrong(place, sentence) {
  setShown(place, sentence !== "");
  setText(place, sentence);
}

/**
 * Does what a button asks for, once at a time.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} work
 * @param {(sentence: string) => void} [wrong] shows what went wrong; a notice above the page if left out
 */
export async function busy(button, work, wrong = showProblem) {
  if (button.getAttribute("aria-busy") === "true") return;
  setAttribute(button, "aria-busy", "true");
  pressed = button;
  try {
    wrong("");
    await work();
  } catch (error) {
    if (error instanceof Problem && error.code === "unauthenticated") location.reload(); // leads to the page that signs in
    wrong(sentenceOf(error));
  } finally {
    setAttribute(button, "aria-busy", null);
  }
}

/** A problem that belongs to no field. @param {string} sentence */
export function showProblem(sentence) {
  tell(sentence === "" ? [] : [{ id: sentence, tone: "bad", icon: "warn", title: t("studio.problem"), text: sentence,
    buttons: [{ label: t("studio.close"), act: () => tell([]) }] }]);
  if (sentence) say(sentence);
}

/**
 * Asks before what cannot be undone.
 * @param {{title: string, text: string, yes: string}} words
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  const dialog = $("confirm");
  setText($("confirm-title"), title);
  setText($("confirm-text"), text);
  setText($("confirm-yes"), yes);
  dialog.showModal();
  // Not the event of closing: it comes later, when the next question may have been asked.
  return new Promise((resolve) => {
    const done = new AbortController();
    const answer = (yes) => {
      done.abort();
      resolve(yes);
    };
    dialog.addEventListener("submit", (event) => answer(event.submitter === $("confirm-yes")), { signal: done.signal });
    dialog.addEventListener("cancel", () => answer(false), { signal: done.signal });
  });
}

/** The end of a day of the calendar here, as the interface wants it. @param {string} day of a date field */
export function endOfDay(day) {
  return new Date(`${day}T23:59:59`).toISOString();
}

/** Writes times as the clock here has them. @param {ParentNode} place */
export function localise(place) {
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (place.querySelectorAll("time[data-precision]"))) {
    const at = new Date(time.dateTime);
    setText(time, time.dataset.precision === "day" ? format.day(at) : format.moment(at, new Date()));
  }
}

/** The server's version of each part, by id, so that only what changed is drawn anew. */
const versions = new Map();

function remember(page, ids) {
  for (const id of ids) {
    for (const node of entriesOf(page.getElementById(id))) versions.set(node.id, node.outerHTML);
  }
}

/** A list is drawn by its entries, anything else as a whole. */
function entriesOf(part) {
  if (!part) return [];
  return part.matches("ul, ol") ? [...part.children] : [part];
}

/**
 * Draws parts of the page anew as the server shows them now. What has the focus keeps it.
 * @param {string[]} ids of elements; of lists every entry has an id of its own
 * @returns {Promise<boolean>} false when the page shows something else by now, so that it has to be loaded whole
 * @throws {NoAnswer} when the page does not come
 */
export async function refresh(ids) {
  const page = new DOMParser().parseFromString(await loadPage(), "text/html");
  for (const id of ids) {
    if (Boolean($(id)) !== Boolean(page.getElementById(id))) return false;
  }
  for (const id of ids) if ($(id)) replacePart($(id), page.getElementById(id));
  return true;
}

/** @returns {Promise<string>} the page as the server shows it now @throws {NoAnswer} */
async function loadPage() {
  try {
    const limit = AbortSignal.timeout(LIMIT);
    const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin", signal: limit });
    // Signed out meanwhile: there is nothing to draw, and the page that signs in leads back.
    if (answer.redirected) location.assign(answer.url);
    if (answer.ok && !answer.redirected) return await answer.text();
    throw new Error(`status ${answer.status}`);
  } catch (error) {
    throw new NoAnswer(String(error));
  }
}

/**
 * Shows what came of a press that succeeded. Where the page does not come, the press
 * has not failed: it is said that only the page is old.
 * @param {string[]} ids see refresh
 * @param {string} [done] what to say when it is seen
 */
export async function redraw(ids, done = "") {
  const drawn = await refresh(ids).catch((error) => {
    if (error instanceof NoAnswer) return false;
    throw error;
  });
  const title = t("studio.done"), text = t("studio.stale");
  tell(drawn ? [] : [{ id: "stale", tone: "slow", icon: "retry", title, text,
    buttons: [{ label: t("studio.reload"), act: () => location.reload() }, { label: t("studio.close"), act: () => tell([]) }] }]);
  say(drawn ? done : `${title} ${text}`);
}

function replacePart(here, there) {
  if (!here.matches("ul, ol")) {
    replace(here, there);
    return;
  }
  const wanted = entriesOf(there);
  const keep = new Set(wanted.map((node) => node.id));
  for (const node of [...here.children]) if (!keep.has(node.id)) node.remove();
  wanted.forEach((node, i) => {
    const old = $(node.id);
    if (old) replace(old, node);
    else here.insertBefore(fresh(node), here.children[i] ?? null);
  });
}

function fresh(node) {
  versions.set(node.id, node.outerHTML);
  const copy = document.importNode(node, true);
  localise(copy);
  return copy;
}

function replace(old, node) {
  if (versions.get(node.id) === node.outerHTML) return;
  const focusable = "a, button, input";
  const focus = [...old.querySelectorAll(focusable)].indexOf(document.activeElement);
  const copy = fresh(node);
  old.replaceWith(copy);
  if (focus >= 0) copy.querySelectorAll(focusable)[focus]?.focus();
}

/**
 * Does something again and again while the page is looked at, more seldom while it fails.
 * @param {() => Promise<number>} work gives the milliseconds until the next time
 */
export function repeat(work) {
  let timer = 0;
  let failures = 0;
  const soon = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
  async function run() {
    if (document.hidden) return;
    try {
      const next = await work();
      failures = 0;
      soon(next);
    } catch {
      failures++;
      soon(Math.min(60_000, 5000 * 2 ** failures));
    }
  }
  document.addEventListener("visibilitychange", () => !document.hidden && soon(0));
  soon(3000);
}

/** Sets up what every page of a studio has. @param {string[]} parts that refresh will draw anew */
export function begin(parts) {
  remember(document, parts);
  localise(document);
  wireCopying(t("studio.copied"));
  document.addEventListener("click", (event) => {
    const button = /** @type {any} */ (event.target).closest("[data-sign-out]");
    if (button) busy(button, async () => (await import("./signout.js")).signOut(boot.keep));
  });
}
