// The order in which parts are sent.

/**
 * @typedef {object} Job
 * @property {import("./parts.js").Parts} parts
 */

/**
 * Files that wait, pulled part by part. Files of many parts and files of one are
 * drawn in turn, so that a large film does not hold up a thousand small pictures
 * nor they the film; within each kind the first comes first, so that files finish.
 * @template {Job} J
 */
export class Queue {
  #large = [];
  #small = [];
  #flying = { large: 0, small: 0 };

  /** @param {J} job */
  add(job) {
    (large(job) ? this.#large : this.#small).push(job);
  }

  /** @returns {{job: J, number: number, large: boolean} | null} */
  take() {
    const largeFirst = this.#flying.large <= this.#flying.small;
    const [first, second] = largeFirst ? [this.#large, this.#small] : [this.#small, this.#large];
    const taken = this.#from(first) ?? this.#from(second);
    if (taken) this.#flying[taken.large ? "large" : "small"]++;
    return taken;
  }

  /** Notes that a part is no longer in flight, sent or not. @param {{large: boolean}} taken */
  landed({ large }) {
    this.#flying[large ? "large" : "small"]--;
  }

  /** Puts a part back to be sent again. @param {J} job @param {number} number */
  giveBack(job, number) {
    job.parts.giveBack(number);
    const list = large(job) ? this.#large : this.#small;
    if (!list.includes(job)) list.unshift(job);
  }

  /** @param {J} job to forget */
  remove(job) {
    for (const list of [this.#large, this.#small]) {
      const at = list.indexOf(job);
      if (at >= 0) list.splice(at, 1);
    }
  }

  #from(list) {
    while (list.length > 0) {
      const number = list[0].parts.take();
      if (number !== null) return { job: list[0], number, large: list === this.#large };
      list.shift();
    }
    return null;
  }
}

function large(job) {
  return job.parts.count > 1;
}
