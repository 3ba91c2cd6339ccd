// One chosen file on its way.
import { pathKey } from "./names.js";

/**
 * @typedef {object} Piece a part in flight
 * @property {Item} job
 * @property {number} number
 * @property {number} [moved] bytes that left in this try
 * @property {number} [again] when the next try is, while it waits for one
 * @property {string} [why] the code of what went wrong
 */

/** A chosen file, what the server knows of it, and how far it is. */
export class Item {
  /** @type {"new" | "declaring" | "checking" | "going" | "renewing" | "sent" | "failed"} */
  state = "new";
  /** @type {string | null} why it failed: a code of the interface, or "unreadable" */
  reason = null;
  /** @type {any} what the refusal said beside its code */
  refusal = null;
  /** @type {string | null} */
  id = null;
  /** @type {string | null} the id it had before it was declared anew */
  formerId = null;
  /** @type {import("./parts.js").Parts | null} */
  parts = null;
  partSize = 0;
  acknowledged = 0;
  /** Whether the server has said that all of it is there. */
  whole = false;
  /** How often it was declared anew because its bytes had changed. */
  renewals = 0;
  /** Whether an earlier sending of the same name had other bytes. */
  changed = false;
  /** @type {Set<Piece>} */
  pieces = new Set();

  /** @param {string} path @param {File | undefined} file */
  constructor(path, file) {
    this.path = path;
    this.key = pathKey(path);
    this.take(file);
  }

  /** Takes the bytes from this file from now on. @param {File | undefined} file */
  take(file) {
    this.file = file;
    this.size = file?.size ?? 0;
    this.modified = file ? new Date(file.lastModified).toISOString() : null;
  }

  /** What a declare says of it. */
  get declaration() {
    const { path, size, modified } = this;
    return this.file.type ? { path, size, modified, type: this.file.type } : { path, size, modified };
  }

  /** Back to the start, to be declared again. */
  reset() {
    this.formerId = this.id ?? this.formerId;
    Object.assign(this, { state: "new", reason: null, refusal: null, id: null, parts: null, acknowledged: 0, whole: false });
  }

  /** What to show. @returns {"failed" | "sending" | "retrying" | "checking" | "waiting" | "sent"} */
  get shown() {
    if (this.state === "failed" || this.state === "sent" || this.state === "checking") return this.state;
    if (this.pieces.size === 0) return "waiting";
    for (const piece of this.pieces) if (!piece.again) return "sending";
    return "retrying";
  }

  /** The bytes of a part. @param {number} number @returns {Blob} */
  part(number) {
    const from = (number - 1) * this.partSize;
    return this.file.slice(from, Math.min(from + this.partSize, this.size));
  }
}
