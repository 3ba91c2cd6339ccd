// Small dealings with the page.

/** @param {string} id @returns {any} */
export function $(id) {
  return document.getElementById(id);
}

/** What the server put into the page for its script. */
export function readBoot() {
  return JSON.parse($("boot").textContent);
}

/** Writes only what differs, so that nothing is laid out or announced in vain. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows an element, or hides it. */
export function setShown(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** Sets an attribute, or takes it away when the value is null. */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Points a symbol's <use> to an icon. */
export function setIcon(svg, icons, name) {
  setAttribute(svg.querySelector("use"), "href", `${icons}#${name}`);
}

/** A copy of the only element of a <template>. @param {string} id */
export function copyTemplate(id) {
  return $(id).content.firstElementChild.cloneNode(true);
}

/** Writes a name in two spans, of which the second, with the extension, is never cut. */
export function setName(node, [stem, extension]) {
  setText(node.children[0], stem);
  setText(node.children[1], extension);
}

/**
 * Makes the buttons work that copy the text of another element, also those that come later.
 * @param {string} done what to say then
 */
export function wireCopying(done) {
  /** When each button shows its own icon again. @type {WeakMap<Element, number>} */
  const shown = new WeakMap();
  document.addEventListener("click", async (event) => {
    const button = /** @type {any} */ (event.target).closest("[data-copy]");
    if (!button) return undefined;
    const source = $(button.dataset.copy);
    const copied = await copyText(source.href ?? source.textContent);
    if (!copied) return selectText(source);
    say(done);
    const use = button.querySelector("use");
    button.dataset.icon ??= use.getAttribute("href");
    use.setAttribute("href", button.dataset.icon.replace(/#.*/, "#check"));
    clearTimeout(shown.get(button));
    shown.set(button, setTimeout(() => use.setAttribute("href", button.dataset.icon), 2000));
    return undefined;
  });
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed, or no secure context: the text is selected instead.
    return false;
  }
}

function selectText(node) {
  getSelection().selectAllChildren(node);
}

/** Announces a sentence to those who listen to the page. @param {string} sentence */
export function say(sentence) {
  setText($("status"), sentence);
}

/** Draws at most four times a second, and only when something changed. */
export class Painter {
  #due = false;
  #last = 0;

  /** @param {() => void} paint */
  constructor(paint) {
    this.paint = paint;
  }

  ask = () => {
    if (this.#due) return;
    this.#due = true;
    // A timer and not an animation frame: the title also counts in a hidden tab.
    setTimeout(() => {
      this.#due = false;
      this.#last = performance.now();
      this.paint();
    }, Math.max(0, 250 - (performance.now() - this.#last)));
  };
}
