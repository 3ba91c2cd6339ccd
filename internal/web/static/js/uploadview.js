// What the upload page shows of a sending.
import { $, say, setAttribute, setShown, setText } from "./dom.js";
import { FileRows } from "./filerows.js";
import { Notices } from "./notices.js";
import { splitPath } from "./names.js";
import { fragment } from "./store.js";
import { noticesOf, renamed } from "./uploadnotices.js";

/** How often progress is announced, in milliseconds. */
const SAY_EVERY = 60_000;
const FOLDERS_NAMED = 3;

export class UploadView {
  #sender;
  #around;
  #rows;
  #notices;
  #readyNotices;
  #said = 0;
  #phase = "";

  /** @param {import("./sender.js").Sender} sender @param {{boot: any, t: any, figures: any}} around */
  constructor(sender, { boot, t, figures }) {
    this.#sender = sender;
    this.#around = { boot, t, figures };
    const icons = boot.icons;
    this.#rows = new FileRows($("list"), { icons, t, figures, held: () => sender.phase === "paused" || !navigator.onLine });
    this.#notices = new Notices($("notices"), icons, t);
    this.#readyNotices = new Notices($("ready-notices"), icons, t);
    for (const radio of document.querySelectorAll("input[name=show]")) {
      radio.addEventListener("change", () => {
        this.#rows.filter = radio.value;
        this.paint();
      });
    }
  }

  /** Whether the link takes nothing any more from this browser. */
  get ended() {
    return this.#sender.phase === "ended" || (Boolean(this.#around.boot.ended) && !this.#sender.kept?.id);
  }

  paint() {
    const { phase } = this.#sender;
    const choosing = phase === "choosing" || phase === "starting";
    setShown($("choose"), choosing && !this.ended);
    setShown($("sending"), ["sending", "paused", "stuck", "completing"].includes(phase));
    setShown($("done"), phase === "done");
    setShown($("ended"), phase === "ended" || (choosing && this.ended));
    if (choosing) this.#paintChoice();
    else if (phase === "done") this.#paintDone();
    else if (phase === "ended") this.#paintEnd();
    else this.#paintSending();
    this.#phase = phase;
  }

  // ---- choosing

  /** After the choice of files changed: the form comes into sight. */
  chosen() {
    this.paint();
    if (this.#sender.phase === "choosing" && this.#sender.items.length > 0) $("chosen").focus();
  }

  #paintChoice() {
    const { t, figures } = this.#around;
    const { items, phase, kept } = this.#sender;
    setShown($("drop"), items.length === 0);
    setShown($("ready"), items.length > 0);
    if (items.length === 0) return;
    const sum = this.#sender.summary();
    setText($("chosen"), t("send.chosen", { count: sum.files, size: figures.bytes(sum.bytes) }));
    setText($("chosen-folders"), this.#folders(items));
    setShown($("details"), !kept?.id);
    const starting = phase === "starting";
    setText($("send"), starting ? t("send.starting") : t(kept?.id ? "send.button_on" : "send.button", { count: sum.files }));
    setAttribute($("send"), "aria-busy", starting ? "true" : null);
    this.#readyNotices.show([...this.#tooMuch(sum), ...renamed(this.#sender, t)]);
  }

  #folders(items) {
    const names = new Set();
    for (const { path } of items) {
      const [folder] = splitPath(path);
      if (folder) names.add(folder.split("/", 1)[0]);
    }
    if (names.size === 0) return "";
    const shown = [...names].slice(0, FOLDERS_NAMED).join(", ") + (names.size > FOLDERS_NAMED ? " …" : "");
    return this.#around.t("send.folders", { count: names.size, names: shown });
  }

  #tooMuch(sum) {
    const { t, figures, boot } = this.#around;
    if (boot.bytes_left === undefined || sum.bytes <= boot.bytes_left || this.#sender.kept?.id) return [];
    const text = t("send.room_text", { size: figures.bytes(sum.bytes), left: figures.bytes(boot.bytes_left), studio: boot.studio });
    return [{ id: "room", tone: "bad", icon: "warn", title: t("send.room"), text }];
  }

