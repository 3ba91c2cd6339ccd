// The sending of one transfer, from the choice of files to link and code. It
// knows the interface and nothing of the page, which looks at it when told.
import { Ended, Problem, persist } from "./api.js";
import { Chosen, LOST } from "./chosen.js";
import { crc32, crcText } from "./crc32.js";
import { BATCH, Flight } from "./flight.js";
import { Reunion } from "./reunion.js";
import { Breath } from "./slices.js";
import { newKey } from "./store.js";
import { each } from "./work.js";

/** Files of an earlier sending that are looked up to be found again by name. */
const KNOWN = 20_000;
/** Files that are left out at once: nothing else is on its way then. */
const LEAVERS = 4;
/** Answers that say for good that a transfer cannot be gone on with. */
const GONE = new Set(["unauthenticated", "not_found", "transfer_expired", "transfer_ended"]);

/**
 * @typedef {import("./item.js").Item} Item
 * @typedef {import("./walk.js").Found} Found
 * @typedef {import("./store.js").Kept} Kept
 *
 * @typedef {object} Options
 * @property {string} path of the call that begins a transfer
 * @property {import("./store.js").Store} store
 * @property {{call: typeof import("./api.js").call, putPart: typeof import("./api.js").putPart}} wire
 * @property {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @property {import("./patience.js").Patience} patience
 * @property {() => void} changed told after every change
 * @property {number | null} [maxFile] what the link takes as one file, in bytes
 * @property {number} [limit] parts in flight
 * @property {() => number} [now]
 * @property {boolean} [datesHold] whether a file's date tells that it was not written to
 */

export class Sender {
  /** @type {"choosing" | "starting" | "sending" | "paused" | "stuck" | "completing" | "done" | "ended"} */
  phase = "choosing";
  /** @type {Kept | null} what the browser remembers of this transfer */
  kept = null;
  /** @type {any} the transfer as the server told when this page opened */
  earlier = null;
  /** @type {string | null} what became of it when it cannot be gone on with: a state, or the code of a refusal */
  gone = null;
  /** @type {any} the answer to completion */
  done = null;
  /** @type {Problem | null} what ended or holds the sending */
  problem = null;
  /** @type {{count: number, names: string[]}} files declared earlier that are not all there and were not chosen again */
  missing = { count: 0, names: [] };
  /** @type {Problem | import("./api.js").NoAnswer | null} why a call beside the parts is being tried again */
  waiting = null;
  /** @type {Found[]} chosen when it was too late for this transfer */
  late = [];
  /** @type {{done: number, count: number} | null} how far it is with leaving files out, while it does */
  leaving = null;
  /** How many files are being taken in at the moment. */
  adding = 0;
  #chosen;
  #flight;
  #limit;
  /** @type {Promise<any> | null} the look at an earlier sending, while it lasts */
  #recalling = null;
  /** @type {Map<string, any>} files that the earlier sending declared, by path */
  #standing = new Map();
  #starting = new AbortController();
  /** Questions about this transfer that nobody has answered yet. */
  #questions = 0;
  /** Calls off what the network may have swallowed. */
  #reviving = new AbortController();

  /** @param {Options} options */
  constructor({ path, store, wire, checksums, patience, changed, maxFile = null, limit = 5, now = Date.now, datesHold = false }) {
    this.path = path;
    this.store = store;
    this.wire = wire;
    this.checksums = checksums;
    this.patience = patience;
    this.changed = changed;
    this.maxFile = maxFile;
    this.now = now;
    this.datesHold = datesHold;
    this.#limit = limit;
    this.#anew();
  }

