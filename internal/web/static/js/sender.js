// The sending of one transfer, from the choice of files to link and code. It
// knows the interface and nothing of the page, which looks at it when told.
import { Problem, persist } from "./api.js";
import { BATCH, Flight } from "./flight.js";
import { Item } from "./item.js";
import { freePath, pathAllowed } from "./names.js";
import { newKey } from "./store.js";

/**
 * @typedef {object} Options
 * @property {string} slug of the link
 * @property {import("./store.js").Store} store
 * @property {{call: typeof import("./api.js").call, putPart: typeof import("./api.js").putPart}} wire
 * @property {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @property {import("./patience.js").Patience} patience
 * @property {() => void} changed told after every change
 * @property {number} [limit] parts in flight
 * @property {() => number} [now]
 */

export class Sender {
  /** @type {Item[]} in the order chosen */
  items = [];
  /** @type {"choosing" | "starting" | "sending" | "paused" | "stuck" | "completing" | "done" | "ended"} */
  phase = "choosing";
  /** @type {any} the transfer as the server told when this page opened */
  earlier = null;
  /** @type {any} the answer to completion */
  done = null;
  /** @type {Problem | null} what ended or holds the sending */
  problem = null;
  /** @type {number} files declared earlier that are not all there and were not chosen again */
  missing = 0;
  /** @type {Error | null} why a call beside the parts is being tried again */
  waiting = null;
  /** @type {{from: string, to: string}[]} what got another name */
  renamed = [];
  #byKey = new Map();
  #flight;

  /** @param {Options} options */
  constructor({ slug, store, wire, checksums, patience, changed, limit = 5, now = Date.now }) {
    Object.assign(this, { slug, store, wire, checksums, patience, changed, now });
    this.#flight = new Flight(this, limit);
  }

  get kept() {
    return this.store.read();
  }

  get running() {
    return this.phase === "sending";
  }

  get meter() {
    return this.#flight.meter;
  }

  /** @returns {import("./item.js").Piece[]} the parts in flight */
  get pieces() {
    return this.#flight.pieces;
  }

  /**
   * Takes more files. A second file of one name gets a number, the same file is
   * taken once, and one that failed is taken anew.
   * @param {import("./walk.js").Found[]} found
   */
  add(found) {
    for (const { path, file } of found) {
      const item = new Item(path, file);
      const standing = this.#byKey.get(item.key);
      if (!standing) this.#keep(item);
      else if (standing.state === "failed") this.#takeAnew(standing, file);
      else if (file && (standing.size !== item.size || standing.modified !== item.modified)) {
        const free = freePath(path, (key) => this.#byKey.has(key));
        this.renamed.push({ from: path, to: free });
        this.#keep(new Item(free, file));
      }
    }
    if (this.phase === "stuck") this.phase = "sending";
    this.missing = 0;
    if (this.running) this.#flight.go();
    this.changed();
  }

  #keep(item) {
    this.items.push(item);
    this.#byKey.set(item.key, item);
    if (!item.file) this.#flight.fail(item, "unreadable");
    else if (!pathAllowed(item.path)) this.#flight.fail(item, "path_invalid");
  }

