// The way of each file: declared, compared with what was sent earlier, sent part
// by part, refused or finished. The sender above it decides about the whole.
import { Ended, NoAnswer, Problem, persist } from "./api.js";
import { Unreadable } from "./checksums.js";
import { Meter } from "./meter.js";
import { Parts } from "./parts.js";
import { Queue } from "./queue.js";
import { Scheduler } from "./scheduler.js";
import { sameBytes } from "./verify.js";

/** Files in one declare: what the interface takes. */
export const BATCH = 1000;
/** A file that keeps changing is given up after so many beginnings. */
const RENEWALS = 3;
/** Refusals that end the whole sending. */
const FINAL = new Set(["transfer_ended", "transfer_expired", "unauthenticated", "link_closed", "link_expired", "link_full", "link_not_found"]);

/** Tells whether an error ends the sending, rather than one file. */
function final(error) {
  return !(error instanceof Problem) || FINAL.has(error.code);
}

/**
 * @typedef {import("./item.js").Item} Item
 * @typedef {import("./item.js").Piece} Piece
 *
 * @typedef {object} Host what the flight needs of the sending around it
 * @property {Item[]} items
 * @property {{id: string, token: string}} kept
 * @property {boolean} running false while paused, ended or not begun
 * @property {import("./patience.js").Patience} patience
 * @property {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @property {{putPart: typeof import("./api.js").putPart}} wire
 * @property {() => number} now
 * @property {(method: string, path: string, json?: any) => Promise<any>} call tried until it is answered
 * @property {() => void} changed
 * @property {() => void} settle to be called whenever something came to rest
 * @property {(problem: Problem) => void} hold stops until a person decides
 * @property {(error: unknown) => void} end
 */

export class Flight {
  meter = new Meter();
  #host;
  #toCheck = [];
  #declaring = false;
  #checking = false;
  #queue = new Queue();
  #scheduler;