  #anew() {
    this.#flight?.retire();
    this.#flight = new Flight(this, this.#limit);
    this.#chosen = new Chosen(this.maxFile, (item, reason, refusal) => this.#flight.fail(item, reason, refusal));
    this.#standing.clear();
    Object.assign(this, { phase: "choosing", kept: null, earlier: null, done: null, problem: null, missing: { count: 0, names: [] }, gone: null });
  }

  /** @returns {Item[]} in the order chosen */
  get items() {
    return this.#chosen.items;
  }

  /** @returns {{from: string, to: string}[]} what got another name */
  get renamed() {
    return this.#chosen.renamed;
  }

  get running() {
    return this.phase === "sending";
  }

  get meter() {
    return this.#flight.meter;
  }

  /** @returns {import("./item.js").Piece[]} the parts in flight, and those that wait for their next try */
  get pieces() {
    return this.#flight.pieces;
  }

  /** @param {number} limit parts in flight from now on */
  set limit(limit) {
    this.#limit = limit;
    this.#flight.limit = limit;
  }

  /**
   * Takes more files. What comes when all is closing waits for a transfer of its
   * own, see late.
   * @param {Found[]} found
   * @param {Breath} [breath]
   */
  async add(found, breath = new Breath()) {
    if (this.phase === "completing" || this.phase === "done") {
      this.late.push(...found);
      return this.changed();
    }
    const chosen = this.#chosen;
    this.adding += found.length;
    try {
      const reunion = new Reunion(this.#wanted());
      for (const [i, { path, file }] of found.entries()) {
        if (chosen !== this.#chosen) return;
        chosen.add({ path: reunion.path({ path, file }), file });
        if (i % 16 === 15) await breath.take();
        if (i % 1024 === 1023) this.#goOnWithMore();
      }
    } finally {
      this.adding -= found.length;
    }
    this.missing = { count: 0, names: [] };
    this.#goOnWithMore();
    this.settle();
  }

  #goOnWithMore() {
    if (this.phase === "stuck") this.phase = "sending";
    if (this.running) this.#flight.more();
    this.changed();
  }

  /** Files whose bytes are wanted again: those that failed, and those of the last time. */
  *#wanted() {
    for (const item of this.items) {
      if (item.state === "failed") yield { path: item.path, size: item.size, modified: item.modified, lost: LOST.has(item.reason) };
    }
    for (const file of this.#standing.values()) if (!this.#chosen.has(file.path)) yield file;
  }

  /** Forgets every file that was chosen, before anything is sent. */
  clear() {
    if (this.phase !== "choosing") return;
    this.#chosen.clear();
    this.changed();
  }

  /**
   * Asks, and does what is answered, and closes the transfer no sooner: what is
   * complete is out of the sender's hands.
   * @template T
   * @param {() => Promise<T>} ask
   */
  async heed(ask) {
    this.#questions++;
    try {
      return await ask();
    } finally {
      this.#questions--;
      this.settle();
    }
  }

  /**
   * Takes a file out; what the server has of it is deleted.
   * @param {Item} item
   * @returns {Promise<boolean>} false when it is too late
   */
  async remove(item) {
    if (!["choosing", "sending", "paused", "stuck"].includes(this.phase)) return false;
    this.#chosen.drop(new Set([item]));
    this.changed();
    await this.#flight.remove(item);
    this.changed();
    return true;
  }

  /**
   * Looks what became of an earlier sending that this browser, or the address,
   * remembers.
   * @param {Kept | null} kept
   * @returns {Promise<"none" | "receiving" | "complete" | "gone">} gone: see there
   */
  recall(kept) {
    if (!kept?.id) return Promise.resolve("none");
    this.kept = kept;
    this.#recalling = this.#recall(kept).finally(() => {
      this.#recalling = null;
      this.changed();
    });
    return this.#recalling;
  }

  async #recall(kept) {
    try {
      this.earlier = await this.call("GET", `/transfers/${kept.id}`);
    } catch (error) {
      if (!(error instanceof Problem) || !GONE.has(error.code)) throw error;
      this.earlier = null;
      this.gone = error.code;
    }
    if (this.earlier?.state === "receiving") {
      await this.#learn();
      return "receiving";
    }
    if (this.earlier?.state === "complete") {
      await this.#complete();
      return "complete";
    }
    this.gone ??= this.earlier.state;
    await this.store.remove(kept);
    this.kept = null;
    return "gone";
  }

  /** Learns which files the earlier sending had, so that they are known again by name. */
  async #learn() {
    let cursor = null;
    do {
      const page = await this.#files(cursor);
      for (const file of page.files) this.#standing.set(file.path, file);
      cursor = page.next_cursor;
    } while (cursor !== null && this.#standing.size < KNOWN);
  }

  /** A page of the transfer's files. @param {string | null} cursor @returns {Promise<{files: any[], next_cursor: string | null}>} */
  #files(cursor) {
    return this.call("GET", `/transfers/${this.kept.id}/files?limit=${BATCH}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  }

  /** All files of the transfer, page by page. */
  async *allFiles() {
    let cursor = null;
    do {
      const page = await this.#files(cursor);
      yield* page.files;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /**
   * Begins, or goes on with the transfer that is kept.
   * @param {{sender_email?: string, sender_name?: string, message?: string, password?: string, title?: string}} details
   *   empty for one that is kept
   * @returns {Promise<boolean>} false when there is nothing to go on with, or the start was called off
   * @throws {Problem} when the start is refused; the page may try again
   */
  async start(details) {
    if (this.phase !== "choosing") return false;
    this.phase = "starting";
    this.#starting = new AbortController();
    this.changed();
    try {
      await this.#recalling;
      if (this.phase !== "starting") return false; // it is complete
      if (!this.kept && Object.keys(details).length === 0) return this.#backToChoice();
      if (this.kept) await this.#reunite();
      else await this.#begin(details);
    } catch (error) {
      this.#backToChoice();
      if (error instanceof Ended) return false;
      throw error;
    }
    this.phase = "sending";
    this.#flight.go();
    this.changed();
    return true;
  }

  /** Calls a start off that is not answered. */
  cancelStart() {
    this.#starting.abort();
    this.patience.wake();
  }

  #backToChoice() {
    this.phase = "choosing";
    this.changed();
    return false;
  }

  /** Files that were chosen before it was known what is wanted. */
  async #reunite() {
    const found = this.items.map(({ path, file }) => ({ path, file }));
    this.#chosen.clear();
    await this.add(found);
  }

  /** What to go on with is kept before it is needed: the key before the start, the transfer before its first byte. */
  async #begin(details) {
    await this.store.refresh();
    // Wrong passwords are to be corrected, not repeated.
    const options = { signal: this.#starting.signal, unless: (problem) => problem.code === "too_many_tries" };
    const about = digest(details);
    for (;;) {
      const kept = this.store.begun ?? { key: newKey(), since: this.now(), about };
      await this.store.save(kept);
      const started = await this.#persist((signal) => this.wire.call("POST", this.path, { json: details, key: kept.key, signal }), options)
        .catch((error) => this.#refused(kept, error));
      const corrected = kept.about !== about;
      if (corrected && started.state === "receiving") {
        // The server may have heard the first start, and keeps what that one said.
        await this.#persist((signal) => this.wire.call("DELETE", `/transfers/${started.id}`, { token: started.upload_token, signal }), options);
      }
      if (corrected || started.state !== "receiving") {
        // The kept key is of a transfer that is over: this is another one.
        await this.store.remove(kept);
        continue;
      }
      this.kept = { ...kept, id: started.id, token: started.upload_token };
      await this.store.save(this.kept);
      return;
    }
  }

  /** Forgets the key of a start that was refused: the server made nothing under it. @returns {Promise<never>} */
  async #refused(kept, error) {
    if (error instanceof Problem && error.code !== "foreign" && !error.passing) await this.store.remove(kept);
    throw error;
  }

  pause() {
    if (!this.running) return;
    this.phase = "paused";
    this.#flight.pause();
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

  /** The network is back: what waits for it, or hangs in it, is tried at once. A pause stays one. */
  revive() {
    this.#reviving.abort();
    this.#reviving = new AbortController();
    this.patience.wake();
    this.#flight.revive();
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

  /** Sends files whose name is taken by something else under another one. */
  renameTaken() {
    for (const item of this.failed()) {
      if (item.reason !== "path_taken" || item.refusal?.replaceable) continue;
      this.#chosen.rename(item);
      item.reset();
    }
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

  /** Leaves failed files out. Before anything is sent, or beside what goes on. */
  leaveOutFailed() {
    this.#chosen.drop(new Set(this.failed()));
    this.changed();
    this.settle();
  }

  /** Finishes with what has arrived, leaving out what failed or was not chosen again. */
  async finishWithout() {
    this.phase = "completing";
    this.leaving = { done: 0, count: 0 };
    this.changed();
    this.#chosen.drop(new Set(this.failed()));
    try {
      await this.#leaveOut(this.leaving);
    } catch (error) {
      return this.end(error);
    } finally {
      this.leaving = null;
    }
    return this.#complete();
  }

  async #leaveOut(leaving) {
    const open = [];
    for await (const file of this.allFiles()) if (file.state === "receiving") open.push(file.id);
    leaving.count = open.length;
    await each(open, LEAVERS, async (id) => {
      await this.call("DELETE", `/files/${id}`).catch((error) => {
        if (!(error instanceof Problem) || error.code !== "not_found") throw error; // gone already
      });
      leaving.done++;
      this.changed();
    });
  }

  /**
   * Figures of the whole. Bytes count as sent when they are acknowledged. Of an earlier
   * sending of which no file was chosen again they are those that the server told.
   */
  summary() {
    const sum = {
      files: 0, bytes: 0, sentBytes: 0, sent: 0, sending: 0, retrying: 0, checking: 0, failed: 0, waiting: 0,
      /** @type {Item[]} */ failures: [],
      /** @type {Item[]} */ changed: [],
    };
    for (const item of this.items) {
      sum.files++;
      sum.bytes += item.size;
      sum.sentBytes += item.acknowledged;
      sum[item.shown]++;
      if (item.state === "failed") sum.failures.push(item);
      if (item.changed) sum.changed.push(item);
    }
    if (sum.files === 0 && this.earlier) {
      const { files, bytes } = this.earlier;
      Object.assign(sum, { files: files.total, sent: files.stored, bytes: bytes.declared, sentBytes: bytes.received });
    }
    return sum;
  }

  /** Closes the transfer when all of it is there, or says what is in the way. */
  settle() {
    if (!this.running || this.adding > 0 || this.#questions > 0 || this.#flight.busy) return;
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
        break;
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== "still_sealing") return this.#incomplete(error);
        await this.patience.sleep((error.retryAfter ?? 2) * 1000);
      }
    }
    this.kept = { ...this.kept, files: this.done.files, bytes: this.done.bytes };
    this.store.save(this.kept);
    this.phase = "done";
    this.changed();
  }

  #incomplete(error) {
    if (!(error instanceof Problem) || !["transfer_incomplete", "transfer_empty"].includes(error.code)) return this.end(error);
    const open = error.body.files ?? [];
    const ids = new Set(open.map((file) => file.id));
    const ours = this.items.filter((item) => ids.has(item.id));
    this.phase = ours.length > 0 ? "sending" : "stuck";
    if (error.code === "transfer_empty") this.problem = error;
    else {
      const known = new Set(ours.map((item) => item.id));
      this.missing = {
        count: (error.body.unfinished_count ?? ids.size) - ours.length,
        names: open.filter((file) => !known.has(file.id)).map((file) => file.path),
      };
      for (const file of open) if (!known.has(file.id)) this.#standing.set(file.path, file);
    }
    for (const item of ours) this.#flight.refresh(item);
    this.changed();
    const late = this.late.splice(0);
    if (late.length > 0) this.add(late);
  }

  /** Turns to another transfer: its files are chosen from here on. What is kept of this one stays. */
  next() {
    if (this.kept) this.store.save({ ...this.kept, aside: true });
    this.#anew();
    this.changed();
    const late = this.late.splice(0);
    if (late.length > 0) this.add(late);
  }

  /** Another tab sends from now on: this one forgets what it did, and the browser keeps it. */
  leave() {
    this.#anew();
    this.changed();
  }

  /** Deletes what has arrived of the kept transfer, and turns to another. */
  async abandon() {
    const { kept } = this;
    try {
      await this.call("DELETE", `/transfers/${kept.id}`);
    } catch (error) {
      if (!(error instanceof Problem) || !GONE.has(error.code)) throw error;
    }
    this.next();
    await this.store.remove(kept);
  }

  hold(problem) {
    this.problem = problem;
    this.phase = "paused";
    this.#flight.stop();
    this.changed();
  }

  end(error) {
    if (error instanceof Ended) return;
    if (!(error instanceof Problem)) console.error(error);
    this.problem = error instanceof Problem ? error : new Problem(0, { code: "internal" }, null);
    this.phase = "ended";
    this.#flight.stop();
    this.changed();
  }

  /** A call of this transfer, tried until it is answered. */
  async call(method, path, json) {
    if (!this.kept) throw new Ended();
    const { token } = this.kept;
    return this.#persist((signal) => this.wire.call(method, path, { token, json, signal }));
  }

  async #persist(attempt, options = {}) {
    try {
      return await persist(() => attempt(this.#reviving.signal), {
        ...options, patience: this.patience,
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

/** Tells whether a start says the same as the one before it; a password opens the link and says nothing. */
function digest({ password, ...said }) {
  return crcText(crc32(new TextEncoder().encode(JSON.stringify(said))));
}
