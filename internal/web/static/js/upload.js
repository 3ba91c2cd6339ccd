// The page on which a guest sends: joins the sending to what is seen and pressed.
import * as wire from "./api.js";
import { Awake } from "./awake.js";
import { Checksums } from "./checksums.js";
import { askPerson } from "./dialog.js";
import { $, Painter, readBoot, say, wireCopying } from "./dom.js";
import { Handles, permitted } from "./handles.js";
import { Patience } from "./patience.js";
import { wirePicking } from "./picking.js";
import { datesHold } from "./pin.js";
import { Teller, Watcher, ownFile } from "./relay.js";
import { Remarks } from "./remarks.js";
import { Sender } from "./sender.js";
import { Store, readFragment } from "./store.js";
import { Tabs } from "./tabs.js";
import { figures, translator } from "./text.js";
import { Thrift } from "./thrift.js";
import { UploadView } from "./uploadview.js";
import { fromHandles } from "./walk.js";

export const boot = readBoot();
export const t = translator(boot.texts, boot.language);
const { keep = boot.slug } = boot;
const store = new Store(keep);
const handles = new Handles();
const tabs = new Tabs(keep);
const awake = new Awake();
const painter = new Painter(() => paint());
const thrift = new Thrift(painter.ask);
const remarks = new Remarks(t, painter.ask);
export const sender = new Sender({
  path: boot.slug ? `/u/${encodeURIComponent(boot.slug)}/transfers` : "/transfers", store, wire, checksums: new Checksums(), patience: new Patience(), changed: painter.ask,
  maxFile: boot.max_file_bytes ?? null, limit: thrift.limit, datesHold,
});
const teller = new Teller(tabs, sender);
const around = { t, figures: figures(boot.language), studio: boot.studio, thrift, remarks, get online() { return navigator.onLine; } };
const view = new UploadView(sender, {
  boot, t, figures: around.figures, around, remove, another, openEarlier, seize: () => tabs.seize().then(takeOver),
});
/** Phases in which there is nothing to send, and any tab may begin. */
const AT_REST = ["choosing", "done", "ended"];
/** Phases in which files that are added belong to the transfer that is being sent. */
const UNDER_WAY = ["sending", "paused", "stuck"];
/** Phases in which nothing can be taken out any more. */
const TOO_LATE = ["completing", "done"];
/** Ends the wait for the tab that sends. */
let waiting = new AbortController();
let limit = thrift.limit;
let lastPhase = sender.phase;

function keepLimit() {
  if (thrift.limit !== limit) sender.limit = limit = thrift.limit;
}

function paint() {
  keepLimit();
  if (sender.phase !== lastPhase) moved();
  awake.want(sender.running);
  if (tabs.mine && ["done", "ended"].includes(sender.phase)) {
    teller.tell(true);
    tabs.release();
    if (sender.phase === "done") handles.forget(sender.kept.id);
  }
  teller.tell();
  view.paint();
}

/** What ends with a phase, or begins with one. */
function moved() {
  lastPhase = sender.phase;
  remarks.pass();
  // Files that came late go with a transfer that was not complete after all.
  if (UNDER_WAY.includes(sender.phase)) handles.keep(sender.kept.id, []);
}

/** A sending handed over in the address is this browser's from now on; others stay beside it. */
async function adoptFragment() {
  await store.opened;
  const handed = readFragment(location.hash);
  if (!handed) return;
  const known = store.list().find((kept) => kept.id === handed.id);
  for (const other of store.list()) if (!other.aside && other.id) store.save({ ...other, aside: true });
  store.save({ key: null, since: Date.now(), ...known, ...handed, aside: false });
  // Where nothing is kept, the address stays the only way back.
  if (store.durable) history.replaceState(null, "", location.pathname + location.search);
}

