// The page of one transfer: progress, files, shares.
import { Problem, call } from "./api.js";
import { $, Painter, say, setShown, setText } from "./dom.js";
import { FileTree } from "./filetree.js";
import { Focus } from "./focus.js";
import { Meter } from "./meter.js";
import { Notices } from "./notices.js";
import { ShareRows } from "./sharerows.js";
import { announceStream } from "./streams.js";
import { begin, boot, busy, confirmed, endOfDay, format, redraw, repeat, sentenceOf, showWrong, t } from "./studio.js";

/** Files in one page of the list. */
const PAGE = 1000;
/** A list longer than this is loaded anew only when the transfer is complete. */
const FEW = 2000;
/** Milliseconds between two looks at the files of a transfer that is arriving. */
const LOOK = 10_000;
/** Least milliseconds until a stream that was refused is asked for again; a random part of as much is added. */
const REFUSED = 5000;
/** States of a transfer whose files can be fetched. */
const GOING = ["receiving", "complete"];
/** Refusals after which there is nothing to follow. */
const LOST = ["unauthenticated", "not_found"];
/** After so many milliseconds without a byte a transfer is shown as standing still. */
const STILL = 60_000;

const { id } = boot.transfer;
const path = `/transfers/${id}`;
let tree = new FileTree(boot.language);
const painter = new Painter(paintList);
const listNotices = new Notices($("file-notices"), boot.icons, t);
const listFocus = new Focus(() => $("list"));
const rows = new ShareRows($("list"), {
  icons: boot.icons, t, figures: format, toggled: paintList,
  href: (file) => (file.state === "stored" && GOING.includes(boot.transfer.state) ? `/api/v1/files/${file.id}/content` : null),
  note: (file) => (file.state === "damaged" ? t("studio.file_damaged") : file.state === "stored" ? "" : t("studio.file_coming")),
});

function paintList() {
  const query = $("search").value.trim();
  const entries = query === "" ? tree.rows() : tree.find(query);
  rows.show(entries);
  setShown($("nothing"), query !== "" && entries.length === 0);
  setText($("nothing"), t("fetch.nothing", { query }));
}

