// Keeps a bounded number of things in flight.

/**
 * Pulls work while fewer than `limit` pieces are in flight. Nothing is queued
 * here: the next piece is asked for only when there is room for it.
 * @template T
 */
export class Scheduler {
  /** @type {Map<T, AbortController>} */
  #flying = new Map();
  #stopped = false;
  #take;
  #run;
  #idle;

  /**
   * @param {object} options
   * @param {number} options.limit pieces in flight at most
   * @param {() => T | null} options.take the next piece, or null for none at present
   * @param {(piece: T, signal: AbortSignal) => Promise<void>} options.run never rejects for reasons of its own
   * @param {() => void} [options.idle] called when a piece ended and nothing is in flight
   */
  constructor({ limit, take, run, idle = () => {} }) {
    this.limit = limit;
    this.#take = take;
    this.#run = run;
    this.#idle = idle;
  }

  get inFlight() {
    return this.#flying.size;
  }

  /** The pieces in flight. @returns {IterableIterator<T>} */
  pieces() {
    return this.#flying.keys();
  }

  /** Starts what there is room for. To be called whenever new work came up. */
  kick() {
    while (!this.#stopped && this.#flying.size < this.limit) {
      const piece = this.#take();
      if (piece === null) return;
      this.#fly(piece);
    }
  }

  /** Starts nothing more until go, and ends what is in flight. @param {(piece: T) => boolean} [spares] which may end by themselves */
  stop(spares = () => false) {
    this.#stopped = true;
    this.abort((piece) => !spares(piece));
  }

  go() {
    this.#stopped = false;
    this.kick();
  }

  /** Ends the pieces in flight that match. @param {(piece: T) => boolean} matches */
  abort(matches) {
    for (const [piece, controller] of this.#flying) if (matches(piece)) controller.abort();
  }

  async #fly(piece) {
    const controller = new AbortController();
    this.#flying.set(piece, controller);
    try {
      await this.#run(piece, controller.signal);
    } finally {
      this.#flying.delete(piece);
      this.kick();
      if (this.#flying.size === 0) this.#idle();
    }
  }
}
