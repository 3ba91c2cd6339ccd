// What the tests of the sender share: files, a page, and a sending that broke off.
import { Unreadable } from "../static/js/checksums.js";
import { crcOfBlob } from "../static/js/crc32.js";
import { Sender } from "../static/js/sender.js";
import { inStorage } from "../static/js/shelves.js";
import { Store } from "../static/js/store.js";

export const DAY = Date.UTC(2026, 5, 14);

export function file(path, text, lastModified = DAY) {
  return { path, file: new File([text], path, { lastModified }) };
}

/** Sleeps that take no time, but let others run. */
export class Quick {
  sleeps = [];
  async sleep(ms) {
    this.sleeps.push(ms);
    await new Promise(setImmediate);
  }
  wake() {}
}

export const checksums = {
  of: async (blob, from, to) => {
    try {
      return await crcOfBlob(blob, from, to);
    } catch (error) {
      throw new Unreadable(error.name);
    }
  },
};

/** Where pages keep what must outlive them. */
export function shelf(kept, name = "kept") {
  return inStorage(name, () => ({ getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) }));
}

/** One page, as a reload makes a new one on the same storage. */
export function open(server, kept = new Map(), options = {}) {
  const patience = new Quick();
  const watchers = new Set();
  const store = new Store("demo", options.shelves ?? [shelf(kept)]);
  const sender = new Sender({
    path: "/u/demo/transfers", store, wire: server.wire, checksums, patience,
    changed: () => watchers.forEach((watch) => watch()), ...options,
  });
  /** Resolves when something is true of the sending. */
  const until = (holds) => new Promise((resolve) => {
    const watch = () => {
      if (!holds()) return;
      watchers.delete(watch);
      resolve(sender.phase);
    };
    watchers.add(watch);
    watch();
  });
  /** Resolves when the sending is in one of the phases. */
  const reach = (...phases) => until(() => phases.includes(sender.phase));
  return { sender, patience, kept, store, reach, until, recall: () => store.opened.then(() => sender.recall(store.current)) };
}

export const details = { sender_email: "a@example.com" };

/** Sends until some parts of film.mov are there, then the page is gone. */
export async function interrupted(server, kept, text, others = [file("small.jpg", "small")]) {
  let puts = 0;
  server.fault = (name) => (name.startsWith("PUT") && ++puts > 4 ? new Promise(() => {}) : undefined);
  const { sender } = open(server, kept);
  await sender.add([file("film.mov", text), ...others]);
  await sender.start(details);
  const arrived = () => (server.transfer ? server.files().reduce((n, f) => n + f.parts.size, 0) : 0);
  while (puts <= 4 || arrived() < 4) await new Promise(setImmediate);
  server.fault = () => {};
  server.log.length = 0;
}
