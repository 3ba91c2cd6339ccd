// Handles of chosen files and folders, kept in the browser's database: with them a
// sending goes on after a reload without choosing again.
import { openDatabase, transact } from "./database.js";

const DATABASE = "lenzeye";
const TABLE = "handles";
/** Handles kept of one sending: folders are one each. */
const MOST = 5000;
/** Nothing is kept for longer, in milliseconds: no transfer waits so long. */
const LONGEST = 30 * 86_400_000;

export class Handles {
  /** @type {Promise<IDBDatabase | null> | null} */
  #database = null;
  /** @type {any[]} chosen before their transfer was known */
  #waiting = [];

  /** Keeps what was chosen. @param {string | null} id of the transfer, when it is known @param {any[]} handles */
  async keep(id, handles) {
    this.#waiting.push(...handles);
    if (!id || this.#waiting.length === 0) return;
    const more = this.#waiting.splice(0);
    await this.#act("readwrite", (table, ask) => ask(table.get(id), (row) => {
      const roots = [...row?.roots ?? [], ...more].slice(0, MOST);
      table.put({ roots, since: row?.since ?? Date.now() }, id);
    }));
  }

  /** Forgets what was chosen for a transfer that never began. */
  drop() {
    this.#waiting = [];
  }

  /** @param {string} id @returns {Promise<any[]>} what was chosen for the transfer */
  async of(id) {
    let found = [];
    await this.#act("readonly", (table, ask) => ask(table.get(id), (row) => { found = row?.roots ?? []; }));
    return found;
  }

  /** @param {string} id of a transfer that is over */
  async forget(id) {
    await this.#act("readwrite", (table) => table.delete(id));
  }

  /** Does something in one transaction; without a database, or when it breaks, nothing. */
  async #act(mode, act) {
    this.#database ??= openDatabase(DATABASE, TABLE).then(sweep).catch(() => null);
    const database = await this.#database;
    if (database) await transact(database, mode, act).catch(() => {});
  }
}

/** @param {IDBDatabase} database */
function sweep(database) {
  const cursor = database.transaction(TABLE, "readwrite").objectStore(TABLE).openCursor();
  cursor.onsuccess = () => {
    const at = cursor.result;
    if (!at) return;
    if (Date.now() - at.value.since > LONGEST) at.delete();
    at.continue();
  };
  return database;
}

/**
 * Asks the person for every handle that needs it. To be called from a press.
 * @param {any[]} handles
 * @returns {Promise<any[]>} those that may be read
 */
export async function permitted(handles) {
  const allowed = [];
  for (const handle of handles) {
    try {
      const state = await handle.queryPermission?.({ mode: "read" }) ?? "granted";
      if (state === "granted" || await handle.requestPermission({ mode: "read" }) === "granted") allowed.push(handle);
    } catch {
      // Moved away, or the browser asks no more: it is chosen again by hand.
    }
  }
  return allowed;
}
