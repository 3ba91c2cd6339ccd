// Where bytes or power cost: a battery that is nearly empty, a connection that is
// paid by the byte. The page says so and sends less at once until told otherwise.

/** Below this the battery is low. */
const LOW = 0.2;
/** Parts in flight at most, as a rule and where it costs. */
const USUAL = 5;
const SPARING = 2;

export class Thrift {
  #battery = null;
  #changed;
  /** @type {Set<string>} what the person said not to mind */
  #ignored = new Set();

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
    navigator.connection?.addEventListener?.("change", changed);
    navigator.getBattery?.().then((battery) => {
      this.#battery = battery;
      for (const kind of ["levelchange", "chargingchange"]) battery.addEventListener(kind, changed);
      changed();
    }).catch(() => {});
  }

  /** @returns {("battery" | "metered")[]} what costs at the moment */
  get reasons() {
    const { connection } = navigator;
    const reasons = [];
    if (this.#battery && !this.#battery.charging && this.#battery.level <= LOW) reasons.push("battery");
    if (connection?.saveData || connection?.type === "cellular") reasons.push("metered");
    return reasons.filter((reason) => !this.#ignored.has(reason));
  }

  /** The battery's charge in per cent. */
  get level() {
    return Math.round(100 * (this.#battery?.level ?? 1));
  }

  /** Parts in flight. */
  get limit() {
    return this.reasons.length > 0 ? SPARING : USUAL;
  }

  /** Goes on as usual. @param {string} reason */
  ignore(reason) {
    this.#ignored.add(reason);
    this.#changed();
  }
}
