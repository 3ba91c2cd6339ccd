// Which notices the state of a sending asks for.
import { why } from "./filerows.js";

/**
 * @typedef {import("./notices.js").Notice} Notice
 * @typedef {import("./sender.js").Sender} Sender
 * @typedef {ReturnType<Sender["summary"]>} Sum
 *
 * @typedef {object} Around
 * @property {(key: string, values?: any) => string} t
 * @property {ReturnType<typeof import("./text.js").figures>} figures
 * @property {boolean} online
 * @property {string} studio
 * @property {import("./thrift.js").Thrift} thrift
 * @property {import("./remarks.js").Remarks} remarks
 */

/** Reasons named in one notice. */
const REASONS = 5;

/** @param {Sender} sender @param {Sum} sum @param {Around} around @returns {Notice[]} */
export function noticesOf(sender, sum, around) {
  return [
    ...around.remarks.shown,
    ...connection(sender, sum, around),
    ...holding(sender, sum, around),
    ...costs(sender, around),
    ...failures(sender, sum, around),
    ...remarks(sender, sum, around),
  ];
}

/** Notices of a choice that is not sent yet. @param {Sender} sender @param {Sum} sum @param {Around} around @returns {Notice[]} */
export function readyNotices(sender, sum, around) {
  const { t } = around;
  const notices = [...around.remarks.shown, ...connection(sender, sum, around), ...costs(sender, around)];
  if (sum.failures.length > 0) {
    const again = sum.failures.some((item) => item.reason === "unreadable") ? ` ${t("send.unreadable_text")}` : "";
    notices.push({ id: "unfit", tone: "bad", icon: "warn", title: t("send.unfit", { count: sum.failures.length }),
      text: reasonsOf(sum.failures, around) + again, names: sum.failures.map((item) => item.path),
      buttons: [{ label: t("send.leave_out"), act: () => sender.leaveOutFailed() }] });
  }
  return [...notices, ...renamed(sender, t)];
}

/** Why one file was not sent, and what to do. @param {import("./item.js").Item} item @param {Around} around */
export function reasonOf(item, { t, figures }) {
  const most = item.refusal?.max_file_bytes;
  if (item.reason === "file_too_large" && most) return t("send.too_large", { size: figures.bytes(most) });
  return t(`error.${item.reason}`);
}

function reasonsOf(items, around) {
  const reasons = new Set();
  for (const item of items) if (reasons.add(reasonOf(item, around)).size === REASONS) break;
  return [...reasons].join(" ");
}

function connection(sender, sum, { t, online }) {
  if (!["sending", "starting", "completing", "choosing"].includes(sender.phase)) return [];
  const starting = sender.phase === "starting" ? [{ label: t("send.stop_start"), act: () => sender.cancelStart() }] : [];
  const now = [{ label: t("send.try_now"), act: () => sender.goOn() }, ...starting];
  const key = starting.length;
  if (!online && sender.phase !== "choosing") {
    return [{ id: `offline-${key}`, tone: "slow", icon: "offline", title: t("send.offline"), text: t("send.offline_text"), buttons: now }];
  }
  const { pieces } = sender;
  const again = pieces.filter((piece) => piece.again);
  const refused = again.find((piece) => piece.why !== "no_answer")?.why ?? sender.waiting?.code;
  if (refused && again.length === pieces.length) {
    const text = `${t(`error.${refused}`)} ${t("send.server_text")}`;
    return [{ id: `server-${refused}-${key}`, tone: "slow", icon: "retry", title: t("send.server"), text, buttons: now }];
  }
  if (sum.retrying > 0) {
    const reasons = [...new Set(again.map((piece) => why(piece.why, t)))].join(", ");
    return [{ id: "weak", tone: "slow", icon: "retry", title: t("send.weak"), text: t("send.weak_text", { count: sum.retrying, why: reasons }), buttons: now }];
  }
  if (sender.waiting) {
    return [{ id: `lost-${key}`, tone: "slow", icon: "retry", title: t("send.weak"), text: t("send.server_text"), buttons: now }];
  }
  return [];
}

function holding(sender, sum, { t, figures, studio }) {
  const on = [{ label: t("send.go_on"), act: () => sender.goOn() }];
  if (sender.leaving) {
    const { done, count } = sender.leaving;
    return [{ id: "leaving", tone: "", icon: "clock", title: t("send.leaving"), text: count === 0 ? "" : t("send.leaving_text", { done, count }) }];
  }
  if (sender.phase === "completing") {
    return [{ id: "finishing", tone: "", icon: "clock", title: t("send.finishing"), text: t("send.finishing_text") }];
  }
  if (sender.problem?.code === "quota_exceeded") {
    const text = t("send.room_text", { size: figures.bytes(sum.bytes), left: figures.bytes(sender.problem.body.bytes_left ?? 0), studio });
    return [{ id: "room", tone: "bad", icon: "warn", title: t("send.room"), text, buttons: on }];
  }
  if (sender.problem && sender.phase === "stuck") {
    return [{ id: "problem", tone: "bad", icon: "warn", title: t(`error.${sender.problem.code}`), text: "" }];
  }
  if (sender.phase === "paused") {
    return [{ id: "paused", tone: "", icon: "pause", title: t("send.held"), text: t("send.held_text", { count: sum.sent }), buttons: on }];
  }
  return [];
}

