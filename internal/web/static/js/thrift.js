// How much is sent at once. Less where bytes or power cost: a battery that is nearly
// empty, a connection that is paid by the byte. The page says so until told otherwise.
// And less where other tabs have connections that this one would wait for.
import { openStreams } from "./streams.js";

/** Below this the battery is low. */
const LOW = 0.2;
/** Parts in flight at most, as a rule and where it costs. */
const USUAL = 5;
const SPARING = 2;

export class Thrift {
  #battery = null;
  #changed;
  #locks;
  #streams = 0;
  /** @type {Set<string>} what the person said not to mind */
  #ignored = new Set();

  /** @param {() => void} changed @param {LockManager} [locks] */
  constructor(changed, locks = navigator.locks) {
    this.#changed = changed;
    this.#locks = locks;
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

  /** Parts in flight: one less for each stream of events, which has a connection of its own. */
  get limit() {
    return this.reasons.length > 0 ? SPARING : Math.max(SPARING, USUAL - this.#streams);
  }

  /** Looks which connections other tabs have. */
  async look() {
    const streams = await openStreams(this.#locks).catch(() => 0);
    if (streams === this.#streams) return;
    this.#streams = streams;
    this.#changed();
  }

  /** Goes on as usual. @param {string} reason */
  ignore(reason) {
    this.#ignored.add(reason);
    this.#changed();
  }
}