  /** @param {Host} host @param {number} limit parts in flight */
  constructor(host, limit) {
    this.#host = host;
    this.#scheduler = new Scheduler({
      limit,
      take: () => this.#queue.take(),
      run: (piece, signal) => this.#send(piece, signal),
      idle: () => host.settle(),
    });
  }

  /** Whether something is under way. */
  get busy() {
    return this.#declaring || this.#checking || this.#scheduler.inFlight > 0;
  }

  /** @returns {Piece[]} the parts in flight */
  get pieces() {
    return [...this.#scheduler.pieces()];
  }

  /** Takes up whatever there is to do. */
  go() {
    this.#scheduler.go();
    this.#declareAll();
    this.#checkAll();
    this.#host.settle();
  }

  stop() {
    this.#scheduler.stop();
  }

  /** Ends one file's way. @param {Item} item @param {string} reason @param {any} [refusal] */
  fail(item, reason, refusal = null) {
    this.#withdraw(item);
    Object.assign(item, { state: "failed", reason, refusal });
    this.#host.changed();
  }

  /**
   * Deletes what the server has of a file and declares it anew: two versions are
   * never joined.
   * @param {Item} item
   */
  async renew(item) {
    if (item.state === "renewing") return;
    item.changed = true;
    item.state = "renewing";
    this.#withdraw(item);
    try {
      await this.#host.call("DELETE", `/files/${item.id}`);
    } catch (error) {
      if (final(error)) return this.#host.end(error);
      if (error.status !== 404) return this.fail(item, error.code, error.body);
    }
    if (++item.renewals > RENEWALS) return this.fail(item, "changing");
    item.reset();
    this.#declareAll();
  }

  /** Asks again what the server has of a file, when its answers and ours do not add up. @param {Item} item */
  async refresh(item) {
    item.state = "checking";
    try {
      const file = await this.#host.call("GET", `/files/${item.id}`);
      item.parts = new Parts(file.part_count, file.received);
      this.#enqueue(item, file);
    } catch (error) {
      this.#host.end(error);
    }
    this.#scheduler.kick();
    this.#host.settle();
  }

  #withdraw(item) {
    this.#queue.remove(item);
    this.#scheduler.abort((piece) => piece.job === item);
  }

  async #declareAll() {
    if (this.#declaring) return;
    this.#declaring = true;
    try {
      while (this.#host.running) {
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
      if (final(error) || error.status === 404) return this.#host.end(error);
      // None stands: one refusal for each file, or one for all.
      answer = { files: [], errors: error.body.errors ?? batch.map((_, index) => ({ ...error.body, index })) };
    }
    for (const file of answer.files) this.#adopt(batch[file.index], file);
    for (const error of answer.errors) this.#refuse(batch[error.index], error);
    this.#checkAll();
    this.#scheduler.kick();
    this.#host.changed();
  }

  /** Takes what the server knows of a file; what it has of an earlier sending is compared first. */
  #adopt(item, file) {
    Object.assign(item, { id: file.id, partSize: file.part_size, parts: new Parts(file.part_count, file.received) });
    if (item.size > 0 && (file.received.length > 0 || file.state !== "receiving")) {
      item.state = "checking";
      this.#toCheck.push({ item, file });
    } else this.#enqueue(item, file);
  }

  #enqueue(item, file) {
    item.acknowledged = receivedBytes(file);
    if (item.parts.left === 0) return this.#finish(item);
    item.state = "going";
    this.#queue.add(item);
  }

  #refuse(item, error) {
    const same = error.file?.path.normalize("NFC") === item.key;
    if (error.code === "path_taken" && same && error.file.id === item.formerId) {
      // Chosen again after it had changed: its own beginning stands in the way.
      item.id = error.file.id;
      this.renew(item);
      return;
    }
    this.fail(item, error.code, { ...error, replaceable: same });
  }

  async #checkAll() {
    if (this.#checking) return;
    this.#checking = true;
    try {
      while (this.#toCheck.length > 0 && this.#host.running) {
        await this.#check(this.#toCheck.shift());
        this.#scheduler.kick();
        this.#host.changed();
      }
    } finally {
      this.#checking = false;
    }
    this.#host.settle();
  }

  async #check({ item, file }) {
    const page = (cursor) => this.#host.call("GET",
      `/files/${file.id}/parts?limit=${BATCH}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    try {
      if (await sameBytes(item, file, page, this.#host.checksums)) this.#enqueue(item, file);
      else await this.renew(item);
    } catch (error) {
      if (error instanceof Unreadable) this.fail(item, "unreadable");
      else if (final(error)) this.#host.end(error);
      else this.fail(item, error.code, error.body);
    }
  }

  async #send(piece, signal) {
    const { job: item, number } = piece;
    const { parts } = item;
    const bytes = item.part(number);
    item.pieces.add(piece);
    try {
      const receipt = await persist(() => this.#attempt(piece, bytes, signal), {
        patience: this.#host.patience, signal,
        waiting: (ms, error) => this.#waits(piece, ms, error),
      });
      if (parts === item.parts) this.#acknowledge(item, bytes.size, receipt);
    } catch (error) {
      if (parts === item.parts) this.#lost(piece, error);
    } finally {
      item.pieces.delete(piece);
      this.#queue.landed(piece);
      this.#host.changed();
    }
  }

  async #attempt(piece, bytes, signal) {
    Object.assign(piece, { moved: 0, again: 0, why: "" });
    this.#host.changed();
    const moved = (n) => {
      piece.moved += n;
      this.meter.note(n, this.#host.now());
      this.#host.changed();
    };
    try {
      return await this.#host.wire.putPart(piece.job.id, piece.number, bytes, { token: this.#host.kept.token, signal, moved });
    } catch (error) {
      // A file that cannot be read breaks its request just as a network does.
      if (error instanceof NoAnswer && !await readable(bytes)) throw new Unreadable();
      throw error;
    }
  }

  #waits(piece, ms, error) {
    Object.assign(piece, { moved: 0, again: this.#host.now() + ms, why: error instanceof Problem ? error.code : "no_answer" });
    this.#host.changed();
  }

  #acknowledge(item, size, receipt) {
    item.parts.acknowledge();
    item.acknowledged += size;
    // Answers overtake one another: any of them may be the one that says so.
    if (receipt.state !== "receiving") item.whole = true;
    if (item.parts.left > 0) return;
    if (item.whole) this.#finish(item);
    else this.refresh(item);
  }

  #finish(item) {
    item.acknowledged = item.size;
    item.state = "sent";
  }

  #lost(piece, error) {
    const { job: item, number } = piece;
    if (error instanceof Ended) {
      if (item.state === "going") this.#queue.giveBack(item, number);
    } else if (error instanceof Unreadable) this.fail(item, "unreadable");
    else if (final(error)) this.#host.end(error);
    else if (error.code === "part_conflict" || error.status === 404) this.renew(item);
    else if (error.code === "quota_exceeded") {
      this.#queue.giveBack(item, number);
      this.#host.hold(error);
    } else this.fail(item, error.code, error.body);
  }
}

/** @param {any} file @returns {number} bytes of the parts that the server has */
function receivedBytes(file) {
  return file.received.reduce((sum, [first, last]) =>
    sum + Math.min(last * file.part_size, file.size) - (first - 1) * file.part_size, 0);
}

async function readable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
