// How fast it goes.

/** Bytes over a sliding window. */
export class Meter {
  #notes = [];

  /** @param {number} windowMs */
  constructor(windowMs = 15_000) {
    this.windowMs = windowMs;
  }

  /** @param {number} bytes that left @param {number} now in milliseconds */
  note(bytes, now) {
    const last = this.#notes.at(-1);
    if (last && now - last.at < 250) last.bytes += bytes;
    else this.#notes.push({ at: now, bytes });
    this.#forget(now);
  }

  /** @param {number} now @returns {number} bytes a second; 0 when nothing moved */
  rate(now) {
    this.#forget(now);
    if (this.#notes.length === 0) return 0;
    const span = Math.max(1000, now - this.#notes[0].at);
    return this.#notes.reduce((sum, note) => sum + note.bytes, 0) * 1000 / span;
  }

  #forget(now) {
    while (this.#notes.length > 0 && now - this.#notes[0].at > this.windowMs) this.#notes.shift();
  }
}
