// The code that opens a share: 8 characters of Crockford's base32.

/**
 * Reads what a person typed or pasted: case, spaces and dashes do not matter, and
 * letters that look like digits are taken as those.
 * @param {string} typed
 * @returns {string | null} the 8 characters, or null when it cannot be a code
 */
export function readCode(typed) {
  const code = typed.toUpperCase().replace(/[\s\u2010-\u2015\u2212_-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{8}$/.test(code) ? code : null;
}
