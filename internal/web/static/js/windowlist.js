// A list of any length of which only the rows in sight exist.
import { setAttribute } from "./dom.js";

/** Rows kept beyond each edge of the window. */
const MARGIN = 8;
/** The tallest element that browsers lay out right, in pixels. */
const TALLEST = 16_000_000;

/**
 * Rows stand in the page in the order in which they are seen, whatever came when,
 * so that keyboards and readers walk them so.
 * @template T
 */
export class WindowList {
  #list;
  #make;
  #alike;
  #fill;
  #sizer = document.createElement("li");
  /** @type {T[]} */
  #entries = [];
  /** @type {Map<T, HTMLElement>} */
  #rows = new Map();
  #height = 60;
  /** @type {T | null} an entry that a person takes out of the list */
  #leaving = null;

  /**
   * @param {HTMLElement} list with a height of its own
   * @param {(entry: T) => HTMLElement} make an empty row
   * @param {(row: HTMLElement, entry: T) => void} fill
   * @param {boolean} [alike] whether a row that goes out of sight may serve any entry that comes: making
   *   rows is dear where dozens come a second
   */
  constructor(list, make, fill, alike = false) {
    this.#list = list;
    this.#alike = alike;
    this.#make = make;
    this.#fill = fill;
    this.#sizer.className = "sizer";
    this.#sizer.setAttribute("aria-hidden", "true");
    list.append(this.#sizer);
    list.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(list);
  }

  /** @param {T[]} entries in the order to show them */
  show(entries) {
    this.#entries = entries;
    this.#list.hidden = entries.length === 0;
    const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#height = 3.75 * root;
    this.#sizer.style.blockSize = `${Math.min(TALLEST, this.#whole)}px`;
    this.#draw();
  }

  /** A person takes this entry out: when it goes, the button of the next one has the focus. @param {T} entry */
  letGo(entry) {
    this.#leaving = entry;
  }

  /** How tall all rows are together. */
  get #whole() {
    return this.#entries.length * this.#height;
  }

  /** How far the rows are scrolled. Where the list would be too tall the bar moves by less than they do. */
  #top() {
    const { scrollTop, clientHeight } = this.#list;
    if (this.#whole <= TALLEST) return scrollTop;
    return scrollTop * (this.#whole - clientHeight) / (TALLEST - clientHeight);
  }

  #draw() {
    const top = this.#top();
    const first = Math.max(0, Math.floor(top / this.#height) - MARGIN);
    const last = Math.min(this.#entries.length, Math.ceil((top + this.#list.clientHeight) / this.#height) + MARGIN);
    /** @type {Map<T, number>} in their order */
    const wanted = new Map();
    for (let i = first; i < last; i++) wanted.set(this.#entries[i], i);
    const focused = this.#focused();
    const heir = focused && !wanted.has(focused) ? this.#keepFocus(focused, wanted, first) : null;
    const spare = [];
    for (const [entry, row] of this.#rows) {
      if (wanted.has(entry)) continue;
      spare.push(row);
      this.#rows.delete(entry);
    }
    const shift = this.#list.scrollTop - top;
    for (const [entry, i] of wanted) this.#place(entry, i, shift, spare);
    for (const row of spare) row.remove();
    this.#order([...wanted.keys()], focused);
    if (heir) this.#rows.get(heir)?.querySelector("button")?.focus({ preventScroll: true });
  }

  /** @returns {T | undefined} the entry whose row has the focus */
  #focused() {
    const active = document.activeElement;
    if (active === this.#list || !this.#list.contains(active)) return undefined;
    for (const [entry, row] of this.#rows) if (row.contains(active)) return entry;
    return undefined;
  }

  /**
   * A row with the focus stays as long as its entry is in the list. Then the list has
   * it: a press that was meant for this entry must not meet another.
   * @returns {T | null} the entry that has it next, where a person took this one out
   */
  #keepFocus(entry, wanted, first) {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return this.#passOn(entry);
    const others = [...wanted];
    if (at < first) {
      wanted.clear();
      wanted.set(entry, at);
      for (const [other, i] of others) wanted.set(other, i);
    } else wanted.set(entry, at);
    return null;
  }

  #passOn(entry) {
    const at = Number(this.#rows.get(entry).getAttribute("aria-posinset")) - 1;
    this.#list.focus({ preventScroll: true });
    if (entry !== this.#leaving) return null;
    this.#leaving = null;
    return this.#entries[Math.min(at, this.#entries.length - 1)] ?? null;
  }

  #place(entry, i, shift, spare) {
    let row = this.#rows.get(entry);
    if (!row) {
      row = (this.#alike && spare.pop()) || this.#make(entry);
      this.#rows.set(entry, row);
    }
    this.#fill(row, entry);
    const place = `translateY(${i * this.#height + shift}px)`;
    if (row.style.transform !== place) row.style.transform = place;
    row.classList.toggle("last", i === this.#entries.length - 1);
    setAttribute(row, "aria-setsize", this.#entries.length);
    setAttribute(row, "aria-posinset", i + 1);
  }

  /** Puts the rows in order from the last. The one with the focus would lose it by being moved: the others go around it. */
  #order(entries, focused) {
    let next = null;
    for (const entry of entries.reverse()) {
      const row = this.#rows.get(entry);
      const stays = entry === focused && row.parentNode;
      if (!stays && (row.parentNode === null || row.nextSibling !== next)) this.#list.insertBefore(row, next);
      next = row;
    }
  }
}