/** Looks what became of a sending, and offers to go on with it. */
async function recall(kept) {
  try {
    const found = await sender.recall(kept);
    if (found === "receiving") view.choose.showRecall((await handles.of(kept.id)).length > 0);
    else view.choose.showFresh();
    return found;
  } catch (error) {
    if (!(error instanceof wire.Problem)) throw error;
    sender.end(error);
    return "none";
  } finally {
    painter.ask();
  }
}

/** Turns to another transfer; what is kept stays in the list of earlier ones. */
function another() {
  remarks.clear();
  // Files that came late go along, and so does what brings them back after a reload.
  if (sender.late.length === 0) handles.drop();
  sender.next();
  view.choose.showFresh();
  scrollTo(0, 0);
}

function openEarlier(kept) {
  if (sender.phase === "starting" || sender.adding > 0) return;
  another();
  store.save({ ...kept, aside: false });
  recall(kept);
}

/** Takes files that were chosen, and sends them to who sends. @param {import("./walk.js").Taken} taken */
async function take({ found, handles: given }) {
  if (view.watcher) return handOver(found);
  const first = sender.phase === "choosing";
  const id = UNDER_WAY.includes(sender.phase) ? sender.kept.id : null;
  await Promise.all([sender.add(found), handles.keep(id, given)]);
  paint();
  if (first && sender.phase === "choosing") view.choose.focus();
  return undefined;
}

function handOver(found) {
  const readable = found.filter(({ file }) => file);
  tabs.tell({ kind: "files", found: readable });
  view.watcher.unheard.push(...readable);
  view.handed += readable.length;
  if (readable.length > 0) say([t("send.handed", { count: readable.length }), ...view.apart ? [t("send.handed_apart")] : []].join(" "));
  if (readable.length < found.length) remarks.unread(found.length - readable.length);
  painter.ask();
}

async function start(details) {
  remarks.clear();
  await Promise.all([opened, thrift.look()]);
  keepLimit();
  if (!await tabs.claim()) {
    watch();
    view.apart = Object.values(details).some(Boolean);
    handOver(sender.items.map(({ path, file }) => ({ path, file })));
    sender.clear();
    return;
  }
  try {
    if (await sender.start(details)) await handles.keep(sender.kept.id, []);
    else if (sender.phase === "choosing") tabs.release();
  } catch (error) {
    tabs.release();
    if (!(error instanceof wire.Problem)) throw error;
    paint();
    view.choose.refused(error);
  }
}

/** Goes on with the files that the browser still knows. */
async function goOnByPress() {
  const allowed = await permitted(await handles.of(sender.kept.id));
  if (allowed.length === 0) return view.choose.showRecall(false);
  let found;
  try {
    found = await fromHandles(allowed, count);
  } finally {
    count(0);
  }
  if (found.length === 0) return remarks.empty();
  await sender.add(found);
  return start({});
}

function count(n) {
  view.choose.counting = n;
  painter.ask();
}

/** Shows what another tab does, until that one is closed or done. */
async function watch() {
  if (view.watcher) return;
  view.watcher = new Watcher();
  tabs.tell({ kind: "hello" });
  painter.ask();
  waiting = new AbortController();
  if (await tabs.await(waiting.signal)) await takeOver();
}

/** The tab that sent is gone: this one goes on where that one stopped. */
async function takeOver() {
  const { watcher } = view;
  if (!watcher || !tabs.mine) return;
  view.watcher = null;
  view.handed = 0;
  view.apart = false;
  waiting.abort();
  try {
    await store.refresh();
    const kept = store.list().find((kept) => kept.id === watcher.last?.id) ?? store.current;
    const goesOn = await recall(kept) === "receiving";
    const files = [...goesOn ? watcher.heirs.values() : [], ...watcher.unheard];
    if (files.length > 0) await sender.add(files);
    if (files.length > 0 && goesOn) await start({});
  } finally {
    if (AT_REST.includes(sender.phase)) tabs.release();
  }
}

/** Finishes an earlier sending with what has arrived of it; of several tabs one does. */
async function finish() {
  remarks.clear();
  await opened;
  if (await tabs.claim()) await sender.finishWithout();
  else watch();
}

