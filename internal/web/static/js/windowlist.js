// A list of any length of which only the rows in sight exist.

/** Rows kept beyond each edge of the window. */
const MARGIN = 8;
/** The tallest element that browsers lay out right, in pixels. */
const TALLEST = 16_000_000;

/**
 * @template T
 */
export class WindowList {
  #list;
  #make;
  #fill;
  #sizer = document.createElement("li");
  /** @type {T[]} */
  #entries = [];
  /** @type {Map<T, HTMLElement>} */
  #rows = new Map();
  #height = 60;

  /**
   * @param {HTMLElement} list with a height of its own
   * @param {(entry: T) => HTMLElement} make an empty row
   * @param {(row: HTMLElement, entry: T) => void} fill
   */
  constructor(list, make, fill) {
    this.#list = list;
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
    this.#sizer.style.blockSize = `${Math.min(TALLEST, entries.length * this.#height)}px`;
    this.#draw();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / this.#height) - MARGIN);
    const last = Math.min(this.#entries.length,
      Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / this.#height) + MARGIN);
    const wanted = new Map();
    for (let i = first; i < last; i++) wanted.set(this.#entries[i], i);
    for (const [entry, row] of this.#rows) {
      // A row that has the focus stays as long as its entry is in the list.
      if (wanted.has(entry) || row.contains(document.activeElement)) continue;
      row.remove();
      this.#rows.delete(entry);
    }
    for (const [entry, i] of wanted) this.#place(entry, i);
  }

  #place(entry, i) {
    let row = this.#rows.get(entry);
    if (!row) {
      row = this.#make(entry);
      this.#rows.set(entry, row);
      this.#list.append(row);
    }
    this.#fill(row, entry);
    row.style.transform = `translateY(${i * this.#height}px)`;
    row.classList.toggle("last", i === this.#entries.length - 1);
    row.setAttribute("aria-setsize", String(this.#entries.length));
    row.setAttribute("aria-posinset", String(i + 1));
  }
}
