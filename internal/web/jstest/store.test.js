// What is kept of sendings: where, in which order, and what a crash leaves of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../static/js/store.js";
import { details, file, open, shelf } from "./page.js";
import { TinyServer } from "./server.js";

const NOWHERE = { read: () => Promise.reject(new DOMException("no", "SecurityError")), change: () => Promise.reject(new DOMException("no", "SecurityError")) };

/** A shelf that writes only when it is told to, as a disk does. */
function slowShelf(kept) {
  const quick = shelf(kept);
  const due = [];
  return {
    due,
    read: quick.read,
    change: (change) => new Promise((resolve) => { due.push(() => resolve(quick.change(change))); }),
  };
}

const tick = () => new Promise(setImmediate);

test("the store keeps sendings, and says when it cannot", async () => {
  const kept = new Map();
  const again = async () => {
    const store = new Store("demo", [shelf(kept)]);
    await store.opened;
    return store;
  };
  const store = await again();
  assert.equal(store.current, null);
  const saved = store.save({ key: "k", since: 1 });
  assert.equal(store.begun.key, "k", "seen before it is written");
  await saved;
  assert.equal(store.current, null, "nothing to go on with before the transfer is known");
  assert.equal((await again()).begun.key, "k");
  await store.save({ key: "k", id: "t", token: "x", since: 1 });
  assert.equal(store.begun, null);
  assert.equal((await again()).current.id, "t");
  await store.remove({ key: "k", since: 1 });
  assert.equal(kept.size, 0);
  assert.ok(store.durable);

  const none = new Store("demo", [NOWHERE, NOWHERE]);
  await none.save({ key: "k", id: "t", token: "x", since: 1 });
  await none.refresh();
  assert.equal(none.current.id, "t");
  assert.ok(!none.durable);
  for (const broken of ["{broken", "{}", "[null, 1]"]) {
    kept.set("kept", broken);
    assert.equal((await again()).current, null);
  }
});

test("two tabs keep both of their sendings, and the oldest receipts go first", async () => {
  const kept = new Map();
  const one = new Store("demo", [shelf(kept)]), two = new Store("demo", [shelf(kept)]);
  await one.save({ key: "a", id: "ta", token: "x", since: 1 });
  await two.save({ key: "b", id: "tb", token: "y", since: 2 });
  await one.save({ key: "a", id: "ta", token: "x", since: 1, files: 3, bytes: 5 });
  await two.refresh();
  assert.deepEqual(two.list().map((kept) => kept.id), ["ta", "tb"]);
  for (let i = 0; i < 40; i++) two.save({ key: `k${i}`, id: `t${i}`, token: "z", since: 3 + i, files: 1, bytes: 1, aside: true });
  await two.refresh();
  await one.refresh();
  assert.equal(one.list().length, 30);
  assert.equal(one.current.id, "tb", "what is unfinished is kept");
});

test("nothing is begun or sent before what is needed to go on is on the disk", async () => {
  const server = new TinyServer(), kept = new Map(), slow = slowShelf(kept);
  const { sender, reach } = open(server, kept, { shelves: [slow] });
  await sender.add([file("a.jpg", "a")]);
  const started = sender.start(details);
  await tick();
  assert.equal(slow.due.length, 1);
  assert.equal(server.log.length, 0, "the key is kept before the transfer is asked for");
  slow.due.shift()();
  while (slow.due.length === 0) await tick();
  await tick();
  assert.equal(server.log.length, 1, "the transfer is kept before its first file is told");
  slow.due.shift()();
  await started;
  assert.equal(await reach("done"), "done");
});

test("a browser killed after the start goes on with the same transfer", async () => {
  const server = new TinyServer(), kept = new Map(), slow = slowShelf(kept);
  const { sender } = open(server, kept, { shelves: [slow] });
  await sender.add([file("a.jpg", "a")]);
  sender.start(details);
  await tick();
  slow.due.shift()();
  while (slow.due.length === 0) await tick();

  const { sender: again, reach } = open(server, kept);
  await again.add([file("a.jpg", "a")]);
  await again.start(details);
  assert.equal(await reach("done"), "done");
  assert.equal(server.transfers.size, 1);
});

test("what was kept in the second place moves to the first, and a first place that fails is left", async () => {
  const above = new Map(), below = new Map();
  await shelf(above).change(() => [{ key: "a", id: "ta", token: "x", since: 1 }]);
  await shelf(below).change(() => [{ key: "a", id: "ta", token: "old", since: 1 }, { key: "b", id: "tb", token: "y", since: 2 }]);
  const store = new Store("demo", [shelf(above), shelf(below)]);
  await store.opened;
  await store.refresh();
  assert.deepEqual(store.list().map(({ id, token }) => [id, token]), [["ta", "x"], ["tb", "y"]]);
  assert.equal(below.size, 0);

  const breaking = { read: shelf(above).read, change: NOWHERE.change };
  const failing = new Store("demo", [breaking, shelf(below)]);
  await failing.save({ key: "c", id: "tc", token: "z", since: 3 });
  assert.ok(failing.durable);
  assert.deepEqual((await shelf(below).read()).map(({ id }) => id), ["tc", "ta", "tb"]);
});
