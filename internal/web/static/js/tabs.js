// Tabs of one browser on one link: one sends, the others watch.

/**
 * @typedef {object} Told what tabs tell each other
 * @property {"hello" | "progress" | "heirs" | "gone" | "files"} kind hello asks for the rest;
 *   progress says how far it is; heirs and gone keep the files known to who may
 *   have to go on; files are to be sent by the tab that sends
 */

/**
 * The right to send, held through a Web Lock: the browser gives it to the next tab
 * when this one is closed, however that came. Without such locks every tab may.
 */
export class Tabs {
  /** Whether this tab may send. */
  mine = false;
  #name;
  #locks;
  #channel;
  /** @type {(value?: any) => void} */
  #release = () => {};
  #lost = () => {};

  /**
   * @param {string} slug of the link
   * @param {{locks?: LockManager, channel?: BroadcastChannel}} [around]
   */
  constructor(slug, { locks = navigator.locks, channel } = {}) {
    this.#name = `lenzeye.upload.${slug}`;
    this.#locks = locks;
    this.#channel = channel ?? (typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(this.#name));
  }

  /** Whether another tab sends. @returns {Promise<boolean>} */
  async taken() {
    if (this.mine || !this.#locks) return false;
    const { held } = await this.#locks.query();
    return held.some((lock) => lock.name === this.#name);
  }

  /** Takes the right to send when nobody has it. @returns {Promise<boolean>} whether it is ours */
  claim() {
    return this.#request({ ifAvailable: true });
  }

  /** Waits until the tab that sends gives it up, or is closed. @param {AbortSignal} signal */
  await(signal) {
    return this.#request({ signal });
  }

  /** Takes it from a tab that does not answer. */
  seize() {
    return this.#request({ steal: true });
  }

  /** Gives it to the next tab. */
  release() {
    this.mine = false;
    this.#release();
  }

  /** @param {() => void} lost told when another tab seized it */
  whenLost(lost) {
    this.#lost = lost;
  }

  #request(options) {
    if (!this.#locks || this.mine) {
      this.mine = true;
      return Promise.resolve(true);
    }
    let granted = false;
    return new Promise((resolve) => {
      this.#locks.request(this.#name, options, (lock) => {
        if (lock === null) return resolve(false);
        granted = true;
        this.mine = true;
        resolve(true);
        return new Promise((release) => { this.#release = release; });
      }).catch(() => {
        // Called off while waiting, which a tab that seized it meanwhile does too, or seized while it was ours.
        resolve(false);
        if (!granted || !this.mine) return;
        this.mine = false;
        this.#lost();
      });
    });
  }

  /** @param {Told & any} message */
  tell(message) {
    this.#channel?.postMessage(message);
  }

  /** @param {(message: Told & any) => void} hear */
  hear(hear) {
    this.#channel?.addEventListener("message", ({ data }) => hear(data));
  }
}
