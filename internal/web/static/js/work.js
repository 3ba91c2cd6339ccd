// A list of things to do one after another.

/**
 * Does a few things at once while it may, and keeps the rest in order.
 * @template T
 */
export class Work {
  /** @type {T[]} */
  #todo = [];
  #doing = 0;
  #limit;
  #run;
  #act;
  #idle;

  /**
   * @param {object} options
   * @param {number} options.limit things done at once
   * @param {() => boolean} options.run whether the next may be begun
   * @param {(thing: T) => Promise<void>} options.act never rejects for reasons of its own
   * @param {() => void} options.idle called when the last was done
   */
  constructor({ limit, run, act, idle }) {
    this.#limit = limit;
    this.#run = run;
    this.#act = act;
    this.#idle = idle;
  }

  get busy() {
    return this.#doing > 0 || this.#todo.length > 0;
  }

  /** @param {T} thing */
  add(thing) {
    this.#todo.push(thing);
    this.go();
  }

  /** Begins what may be begun. */
  go() {
    while (this.#doing < this.#limit && this.#todo.length > 0 && this.#run()) this.#do(this.#todo.shift());
  }

  async #do(thing) {
    this.#doing++;
    try {
      await this.#act(thing);
    } finally {
      this.#doing--;
      this.go();
      if (!this.busy) this.#idle();
    }
  }
}

/**
 * Does the same with each of several things, a few at once. The first failure is
 * told, and nothing is begun after it.
 * @template T
 * @param {T[]} things
 * @param {number} limit
 * @param {(thing: T) => Promise<void>} act
 */
export async function each(things, limit, act) {
  // One generator for all: whoever leaves its loop by a failure ends it for the others.
  const rest = (function* () {
    yield* things;
  })();
  const walk = async () => {
    for (const thing of rest) await act(thing);
  };
  await Promise.all(Array.from({ length: limit }, walk));
}
