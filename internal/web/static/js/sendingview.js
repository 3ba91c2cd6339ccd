// What the upload page shows of a sending, be it this tab's or another's.
import { $, setAttribute, setShown, setText } from "./dom.js";
import { FileRows } from "./filerows.js";
import { Notices } from "./notices.js";
import { fragment } from "./store.js";
import { noticesOf, reasonOf } from "./uploadnotices.js";

/** @typedef {import("./uploadview.js").Page} Page */

export class SendingView {
  #sender;
  #page;
  #rows;
  #notices;

  /** @param {import("./sender.js").Sender} sender @param {Page} page */
  constructor(sender, page) {
    this.#sender = sender;
    this.#page = page;
    const { icons } = page.boot;
    this.#rows = new FileRows($("list"), {
      icons, t: page.t, figures: page.figures, choosing: () => false,
      held: () => sender.phase === "paused" || !navigator.onLine,
      reason: (item) => reasonOf(item, page.around), remove: (item) => page.remove(item),
    });
    this.#notices = new Notices($("notices"), icons, page.t);
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=show]"))) {
      radio.addEventListener("change", () => {
        this.#rows.filter = radio.value;
        this.#rows.show(sender.items);
      });
    }
  }

  /** @returns {string} the time that is left, in words */
  paint() {
    const sender = this.#sender;
    const { t, figures, boot, around } = this.#page;
    const sum = sender.summary();
    const held = !sender.running || !navigator.onLine;
    setShown($("meter"), true);
    const left = this.#meter(sum, sender.phase, held ? 0 : sender.meter.rate(Date.now()), held);
    for (const [id, n] of [["all", sum.files], ["now", sum.sending + sum.retrying + sum.checking], ["waiting", sum.waiting + sum.failed], ["sent", sum.sent]]) {
      setText($(`count-${id}`), figures.number(n));
    }
    document.title = t(held ? "send.title.held" : "send.title.sending", { percent: figures.number(percentOf(sum)), studio: boot.studio });
    this.#controls();
    this.#notices.show(noticesOf(sender, sum, around));
    setShown($("files"), sender.items.length > 0);
    this.#rows.show(sender.items);
    return left;
  }

  /**
   * Shows what another tab does.
   * @param {import("./relay.js").Watcher} watcher
   * @param {{seize: () => void, handed: number, apart: boolean}} acts handed is how many files were
   *   given to it, apart whether what was typed here did not go with them
   */
  paintWatched(watcher, { seize, handed, apart }) {
    const { t, boot, figures, around } = this.#page;
    const told = watcher.last;
    setShown($("meter"), told !== null);
    if (told) {
      const held = told.phase !== "sending" || watcher.silent;
      this.#meter(told.sum, told.phase, held ? 0 : told.rate, held);
      document.title = t(held ? "send.title.held" : "send.title.sending", { percent: figures.number(percentOf(told.sum)), studio: boot.studio });
    } else document.title = t("send.watching");
    const given = handed === 0 ? [] : [{ id: "handed", tone: "good", icon: "check", title: t("send.handed", { count: handed }), text: apart ? t("send.handed_apart") : "" }];
    this.#notices.show([...around.remarks.shown, watchingNotice(watcher, t, seize), ...given]);
    for (const id of ["pause", "files", "elsewhere", "close-hint"]) setShown($(id), false);
  }

  #meter(sum, phase, rate, held) {
    const { t, figures } = this.#page;
    const percent = percentOf(sum);
    setText($("percent"), figures.number(percent));
    if ($("progress").value !== percent) $("progress").value = percent;
    $("meter").classList.toggle("paused", held && phase !== "completing");
    setText($("fact-sent"), t("send.of", { part: figures.bytes(sum.sentBytes), whole: figures.bytes(sum.bytes) }));
    setText($("fact-files"), t("send.of", { part: figures.number(sum.sent), whole: figures.number(sum.files) }));
    const left = rate > 0 ? figures.duration((sum.bytes - sum.sentBytes) / rate) : "";
    const still = phase === "completing" ? "–" : t(phase === "paused" ? "send.paused" : "send.waiting");
    setText($("fact-speed"), rate > 0 ? t("send.speed", { size: figures.bytes(rate) }) : still);
    setText($("fact-left"), left ? t("send.left", { time: left }) : "–");
    return left;
  }

  #controls() {
    const { t, boot } = this.#page;
    const { kept, phase } = this.#sender;
    const button = $("pause");
    setShown(button, phase === "sending" || phase === "paused");
    setText(button.querySelector("span"), t(phase === "paused" ? "send.go_on" : "send.pause"));
    setAttribute(button.querySelector("use"), "href", `${boot.icons}#${phase === "paused" ? "play" : "pause"}`);
    for (const label of document.querySelectorAll("[data-adding]")) setShown(label, phase !== "completing");
    setShown($("elsewhere"), true);
    if (kept) setText($("elsewhere-link"), location.origin + location.pathname + fragment(kept.id, kept.token));
    setShown($("close-hint"), this.#sender.store.durable);
  }
}

/** What there is to know of the tab that sends; before it has said anything no figure is shown. */
function watchingNotice({ last, silent }, t, seize) {
  if (silent) {
    return { id: "silent", tone: "slow", icon: "warn", title: t("send.silent"), text: t("send.silent_text"), buttons: [{ label: t("send.seize"), act: seize }] };
  }
  const text = last === null ? "send.watching_waits" : last.phase === "paused" ? "send.watching_paused" : "send.watching_text";
  return { id: "watching", tone: "", icon: "eye", title: t("send.watching"), text: t(text) };
}

/** @returns {number} per cent of the bytes, or of the files where all are empty */
function percentOf(sum) {
  return Math.floor(sum.bytes > 0 ? 100 * sum.sentBytes / sum.bytes : 100 * sum.sent / Math.max(1, sum.files));
}
