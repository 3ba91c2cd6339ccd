// What the browser keeps of the sendings of one upload link, so that they go on
// after a reload and their receipts can be opened again.
import { inDatabase, inStorage } from "./shelves.js";

/**
 * @typedef {object} Kept
 * @property {string | null} key the Idempotency-Key, kept before the transfer is asked for
 * @property {string} [about] a digest of what the start says, so that a corrected one is another
 * @property {string} [id] of the transfer
 * @property {string} [token] upload token
 * @property {number} since when it was begun here, in milliseconds
 * @property {boolean} [aside] not what the page opens with
 * @property {number} [files] set when it is complete
 * @property {number} [bytes] set when it is complete
 */

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const FRAGMENT = new RegExp(`^#t=(${UUID})\\.(lzu_[A-Za-z0-9_-]{43})$`);
/** Sendings kept at most. */
const MOST = 30;

/**
 * The memory of one upload link, newest first. Tabs share it, and each changes its
 * own sending only. Where the browser keeps nothing, it lasts as long as the page.
 */
export class Store {
  /** Where it is kept, the best first; the others stand in. @type {import("./shelves.js").Shelf[]} */
  #shelves;
  #name;
  /** @type {Kept[]} */
  #held = [];
  /** One change comes after the other. */
  #line;
  #waiting = 0;
  /** @type {BroadcastChannel | null} */
  #channel = null;

  /** @param {string} slug @param {import("./shelves.js").Shelf[]} [shelves] */
  constructor(slug, shelves) {
    this.#name = `lenzeye.upload.${slug}`;
    this.#shelves = shelves ?? [inDatabase(this.#name), inStorage(this.#name)];
    /** Fulfilled when it is known what was kept. @type {Promise<void>} */
    this.opened = this.#line = this.#open();
  }

  /** False when what is kept does not outlive the page. */
  get durable() {
    return this.#shelves.length > 0;
  }

  /** @returns {Kept[]} */
  list() {
    return this.#held;
  }

  /** What the page opens with. @returns {Kept | null} */
  get current() {
    return this.#held.find((kept) => kept.id && !kept.aside) ?? null;
  }

  /** A key whose answer never came: the same start is asked for again. @returns {Kept | null} */
  get begun() {
    return this.#held.find((kept) => kept.key && !kept.id) ?? null;
  }

  /**
   * Writes one sending, in front of all others. It is seen at once.
   * @param {Kept} kept
   * @returns {Promise<void>} fulfilled when a crash cannot take it any more, or nothing can keep it
   */
  save(kept) {
    return this.#change((list) => [kept, ...list.filter((other) => !same(other, kept))]);
  }

  /** @param {Kept} kept */
  remove(kept) {
    return this.#change((list) => list.filter((other) => !same(other, kept)));
  }

  /** Forgets everything. */
  clear() {
    return this.#change(() => []);
  }

  /** Looks what other tabs have kept. */
  refresh() {
    return this.#then(async () => {
      const list = await this.#shelves[0]?.read().catch(() => this.#held) ?? [];
      if (this.durable && this.#waiting === 0) this.#held = sound(list);
    });
  }

  /** Calls back when another tab changed something. @param {() => void} changed */
  watch(changed) {
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(`${this.#name}.kept`);
    this.#channel.addEventListener("message", () => this.refresh().then(changed));
  }

  /** Reads all that is kept anywhere, and brings it to one place. */
  async #open() {
    const found = await Promise.all(this.#shelves.map(async (shelf) => {
      try {
        return { shelf, list: sound(await shelf.read()) };
      } catch {
        return null;
      }
    }));
    const known = found.filter((one) => one !== null);
    this.#shelves = known.map(({ shelf }) => shelf);
    const [first, ...others] = known;
    this.#held = first?.list ?? [];
    for (const { shelf, list } of others.filter((other) => other.list.length > 0)) {
      await this.#write((held) => joined(held, list));
      if (this.#shelves[0] === first.shelf) await shelf.change(() => []).catch(() => {});
    }
  }

  #change(change) {
    this.#held = bounded(change(this.#held));
    this.#waiting++;
    return this.#then(async () => {
      const list = await this.#write(change);
      if (--this.#waiting === 0) this.#held = list;
      this.#channel?.postMessage("changed");
    });
  }

  #then(act) {
    this.#line = this.#line.then(act);
    return this.#line;
  }

  /** Writes where it can be. @returns {Promise<Kept[]>} */
  async #write(change) {
    for (let next = change; this.#shelves.length > 0; next = (list) => joined(change(this.#held), list)) {
      try {
        return await this.#shelves[0].change((list) => bounded(next(sound(list))));
      } catch {
        this.#shelves.shift(); // full, or gone while the page was open
      }
    }
    return bounded(change(this.#held));
  }
}

function same(a, b) {
  return (a.id && a.id === b.id) || (a.key && a.key === b.key);
}

/** @param {any} list @returns {Kept[]} */
function sound(list) {
  return Array.isArray(list) ? list.filter((kept) => kept && (kept.key || kept.id)) : [];
}

/** @param {Kept[]} first @param {Kept[]} second */
function joined(first, second) {
  return [...first, ...second.filter((kept) => !first.some((other) => same(other, kept)))];
}

/** Of too many the oldest receipts go first, what is unfinished last. */
function bounded(list) {
  const most = [...list];
  while (most.length > MOST) {
    const receipt = most.findLastIndex((kept) => kept.files !== undefined);
    most.splice(receipt > 0 ? receipt : most.length - 1, 1);
  }
  return most;
}

/** A new Idempotency-Key: 32 random bytes as base64url. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

/**
 * Reads the part of the address that takes a sending to another browser.
 * @param {string} hash
 * @returns {{id: string, token: string} | null}
 */
export function readFragment(hash) {
  const found = FRAGMENT.exec(hash);
  return found && { id: found[1], token: found[2] };
}

/** @param {string} id @param {string} token */
export function fragment(id, token) {
  return `#t=${id}.${token}`;
}
