// Finds which file of an earlier choice one that is chosen again is. The same card
// is chosen as a folder one day and as loose files the next.
import { pathKey, splitPath } from "./names.js";

/**
 * @typedef {object} Known a file whose bytes are wanted again
 * @property {string} path
 * @property {number} size
 * @property {string | null} modified
 * @property {boolean} [lost] whether the file on the disk had changed: then its name alone will do
 */

export class Reunion {
  /** @type {Map<string, Known[]>} by the name without its folder */
  #byName = new Map();
  #paths = new Set();

  /** @param {Iterable<Known>} wanted */
  constructor(wanted) {
    for (const known of wanted) {
      const name = pathKey(splitPath(known.path)[1]);
      if (!this.#byName.has(name)) this.#byName.set(name, []);
      this.#byName.get(name).push(known);
      this.#paths.add(pathKey(known.path));
    }
  }

  /**
   * @param {import("./walk.js").Found} found
   * @returns {string} the path to send it under
   */
  path({ path, file }) {
    if (!file || this.#paths.size === 0 || this.#paths.has(pathKey(path))) return path;
    const [folder, name] = splitPath(path);
    const namesakes = this.#byName.get(pathKey(name)) ?? [];
    const equal = namesakes.filter((known) => known.size === file.size && sameDate(known.modified, file.lastModified));
    const lost = folder === "" ? namesakes.filter((known) => known.lost) : [];
    const twin = equal.length === 1 ? equal[0] : equal.length === 0 && lost.length === 1 ? lost[0] : null;
    if (!twin) return path;
    namesakes.splice(namesakes.indexOf(twin), 1);
    this.#paths.delete(pathKey(twin.path));
    return twin.path;
  }
}

function sameDate(text, ms) {
  return text !== null && Date.parse(text) === ms;
}
