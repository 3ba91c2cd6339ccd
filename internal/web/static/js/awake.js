// Keeps the screen on while files are sent: phones that sleep stop sending.

export class Awake {
  #wanted = false;
  /** @type {any} */
  #lock = null;
  #asking = false;

  constructor() {
    // The browser lets go whenever the page is hidden.
    document.addEventListener("visibilitychange", () => this.#hold());
  }

  /** @param {boolean} wanted */
  want(wanted) {
    if (this.#wanted === wanted) return;
    this.#wanted = wanted;
    if (wanted) this.#hold();
    else this.#lock?.release().catch(() => {});
  }

  async #hold() {
    if (!this.#wanted || this.#asking || !navigator.wakeLock || document.visibilityState !== "visible") return;
    if (this.#lock && !this.#lock.released) return;
    this.#asking = true;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
      if (!this.#wanted) await this.#lock.release();
    } catch {
      // Refused, on an empty battery for one: sending goes on without.
    } finally {
      this.#asking = false;
    }
  }
}