/** What a battery or a connection that costs changes is said, never done in silence. */
function costs(sender, { t, figures, thrift }) {
  if (!["choosing", "sending"].includes(sender.phase)) return [];
  const sending = sender.phase === "sending";
  return thrift.reasons.map((reason) => ({
    id: `${reason}-${sending}`, tone: "slow", icon: "warn",
    title: t(`send.${reason}`, { percent: figures.number(thrift.level) }), text: t(sending ? "send.sparing" : "send.sparing_first"),
    buttons: [
      ...sending ? [{ label: t("send.pause"), act: () => sender.pause() }] : [],
      { label: t("send.as_usual"), act: () => thrift.ignore(reason) },
    ],
  }));
}

/** Sorts failed files by what a person can do about them. */
function sorted(failures) {
  const groups = { unreadable: [], taken: [], full: [], blocked: [], others: [] };
  for (const item of failures) {
    if (item.reason === "unreadable" || item.reason === "changing") groups.unreadable.push(item);
    else if (item.refusal?.replaceable) groups.taken.push(item);
    else if (item.reason === "quota_exceeded") groups.full.push(item);
    else if (item.reason === "path_taken") groups.blocked.push(item);
    else groups.others.push(item);
  }
  return groups;
}

function failures(sender, sum, around) {
  const { t, figures, studio } = around;
  const stuck = sender.phase === "stuck";
  const without = stuck ? [{ label: t("send.finish_without"), act: () => sender.finishWithout() }] : [];
  const retry = { label: t("send.try_again"), act: () => sender.retryFailed() };
  const notices = [];
  const group = (id, items, title, text, button) => {
    if (items.length === 0) return;
    // Buttons that come and go with the phase belong to another notice.
    notices.push({ id: `${id}-${stuck}`, tone: "bad", icon: "warn", title: t(title, { count: items.length }), text,
      names: items.map((item) => item.path), buttons: [button, ...without] });
  };
  const { unreadable, taken, full, blocked, others } = sorted(sum.failures);
  group("unreadable", unreadable, "send.unreadable", t("send.unreadable_text"), retry);
  const partly = taken.some((item) => item.refusal.file.state === "receiving");
  group(`taken-${partly}`, taken, "send.taken", t(partly ? "send.taken_part_text" : "send.taken_text"),
    { label: t("send.replace"), act: () => sender.replaceStanding() });
  const size = figures.bytes(full.reduce((bytes, item) => bytes + item.size, 0));
  group("full", full, "send.room", t("send.room_text", { size, left: figures.bytes(full[0]?.refusal?.bytes_left ?? 0), studio }), retry);
  group("blocked", blocked, "send.refused", t("error.path_taken"), { label: t("send.rename"), act: () => sender.renameTaken() });
  group("refused", others, "send.refused", reasonsOf(others, around), retry);
  if (stuck && sender.missing.count > 0) {
    notices.push({ id: "missing", tone: "slow", icon: "warn", title: t("send.missing", { count: sender.missing.count }),
      text: t("send.missing_text"), names: sender.missing.names, buttons: without });
  }
  return notices;
}

function remarks(sender, sum, { t }) {
  const notices = [];
  if (sum.changed.length > 0) {
    notices.push({ id: "changed", tone: "slow", icon: "retry", title: t("send.changed", { count: sum.changed.length }),
      text: t("send.changed_text"), names: sum.changed.map((item) => item.path) });
  }
  if (!sender.store.durable) {
    notices.push({ id: "forgetful", tone: "slow", icon: "warn", title: t("send.forgetful"), text: t("send.forgetful_text") });
  }
  if (sender.late.length > 0) {
    notices.push({ id: "late", tone: "", icon: "clock", title: t("send.late", { count: sender.late.length }), text: t("send.late_wait") });
  }
  return [...notices, ...renamed(sender, t)];
}

/** @param {Sender} sender @param {(key: string, values?: any) => string} t @returns {Notice[]} */
function renamed(sender, t) {
  if (sender.renamed.length === 0) return [];
  return [{ id: "renamed", tone: "", icon: "folder", title: t("send.renamed", { count: sender.renamed.length }),
    text: t("send.renamed_text"), names: sender.renamed.map(({ to }) => to) }];
}
