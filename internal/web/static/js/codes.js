// The code that opens a share: 8 characters of Crockford's base32.

/** What people and programs put between the characters. */
const BETWEEN = /[\s\u2010-\u2015\u2212_-]/g;

/** Four characters twice, as a code is written, with nothing of a word around them. */
const WRITTEN = /(?<![\p{L}\p{N}_-])([0-9a-z]{4})(\s*[\u2010-\u2015\u2212_-]\s*|\s*)([0-9a-z]{4})(?![\p{L}\p{N}_-])/giu;

/**
 * Reads what a person typed or pasted: case, spaces and dashes do not matter, and
 * letters that look like digits are taken as those. In a longer text, like the
 * message that the code came in, it is found where it is written.
 * @param {string} typed
 * @returns {string | null} the 8 characters, or null when there is no code
 */
export function readCode(typed) {
  return normalize(typed) ?? findCode(typed);
}

/** @param {string} text @returns {string | null} */
function normalize(text) {
  const code = tidyCode(text).toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{8}$/.test(code) ? code : null;
}

/**
 * Takes away what people put between the characters, for a field that shows a mark
 * for each of the eight.
 * @param {string} text
 */
export function tidyCode(text) {
  return text.replace(BETWEEN, "");
}

/**
 * Two words of four letters look like a code too ("your code"): one with a dash is
 * taken before all without, then the one with more digits, then the last.
 * @param {string} text @returns {string | null}
 */
function findCode(text) {
  let best = null;
  let weight = 0;
  const words = text.replace(/\S*\/\S*/g, " "); // an address is no code
  WRITTEN.lastIndex = 0;
  for (let found; (found = WRITTEN.exec(words)) !== null;) {
    WRITTEN.lastIndex = found.index + 4; // what ends one may begin the next
    const code = normalize(found[0]);
    const score = 1 + (found[2].trim() === "" ? 0 : 8) + found[0].replace(/\D/g, "").length;
    if (code === null || score < weight) continue;
    best = code;
    weight = score;
  }
  return best;
}
