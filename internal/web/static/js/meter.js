// How fast it goes.

/** The figure looks back this long, in milliseconds, … */
const LEAST = 20_000;
/** … or as far as there are few notes, but never longer. */
const MOST = 120_000;
const FEW = 8;

/**
 * Acknowledged bytes over a sliding window. They come a part at a time: on a slow
 * line the window reaches back over several parts, so that the figure is calm.
 */
export class Meter {
  #notes = [];
  #from = null;

  /** Begins to measure: what was before, and the pause since, do not count. @param {number} now in milliseconds */
  begin(now) {
    this.#notes = [];
    this.#from = now;
  }

  /** @param {number} bytes acknowledged @param {number} now in milliseconds */
  note(bytes, now) {
    // Without a beginning it is not known how long the first took.
    if (this.#from === null) return this.begin(now);
    const last = this.#notes.at(-1);
    if (last && now - last.at < 250) last.bytes += bytes;
    else this.#notes.push({ at: now, bytes });
    this.#forget(now);
    return undefined;
  }

  /** @param {number} now @returns {number} bytes a second; 0 while nothing is known */
  rate(now) {
    this.#forget(now);
    if (this.#notes.length === 0) return 0;
    const span = Math.max(1000, now - this.#from);
    return this.#notes.reduce((sum, note) => sum + note.bytes, 0) * 1000 / span;
  }

  #forget(now) {
    const old = (note) => now - note.at > (this.#notes.length > FEW ? LEAST : MOST);
    while (this.#notes.length > 0 && old(this.#notes[0])) this.#from = this.#notes.shift().at;
  }
}
