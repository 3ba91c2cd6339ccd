// Long work in slices, so that the page answers meanwhile.

/** A slice, in milliseconds: short of what a person feels. */
const SLICE = 16;

/** Lets the browser do what waits. */
/** @type {() => Promise<void>} */
const yieldNow = globalThis.scheduler?.yield ? () => globalThis.scheduler.yield() : () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
});

/** Measures how long the page was kept busy, and makes room when it was long enough. */
export class Breath {
  #since;
  #now;
  #pause;

  /** @param {{now?: () => number, pause?: () => Promise<void>}} [options] */
  constructor({ now = () => performance.now(), pause = yieldNow } = {}) {
    this.#now = now;
    this.#pause = pause;
    this.#since = now();
  }

  /** Whether it is time to take. */
  get due() {
    return this.#now() - this.#since > SLICE;
  }

  /** To be awaited between two steps of long work. */
  async take() {
    if (!this.due) return;
    await this.#pause();
    this.#since = this.#now();
  }
}

/** Sorted pieces of this length are merged: sorting one takes a few milliseconds. */
const RUN = 256;

/**
 * Sorts like Array.prototype.sort, stably, without holding the page up.
 * @template T
 * @param {T[]} list
 * @param {(a: T, b: T) => number} compare
 * @param {Breath} breath
 * @returns {Promise<T[]>}
 */
export async function sortInSlices(list, compare, breath) {
  let runs = [];
  for (let i = 0; i < list.length; i += RUN) {
    runs.push(list.slice(i, i + RUN).sort(compare));
    await breath.take();
  }
  while (runs.length > 1) {
    const merged = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(i + 1 < runs.length ? await merge(runs[i], runs[i + 1], compare, breath) : runs[i]);
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge(a, b, compare, breath) {
  const out = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    out.push(compare(a[i], b[j]) <= 0 ? a[i++] : b[j++]);
    if (out.length % RUN === 0) await breath.take();
  }
  for (; i < a.length; i++) out.push(a[i]);
  for (; j < b.length; j++) out.push(b[j]);
  return out;
}
