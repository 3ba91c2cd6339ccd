// What the upload page shows: which of its parts, and what is said aloud.
import { ChooseView } from "./chooseview.js";
import { $, say, setShown, setText } from "./dom.js";
import { DoneView } from "./doneview.js";
import { showEarlier } from "./earlierlist.js";
import { Focus } from "./focus.js";
import { SendingView } from "./sendingview.js";

/** How often progress is announced, in milliseconds. */
const SAY_EVERY = 60_000;

/**
 * @typedef {object} Page what the parts of the view share
 * @property {any} boot
 * @property {(key: string, values?: any) => string} t
 * @property {ReturnType<typeof import("./text.js").figures>} figures
 * @property {import("./uploadnotices.js").Around} around
 * @property {(item: import("./item.js").Item) => void} remove
 * @property {() => void} another turns to another transfer
 * @property {(kept: import("./store.js").Kept) => void} openEarlier
 * @property {() => void} seize takes the sending from a tab that sleeps
 */

export class UploadView {
  #sender;
  #page;
  #sending;
  #done;
  #said = 0;
  #phase = "";
  /** @type {any} the answer to completion that is in sight */
  #shown = null;
  #condition = "";
  /** The page's title as the server wrote it. */
  #title = document.title;
  #focus = new Focus(() => this.#heading());
  /** @type {import("./relay.js").Watcher | null} set while another tab sends */
  watcher = null;
  /** Files given to the tab that sends. */
  handed = 0;
  /** Whether something was typed here that does not go with them. */
  apart = false;

  /** @param {import("./sender.js").Sender} sender @param {Page} page */
  constructor(sender, page) {
    this.#sender = sender;
    this.#page = page;
    this.choose = new ChooseView(sender, page);
    this.#sending = new SendingView(sender, page);
    this.#done = new DoneView(sender, page);
  }

  /** Whether the link takes nothing any more from this browser. */
  get ended() {
    return this.#sender.phase === "ended" || (Boolean(this.#page.boot.ended) && !this.#sender.kept);
  }

  paint() {
    const phase = this.watcher ? "watching" : this.#sender.phase;
    const choosing = phase === "choosing" || phase === "starting";
    const sending = ["sending", "paused", "stuck", "completing", "watching"].includes(phase);
    setShown($("choose"), choosing && !this.ended);
    setShown($("sending"), sending);
    setShown($("done"), phase === "done");
    setShown($("ended"), phase === "ended" || (choosing && this.ended));
    let left = "";
    if (choosing) this.#paintChoice();
    else if (phase === "done") this.#paintDone();
    else if (phase === "ended") this.#paintEnd();
    else if (phase === "watching") this.#sending.paintWatched(this.watcher, { seize: this.#page.seize, handed: this.handed, apart: this.apart });
    else left = this.#sending.paint();
    if (sending && !["sending", "paused", "stuck", "completing", "watching"].includes(this.#phase)) this.#began();
    this.#paintEarlier(choosing || phase === "done" || phase === "ended");
    this.#announce(phase, left);
    this.#phase = phase;
    this.#focus.keep();
  }

  #paintChoice() {
    this.choose.paint();
    if (document.title !== this.#title) document.title = this.#title;
  }

  /** The title of what is in sight. */
  #heading() {
    const titles = { done: "done-title", ended: "ended-title", choosing: "drop-title", starting: "chosen" };
    const choosing = this.#phase === "choosing";
    if (choosing && this.ended) return $("ended-title");
    return $(choosing && this.#sender.items.length > 0 ? "chosen" : titles[this.#phase] ?? "sending-title");
  }

  #began() {
    $("sending-title").focus();
    scrollTo(0, 0);
  }

  #paintDone() {
    // Another receipt may have come between two paints.
    if (this.#phase !== "done" || this.#shown !== this.#sender.done) this.#done.open();
    this.#shown = this.#sender.done;
    this.#done.paint();
  }

  #paintEnd() {
    if (this.#phase === "ended") return;
    const { t, boot } = this.#page;
    const { code } = this.#sender.problem;
    const ours = !code.startsWith("transfer_") && code !== "unauthenticated";
    setText($("ended-title"), t(ours ? "send.broken" : "send.ended"));
    setText($("ended-text"), t(`error.${code}`));
    setShown($("ended-reload"), ours);
    setShown($("ended-again"), !boot.ended && !ours);
    document.title = t("send.ended");
    $("ended-title").focus();
  }

  #paintEarlier(shown) {
    const { store, kept } = this.#sender;
    const others = shown ? store.list().filter((other) => other.id && other.id !== kept?.id) : [];
    showEarlier(others, this.#page.openEarlier, this.#page);
  }

  /** Says every change of state at once, and how far it is once a minute. */
  #announce(phase, left) {
    const { t } = this.#page;
    const condition = this.#conditionOf(phase);
    const now = Date.now();
    if (condition !== this.#condition) {
      const first = this.#condition === "";
      this.#condition = condition;
      this.#said = now;
      if (condition !== "choosing" || !first) say(condition === "choosing" ? "" : t(`send.said.${condition}`));
    } else if (condition === "sending" && now - this.#said >= SAY_EVERY) {
      this.#said = now;
      say(t(left ? "send.said.progress" : "send.said.percent", { percent: Number($("progress").value), time: left }));
    }
  }

  #conditionOf(phase) {
    if (phase === "choosing" || phase === "starting" || phase === "watching") return phase;
    if (this.#sender.leaving) return "leaving";
    if (!navigator.onLine && (phase === "sending" || phase === "completing")) return "offline";
    const { pieces, waiting } = this.#sender;
    if (phase === "sending" && (waiting || (pieces.length > 0 && pieces.every((piece) => piece.again)))) return "waiting";
    return phase;
  }
}
