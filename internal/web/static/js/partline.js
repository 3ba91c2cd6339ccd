// The line on which parts leave: a bounded number in flight, and those that failed
// beside it, waiting for their next try.
import { NoAnswer, Problem } from "./api.js";
import { Unreadable } from "./checksums.js";
import { Meter } from "./meter.js";
import { pause } from "./patience.js";
import { Pin } from "./pin.js";
import { Queue } from "./queue.js";
import { Scheduler } from "./scheduler.js";

/** A connection on which nothing moved for so long is dead when the network is back, in milliseconds. */
const STILL = 3000;
/** A part of which so much has left may finish when a person pauses. */
const NEARLY = 0.75;

/**
 * @typedef {import("./item.js").Item} Item
 * @typedef {import("./item.js").Piece} Piece
 *
 * @typedef {object} Ends what becomes of parts
 * @property {(piece: Piece, receipt: any) => void} acknowledged
 * @property {(piece: Piece, error: unknown) => void} lost for good, or until somebody decides
 * @property {() => void} idle nothing is in flight
 */

export class PartLine {
  meter = new Meter();
  #host;
  #ends;
  /** @type {Queue<Item>} */
  #queue = new Queue();
  /** @type {Set<Piece>} */
  #parked = new Set();
  #scheduler;

  /** @param {import("./flight.js").Host} host @param {number} limit parts in flight @param {Ends} ends */
  constructor(host, limit, ends) {
    this.#host = host;
    this.#ends = ends;
    this.#scheduler = new Scheduler({
      limit, take: () => this.#take(), run: (piece, signal) => this.#fly(piece, signal), idle: ends.idle,
    });
  }

  get busy() {
    return this.#scheduler.inFlight > 0 || this.#parked.size > 0;
  }

  /** @returns {Piece[]} the parts in flight, and those that wait for their next try */
  get pieces() {
    return [...this.#scheduler.pieces(), ...this.#parked];
  }

  /** @param {number} limit parts in flight from now on */
  set limit(limit) {
    this.#scheduler.limit = limit;
    this.#scheduler.kick();
  }

  /** @param {Item} item */
  add(item) {
    this.#queue.add(item);
  }

  /** Starts what there is room for. To be called after files were added. */
  kick() {
    this.#scheduler.kick();
  }

  /** Sends a part again that was lost. @param {Piece} piece */
  giveBack({ job, number }) {
    this.#queue.giveBack(job, number);
  }

  /** Forgets a file and ends its parts. @param {Item} item */
  withdraw(item) {
    this.#queue.remove(item);
    for (const piece of this.#parked) if (piece.job === item) this.#unpark(piece);
    this.#scheduler.abort((piece) => piece.job === item);
  }

  go() {
    this.meter.begin(this.#host.now());
    this.#scheduler.go();
  }

  /** Ends what is in flight. */
  stop() {
    this.#scheduler.stop();
    for (const piece of this.#parked) this.#unpark(piece);
  }

  /** Starts nothing more; what is nearly out is not thrown away. */
  pause() {
    this.#scheduler.stop((piece) => piece.moved >= NEARLY * piece.size);
    for (const piece of this.#parked) this.#unpark(piece);
  }

  /** The network is back: what stood still is sent anew at once, and so is what waited. */
  revive() {
    const dead = this.#host.now() - STILL;
    this.#scheduler.abort((piece) => piece.movedAt < dead);
    for (const piece of this.#parked) this.#unpark(piece);
    this.#scheduler.kick();
  }

  /** With so many failures as places the trouble is everywhere: nothing new is begun. */
  #take() {
    if (this.#parked.size >= this.#scheduler.limit) return null;
    const taken = this.#queue.take();
    if (taken === null) return null;
    const { job, number, large } = taken;
    const [from, to] = job.range(number);
    if (this.#host.datesHold && !job.begun) job.pin ??= new Pin(job.file, this.#host.now());
    return { job, number, large, parts: job.parts, size: to - from, moved: 0, movedAt: this.#host.now(), again: 0, why: "" };
  }

  async #fly(piece, signal) {
    const { job } = piece;
    job.pieces.add(piece);
    this.#host.changed();
    try {
      const receipt = await this.#attempt(piece, signal);
      if (piece.parts === job.parts && job.state === "going") this.#acknowledge(piece, receipt);
    } catch (error) {
      if (piece.parts === job.parts && job.state === "going") this.#failed(piece, error, signal.aborted);
    } finally {
      if (!this.#parked.has(piece)) job.pieces.delete(piece);
      this.#queue.landed(piece);
      this.#host.changed();
    }
  }

  async #attempt(piece, signal) {
    const { job, number } = piece;
    const [from, to] = job.range(number);
    const moved = (n) => {
      piece.moved += n;
      piece.movedAt = this.#host.now();
      this.#host.changed();
    };
    try {
      return await this.#host.wire.putPart(job.id, number, this.#bytes(job, from, to), { token: this.#host.kept.token, signal, moved });
    } catch (error) {
      // A file that cannot be read breaks its request just as a network does.
      if (error instanceof NoAnswer && !signal.aborted) await this.#read(piece, from, to);
      throw error;
    }
  }

  /** Making slices is a third of what a small file costs; where its date holds it needs none, but when that failed. */
  #bytes({ file, size, tries }, from, to) {
    return this.#host.datesHold && to - from === size && tries.size === 0 ? file : file.slice(from, to);
  }

  /** Throws Unreadable when the part cannot be read: first a look at its beginning, then at all of it. */
  #read({ job, number }, from, to) {
    return this.#host.checksums.of(job.file, from, job.tries.has(number) ? to : Math.min(from + 1, to));
  }

  #acknowledge(piece, receipt) {
    piece.job.tries.delete(piece.number);
    this.meter.note(piece.size, this.#host.now());
    this.#ends.acknowledged(piece, receipt);
  }

  #failed(piece, error, aborted) {
    if (error instanceof Unreadable || (error instanceof Problem && !error.passing) || !(error instanceof Problem || error instanceof NoAnswer)) {
      this.#ends.lost(piece, error);
    } else if (aborted) this.giveBack(piece);
    else this.#park(piece, error);
  }

  /** A part that waits for its next try leaves its place to others. */
  async #park(piece, error) {
    const { job, number } = piece;
    const tries = (job.tries.get(number) ?? 0) + 1;
    job.tries.set(number, tries);
    const ms = pause(tries, error instanceof Problem ? error.retryAfter : null, Math.random);
    Object.assign(piece, { moved: 0, again: this.#host.now() + ms, why: error instanceof Problem ? error.code : "no_answer" });
    this.#parked.add(piece);
    await this.#host.patience.sleep(ms);
    this.#unpark(piece);
    this.#scheduler.kick();
  }

  #unpark(piece) {
    if (!this.#parked.delete(piece)) return;
    const { job } = piece;
    job.pieces.delete(piece);
    if (piece.parts === job.parts && job.state === "going") this.giveBack(piece);
    this.#host.changed();
  }
}
