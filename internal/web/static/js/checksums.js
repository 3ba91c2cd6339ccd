// The page's end of the checksum worker.
import { crcOfBlob } from "./crc32.js";

/** Says that a file could not be read: it is gone, or changed since it was chosen. */
export class Unreadable extends Error {
  /** Whether there is no file any more, so that it cannot have changed. */
  get gone() {
    return this.message === "NotFoundError";
  }
}

/**
 * Computes checksums in a worker. It starts with the page: later, after a new
 * version was deployed, its address may be gone. Where there is none, or it
 * broke, the page computes by itself.
 */
export class Checksums {
  /** @type {Worker | null} */
  #worker = null;
  #waiting = new Map();
  #next = 0;

  /** @param {() => Worker} make */
  constructor(make = () => new Worker(new URL("./crcworker.js", import.meta.url), { type: "module" })) {
    try {
      this.#worker = make();
    } catch {
      return;
    }
    this.#worker.addEventListener("message", ({ data }) => this.#answered(data));
    this.#worker.addEventListener("error", () => this.#broke());
  }

  /**
   * @param {Blob} blob
   * @param {number} from first byte
   * @param {number} to byte after the last
   * @returns {Promise<string>} 8 hex digits; rejects with Unreadable
   */
  of(blob, from, to) {
    if (!this.#worker) return here(blob, from, to);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject, blob, from, to });
      this.#worker.postMessage({ id, blob, from, to });
    });
  }

  #answered({ id, crc, error }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    error ? reject(new Unreadable(error)) : resolve(crc);
  }

  #broke() {
    this.#worker?.terminate();
    this.#worker = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { resolve, blob, from, to } of waiting) resolve(here(blob, from, to));
  }
}

async function here(blob, from, to) {
  try {
    return await crcOfBlob(blob, from, to);
  } catch (error) {
    throw new Unreadable(error.name);
  }
}
