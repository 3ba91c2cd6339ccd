// One chosen file on its way.
import { pathKey } from "./names.js";

/**
 * @typedef {object} Piece a part in flight, or waiting for its next try
 * @property {Item} job
 * @property {number} number
 * @property {boolean} large whether its file has several parts
 * @property {import("./parts.js").Parts} parts of which it was taken
 * @property {number} size
 * @property {number} moved bytes that left in this try
 * @property {number} movedAt when the last did
 * @property {number} again when the next try is, while it waits for one; else 0
 * @property {string} why the code of what went wrong
 */

/** A chosen file, what the server knows of it, and how far it is. */
export class Item {
  /** @type {"new" | "declaring" | "checking" | "going" | "proving" | "renewing" | "sent" | "failed" | "removed"} */
  state = "new";
  /** @type {string | null} why it failed: a code of the interface, or "unreadable" */
  reason = null;
  /** @type {any} what the refusal said beside its code */
  refusal = null;
  /** @type {string | null} */
  id = null;
  /** @type {string | null} the id it had before it was declared anew */
  formerId = null;
  /** @type {any} the file as the server described it, where it had some of it */
  standing = null;
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
  /** Whether the server had some of it before this page sent the first part. */
  begun = false;
  /** @type {import("./pin.js").Pin | null} its date when the first part left, where all were sent since */
  pin = null;
  /** @type {Set<Piece>} */
  pieces = new Set();
  /** @type {Map<number, number>} how often parts failed since they last succeeded */
  tries = new Map();
  /** @type {Map<number, string>} the CRC-32 of each part that the server has */
  receipts = new Map();

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
    this.modified = file ? dateOf(file.lastModified) : null;
  }

  /** Takes another name. @param {string} path */
  rename(path) {
    this.path = path;
    this.key = pathKey(path);
  }

  /** What a declare says of it. */
  get declaration() {
    const { path, size, modified } = this;
    const said = { path, size };
    if (modified) said.modified = modified;
    if (this.file.type) said.type = this.file.type;
    return said;
  }

  /** Back to the start, to be declared again. */
  reset() {
    this.formerId = this.id ?? this.formerId;
    Object.assign(this, { state: "new", reason: null, refusal: null, id: null, parts: null, acknowledged: 0, whole: false, pin: null });
    this.tries.clear();
    this.receipts.clear();
  }

  /** What to show. @returns {"failed" | "sending" | "retrying" | "checking" | "waiting" | "sent"} */
  get shown() {
    if (this.state === "failed" || this.state === "sent") return this.state;
    if (this.state === "checking" || this.state === "proving") return "checking";
    if (this.pieces.size === 0) return "waiting";
    for (const piece of this.pieces) if (!piece.again) return "sending";
    return "retrying";
  }

  /** Where a part begins and ends. @param {number} number @returns {[number, number]} */
  range(number) {
    const from = (number - 1) * this.partSize;
    return [from, Math.min(from + this.partSize, this.size)];
  }
}

/** Broken clocks date files beyond what the interface can write: better none than that. */
function dateOf(ms) {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date.toISOString() : null;
}
