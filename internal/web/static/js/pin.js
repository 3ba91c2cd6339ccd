// A file's date, looked at while the file is sent: the cheap way to know that it was
// not written to meanwhile.

/** A file that takes longer than this is read once more, in milliseconds: somebody may edit it and keep its date. */
const LONG = 60_000;
/** Dates are compared by the second: a file this fresh can be written to again without another one, in milliseconds. */
const FRESH = 5_000;

/**
 * Whether a File keeps the date that it had when it was first asked for, and cannot
 * be read, nor sent, once it has another. Chromium does so; of the others it is not
 * known for every way in which a file is chosen.
 */
export const datesHold = "userAgentData" in (globalThis.navigator ?? {});

/** The moment when a file's first part left. */
export class Pin {
  #file;
  #at;

  /** @param {File} file whose date was asked for @param {number} now in milliseconds */
  constructor(file, now) {
    this.#file = file;
    this.#at = now;
  }

  /**
   * @param {number} now in milliseconds
   * @returns {Promise<boolean>} true when the file is surely what it was; false
   *   when it is not, or only its bytes can tell
   */
  async holds(now) {
    if (now - this.#at > LONG || this.#file.lastModified > this.#at - FRESH) return false;
    try {
      return (await this.#file.slice(0, 1).arrayBuffer()).byteLength === 1;
    } catch {
      return false;
    }
  }
}
