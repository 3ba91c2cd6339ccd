// Sentences above the progress: what happened, what is safe, what to do.
import { copyTemplate, setIcon, setText } from "./dom.js";

/** Names shown of a long list. */
const NAMES = 50;

/**
 * @typedef {object} Notice
 * @property {string} id so that a notice that stays keeps its element, and the focus in it
 * @property {"slow" | "bad" | "good" | ""} tone
 * @property {string} icon
 * @property {string} title
 * @property {string} text
 * @property {{label: string, act: () => void}[]} [buttons]
 * @property {string[]} [names] files that are meant
 */

/** Keeps the notices of one place as they should be. */
export class Notices {
  #place;
  #icons;
  #t;
  #shown = new Map();

  /** @param {Element} place @param {string} icons @param {ReturnType<typeof import("./text.js").translator>} t */
  constructor(place, icons, t) {
    this.#place = place;
    this.#icons = icons;
    this.#t = t;
  }

  /** @param {Notice[]} notices all that should be there, in order */
  show(notices) {
    const wanted = new Set(notices.map((notice) => notice.id));
    for (const [id, { node }] of this.#shown) {
      if (wanted.has(id)) continue;
      node.remove();
      this.#shown.delete(id);
    }
    notices.forEach((notice, i) => {
      const entry = this.#shown.get(notice.id) ?? this.#make(notice);
      this.#fill(entry, notice);
      if (this.#place.children[i] !== entry.node) this.#place.insertBefore(entry.node, this.#place.children[i] ?? null);
    });
  }

  #make(notice) {
    const node = copyTemplate("notice");
    if (notice.tone) node.classList.add(notice.tone);
    setIcon(node.querySelector("svg"), this.#icons, notice.icon);
    const title = document.createElement("b");
    const text = document.createTextNode("");
    node.querySelector("p").append(title, " ", text);
    const entry = { node, title, text, notice, names: null };
    for (const [i, { label }] of (notice.buttons ?? []).entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn";
      button.textContent = label;
      button.addEventListener("click", () => entry.notice.buttons[i].act());
      node.lastElementChild.append(button);
    }
    if (notice.names) entry.names = this.#makeNames(node.children[1]);
    this.#shown.set(notice.id, entry);
    return entry;
  }

  #makeNames(place) {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const list = document.createElement("ul");
    details.className = "small";
    summary.className = "back";
    summary.textContent = this.#t("send.names");
    list.className = "names";
    details.append(summary, list);
    place.append(details);
    return list;
  }

  #fill(entry, notice) {
    entry.notice = notice;
    setText(entry.title, notice.title);
    if (entry.text.data !== notice.text) entry.text.data = notice.text;
    if (entry.names && notice.names) this.#fillNames(entry, notice.names);
  }

  #fillNames(entry, names) {
    const lines = names.slice(0, NAMES);
    if (names.length > NAMES) lines.push(this.#t("send.names_more", { count: names.length - NAMES }));
    const named = lines.join("\n");
    if (entry.named === named) return;
    entry.named = named;
    entry.names.replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  }
}
