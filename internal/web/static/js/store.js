// What the browser keeps of a sending, so that it goes on after a reload.

/**
 * @typedef {object} Kept
 * @property {string} key the Idempotency-Key, kept before the transfer is asked for
 * @property {string} [id] of the transfer
 * @property {string} [token] upload token
 */

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const FRAGMENT = new RegExp(`^#t=(${UUID})\\.(lzu_[A-Za-z0-9_-]{43})$`);

/** The memory of one upload link. Where the browser keeps nothing, it lasts as long as the page. */
export class Store {
  #name;
  #storage;
  #held = null;
  /** False when what is kept does not outlive the page. */
  durable = true;

  /** @param {string} slug @param {() => Storage} storage */
  constructor(slug, storage = () => localStorage) {
    this.#name = `lenzeye.upload.${slug}`;
    try {
      this.#storage = storage();
      this.#held = JSON.parse(this.#storage.getItem(this.#name) ?? "null");
    } catch {
      this.durable = false;
    }
  }

  /** @returns {Kept | null} */
  read() {
    return this.#held;
  }

  /** @param {Kept} kept */
  write(kept) {
    this.#held = kept;
    try {
      this.#storage.setItem(this.#name, JSON.stringify(kept));
    } catch {
      this.durable = false;
    }
  }

  clear() {
    this.#held = null;
    try {
      this.#storage.removeItem(this.#name);
    } catch {
      this.durable = false;
    }
  }
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