  /** @returns {any} the sender's details, or null when something is missing */
  readDetails() {
    this.#wrong("email", "");
    this.#wrong("password", "");
    setShown($("form-wrong"), false);
    if (this.#sender.phase !== "choosing" || this.#sender.items.length === 0) return null;
    if (this.#sender.kept?.id) return {};
    const { t } = this.#around;
    const value = (id) => $(id)?.value.trim() ?? "";
    if (value("email") === "") return this.#wrong("email", t("send.email_missing"));
    if ($("password") && $("password").value === "") return this.#wrong("password", t("send.password_missing"));
    const details = { sender_email: value("email") };
    if (value("name")) details.sender_name = value("name");
    if (value("message")) details.message = value("message");
    if ($("password")) details.password = $("password").value;
    return details;
  }

  /** @param {import("./api.js").Problem} problem why the start was refused */
  refused(problem) {
    const { t, figures } = this.#around;
    this.paint();
    let sentence = t(`error.${problem.code}`);
    if (problem.retryAfter !== null) sentence += " " + t("send.wait", { time: figures.duration(problem.retryAfter) });
    if (problem.code === "email_invalid") return this.#wrong("email", sentence);
    if (["password_wrong", "too_many_tries"].includes(problem.code) && $("password")) return this.#wrong("password", sentence);
    setText($("form-wrong"), sentence);
    setShown($("form-wrong"), true);
    return null;
  }

  #wrong(id, sentence) {
    const field = $(id);
    if (!field) return null;
    const place = $(`${id}-wrong`);
    setShown(place, sentence !== "");
    setText(place.querySelector("span"), sentence);
    setAttribute(field, "aria-invalid", sentence ? "true" : null);
    if (sentence) field.focus();
    return null;
  }

  /** An earlier sending can go on. */
  showRecall() {
    const { t, figures } = this.#around;
    const { files, bytes } = this.#sender.earlier;
    const whole = files.total > 0 && files.total === files.stored;
    $("drop-title").textContent = t("send.recall");
    setText($("drop-text"), whole ? t("send.recall_whole")
      : t("send.recall_text", { count: files.total, sent: files.stored, size: figures.bytes(bytes.received) }));
    setShown($("drop-text"), true);
    setShown($("drop-hint"), false);
    setShown($("recall-actions"), true);
    setShown($("recall-finish"), files.stored > 0);
    setShown($("recall-new"), !this.#around.boot.ended);
    this.paint();
  }

  /** The earlier sending is over: the page is as for the first time. */
  showGone() {
    setShown($("recall-actions"), false);
    this.paint();
  }

  // ---- sending

  sendingBegan() {
    this.paint();
    $("sending-title").focus();
    scrollTo(0, 0);
  }

  #paintSending() {
    const { t, figures, boot } = this.#around;
    const sender = this.#sender;
    const sum = sender.summary();
    const percent = sum.bytes > 0 ? Math.floor(100 * sum.sentBytes / sum.bytes) : Math.floor(100 * sum.sent / Math.max(1, sum.files));
    const held = !sender.running || !navigator.onLine;
    setText($("percent"), figures.number(percent));
    $("progress").value = percent;
    $("meter").classList.toggle("paused", held && sender.phase !== "completing");
    setText($("fact-sent"), t("send.of", { part: figures.bytes(sum.sentBytes), whole: figures.bytes(sum.bytes) }));
    setText($("fact-files"), t("send.of", { part: figures.number(sum.sent), whole: figures.number(sum.files) }));
    const left = this.#paintPace(sum, held);
    for (const [id, n] of [["all", sum.files], ["now", sum.sending + sum.retrying + sum.checking], ["waiting", sum.waiting + sum.failed], ["sent", sum.sent]]) {
      setText($(`count-${id}`), figures.number(n));
    }
    document.title = t(held ? "send.title.held" : "send.title.sending", { percent: figures.number(percent), studio: boot.studio });
    this.#paintControls();
    this.#notices.show(noticesOf(sender, { t, figures, online: navigator.onLine, studio: boot.studio, bytesLeft: null }));
    this.#rows.show(sender.items);
    this.#announce(percent, left);
  }

  #paintPace(sum, held) {
    const { t, figures } = this.#around;
    const rate = held ? 0 : this.#sender.meter.rate(Date.now());
    const moved = this.#sender.pieces.reduce((bytes, piece) => bytes + (piece.moved ?? 0), 0);
    const left = rate > 0 ? figures.duration((sum.bytes - sum.sentBytes - moved) / rate) : "";
    const still = t(this.#sender.phase === "paused" ? "send.paused" : "send.waiting");
    setText($("fact-speed"), rate > 0 ? t("send.speed", { size: figures.bytes(rate) }) : still);
    setText($("fact-left"), left ? t("send.left", { time: left }) : "–");
    return left;
  }

  #paintControls() {
    const { t, boot } = this.#around;
    const { kept, phase } = this.#sender;
    const button = $("pause");
    setShown(button, phase === "sending" || phase === "paused");
    setText(button.querySelector("span"), t(phase === "paused" ? "send.go_on" : "send.pause"));
    setAttribute(button.querySelector("use"), "href", `${boot.icons}#${phase === "paused" ? "play" : "pause"}`);
    setText($("elsewhere-link"), location.origin + location.pathname + fragment(kept.id, kept.token));
    setShown($("close-hint"), this.#sender.store.durable);
  }

  /** Says how far it is once a minute, not at each per cent. */
  #announce(percent, left) {
    const now = Date.now();
    if (this.#phase !== this.#sender.phase) this.#said = now;
    if (now - this.#said < SAY_EVERY) return;
    this.#said = now;
    say(this.#around.t(left ? "send.said.progress" : "send.said.percent", { percent, time: left }));
  }

  // ---- the end

  #paintDone() {
    if (this.#phase === "done") return;
    const { t, figures, boot } = this.#around;
    const { share, files, bytes } = this.#sender.done;
    const size = figures.bytes(bytes);
    const link = $("share-link");
    link.href = share.url;
    setText(link, share.url.replace(/^https?:\/\//, ""));
    setText($("share-code"), share.code);
    setText($("done-until"), figures.day(share.expires_at));
    setText($("done-files"), t("send.chosen", { count: files, size }));
    setText($("done-text"), t("send.done_text", { count: files, size, studio: boot.studio }));
    const email = this.#sender.earlier?.sender_email || $("email").value.trim();
    if (email) setText($("done-mail"), t("send.done_mail", { email }));
    document.title = t("send.title.done");
    say(t("send.said.done"));
    $("done-title").focus();
    scrollTo(0, 0);
  }

  #paintEnd() {
    if (this.#phase === "ended") return;
    const { t, boot } = this.#around;
    setText($("ended-title"), t("send.ended"));
    setText($("ended-text"), t(`error.${this.#sender.problem.code}`));
    setShown($("ended-again"), !boot.ended);
    document.title = t("send.ended");
    $("ended-title").focus();
  }
}
