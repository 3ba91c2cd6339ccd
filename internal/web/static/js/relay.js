// What the tab that sends tells those that watch, and what they make of it.

/** How often progress is told, in milliseconds. */
const EVERY = 500;
/** Files in one message. */
const SLICE = 250;
/** A tab that says nothing for so long is asleep, in milliseconds. */
const SILENCE = 6000;

/** Tells the other tabs how far it is, and which files are to be gone on with. */
export class Teller {
  #tabs;
  #sender;
  #last = 0;
  #watched = false;
  /** @type {Map<string, File | undefined>} what was told, by path */
  #told = new Map();

  /** @param {import("./tabs.js").Tabs} tabs @param {import("./sender.js").Sender} sender */
  constructor(tabs, sender) {
    this.#tabs = tabs;
    this.#sender = sender;
  }

  /** Somebody watches from now on and knows nothing. */
  hello() {
    this.#watched = true;
    this.#told.clear();
    this.tell(true);
  }

  /** @param {boolean} [now] also when the last time is not long ago */
  tell(now = false) {
    const at = Date.now();
    if (!this.#tabs.mine || (!now && at - this.#last < EVERY)) return;
    this.#last = at;
    const { failures, changed, ...sum } = this.#sender.summary();
    this.#tabs.tell({
      kind: "progress", phase: this.#sender.phase, sum, rate: this.#sender.meter.rate(at), id: this.#sender.kept?.id,
    });
    if (this.#watched) this.#tellFiles();
  }

  #tellFiles() {
    let heirs = [];
    const here = new Set();
    for (const { path, file } of this.#sender.items) {
      here.add(path);
      if (!file || this.#told.get(path) === file) continue;
      this.#told.set(path, file);
      if (heirs.push({ path, file }) === SLICE) this.#tabs.tell({ kind: "heirs", found: heirs.splice(0) });
    }
    if (heirs.length > 0) this.#tabs.tell({ kind: "heirs", found: heirs });
    const gone = [...this.#told.keys()].filter((path) => !here.has(path));
    for (const path of gone) this.#told.delete(path);
    if (gone.length > 0) this.#tabs.tell({ kind: "gone", paths: gone });
  }
}

/** What a tab that watches knows. */
export class Watcher {
  /** @type {any} the last progress that was told */
  last = null;
  /** @type {Map<string, import("./walk.js").Found>} files to go on with */
  heirs = new Map();
  /** @type {import("./walk.js").Found[]} files given to a tab that has not answered since */
  unheard = [];
  #heard = Date.now();

  /** @param {any} message */
  hear(message) {
    if (message.kind === "progress") {
      this.last = message;
      this.unheard = [];
      this.#heard = Date.now();
    } else if (message.kind === "heirs") for (const found of message.found) this.heirs.set(found.path, ownFile(found));
    else if (message.kind === "gone") for (const path of message.paths) this.heirs.delete(path);
  }

  /** Whether the tab that sends seems to sleep. */
  get silent() {
    return Date.now() - this.#heard > SILENCE;
  }
}

/**
 * A file from another tab in the form in which this one may send it whole: its
 * process was not given the file itself.
 * @param {import("./walk.js").Found} found
 * @returns {import("./walk.js").Found}
 */
export function ownFile({ path, file }) {
  const { name, type, lastModified } = file;
  return { path, file: new File([file], name, { type, lastModified }) };
}
