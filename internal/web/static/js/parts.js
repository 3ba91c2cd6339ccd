// Which parts of a file are still to be sent.

/** Hands out the missing part numbers of one file, each once, without listing them all. */
export class Parts {
  #received;
  #cursor = 1;
  #range = 0;
  #returned = [];

  /**
   * @param {number} count the file's part_count
   * @param {[number, number][]} received as the server says: sorted and disjoint
   */
  constructor(count, received) {
    this.count = count;
    this.#received = received;
    /** How many parts are neither acknowledged nor handed out to someone who finished. */
    this.left = count - received.reduce((n, [first, last]) => n + last - first + 1, 0);
  }

  /** @returns {number | null} a part that nobody has, or null when all are handed out */
  take() {
    if (this.#returned.length > 0) return this.#returned.shift();
    while (this.#range < this.#received.length && this.#received[this.#range][0] <= this.#cursor) {
      this.#cursor = Math.max(this.#cursor, this.#received[this.#range][1] + 1);
      this.#range++;
    }
    return this.#cursor <= this.count ? this.#cursor++ : null;
  }

  /** @param {number} number a part that was taken and not sent */
  giveBack(number) {
    this.#returned.push(number);
  }

  /** Notes that one part was acknowledged. */
  acknowledge() {
    this.left--;
  }
}
