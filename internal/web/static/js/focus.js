// Where the focus goes when what had it is gone. Left to the browser it falls back to
// the top of the page, and who types or listens walks all of it again.

/** Keeps the focus in what is in sight. */
export class Focus {
  /** @type {Element | null} what has the focus, or had it when it vanished */
  #last = null;
  #home;

  /** @param {() => HTMLElement} home where it goes */
  constructor(home) {
    this.#home = home;
    addEventListener("focusin", ({ target }) => { this.#last = /** @type {Element} */ (target); });
    // Decided when the script that runs is at its end: what is taken out of the page loses the focus before it is out.
    addEventListener("focusout", ({ target }) => queueMicrotask(() => {
      // The person went elsewhere; what vanishes is looked after by keep.
      if (this.#last === target && inSight(target)) this.#last = null;
    }));
  }

  /** To be called after every change of what is shown. */
  keep() {
    if (!this.#last || inSight(this.#last)) return;
    this.#last = null;
    const { activeElement } = document;
    if (activeElement === document.body || !inSight(activeElement)) this.#home().focus({ preventScroll: true });
  }
}

/** @param {any} element */
export function inSight(element) {
  return element !== null && element.isConnected && element.checkVisibility();
}
