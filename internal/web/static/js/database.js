// One table of the browser's database.

/** What takes longer does not come any more, in milliseconds: some browsers never open a database. */
const LIMIT = 3000;

/** @param {string} name @param {string} table @returns {Promise<IDBDatabase>} */
export function openDatabase(name, table) {
  return within(new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table);
    request.onerror = reject;
    request.onsuccess = () => resolve(request.result);
  }));
}

/**
 * Does something in one transaction.
 * @param {IDBDatabase} database
 * @param {"readonly" | "readwrite"} mode
 * @param {(table: IDBObjectStore, ask: (request: IDBRequest, then: (result: any) => void) => void) => void} act
 * @returns {Promise<void>} fulfilled when what was written is on the disk: a browser
 *   that is killed, or a power cut, takes it no more
 */
export function transact(database, mode, act) {
  return within(/** @type {Promise<void>} */ (new Promise((resolve, reject) => {
    const [name] = database.objectStoreNames;
    const work = database.transaction(name, mode, { durability: "strict" });
    work.oncomplete = () => resolve();
    work.onabort = work.onerror = reject;
    act(work.objectStore(name), (request, then) => { request.onsuccess = () => then(request.result); });
  })));
}

function within(promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(reject, LIMIT, new Error("the browser's database does not answer")); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
