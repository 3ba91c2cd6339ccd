// The page on which a guest fetches: the code, then the files.
import { Problem, call, persist } from "./api.js";
import { wireCodeField } from "./codefield.js";
import { readCode } from "./codes.js";
import { $, Painter, readBoot, say, setAttribute, setIcon, setShown, setText, wireCopying } from "./dom.js";
import { lengthOf, wireFetching } from "./fetching.js";
import { FileTree } from "./filetree.js";
import { Focus } from "./focus.js";
import { Notices } from "./notices.js";
import { Patience } from "./patience.js";
import { ShareRows } from "./sharerows.js";
import { figures, translator } from "./text.js";

/** Files in one page of the list. */
const PAGE = 1000;
/** Tries for one page of the list before a person is asked. */
const TRIES = 4;
/** Refusals that end the share for everybody who looks at it. What a proxy says, or what is about one file, does not. */
const ENDED = new Set(["share_not_found", "share_expired", "share_revoked", "share_used_up"]);
/** What stands for the code in the lines for a terminal. */
const CODE = "YOUR-CODE";

const boot = readBoot();
const t = translator(boot.texts, boot.language);
const format = figures(boot.language);
const path = `/d/${encodeURIComponent(boot.token)}`;
const patience = new Patience();
const tree = new FileTree(boot.language);
const painter = new Painter(paintList);
const notices = new Notices($("notices"), boot.icons, t);
const focus = new Focus(() => $("title"));
const rows = new ShareRows($("list"), { icons: boot.icons, href: (file) => `/api/v1${path}/files/${file.id}`, t, figures: format, toggled: paintList });

function paintList() {
  const query = $("search").value.trim();
  const entries = query === "" ? tree.rows() : tree.find(query);
  rows.show(entries);
  setShown($("nothing"), query !== "" && entries.length === 0);
  setText($("nothing"), t("fetch.nothing", { query }));
}

/** Shows one of the page's views. @param {"locked" | "loading" | "open-view" | "ended"} wanted */
function show(wanted) {
  for (const id of ["locked", "loading", "open-view", "ended"]) setShown($(id), id === wanted);
}

/** The share is over, or never was. @param {Problem} problem */
function showEnd(problem) {
  const known = boot.texts[`problem.${problem.code}.title`] !== undefined;
  show("ended");
  setIcon($("ended-icon"), boot.icons, problem.code === "share_not_found" ? "search" : "clock");
  setText($("ended-title"), known ? t(`problem.${problem.code}.title`) : t("fetch.ended"));
  setText($("ended-text"), known ? t(`problem.${problem.code}.text`) : t(`error.${problem.code}`));
  document.title = $("ended-title").textContent;
  $("ended-title").focus();
}

/** @param {string} sentence "" for none */
function showWrong(sentence) {
  setShown($("code-wrong"), sentence !== "");
  setText($("code-wrong").querySelector("span"), sentence);
  setAttribute($("code"), "aria-invalid", sentence ? "true" : null);
  if (sentence) $("code").focus();
}

/** @param {Event} event */
async function unlock(event) {
  event.preventDefault();
  const code = readCode($("code").value);
  if (!code) return showWrong(t("fetch.code_form"));
  if ($("open").ariaBusy === "true") return undefined;
  showWrong("");
  setAttribute($("open"), "aria-busy", "true");
  try {
    await call("POST", `${path}/unlock`, { json: { code } });
    for (const lines of document.querySelectorAll(".shell")) setText(lines, lines.textContent.replaceAll(CODE, `${code.slice(0, 4)}-${code.slice(4)}`));
    await showFiles();
  } catch (error) {
    if (error instanceof Problem && ENDED.has(error.code)) showEnd(error);
    else showWrong(sentenceOf(error));
  } finally {
    setAttribute($("open"), "aria-busy", null);
  }
  return undefined;
}

/** Says why something failed, and what to do. @param {unknown} error */
function sentenceOf(error) {
  if (!(error instanceof Problem)) return t("fetch.no_answer");
  const sentence = t(`error.${error.code}`);
  if (error.retryAfter === null) return sentence;
  return `${sentence} ${t("fetch.wait", { time: format.duration(error.retryAfter) })}`;
}

