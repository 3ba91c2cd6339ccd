// What the browser keeps of the sendings of one upload link, so that they go on
// after a reload and their receipts can be opened again.

/**
 * @typedef {object} Kept
 * @property {string | null} key the Idempotency-Key, kept before the transfer is asked for
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
 * The memory of one upload link, newest first. Tabs share it: it is read anew
 * before each change, and each changes its own sending only. Where the browser
 * keeps nothing, it lasts as long as the page.
 */
export class Store {
  #name;
  #storage;
  /** @type {Kept[]} */
  #held = [];
  /** False when what is kept does not outlive the page. */
  durable = true;

  /** @param {string} slug @param {() => Storage} storage */
  constructor(slug, storage = () => localStorage) {
    this.#name = `lenzeye.upload.${slug}`;
    try {
      this.#storage = storage();
      this.#storage.getItem(this.#name);
    } catch {
      this.durable = false;
    }
  }

  /** @returns {Kept[]} */
  list() {
    if (!this.durable) return this.#held;
    try {
      const held = JSON.parse(this.#storage.getItem(this.#name) ?? "[]");
      this.#held = Array.isArray(held) ? held.filter((kept) => kept && (kept.key || kept.id)) : [];
    } catch {
      this.#held = [];
    }
    return this.#held;
  }

  /** What the page opens with. @returns {Kept | null} */
  get current() {
    return this.list().find((kept) => kept.id && !kept.aside) ?? null;
  }

  /** A key whose answer never came: the same start is asked for again. @returns {Kept | null} */
  get begun() {
    return this.list().find((kept) => kept.key && !kept.id) ?? null;
  }

  /** Writes one sending, in front of all others. @param {Kept} kept */
  save(kept) {
    this.#write([kept, ...this.list().filter((other) => !same(other, kept))]);
  }

  /** @param {Kept} kept */
  remove(kept) {
    this.#write(this.list().filter((other) => !same(other, kept)));
  }

  /** Calls back when another tab changed something. @param {() => void} changed */
  watch(changed) {
    addEventListener("storage", (event) => {
      if (event.key === this.#name || event.key === null) changed();
    });
  }

  #write(list) {
    this.#held = bounded(list);
    try {
      if (list.length === 0) this.#storage.removeItem(this.#name);
      else this.#storage.setItem(this.#name, JSON.stringify(this.#held));
    } catch {
      this.durable = false;
    }
  }
}

function same(a, b) {
  return (a.id && a.id === b.id) || (a.key && a.key === b.key);
}

/** Of too many the oldest receipts go first, what is unfinished last. */
function bounded(list) {
  while (list.length > MOST) {
    const receipt = list.findLastIndex((kept) => kept.files !== undefined);
    list.splice(receipt > 0 ? receipt : list.length - 1, 1);
  }
  return list;
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
