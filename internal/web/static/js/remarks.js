// What came of a step beside the sending itself: a choice that gave nothing, an act
// that failed. One sentence, which stays until the person does the next thing or closes it.
import { Ended, Problem } from "./api.js";
import { say } from "./dom.js";

/** @typedef {import("./notices.js").Notice} Notice */

export class Remarks {
  /** @type {Notice[]} none or one, shown among the notices of whatever is in sight */
  shown = [];
  /** Whether what is shown is of no use when the sending has moved on. */
  #passing = false;
  #t;
  #changed;

  /** @param {(key: string, values?: any) => string} t @param {() => void} changed */
  constructor(t, changed) {
    this.#t = t;
    this.#changed = changed;
  }

  clear() {
    if (this.shown.length === 0) return;
    this.shown = [];
    say("");
    this.#changed();
  }

  /** The sending has moved on: what only answered a press goes, what tells of files stays. */
  pass() {
    if (this.#passing) this.clear();
  }

  /** What was chosen has no file in it. */
  empty() {
    this.#show({ id: "empty", tone: "slow", icon: "folder", title: this.#t("send.empty"), text: this.#t("send.empty_text") });
  }

  /** What was chosen could not be read: so many files, or without a number not even looked into. @param {number} [count] */
  unread(count) {
    const title = count ? this.#t("send.unreadable", { count }) : this.#t("send.unread");
    this.#show({ id: "unread", tone: "bad", icon: "warn", title, text: this.#t("send.unread_text") });
  }

  /**
   * The picker gave nothing: the person changed their mind, or it does not open what they want.
   * @param {() => void} otherwise opens the browser's plain picker
   */
  unchosen(otherwise) {
    this.#show({ id: "unchosen", tone: "", icon: "folder", title: this.#t("send.unchosen"), text: this.#t("send.unchosen_text"),
      buttons: [{ label: this.#t("send.other_way"), act: otherwise }] });
    this.#passing = true;
  }

  /** The transfer is closed: a file can no longer be taken out of it here. @param {string} name @param {string} studio */
  tooLate(name, studio) {
    this.#show({ id: "too-late", tone: "slow", icon: "warn", title: this.#t("send.too_late", { name }), text: this.#t("send.too_late_text", { studio }) });
  }

  /**
   * An act failed in a way that its own code does not expect.
   * @param {unknown} error
   * @returns {boolean} whether that is all there is to say, also to who reads the console
   */
  failed(error) {
    if (error instanceof Ended) return true;
    const refused = error instanceof Problem;
    const text = this.#t("send.trouble_text");
    this.#show({ id: "failed", tone: "bad", icon: "warn", title: this.#t("send.trouble"), text: refused ? `${this.#t(`error.${error.code}`)} ${text}` : text,
      buttons: [{ label: this.#t("send.reload"), act: () => location.reload() }] });
    return refused;
  }

  /** @param {Notice} notice */
  #show(notice) {
    const close = { label: this.#t("send.close"), act: () => this.clear() };
    this.shown = [{ ...notice, buttons: [...notice.buttons ?? [], close] }];
    this.#passing = false;
    say(`${notice.title} ${notice.text}`);
    this.#changed();
  }
}
