// A file's date, held while the file is sent: the cheap way to know that it was not
// written to meanwhile.

/** A file that takes longer than this is read once more, in milliseconds: somebody may edit it and keep its date. */
const LONG = 60_000;
/** Dates are compared by the second: a file this fresh can be written to again without another one, in milliseconds. */
const FRESH = 5_000;

/**
 * Whether a slice keeps the date that its file has, and cannot be read once the
 * file has another. Chromium does so; of the others it is not known for every way
 * in which a file is chosen.
 */
export const datesHold = "userAgentData" in (globalThis.navigator ?? {});

/** The date of a file at one moment. */
export class Pin {
  #slice;
  #at;
  #modified;

  /** @param {File} file @param {number} now in milliseconds */
  constructor(file, now) {
    this.#slice = file.slice(0, 1);
    this.#at = now;
    this.#modified = file.lastModified;
  }

  /**
   * @param {number} now in milliseconds
   * @returns {Promise<boolean>} true when the file is surely what it was; false
   *   when it is not, or only its bytes can tell
   */
  async holds(now) {
    if (now - this.#at > LONG || this.#modified > this.#at - FRESH) return false;
    try {
      return (await this.#slice.arrayBuffer()).byteLength === this.#slice.size;
    } catch {
      return false;
    }
  }
}
