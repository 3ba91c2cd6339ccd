// Waiting between tries.

const FIRST = 1000;
const LONGEST = 30_000;

/**
 * How long to wait before the next try: doubling from one second to half a
 * minute, less a random half, so that many browsers do not come back at once.
 * What the server asked for is the least, with up to a fifth more.
 * @param {number} tries that failed so far, from 1
 * @param {number | null} retryAfter seconds that the server asked for
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function pause(tries, retryAfter, random) {
  if (retryAfter !== null) return Math.round(retryAfter * 1000 * (1 + random() / 5));
  const full = Math.min(LONGEST, FIRST * 2 ** Math.min(tries - 1, 10));
  return Math.round(full * (1 - random() / 2));
}

/** Sleeps that can be ended together, when the network is back or a person asks. */
export class Patience {
  #sleepers = new Set();

  /**
   * @param {number} ms
   * @param {AbortSignal} [signal] ends the sleep too
   * @returns {Promise<void>}
   */
  sleep(ms, signal) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#sleepers.add(wake);
      if (signal?.aborted) wake();
      else signal?.addEventListener("abort", wake);
    });
  }

  wake() {
    for (const wake of [...this.#sleepers]) wake();
  }
}