/** Loads all files, page by page, and shows them when the first page is there. */
async function loadFiles() {
  const next = new FileTree(boot.language, tree);
  let cursor = "";
  let first = true;
  do {
    const page = await call("GET", `${path}/files?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    next.add(page.files);
    cursor = page.next_cursor;
    if (first && page.files.length > 0) showTree(next);
    first = false;
    painter.ask();
  } while (cursor);
  next.settle();
}

function showTree(next) {
  if (!tree.filled) next.openFirst();
  tree = next;
  setShown($("plain-list"), false);
  setShown($("list"), true);
}

async function showFiles() {
  try {
    await loadFiles();
    listNotices.show([]);
    listFocus.keep();
  } catch (error) {
    listNotices.show([{ id: "cut", tone: "slow", icon: "retry", title: t("studio.files_cut"), text: sentenceOf(error),
      buttons: [{ label: t("studio.try_again"), act: showFiles }] }]);
  }
}

/** The size that a download will have, to the byte. */
async function showArchiveSize() {
  const answer = await fetch(`/api/v1${path}/archive.zip`, { method: "HEAD", credentials: "same-origin" });
  const bytes = Number(answer.headers.get("Content-Length"));
  if (answer.ok && bytes > 0) {
    setText($("zip-size"), format.bytes(bytes));
    $("zip").title = t("studio.bytes", { count: bytes });
  }
}

/**
 * Follows a transfer that arrives, over one stream of events. A page that nobody looks at has none: a browser has six
 * connections for all its tabs.
 */
function follow() {
  const watch = new Watch();
  let stream = null;
  let timer = 0;
  let over = () => {};
  const connect = () => {
    clearTimeout(timer);
    stream?.close();
    over();
    if (document.hidden) return;
    stream = new EventSource(`/api/v1${path}/live`);
    over = announceStream();
    stream.addEventListener("error", refused);
    stream.addEventListener("progress", (event) => watch.see(JSON.parse(event.data)));
    stream.addEventListener("gone", () => location.reload());
  };
  /** A stream that breaks is tried again by the browser; at an answer that is none, of a proxy or a busy server, it gives up. */
  const refused = () => {
    if (stream.readyState !== EventSource.CLOSED) return;
    over();
    timer = setTimeout(() => watch.ask().finally(connect), REFUSED * (1 + Math.random()));
  };
  connect();
  document.addEventListener("visibilitychange", connect);
  setInterval(() => watch.beat(), 1000);
}

/** What is known of a transfer on its way. */
class Watch {
  #meter = new Meter();
  #bytes = boot.transfer.bytes;
  #moved = $("meter").classList.contains("paused") ? 0 : Date.now();
  #told = quarterOf({ received: boot.transfer.bytes, declared: boot.transfer.whole });
  #latest = null;

  see(now) {
    if (now.state !== boot.transfer.state) return location.reload();
    if (now.bytes.received > this.#bytes) {
      // What came while nobody looked says nothing of the speed.
      if (this.#latest) this.#meter.note(now.bytes.received - this.#bytes, Date.now());
      this.#moved = Date.now();
    }
    this.#bytes = now.bytes.received;
    this.#latest = now;
    boot.transfer.files = now.files.total;
    showProgress(now);
    const quarter = quarterOf(now.bytes);
    if (quarter > this.#told) say(t("studio.said.percent", { percent: percentOf(now.bytes) }));
    this.#told = quarter;
    return undefined;
  }

  /** Asks once what a stream would tell, and why there is none: a browser does not say. */
  async ask() {
    try {
      this.see(await call("GET", path));
    } catch (error) {
      if (error instanceof Problem && LOST.includes(error.code)) location.reload(); // leads to the page that says so
    }
  }

  beat() {
    if (!this.#latest) return;
    showSpeed(this.#latest, this.#meter.rate(Date.now()));
    $("meter").classList.toggle("paused", Date.now() - this.#moved > STILL);
  }
}

/** Progress is announced at each quarter. */
function quarterOf(bytes) {
  return Math.floor(percentOf(bytes) / 25);
}

function percentOf({ received, declared }) {
  return declared > 0 ? Math.floor(100 * received / declared) : 0;
}

function showProgress({ bytes, files }) {
  const percent = percentOf(bytes);
  setText($("percent"), format.number(percent));
  $("progress").value = percent;
  setText($("fact-bytes"), t("studio.of", { part: format.bytes(bytes.received), whole: format.bytes(bytes.declared) }));
  setText($("fact-files"), t("studio.files_of", { stored: files.stored, count: files.total }));
}

function showSpeed(now, rate) {
  const left = now && rate > 0 ? (now.bytes.declared - now.bytes.received) / rate : 0;
  setText($("fact-speed"), left > 0 ? t("studio.speed", { size: format.bytes(rate) }) : "–");
  setText($("fact-left"), left > 0 ? t("studio.about", { time: format.duration(left) }) : "–");
}

async function remove() {
  await call("DELETE", path);
  location.reload();
}

async function restore() {
  await call("POST", `${path}/restore`, { json: {} });
  location.reload();
}

async function extend() {
  const day = $("extend-until").value;
  if (!day) return $("extend-until").focus();
  await call("PATCH", path, { json: { expires_at: endOfDay(day) } });
  await redraw(["until", "events"], t("studio.said.extended"));
  return undefined;
}

async function makeShare() {
  const json = {};
  const people = $("recipients").value.split(/[\s,;]+/).filter(Boolean);
  if (people.length > 0) json.recipients = people;
  if ($("share-until").value) json.expires_at = endOfDay($("share-until").value);
  if ($("max-downloads").value) json.max_downloads = Number($("max-downloads").value);
  if ($("own-code").value.trim()) json.code = $("own-code").value.trim();
  const share = await call("POST", `${path}/shares`, { json });
  setText($("made-link"), share.url);
  $("made-link").href = share.url;
  setText($("made-code"), share.code);
  setShown($("made"), true);
  $("share").reset();
  $("made-title").focus();
  await redraw(["share-list", "events"]);
}

async function revoke(button) {
  const yes = await confirmed({ title: t("studio.revoke_share"), text: t("studio.revoke_share_text"), yes: t("studio.revoke_share_yes") });
  if (!yes) return;
  await call("DELETE", `/shares/${button.dataset.revoke}`);
  await redraw(["share-list", "events"], t("studio.said.revoked"));
}

function wire() {
  for (const [name, work] of Object.entries({ delete: remove, restore })) {
    const button = $(name);
    button?.addEventListener("click", () => busy(button, work));
  }
  for (const [form, work] of Object.entries({ extend, share: makeShare })) {
    $(form)?.addEventListener("submit", (event) => {
      event.preventDefault();
      busy($(form).querySelector("button"), work, (sentence) => showWrong($(`${form}-wrong`), sentence));
    });
  }
  $("share-list")?.addEventListener("click", (event) => {
    const button = event.target.closest("[data-revoke]");
    if (button) busy(button, () => revoke(button));
  });
  $("made-done")?.addEventListener("click", () => {
    setShown($("made"), false);
    setText($("made-code"), "");
    $("share-make").focus();
  });
  $("search").addEventListener("input", painter.ask);
  $("search-form").addEventListener("submit", (event) => event.preventDefault());
}

begin(["until", "share-list", "events"]);
wire();
if (boot.transfer.files > 0) showFiles();
if ($("zip")) showArchiveSize();
if ($("meter")) {
  follow();
  repeat(async () => {
    if (boot.transfer.files > 0 && boot.transfer.files <= FEW) await showFiles();
    return LOOK;
  });
}
