// The page's end of the checksum worker.
import { crcOfBlob } from "./crc32.js";

/** Says that a file could not be read: it is gone, or changed since it was chosen. */
export class Unreadable extends Error {}

/** Computes checksums in a worker, which starts at the first use. */
export class Checksums {
  #worker = null;
  #waiting = new Map();
  #next = 0;

  /**
   * @param {Blob} blob
   * @param {number} from first byte
   * @param {number} to byte after the last
   * @returns {Promise<string>} 8 hex digits; rejects with Unreadable
   */
  async of(blob, from, to) {
    if (!this.#worker && !this.#start()) return this.#here(blob, from, to);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, blob, from, to });
    });
  }

  #start() {
    if (typeof Worker === "undefined") return false;
    this.#worker = new Worker(new URL("./crcworker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      data.error ? reject(new Unreadable(data.error)) : resolve(data.crc);
    });
    this.#worker.addEventListener("error", () => {
      for (const { reject } of this.#waiting.values()) reject(new Unreadable("worker"));
      this.#waiting.clear();
      this.#worker = null;
    });
    return true;
  }

  async #here(blob, from, to) {
    try {
      return await crcOfBlob(blob, from, to);
    } catch (error) {
      throw new Unreadable(String(error));
    }
  }
}