  #takeAnew(item, file) {
    if (!file) return;
    item.take(file);
    item.reset();
  }

  /** Forgets every file that was chosen, before anything is sent. */
  clear() {
    this.items = [];
    this.renamed = [];
    this.#byKey.clear();
    this.changed();
  }

  /**
   * Looks what became of an earlier sending that this browser, or the address,
   * remembers.
   * @returns {Promise<"none" | "receiving" | "complete" | "gone">}
   */
  async recall() {
    const { kept } = this;
    if (!kept?.id) return "none";
    try {
      this.earlier = await this.call("GET", `/transfers/${kept.id}`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.earlier = null;
    }
    if (this.earlier?.state === "receiving") return "receiving";
    if (this.earlier?.state === "complete") {
      await this.#complete();
      return "complete";
    }
    this.store.clear();
    return "gone";
  }

  /**
   * Begins, or goes on with the transfer that is kept.
   * @param {{sender_email: string, sender_name?: string, message?: string, password?: string}} details
   * @throws {Problem} when the start is refused; the page may try again
   */
  async start(details) {
    this.phase = "starting";
    this.changed();
    try {
      if (!this.kept?.id) await this.#begin(details);
    } catch (error) {
      this.phase = "choosing";
      this.changed();
      throw error;
    }
    this.phase = "sending";
    this.#flight.go();
    this.changed();
  }

  async #begin(details) {
    if (!this.kept?.key) this.store.write({ key: newKey() });
    for (;;) {
      const { key } = this.kept;
      const started = await this.#persist(() =>
        this.wire.call("POST", `/u/${encodeURIComponent(this.slug)}/transfers`, { json: details, key }));
      if (started.state === "receiving") {
        this.store.write({ key, id: started.id, token: started.upload_token });
        return;
      }
      // The kept key is of a transfer that ended since: this is another one.
      this.store.write({ key: newKey() });
    }
  }

  pause() {
    if (!this.running) return;
    this.phase = "paused";
    this.#flight.stop();
    this.changed();
  }

  /** Goes on after a pause, a hold or failures, and ends every wait. */
  goOn() {
    this.problem = null;
    if (this.phase === "paused" || this.phase === "stuck") this.phase = "sending";
    this.patience.wake();
    if (this.running) this.#flight.go();
    this.changed();
  }

  /** The network is back: what waits for it is tried at once. A pause stays one. */
  goOnUnasked() {
    this.patience.wake();
    this.changed();
  }

  failed() {
    return this.items.filter((item) => item.state === "failed");
  }

  /** Tries the failed files again, but for those that stand in each other's way. */
  retryFailed() {
    for (const item of this.failed()) if (item.file && item.reason !== "path_taken") item.reset();
    this.goOn();
  }

  /** Sends the files that differ from what stands under their names, instead of it. */
  async replaceStanding() {
    const taken = this.failed().filter((item) => item.refusal?.replaceable);
    this.phase = "sending";
    for (const item of taken) {
      item.id = item.refusal.file.id;
      await this.#flight.renew(item);
    }
    this.goOn();
  }

  /** Finishes with what has arrived, leaving out what failed or was not chosen again. */
  async finishWithout() {
    this.phase = "completing";
    this.changed();
    for (const item of this.failed()) this.#byKey.delete(item.key);
    this.items = this.items.filter((item) => item.state !== "failed");
    try {
      await this.#dropUnfinished();
    } catch (error) {
      return this.end(error);
    }
    return this.#complete();
  }

  async #dropUnfinished() {
    let cursor = null;
    do {
      const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const page = await this.call("GET", `/transfers/${this.kept.id}/files?limit=${BATCH}${query}`);
      for (const file of page.files) {
        if (file.state === "receiving") await this.call("DELETE", `/files/${file.id}`);
      }
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** Figures of the whole. Bytes count as sent when they are acknowledged. */
  summary() {
    const sum = { files: 0, bytes: 0, sentBytes: 0, sent: 0, sending: 0, retrying: 0, checking: 0, failed: 0, waiting: 0 };
    for (const item of this.items) {
      sum.files++;
      sum.bytes += item.size;
      sum.sentBytes += item.acknowledged;
      sum[item.shown]++;
    }
    return sum;
  }

  /** Closes the transfer when all of it is there, or says what is in the way. */
  settle() {
    if (!this.running || this.#flight.busy) return;
    if (this.items.some((item) => item.state !== "sent" && item.state !== "failed")) return;
    if (this.items.some((item) => item.state === "failed")) this.phase = "stuck";
    else this.#complete();
    this.changed();
  }

  /** Also the way to see link and code again. */
  async #complete() {
    this.phase = "completing";
    this.changed();
    for (;;) {
      try {
        this.done = await this.call("POST", `/transfers/${this.kept.id}/complete`, {});
        this.phase = "done";
        return this.changed();
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== "still_sealing") return this.#incomplete(error);
        await this.patience.sleep((error.retryAfter ?? 2) * 1000);
      }
    }
  }

  #incomplete(error) {
    if (!(error instanceof Problem) || !["transfer_incomplete", "transfer_empty"].includes(error.code)) return this.end(error);
    const ids = new Set((error.body.files ?? []).map((file) => file.id));
    const ours = this.items.filter((item) => ids.has(item.id));
    this.phase = ours.length > 0 ? "sending" : "stuck";
    if (error.code === "transfer_empty") this.problem = error;
    else this.missing = (error.body.unfinished_count ?? ids.size) - ours.length;
    for (const item of ours) this.#flight.refresh(item);
    return this.changed();
  }

  hold(problem) {
    this.problem = problem;
    this.phase = "paused";
    this.#flight.stop();
    this.changed();
  }

  end(error) {
    if (!(error instanceof Problem)) console.error(error);
    this.problem = error instanceof Problem ? error : new Problem(0, { code: "internal" }, null);
    this.phase = "ended";
    this.#flight.stop();
    this.changed();
  }

  /** A call of this transfer, tried until it is answered. */
  call(method, path, json) {
    return this.#persist(() => this.wire.call(method, path, { token: this.kept.token, json }));
  }

  async #persist(attempt) {
    try {
      return await persist(attempt, {
        patience: this.patience,
        waiting: (_, error) => {
          this.waiting = error;
          this.changed();
        },
      });
    } finally {
      this.waiting = null;
    }
  }
}
