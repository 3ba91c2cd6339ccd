// The list of files that can be fetched.
import { copyTemplate, setAttribute, setIcon, setName, setText } from "./dom.js";
import { splitName } from "./names.js";
import { WindowList } from "./windowlist.js";

/** Depths that are indented further than the one before. */
const DEEPEST = 4;

export class ShareRows {
  #list;
  #around;

  /**
   * @param {HTMLElement} list
   * @param {{icons: string, href: (file: any) => string | null, note?: (file: any) => string, t: Function,
   *   figures: any, toggled: () => void}} around href is where a file's bytes are, null while they are not; note is a
   *   word about it
   */
  constructor(list, around) {
    this.#around = around;
    this.#list = new WindowList(list, (entry) => this.#make(entry), (row, entry) => this.#fill(row, entry));
  }

  /** @param {(import("./filetree.js").Folder | import("./filetree.js").Leaf)[]} entries */
  show(entries) {
    this.#list.show(entries);
  }

  #make(entry) {
    const row = copyTemplate(entry.folders ? "folder-row" : "file-row");
    const depth = Math.min(entry.depth, DEEPEST);
    if (depth > 0) row.classList.add(`indent-${depth}`);
    setAttribute(row, "aria-level", entry.depth + 1);
    if (entry.folders) {
      row.querySelector("button").addEventListener("click", () => {
        entry.open = !entry.open;
        this.#around.toggled();
      });
    }
    return row;
  }

  #fill(row, entry) {
    if (entry.folders) this.#fillFolder(row, entry);
    else this.#fillFile(row, entry);
  }

  #fillFolder(row, entry) {
    const { t, figures } = this.#around;
    const [button, side] = row.children;
    setAttribute(button, "aria-expanded", entry.open);
    setText(button.lastElementChild, entry.name);
    setText(side.firstElementChild, t("fetch.folder", { count: entry.count }));
    setText(side.lastElementChild, figures.bytes(entry.bytes));
  }

  #fillFile(row, { name, file }) {
    const { t, figures, icons, href, note = () => "" } = this.#around;
    const [label, side] = row.children;
    const link = side.lastElementChild;
    setIcon(label.firstElementChild, icons, iconOf(file));
    setName(label.lastElementChild, splitName(name));
    setText(side.firstElementChild, [note(file), figures.bytes(file.size)].filter(Boolean).join(" · "));
    link.classList.toggle("away", href(file) === null);
    setAttribute(link, "href", href(file));
    setAttribute(link, "aria-label", t("fetch.download", { name }));
    setAttribute(link, "data-name", name);
  }
}

/** Cameras' own formats, which browsers have no type for. */
const RAW = /\.(3fr|arw|cr[23]|dng|gpr|iiq|nef|nrw|orf|pef|raf|raw|rw2|srw)$/i;

function iconOf({ path, type }) {
  if (type.startsWith("video/")) return "film";
  return type.startsWith("image/") || RAW.test(path) ? "photo" : "file";
}
