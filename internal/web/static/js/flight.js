// The way of each file: declared, compared with what was sent earlier, sent part
// by part, read once more, refused or finished. The sender above it decides about
// the whole.
import { Problem } from "./api.js";
import { Unreadable } from "./checksums.js";
import { Parts } from "./parts.js";
import { PartLine } from "./partline.js";
import { sameBytes, stillSame } from "./verify.js";
import { Work } from "./work.js";

/** Files in one declare: what the interface takes. */
export const BATCH = 1000;
/** A file that keeps changing is given up after so many beginnings. */
const RENEWALS = 3;
/** Files that are read, or asked about, at once. */
const READERS = 2;
/** Refusals that end the whole sending. */
const FINAL = new Set(["transfer_ended", "transfer_expired", "unauthenticated", "link_closed", "link_expired", "link_full", "link_not_found"]);
/** Refusals of a declare that are about the request, not about its files. */
const SHAPELESS = new Set(["json_invalid", "body_too_large", "too_many_files"]);

/** Tells whether an error ends the sending, rather than one file. */
function final(error) {
  return !(error instanceof Problem) || FINAL.has(error.code);
}

/** Tells whether our server says that a file is not there. */
function missing(error) {
  return error instanceof Problem && (error.code === "not_found" || error.code === "part_not_found");
}

/**
 * @typedef {import("./item.js").Item} Item
 * @typedef {import("./item.js").Piece} Piece
 *
 * @typedef {object} Host what the flight needs of the sending around it
 * @property {Item[]} items
 * @property {import("./store.js").Kept} kept
 * @property {boolean} running false while paused, ended or not begun
 * @property {import("./patience.js").Patience} patience
 * @property {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @property {{putPart: typeof import("./api.js").putPart}} wire
 * @property {() => number} now
 * @property {boolean} datesHold see pin.js
 * @property {(method: string, path: string, json?: any) => Promise<any>} call tried until it is answered
 * @property {() => void} changed
 * @property {() => void} settle to be called whenever something came to rest
 * @property {(problem: Problem) => void} hold stops until a person decides
 * @property {(error: unknown) => void} end
 */

export class Flight {
  #host;
  #line;
  #declaring = false;
  /** Files that are being taken out. */
  #removing = 0;
  #retired = false;
  #checks;
  #proofs;
  #refreshes;

