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
  #items = new WeakMap();

  /**
   * @param {HTMLElement} list
   * @param {object} words
   * @param {string} words.icons
   * @param {(key: string, values?: any) => string} words.t
   * @param {ReturnType<typeof import("./text.js").figures>} words.figures
   * @param {() => boolean} words.held whether nothing moves at the moment
   * @param {() => boolean} words.choosing whether nothing was sent yet
   * @param {(item: Item) => string} words.reason why a file failed, as a sentence
   * @param {(item: Item) => void} words.remove
   */
  constructor(list, words) {
    this.#words = words;
    this.#list = new WindowList(list, () => this.#make(), (row, item) => this.#fill(row, item), true);
  }

  /** @param {Item[]} items */
  show(items) {
    const states = FILTERS[this.filter];
    const groups = new Map(states.map((state) => [state, []]));
    for (const item of items) groups.get(item.shown)?.push(item);
    this.#list.show([].concat(...states.map((state) => groups.get(state))));
  }

  #make() {
    const row = copyTemplate("row");
    row.querySelector("button").addEventListener("click", () => {
      const item = this.#items.get(row);
      this.#list.letGo(item);
      this.#words.remove(item);
    });
    return row;
  }

  #fill(row, item) {
    this.#items.set(row, item);
    const { t, icons, figures, choosing } = this.#words;
    const [icon, text, side, bar] = row.children;
    const [folder, name] = splitPath(item.path);
    const shown = item.shown;
    const held = this.#words.held() && (shown === "sending" || shown === "retrying");
    const plain = choosing() && shown === "waiting";
    setIcon(icon, icons, plain ? "file" : held ? "pause" : ICONS[shown]);
    setAttribute(icon, "class", `icon ${TONES[shown] ?? ""}`);
    setName(text.firstElementChild, splitName(name));
    setText(text.lastElementChild, [folder, plain ? "" : this.#state(item, shown, held)].filter(Boolean).join(" · "));
    setAttribute(text.lastElementChild, "class", `small cut ${TONES[shown] && shown !== "sent" ? TONES[shown] : "soft"}`);
    setText(side.firstElementChild, figures.bytes(item.size));
    setAttribute(side.lastElementChild, "aria-label", t("send.remove", { name }));
    setShown(bar, shown === "sending" || shown === "retrying");
    setBar(bar, item);
    setAttribute(bar, "aria-label", name);
  }

  #state(item, shown, held) {
    const { t, figures } = this.#words;
    const percent = figures.number(percentOf(item));
    switch (shown) {
      case "sending": return held ? t("send.row.held", { percent }) : this.#moving(item);
      case "retrying": return held ? t("send.row.held", { percent }) : this.#again(item);
      case "failed": return this.#words.reason(item);
      case "waiting": return t(this.#words.held() && item.acknowledged > 0 ? "send.row.held" : "send.row.waiting", { percent });
      case "sent": return t(item.changed ? "send.row.renewed" : "send.row.sent");
      default: return t(`send.row.${shown}`);
    }
  }

  /** Of a file whose first part is not acknowledged nothing has arrived, and no figure says otherwise. */
  #moving(item) {
    const { t, figures } = this.#words;
    if (item.acknowledged === 0) return t("send.row.moving");
    return t("send.of", { part: figures.bytes(item.acknowledged), whole: figures.bytes(item.size) });
  }

  #again(item) {
    const { t, figures } = this.#words;
    const next = [...item.pieces].reduce((a, b) => (a.again < b.again ? a : b));
    return t("send.row.again", { why: why(next.why, t), time: figures.duration((next.again - Date.now()) / 1000) });
  }
}

/** How much of a file is acknowledged, in per cent. @param {Pick<Item, "size" | "acknowledged">} item */
export function percentOf({ size, acknowledged }) {
  return size === 0 ? 0 : Math.floor(100 * acknowledged / size);
}

/** How far the bytes reach that have left, acknowledged or not, in per cent. @param {Pick<Item, "size" | "acknowledged" | "pieces">} item */
export function reachOf({ size, acknowledged, pieces }) {
  let bytes = acknowledged;
  for (const piece of pieces) bytes += piece.moved;
  return percentOf({ size, acknowledged: Math.min(bytes, size) });
}

/** The bar is what is acknowledged; what is on its way is a paler line beyond it. */
function setBar(bar, item) {
  const percent = percentOf(item), reach = `${reachOf(item)}%`;
  if (bar.value !== percent) bar.value = percent;
  if (bar.style.getPropertyValue("--reach") !== reach) bar.style.setProperty("--reach", reach);
}

/** Why something is tried again, in a few words. @param {string} code @param {(key: string) => string} t */
export function why(code, t) {
  const key = `send.why.${code}`;
  const words = t(key);
  return words === key ? t("send.why.internal") : words;
}
