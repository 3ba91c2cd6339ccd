// Which notices the state of a sending asks for.

/**
 * @typedef {import("./notices.js").Notice} Notice
 * @typedef {import("./sender.js").Sender} Sender
 */

/**
 * @param {Sender} sender
 * @param {{t: Function, figures: any, online: boolean, studio: string, bytesLeft: number | null}} around
 * @returns {Notice[]}
 */
export function noticesOf(sender, around) {
  const sum = sender.summary();
  return [
    ...connection(sender, sum, around),
    ...holding(sender, sum, around),
    ...failures(sender, around),
    ...remarks(sender, around),
  ];
}

function connection(sender, sum, { t, online }) {
  if (!["sending", "starting", "completing"].includes(sender.phase)) return [];
  const now = [{ label: t("send.try_now"), act: () => sender.goOn() }];
  if (!online) {
    return [{ id: "offline", tone: "slow", icon: "offline", title: t("send.offline"), text: t("send.offline_text"), buttons: now }];
  }
  const pieces = sender.pieces;
  const again = pieces.filter((piece) => piece.again);
  const refused = again.find((piece) => piece.why !== "no_answer")?.why ?? (sender.waiting?.code);
  if (refused && again.length === pieces.length) {
    const why = t(`error.${refused}`);
    return [{ id: `server-${refused}`, tone: "slow", icon: "retry", title: t("send.server"), text: `${why} ${t("send.server_text")}`, buttons: now }];
  }
  if (sum.retrying > 0) {
    return [{ id: "weak", tone: "slow", icon: "retry", title: t("send.weak"), text: t("send.weak_text", { count: sum.retrying }), buttons: now }];
  }
  if (sender.waiting) {
    return [{ id: "weak", tone: "slow", icon: "retry", title: t("send.weak"), text: t("send.server_text"), buttons: now }];
  }
  return [];
}

function holding(sender, sum, { t, figures, studio }) {
  const on = [{ label: t("send.go_on"), act: () => sender.goOn() }];
  if (sender.phase === "completing") {
    return [{ id: "finishing", tone: "", icon: "clock", title: t("send.finishing"), text: t("send.finishing_text") }];
  }
  if (sender.problem?.code === "quota_exceeded") return [room(sender.problem.body.bytes_left, on)];
  if (sender.problem && sender.phase === "stuck") {
    return [{ id: "problem", tone: "bad", icon: "warn", title: t(`error.${sender.problem.code}`), text: "" }];
  }
  if (sender.phase === "paused") {
    return [{ id: "paused", tone: "", icon: "pause", title: t("send.held"), text: t("send.held_text", { count: sum.sent }), buttons: on }];
  }
  return [];

  function room(left, buttons) {
    const text = t("send.room_text", { size: figures.bytes(sum.bytes), left: figures.bytes(left ?? 0), studio });
    return { id: "room", tone: "bad", icon: "warn", title: t("send.room"), text, buttons };
  }
}

function failures(sender, { t, figures, studio }) {
  const failed = sender.failed();
  const stuck = sender.phase === "stuck";
  const without = stuck ? [{ label: t("send.finish_without"), act: () => sender.finishWithout() }] : [];
  const notices = [];
  const group = (id, items, title, text, buttons) => {
    if (items.length === 0) return;
    const names = items.map((item) => item.path);
    // Buttons that come and go with the phase belong to another notice.
    notices.push({ id: `${id}-${stuck}`, tone: "bad", icon: "warn", title: t(title, { count: items.length }), text, names, buttons });
  };
  const unreadable = failed.filter((item) => item.reason === "unreadable" || item.reason === "changing");
  const taken = failed.filter((item) => item.refusal?.replaceable);
  const full = failed.filter((item) => item.reason === "quota_exceeded");
  const others = failed.filter((item) => ![...unreadable, ...taken, ...full].includes(item));
  group("unreadable", unreadable, "send.unreadable", t("send.unreadable_text"),
    [{ label: t("send.try_again"), act: () => sender.retryFailed() }, ...without]);
  group("taken", taken, "send.taken", t("send.taken_text"),
    [{ label: t("send.replace"), act: () => sender.replaceStanding() }, ...without]);
  if (full.length > 0) {
    const size = figures.bytes(full.reduce((sum, item) => sum + item.size, 0));
    const left = figures.bytes(full[0].refusal?.bytes_left ?? 0);
    group("full", full, "send.room", t("send.room_text", { size, left, studio }),
      [{ label: t("send.try_again"), act: () => sender.retryFailed() }, ...without]);
  }
  const reasons = [...new Set(others.map((item) => t(`error.${item.reason}`)))].join(" ");
  group("refused", others, "send.refused", reasons,
    [{ label: t("send.try_again"), act: () => sender.retryFailed() }, ...without]);
  if (stuck && sender.missing > 0) {
    notices.push({ id: "missing", tone: "slow", icon: "warn", title: t("send.missing", { count: sender.missing }), text: t("send.missing_text"), buttons: without });
  }
  return notices;
}

function remarks(sender, { t }) {
  const notices = [];
  const changed = sender.items.filter((item) => item.changed);
  if (changed.length > 0) {
    notices.push({ id: "changed", tone: "slow", icon: "retry", title: t("send.changed", { count: changed.length }),
      text: t("send.changed_text"), names: changed.map((item) => item.path) });
  }
  if (!sender.store.durable) {
    notices.push({ id: "forgetful", tone: "slow", icon: "warn", title: t("send.forgetful"), text: t("send.forgetful_text") });
  }
  return [...notices, ...renamed(sender, t)];
}

/** @param {Sender} sender @param {Function} t @returns {Notice[]} */
export function renamed(sender, t) {
  if (sender.renamed.length === 0) return [];
  return [{ id: "renamed", tone: "", icon: "folder", title: t("send.renamed", { count: sender.renamed.length }),
    text: t("send.renamed_text"), names: sender.renamed.map(({ to }) => to) }];
}
