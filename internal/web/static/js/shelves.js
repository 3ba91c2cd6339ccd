// Where a list is kept that must outlive the page.
import { openDatabase, transact } from "./database.js";

/**
 * @typedef {object} Shelf
 * @property {() => Promise<any>} read
 * @property {(change: (list: any) => any[]) => Promise<any[]>} change reads and writes
 *   in one step, beside other tabs too; what it resolves with has been kept
 */

/**
 * The browser's database writes at once what it is told to. What is in localStorage
 * reaches the disk seconds later.
 * @param {string} name @returns {Shelf}
 */
export function inDatabase(name) {
  /** @type {Promise<IDBDatabase> | null} */
  let opening = null;
  const open = () => opening ??= openDatabase("lenzeye.sendings", "sendings");
  return {
    async read() {
      let list;
      await transact(await open(), "readonly", (table, ask) => ask(table.get(name), (found) => { list = found; }));
      return list;
    },
    async change(change) {
      let list;
      await transact(await open(), "readwrite", (table, ask) => ask(table.get(name), (found) => {
        list = change(found);
        if (list.length === 0) table.delete(name);
        else table.put(list, name);
      }));
      return list;
    },
  };
}

/** @param {string} name @param {() => Storage} storage @returns {Shelf} */
export function inStorage(name, storage = () => localStorage) {
  const read = async () => {
    const text = storage().getItem(name);
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  };
  return {
    read,
    async change(change) {
      const list = change(await read());
      if (list.length === 0) storage().removeItem(name);
      else storage().setItem(name, JSON.stringify(list));
      return list;
    },
  };
}
