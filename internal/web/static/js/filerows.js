// The list of files on their way: order, filter, rows.
import { copyTemplate, setAttribute, setIcon, setName, setShown, setText } from "./dom.js";
import { splitName, splitPath } from "./names.js";
import { WindowList } from "./windowlist.js";

/** What comes first: what needs a person, then what moves. */
const ORDER = ["failed", "sending", "retrying", "checking", "waiting", "sent"];

/** Which states each choice of the reader shows. */
const FILTERS = {
  all: ORDER,
  now: ["sending", "retrying", "checking"],
  waiting: ["failed", "waiting"],
  sent: ["sent"],
};

const ICONS = { failed: "warn", sending: "send", retrying: "retry", checking: "eye", waiting: "clock", sent: "check" };
const TONES = { failed: "bad", retrying: "slow", sent: "good" };

/** @typedef {import("./item.js").Item} Item */

export class FileRows {
  filter = "all";
  #list;
  #words;

  /**
   * @param {HTMLElement} list
   * @param {{icons: string, t: Function, figures: ReturnType<typeof import("./text.js").figures>, held: () => boolean}} words
   */
  constructor(list, words) {
    this.#words = words;
    this.#list = new WindowList(list, () => copyTemplate("row"), (row, item) => this.#fill(row, item));
  }

  /** @param {Item[]} items */
  show(items) {
    const states = FILTERS[this.filter];
    const groups = new Map(states.map((state) => [state, []]));
    for (const item of items) groups.get(item.shown)?.push(item);
    this.#list.show(states.flatMap((state) => groups.get(state)));
  }

  #fill(row, item) {
    const { icons, figures } = this.#words;
    const [icon, text, side, bar] = row.children;
    const [folder, name] = splitPath(item.path);
    const shown = item.shown;
    const held = this.#words.held() && (shown === "sending" || shown === "retrying");
    setIcon(icon, icons, held ? "pause" : ICONS[shown]);
    setAttribute(icon, "class", `icon ${TONES[shown] ?? ""}`);
    setName(text.firstElementChild, splitName(name));
    setText(text.lastElementChild, [folder, this.#state(item, shown, held)].filter(Boolean).join(" · "));
    setAttribute(text.lastElementChild, "class", `small cut ${TONES[shown] && shown !== "sent" ? TONES[shown] : "soft"}`);
    setText(side.firstElementChild, figures.bytes(item.size));
    const percent = item.size > 0 ? Math.floor(100 * this.#progress(item) / item.size) : 0;
    setShown(bar, shown === "sending" || shown === "retrying");
    if (bar.value !== percent) bar.value = percent;
    setAttribute(bar, "aria-label", name);
  }

  /** Of a file in flight the row also counts what is on its way; the page's own figure does not. */
  #progress(item) {
    let bytes = item.acknowledged;
    for (const piece of item.pieces) bytes += piece.moved ?? 0;
    return Math.min(bytes, item.size);
  }

  #state(item, shown, held) {
    const { t, figures } = this.#words;
    const percent = figures.number(item.size > 0 ? Math.floor(100 * this.#progress(item) / item.size) : 0);
    switch (shown) {
      case "sending": return held ? t("send.row.held", { percent }) : this.#moving(item, percent);
      case "retrying": return held ? t("send.row.held", { percent }) : this.#again(item);
      case "failed": return t(`error.${item.reason}`);
      case "waiting": return t(this.#words.held() && item.acknowledged > 0 ? "send.row.held" : "send.row.waiting", { percent });
      case "sent": return t(item.changed ? "send.row.renewed" : "send.row.sent");
      default: return t(`send.row.${shown}`);
    }
  }

  #moving(item, percent) {
    const { t, figures } = this.#words;
    if (item.parts.count <= 1) return t("send.row.percent", { percent });
    return t("send.of", { part: figures.bytes(this.#progress(item)), whole: figures.bytes(item.size) });
  }

  #again(item) {
    const { t, figures } = this.#words;
    const next = [...item.pieces].reduce((a, b) => (a.again < b.again ? a : b));
    const why = { no_answer: "send.why.no_answer", storage_full: "send.why.full" }[next.why] ?? "send.why.server";
    return t("send.row.again", { why: t(why), time: figures.duration((next.again - Date.now()) / 1000) });
  }
}