  /** @param {Host} host @param {number} limit parts in flight */
  constructor(host, limit) {
    this.#host = host;
    this.#line = new PartLine(host, limit, {
      acknowledged: (piece, receipt) => this.#acknowledge(piece, receipt),
      lost: (piece, error) => this.#lost(piece, error),
      idle: () => host.settle(),
    });
    const work = (act) => new Work({ limit: READERS, run: () => this.#running, act, idle: () => host.settle() });
    this.#checks = work((item) => this.#check(item));
    this.#proofs = work((item) => this.#prove(item));
    this.#refreshes = work((item) => this.#askAgain(item));
  }

  /** Whether something is under way. */
  get busy() {
    return this.#declaring || this.#removing > 0 || this.#line.busy || [this.#checks, this.#proofs, this.#refreshes].some((work) => work.busy);
  }

  get meter() {
    return this.#line.meter;
  }

  /** @returns {Piece[]} the parts in flight, and those that wait for their next try */
  get pieces() {
    return this.#line.pieces;
  }

  /** @param {number} limit parts in flight from now on */
  set limit(limit) {
    this.#line.limit = limit;
  }

  /** Takes up whatever there is to do. */
  go() {
    this.#line.go();
    this.#declareAll();
    for (const work of [this.#checks, this.#proofs, this.#refreshes]) work.go();
    this.#host.settle();
  }

  /** Takes up files that were added. */
  more() {
    this.#declareAll();
  }

  stop() {
    this.#line.stop();
  }

  /** Ends for good: the sending turns to another transfer. */
  retire() {
    this.#retired = true;
    this.stop();
  }

  get #running() {
    return this.#host.running && !this.#retired;
  }

  pause() {
    this.#line.pause();
  }

  /** The network is back. */
  revive() {
    this.#line.revive();
  }

  /** Ends one file's way. @param {Item} item @param {string} reason @param {any} [refusal] */
  fail(item, reason, refusal = null) {
    if (item.state === "removed") return;
    this.#line.withdraw(item);
    Object.assign(item, { state: "failed", reason, refusal });
    this.#host.changed();
  }

  /** Takes a file out, also where the server knows it. @param {Item} item */
  async remove(item) {
    // Nothing is complete while the server may still have it.
    this.#removing++;
    try {
      item.state = "removed";
      this.#line.withdraw(item);
      // One that is being declared is deleted when its id is known.
      if (item.id) await this.#delete(item.id);
    } finally {
      this.#removing--;
    }
    this.#host.settle();
  }

  async #delete(id) {
    try {
      await this.#host.call("DELETE", `/files/${id}`);
    } catch (error) {
      if (final(error)) this.#host.end(error);
      else if (!missing(error)) throw error;
    }
  }

  /**
   * Deletes what the server has of a file and declares it anew: two versions are
   * never joined.
   * @param {Item} item
   */
  async renew(item) {
    if (item.state === "renewing" || item.state === "removed") return;
    item.changed = true;
    item.state = "renewing";
    this.#line.withdraw(item);
    try {
      await this.#delete(item.id);
      if (item.state !== "renewing") return;
      if (++item.renewals > RENEWALS) this.fail(item, "changing");
      else item.reset();
    } catch (error) {
      this.fail(item, error.code, error.body);
    }
    this.#declareAll();
    this.#host.settle();
  }

  /** Asks again what the server has of a file, when its answers and ours do not add up. @param {Item} item */
  refresh(item) {
    this.#line.withdraw(item);
    item.state = "checking";
    this.#refreshes.add(item);
  }

  async #askAgain(item) {
    try {
      const file = await this.#host.call("GET", `/files/${item.id}`);
      if (item.state === "checking") this.#enqueue(item, file);
      this.#line.kick();
    } catch (error) {
      if (final(error)) this.#host.end(error);
      else if (missing(error)) await this.renew(item);
      else this.fail(item, error.code, error.body);
    }
  }

  async #declareAll() {
    if (this.#declaring) return;
    this.#declaring = true;
    try {
      while (this.#running) {
        const batch = [];
        for (const item of this.#host.items) if (item.state === "new" && batch.push(item) === BATCH) break;
        if (batch.length === 0) break;
        await this.#declare(batch);
      }
    } finally {
      this.#declaring = false;
    }
    this.#host.settle();
  }

  async #declare(batch) {
    for (const item of batch) item.state = "declaring";
    let answer;
    try {
      const files = batch.map((item) => item.declaration);
      answer = await this.#host.call("POST", `/transfers/${this.#host.kept.id}/files`, { files });
    } catch (error) {
      if (final(error) || missing(error)) return this.#host.end(error);
      if (SHAPELESS.has(error.code) && batch.length > 1) return this.#declareHalves(batch);
      // None stands: one refusal for each file, or one for all.
      answer = { files: [], errors: error.body.errors ?? batch.map((_, index) => ({ ...error.body, code: error.code, index })) };
    }
    for (const file of answer.files) await this.#adopt(batch[file.index], file);
    for (const error of answer.errors) this.#refuse(batch[error.index], error);
    this.#line.kick();
    this.#host.changed();
  }

  /** One file that the server does not understand must not stop a thousand: it is found by halves. */
  async #declareHalves(batch) {
    const middle = batch.length >> 1;
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      if (this.#running) await this.#declare(half);
      else for (const item of half) item.state = "new";
    }
  }

  /** Takes what the server knows of a file; what it has of an earlier sending is compared first. */
  async #adopt(item, file) {
    if (item.state === "removed") return this.#delete(file.id).catch(() => {});
    item.id = file.id;
    item.partSize = file.part_size;
    if (item.size > 0 && (file.received.length > 0 || file.state !== "receiving")) {
      item.state = "checking";
      item.standing = file;
      this.#checks.add(item);
    } else this.#enqueue(item, file);
  }

  #enqueue(item, file) {
    item.parts = new Parts(file.part_count, file.received);
    item.acknowledged = receivedBytes(file);
    item.begun = file.received.length > 0;
    item.pin = null;
    if (item.size === 0) return this.#finish(item);
    if (item.parts.left === 0) return this.#askProof(item);
    item.state = "going";
    this.#line.add(item);
  }

  #refuse(item, error) {
    if (item.state === "removed") return;
    const { file } = error;
    const same = file?.path.normalize("NFC") === item.key;
    // A file without a date never matches; its bytes tell.
    if (error.code === "path_taken" && same && file.size === item.size && !item.modified && !file.modified) {
      this.#adopt(item, file);
    } else if (error.code === "path_taken" && same && file.id === item.formerId) {
      // Chosen again after it had changed: its own beginning stands in the way.
      item.id = file.id;
      this.renew(item);
    } else this.fail(item, error.code, { ...error, replaceable: same });
  }

  async #check(item) {
    if (item.state !== "checking") return;
    try {
      const same = await sameBytes(item, item.standing, this.#pages(item), this.#host.checksums);
      if (item.state !== "checking") return;
      if (!same) await this.renew(item);
      else if (item.standing.state === "stored") this.#finish(item);
      else this.#enqueue(item, item.standing);
      this.#line.kick();
    } catch (error) {
      if (error instanceof Unreadable) this.fail(item, "unreadable");
      else if (final(error)) this.#host.end(error);
      else if (missing(error)) await this.renew(item);
      else this.fail(item, error.code, error.body);
    }
  }

  #askProof(item) {
    item.acknowledged = item.size;
    item.state = "proving";
    this.#proofs.add(item);
  }

  async #prove(item) {
    if (item.state !== "proving") return;
    try {
      const same = await item.pin?.holds(this.#host.now()) || await stillSame(item, this.#pages(item), this.#host.checksums);
      if (item.state !== "proving") return;
      if (same) this.#finish(item);
      else await this.renew(item);
    } catch (error) {
      // From a card that was taken out it came as it was; with another date it may be a mix.
      if (error instanceof Unreadable && error.gone) this.#finish(item);
      else if (error instanceof Unreadable) await this.renew(item);
      else if (final(error)) this.#host.end(error);
      else if (missing(error)) await this.renew(item);
      else this.fail(item, error.code, error.body);
    }
    this.#host.changed();
  }

  #pages(item) {
    return (cursor) => this.#host.call("GET",
      `/files/${item.id}/parts?limit=${BATCH}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  }

  #finish(item) {
    if (item.state === "removed") return;
    item.acknowledged = item.size;
    item.state = "sent";
    item.receipts.clear();
    this.#host.changed();
  }

  #acknowledge({ job: item, number, size }, receipt) {
    item.parts.acknowledge();
    item.acknowledged += size;
    item.receipts.set(number, receipt.crc32);
    // Answers overtake one another: any of them may be the one that says so.
    if (receipt.state !== "receiving") item.whole = true;
    if (item.parts.left > 0) return;
    if (item.whole) this.#askProof(item);
    else this.refresh(item);
  }

  #lost(piece, error) {
    const { job: item } = piece;
    if (error instanceof Unreadable) this.fail(item, "unreadable");
    else if (final(error)) this.#host.end(error);
    else if (error.code === "part_conflict" || missing(error)) this.renew(item);
    else if (error.code === "quota_exceeded") {
      this.#line.giveBack(piece);
      this.#host.hold(error);
    } else this.fail(item, error.code, error.body);
  }
}

/** @param {any} file @returns {number} bytes of the parts that the server has */
function receivedBytes(file) {
  return file.received.reduce((sum, [first, last]) =>
    sum + Math.min(last * file.part_size, file.size) - (first - 1) * file.part_size, 0);
}
