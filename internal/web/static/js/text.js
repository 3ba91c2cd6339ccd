// Texts and figures in the reader's language.

/**
 * @param {Record<string, string>} messages of the catalogue
 * @param {string} language BCP 47
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 *   Numbers are grouped; one named "count" picks the plural form.
 */
export function translator(messages, language) {
  const rules = new Intl.PluralRules(language);
  const digits = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const form = typeof values.count === "number" ? `${key}.${rules.select(values.count)}` : key;
    const text = messages[form] ?? messages[`${key}.other`] ?? messages[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name];
      return typeof value === "number" ? digits.format(value) : value ?? whole;
    });
  };
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];

/** Figures as people read them. @param {string} language */
export function figures(language) {
  const plain = new Intl.NumberFormat(language);
  const unit = (name, options) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", ...options });
  const sizes = UNITS.map((name, i) => unit(name, i === 0 ? { unitDisplay: "long", maximumFractionDigits: 0 } : { minimumFractionDigits: 1, maximumFractionDigits: 1 }));
  // "en" alone writes days as in America; the catalogue does not.
  const day = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { dateStyle: "long" });
  const clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { timeStyle: "short" });
  const near = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return {
    /** @param {number} n */
    number: (n) => plain.format(n),
    /** Decimal units with one digit, as file managers show them. @param {number} bytes */
    bytes: (bytes) => {
      let step = 0;
      // A value that would round to 1000 of its unit is shown in the next.
      for (; step < UNITS.length - 1 && bytes >= (step === 0 ? 999.5 : 999.95); step++) bytes /= 1000;
      return sizes[step].format(bytes);
    },
    /** @param {number} seconds */
    duration: (seconds) => {
      if (seconds < 60) return unit("second", { maximumFractionDigits: 0 }).format(Math.max(1, Math.round(seconds)));
      if (seconds < 5400) return unit("minute", { maximumFractionDigits: 0 }).format(Math.round(seconds / 60));
      return unit("hour", { maximumFractionDigits: seconds < 36_000 ? 1 : 0 }).format(seconds / 3600);
    },
    /** @param {string | Date} date */
    day: (date) => day.format(new Date(date)),
    /** A time of day, with its day: in words when that is today or yesterday. @param {Date} at @param {Date} now */
    moment: (at, now) => {
      const midnight = (date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
      const ago = Math.round((midnight(at) - midnight(now)) / 86_400_000);
      return `${ago === 0 || ago === -1 ? near.format(ago, "day") : day.format(at)}, ${clock.format(at)}`;
    },
  };
}
