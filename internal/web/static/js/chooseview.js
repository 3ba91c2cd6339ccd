// What the upload page shows before anything is sent: the place for files, and
// the form once there are some.
import { $, setAttribute, setShown, setText } from "./dom.js";
import { FileRows } from "./filerows.js";
import { splitPath } from "./names.js";
import { Notices } from "./notices.js";
import { readyNotices, reasonOf } from "./uploadnotices.js";

const FOLDERS_NAMED = 3;

/** @typedef {import("./uploadview.js").Page} Page */

export class ChooseView {
  #sender;
  #page;
  #rows;
  #dropNotices;
  #readyNotices;
  /** How many files were found while folders are read; 0 when none are. */
  counting = 0;

  /** @param {import("./sender.js").Sender} sender @param {Page} page */
  constructor(sender, page) {
    this.#sender = sender;
    this.#page = page;
    const { icons } = page.boot;
    this.#dropNotices = new Notices($("drop-notices"), icons, page.t);
    this.#readyNotices = new Notices($("ready-notices"), icons, page.t);
    this.#rows = new FileRows($("ready-list"), {
      icons, t: page.t, figures: page.figures, held: () => false, choosing: () => true,
      reason: (item) => reasonOf(item, page.around), remove: (item) => page.remove(item),
    });
    $("ready-files").addEventListener("toggle", () => this.paint());
  }

  /** After the choice of files changed: the form comes into sight. */
  focus() {
    if (this.#sender.items.length > 0) $("chosen").focus();
  }

  paint() {
    const { t, figures, around } = this.#page;
    const { items, phase, kept } = this.#sender;
    const starting = phase === "starting";
    setShown($("drop"), items.length === 0);
    setShown($("ready"), items.length > 0);
    const sum = this.#sender.summary();
    this.#dropNotices.show(items.length > 0 ? [] : [...this.#reading(), ...this.#past(), ...readyNotices(this.#sender, sum, around)]);
    if (items.length === 0) return;
    const fit = sum.files - sum.failed;
    setText($("chosen"), t("send.chosen", { count: fit, size: figures.bytes(sum.bytes - bytesOf(sum.failures)) }));
    setText($("chosen-folders"), this.#folders(items));
    setShown($("details"), !kept);
    setShown($("ready-pick"), !starting);
    const button = $("send");
    setText(button, starting ? t("send.starting") : t(kept ? "send.button_on" : "send.button", { count: fit }));
    setAttribute(button, "aria-busy", starting ? "true" : null);
    this.#readyNotices.show([...this.#reading(), ...this.#past(), ...this.#tooMuch(sum), ...readyNotices(this.#sender, sum, around)]);
    if ($("ready-files").open) this.#rows.show(items);
  }

  #reading() {
    const { t } = this.#page;
    const count = this.counting + this.#sender.adding;
    if (count === 0) return [];
    return [{ id: "reading", tone: "", icon: "folder", title: t("send.reading"), text: t("send.reading_text", { count }) }];
  }

  /** An earlier sending that is over is told, not dropped in silence. */
  #past() {
    const { gone } = this.#sender;
    if (!gone) return [];
    const { t } = this.#page;
    const text = gone === "expired" || gone === "transfer_expired" ? "send.gone_expired" : "send.gone_text";
    return [{ id: "gone", tone: "slow", icon: "clock", title: t("send.gone"), text: t(text) }];
  }

  #folders(items) {
    const names = new Set();
    for (const { path } of items) {
      const [folder] = splitPath(path);
      if (folder) names.add(folder.split("/", 1)[0]);
    }
    if (names.size === 0) return "";
    const shown = [...names].slice(0, FOLDERS_NAMED).join(", ") + (names.size > FOLDERS_NAMED ? " …" : "");
    return this.#page.t("send.folders", { count: names.size, names: shown });
  }

  #tooMuch(sum) {
    const { t, figures, boot } = this.#page;
    if (boot.bytes_left === undefined || sum.bytes <= boot.bytes_left || this.#sender.kept) return [];
    const text = t("send.room_text", { size: figures.bytes(sum.bytes), left: figures.bytes(boot.bytes_left), studio: boot.studio });
    return [{ id: "room", tone: "bad", icon: "warn", title: t("send.room"), text }];
  }

  /** @returns {any} the sender's details, or null when something is missing */
  readDetails() {
    this.#wrong("email", "");
    this.#wrong("password", "");
    setShown($("form-wrong"), false);
    const { phase, items, kept } = this.#sender;
    if (phase !== "choosing" || items.every((item) => item.state === "failed")) return null;
    if (kept) return {};
    const { t } = this.#page;
    const value = (id) => $(id)?.value.trim() ?? "";
    if ($("own-title")) return { title: value("own-title"), message: value("message") };
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
    const { t, figures } = this.#page;
    let sentence = t(problem.code === "unauthenticated" ? "send.signed_out" : `error.${problem.code}`);
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

  /** An earlier sending can go on. @param {boolean} byPress whether the browser still knows its files */
  showRecall(byPress) {
    const { t, figures, boot } = this.#page;
    const { files, bytes } = this.#sender.earlier;
    const whole = files.total > 0 && files.total === files.stored;
    const text = whole ? t("send.recall_whole")
      : t(byPress ? "send.recall_press" : "send.recall_text", { count: files.total, sent: files.stored, size: figures.bytes(bytes.received) });
    this.#fresh ??= $("drop-title").innerHTML;
    setText($("drop-title"), t("send.recall"));
    setText($("drop-text"), text);
    setShown($("recall-go"), byPress && !whole);
    $("drop-pick").classList.toggle("lesser", byPress && !whole);
    setShown($("drop-text"), true);
    setShown($("drop-hint"), false);
    setShown($("recall-actions"), true);
    setShown($("recall-finish"), files.stored > 0);
    setShown($("recall-new"), !boot.ended);
  }

  #fresh = null;

  /** The page is as for the first time. */
  showFresh() {
    if (this.#fresh !== null) $("drop-title").innerHTML = this.#fresh;
    for (const id of ["drop-text", "recall-actions", "recall-go"]) setShown($(id), false);
    $("drop-pick").classList.remove("lesser");
    setShown($("drop-hint"), true);
  }
}

function bytesOf(items) {
  return items.reduce((bytes, item) => bytes + item.size, 0);
}
