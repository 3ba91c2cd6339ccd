// The page on which a guest fetches: the code, then the files.
import { Problem, call, persist } from "./api.js";
import { readCode } from "./codes.js";
import { $, Painter, readBoot, say, setAttribute, setShown, setText } from "./dom.js";
import { FileTree } from "./filetree.js";
import { Notices } from "./notices.js";
import { Patience } from "./patience.js";
import { ShareRows } from "./sharerows.js";
import { figures, translator } from "./text.js";

/** Files in one page of the list. */
const PAGE = 1000;
/** Tries for one page of the list before a person is asked. */
const TRIES = 4;

const boot = readBoot();
const t = translator(boot.texts, boot.language);
const format = figures(boot.language);
const path = `/d/${encodeURIComponent(boot.token)}`;
const patience = new Patience();
const tree = new FileTree();
const painter = new Painter(paintList);
const notices = new Notices($("notices"), boot.icons, t);
const rows = new ShareRows($("list"), { icons: boot.icons, token: encodeURIComponent(boot.token), t, figures: format, toggled: paintList });

function paintList() {
  const query = $("search").value.trim();
  const entries = query === "" ? tree.rows() : tree.find(query);
  rows.show(entries);
  setShown($("nothing"), query !== "" && entries.length === 0);
  setText($("nothing"), t("fetch.nothing", { query }));
}

/** The share is over, or never was. */
function showEnd(problem) {
  for (const id of ["locked", "open-view"]) setShown($(id), false);
  setShown($("ended"), true);
  setText($("ended-title"), t("fetch.ended"));
  setText($("ended-text"), t(`error.${problem.code}`));
  $("ended-title").focus();
}

function showWrong(sentence) {
  setShown($("code-wrong"), sentence !== "");
  setText($("code-wrong").querySelector("span"), sentence);
  setAttribute($("code"), "aria-invalid", sentence ? "true" : null);
  if (sentence) $("code").focus();
}

async function unlock(event) {
  event.preventDefault();
  const code = readCode($("code").value);
  if (!code) return showWrong(t("fetch.code_form"));
  showWrong("");
  setAttribute($("open"), "aria-busy", "true");
  try {
    await call("POST", `${path}/unlock`, { json: { code } });
    await showFiles();
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 410)) showEnd(error);
    else if (error instanceof Problem) showWrong(sentenceOf(error));
    else showWrong(t("fetch.no_answer"));
  } finally {
    setAttribute($("open"), "aria-busy", null);
  }
  return undefined;
}

function sentenceOf(problem) {
  const sentence = t(`error.${problem.code}`);
  if (problem.retryAfter === null) return sentence;
  return `${sentence} ${t("fetch.wait", { time: format.duration(problem.retryAfter) })}`;
}

async function showFiles() {
  const first = await page(null);
  setShown($("locked"), false);
  setShown($("open-view"), true);
  setText($("title"), first.title || t("fetch.untitled"));
  document.title = first.title || t("fetch.untitled");
  setText($("fact-files"), format.number(first.total_files));
  setText($("fact-size"), format.bytes(first.total_bytes));
  setText($("fact-until"), format.day(first.expires_at));
  tree.add(first.files);
  tree.openFirst();
  paintList();
  say(t("fetch.said.opened", { count: first.total_files }));
  $("title").focus();
  await showRest(first.next_cursor);
}

/** The list goes on in pages; each is shown when it is there. */
async function showRest(cursor) {
  notices.show([]);
  try {
    while (cursor !== null) {
      const next = await page(cursor);
      tree.add(next.files);
      cursor = next.next_cursor;
      painter.ask();
    }
  } catch {
    notices.show([{ id: "cut", tone: "slow", icon: "retry", title: t("fetch.list_cut"), text: "",
      buttons: [{ label: t("fetch.try_again"), act: () => showRest(cursor) }] }]);
  }
}

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
    if (error instanceof Problem && error.status === 401) setShown($("locked"), true);
    else if (error instanceof Problem) showEnd(error);
    else {
      setShown($("locked"), true);
      showWrong(t("fetch.no_answer"));
    }
  }
}

$("form").addEventListener("submit", unlock);
$("code").addEventListener("input", () => showWrong(""));
$("search").addEventListener("input", painter.ask);
$("search-form").addEventListener("submit", (event) => event.preventDefault());
if (boot.unlocked) reopen();