tabs.whenLost(() => {
  if (sender.phase === "done" || sender.phase === "ended") return;
  sender.leave();
  watch();
});

tabs.hear((message) => {
  if (view.watcher) view.watcher.hear(message);
  else if (message.kind === "hello" && tabs.mine) teller.hello();
  else if (message.kind === "files" && tabs.mine) sender.add(message.found.map(ownFile));
  else if (message.kind === "progress" && !tabs.mine && sender.phase === "choosing" && sender.items.length === 0) watch();
  painter.ask();
});

/** @param {import("./item.js").Item} item */
async function remove(item) {
  remarks.clear();
  const sure = () => item.state !== "sent" || askPerson({
    title: t("send.remove_sent", { name: item.path }), text: t("send.remove_sent_text", { studio: boot.studio }),
    choices: [{ label: t("send.remove_yes"), value: true, stop: true }, { label: t("send.cancel"), value: false }],
  });
  const late = await sender.heed(async () => await sure() && !await sender.remove(item));
  if (late && TOO_LATE.includes(sender.phase)) remarks.tooLate(item.path, boot.studio);
}

/** A new transfer beside one that is not finished: the guest decides what becomes of that. */
async function startNew() {
  remarks.clear();
  const choice = await askPerson({
    title: t("send.anew"), text: t("send.anew_text"),
    choices: [
      { label: t("send.anew_keep"), value: "keep" }, { label: t("send.anew_delete"), value: "delete", stop: true },
      { label: t("send.cancel"), value: null },
    ],
  });
  if (!choice) return;
  const { kept } = sender;
  if (choice === "delete") {
    await sender.abandon();
    handles.forget(kept.id);
    view.choose.showFresh();
  } else another();
}

function wireForm() {
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const details = view.choose.readDetails();
    if (details) start(details);
  });
  $("unchoose").addEventListener("click", () => {
    sender.clear();
    handles.drop();
    paint();
  });
  $("pause").addEventListener("click", () => {
    remarks.clear();
    if (sender.running) sender.pause();
    else sender.goOn();
  });
  $("recall-go").addEventListener("click", goOnByPress);
  $("recall-finish").addEventListener("click", finish);
  $("recall-new").addEventListener("click", startNew);
  $("again").addEventListener("click", another);
  $("ended-again").addEventListener("click", () => {
    if (sender.kept) store.remove(sender.kept);
    location.reload();
  });
  $("ended-reload").addEventListener("click", () => location.reload());
}

/** An address with a sending was pasted into this tab. */
async function openHanded() {
  if (!readFragment(location.hash)) return;
  const busy = tabs.mine && !["done", "ended"].includes(sender.phase);
  const sure = !busy || await askPerson({
    title: t("send.turn"), text: t("send.turn_text"),
    choices: [{ label: t("send.turn_yes"), value: true }, { label: t("send.cancel"), value: false }],
  });
  if (sure) location.reload();
  else history.replaceState(null, "", location.pathname + location.search);
}

async function openPage() {
  return await opened ? watch() : recall(store.current);
}

/** Known when what this browser has kept is known: whether another tab sends. */
const opened = adoptFragment().then(() => tabs.taken());
wirePicking({ take, counting: count, remarks, closed: () => view.ended && !view.watcher });
wireForm();
wireCopying(t("send.copied"));
store.watch(painter.ask);
addEventListener("online", () => sender.revive());
addEventListener("offline", painter.ask);
addEventListener("hashchange", openHanded);
// The one place for whatever fails and is nobody's: presses, other tabs, the opening itself.
addEventListener("unhandledrejection", (event) => {
  if (remarks.failed(event.reason)) event.preventDefault();
});
setInterval(() => {
  thrift.look();
  if (view.watcher || !AT_REST.includes(sender.phase)) painter.ask();
}, 1000);
openPage();