/** Tells of the end of the right to fetch, if an error means that. @param {unknown} error */
function isOver(error) {
  if (!(error instanceof Problem)) return false;
  if (ENDED.has(error.code)) showEnd(error);
  else if (error.code === "code_required") {
    show("locked");
    showWrong(t("fetch.code_again"));
  } else return false;
  return true;
}

async function showFiles() {
  const first = await page(null);
  show("open-view");
  setText($("title"), first.title || t("fetch.untitled"));
  document.title = first.title || t("fetch.untitled");
  setText($("fact-files"), format.number(first.total_files));
  setText($("fact-size"), format.bytes(first.total_bytes));
  setText($("fact-until"), format.day(first.expires_at));
  tree.clear();
  tree.add(first.files);
  tree.openFirst();
  paintList();
  say(t("fetch.said.opened", { count: first.total_files }));
  $("title").focus();
  showAll(first);
  await showRest(first.next_cursor);
}

/** The one button: everything as a ZIP, or the only file as it is. */
async function showAll({ files, total_files }) {
  const [only] = total_files === 1 ? files : [];
  const link = $("all");
  const below = only ? `${path}/files/${only.id}` : `${path}/archive.zip`;
  setAttribute(link, "href", `/api/v1${below}`);
  link.dataset.name = only ? only.path : t("fetch.all_name");
  setText($("all-words"), t(only ? "fetch.only" : "fetch.all"));
  try {
    const length = only ? only.size : await lengthOf(below);
    setText($("all-size"), t(only ? "fetch.only_size" : "fetch.all_size", { size: format.bytes(length), count: length }));
  } catch (error) {
    if (!isOver(error)) setText($("all-size"), sentenceOf(error));
  }
}

/** The list goes on in pages; each is shown when it is there. @param {string | null} cursor */
async function showRest(cursor) {
  tell([]);
  try {
    while (cursor !== null) {
      const next = await page(cursor);
      tree.add(next.files);
      cursor = next.next_cursor;
      painter.ask();
    }
  } catch (error) {
    if (isOver(error)) return;
    tell([{ id: "cut", tone: "slow", icon: "retry", title: t("fetch.list_cut"), text: sentenceOf(error),
      buttons: [{ label: t("fetch.try_again"), act: () => showRest(cursor) }] }]);
  }
}

/** @param {string | null} cursor */
function page(cursor) {
  let tries = 0;
  const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  return persist(async () => {
    try {
      return await call("GET", `${path}?limit=${PAGE}${query}`);
    } catch (error) {
      if (++tries >= TRIES) throw new Error("the list does not come", { cause: error });
      throw error;
    }
  }, { patience });
}

async function reopen() {
  try {
    await showFiles();
  } catch (error) {
    if (error instanceof Problem && error.code === "code_required") show("locked");
    else if (!isOver(error)) {
      show("locked");
      showWrong(sentenceOf(error));
    }
  }
}

/** A button that goes with its notice leaves the focus to the title. @param {import("./notices.js").Notice[]} wanted */
function tell(wanted) {
  notices.show(wanted);
  focus.keep();
}

/** @param {unknown} error @param {string} name @param {() => void} again */
function refused(error, name, again) {
  if (isOver(error)) return;
  const sentence = sentenceOf(error);
  const act = () => {
    tell([]);
    again();
  };
  notices.show([]);
  tell([{ id: "refused", tone: "bad", icon: "warn", title: t("fetch.refused", { name }), text: sentence,
    buttons: [{ label: t("fetch.try_again"), act }] }]);
  $("notices").scrollIntoView({ block: "nearest" });
  say(`${t("fetch.refused", { name })} ${sentence}`);
}

wireCodeField($("code"));
wireFetching($("open-view"), refused);
wireCopying(t("fetch.said.copied"));
$("form").addEventListener("submit", unlock);
$("code").addEventListener("input", () => showWrong(""));
$("search").addEventListener("input", painter.ask);
$("search-form").addEventListener("submit", (event) => event.preventDefault());
if (boot.unlocked) reopen();
