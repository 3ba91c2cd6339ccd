// Rules of names: what the server takes as a path, and how a name is shown.

const encoder = new TextEncoder();
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * What makes two paths the same file: their composed form (NFC).
 * @param {string} path
 */
export function pathKey(path) {
  return path.normalize("NFC");
}

/**
 * Tells whether the server takes the path: 1 to 1,024 bytes, segments of 1 to 255
 * bytes between single slashes, none of them "." or "..", no control characters.
 * @param {string} path
 */
export function pathAllowed(path) {
  if (path === "" || CONTROL.test(path) || !wellFormed(path)) return false;
  if (encoder.encode(path).length > 1024) return false;
  return path.split("/").every((segment) =>
    segment !== "" && segment !== "." && segment !== ".." && encoder.encode(segment).length <= 255);
}

/**
 * Splits off the extension, which stays readable when a long name is cut.
 * @param {string} name
 * @returns {[string, string]} the extension has its dot, or is empty
 */
export function splitName(name) {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || name.length - dot > 12) return [name, ""];
  return [name.slice(0, dot), name.slice(dot)];
}

/**
 * @param {string} path
 * @returns {[string, string]} the folder ("" at the top) and the name
 */
export function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? ["", path] : [path.slice(0, slash), path.slice(slash + 1)];
}

/** Finds free names like "IMG_1 (2).jpg" for further files under one path. */
export class FreeNames {
  /** @type {Map<string, number>} the number last given to a path: counting begins there, not anew */
  #last = new Map();

  /**
   * @param {string} path
   * @param {(key: string) => boolean} taken tells whether a pathKey is in use
   */
  find(path, taken) {
    const [folder, name] = splitPath(path);
    const [stem, extension] = splitName(name);
    for (let n = (this.#last.get(path) ?? 1) + 1; ; n++) {
      const candidate = (folder === "" ? "" : folder + "/") + `${stem} (${n})${extension}`;
      if (taken(pathKey(candidate))) continue;
      this.#last.set(path, n);
      return candidate;
    }
  }
}

/** Half a surrogate pair, as broken file systems give, has no form in UTF-8. */
function wellFormed(text) {
  try {
    encodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
