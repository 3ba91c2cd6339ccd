// What the upload page is made of beside the sender: slices of long work, tabs
// that share, receipts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FreeNames, pathKey } from "../static/js/names.js";
import { csv, json, plain, readLines } from "../static/js/receipt.js";
import { Teller, Watcher } from "../static/js/relay.js";
import { Breath, sortInSlices } from "../static/js/slices.js";
import { announceStream } from "../static/js/streams.js";
import { Tabs } from "../static/js/tabs.js";
import { Thrift } from "../static/js/thrift.js";
import { fromInput } from "../static/js/walk.js";
import { details, file, open } from "./page.js";
import { TinyServer } from "./server.js";

/** A breath whose clock is the work itself: it counts the steps between two pauses. */
function counted(each) {
  let clock = 0, since = 0;
  const slices = [];
  const breath = new Breath({ now: () => clock, pause: async () => { slices.push(clock - since); since = clock; } });
  return { breath, slices, step: () => { clock += each; } };
}

test("sorting ten thousand names goes in slices, and as sort does it", async () => {
  const { breath, slices, step } = counted(0.002);
  const list = Array.from({ length: 10_000 }, (_, i) => ({ key: (i * 7919) % 500, i }));
  const compare = (a, b) => {
    step();
    return a.key - b.key;
  };
  const sorted = await sortInSlices(list, compare, breath);
  assert.deepEqual(sorted, [...list].sort((a, b) => a.key - b.key));
  assert.ok(slices.length > 5 && Math.max(...slices) < 25, `${slices.length} slices of at most ${Math.max(...slices)} ms`);
  assert.deepEqual(await sortInSlices([], compare, breath), []);
});

test("ten thousand files are taken in slices, and a name that is taken 3,000 times costs little", async () => {
  let pauses = 0, clock = 0;
  const breath = () => new Breath({ now: () => clock++, pause: async () => { pauses++; } });
  const { sender } = open(new TinyServer());
  const files = Array.from({ length: 10_000 }, (_, i) => file(`Card ${i % 7}/IMG_${i}.jpg`, ""));
  const found = await fromInput(files.map(({ path, file }) => Object.defineProperty(file, "webkitRelativePath", { value: path })), breath());
  await sender.add(found, breath());
  assert.equal(sender.items.length, 10_000);
  assert.deepEqual(sender.items.slice(0, 2).map((item) => item.path), ["Card 0/IMG_0.jpg", "Card 0/IMG_7.jpg"]);
  assert.ok(pauses > 100, `${pauses} pauses`);

  await sender.add(Array.from({ length: 3000 }, (_, i) => file("image.jpg", "", 1000 + i)));
  assert.equal(sender.items.at(-1).path, "image (3000).jpg");
  const names = new FreeNames(), taken = new Set(["image.jpg"]);
  let looks = 0;
  for (let i = 0; i < 3000; i++) {
    taken.add(pathKey(names.find("image.jpg", (key) => {
      looks++;
      return taken.has(key);
    })));
  }
  assert.ok(looks <= 3000, `${looks} looks for 3,000 names`);
});

/** Web Locks of one browser, for several tabs. */
class Locks {
  #queue = [];
  #held = null;
  async query() {
    return { held: this.#held ? [{ name: this.#held.name }] : [] };
  }
  request(name, { ifAvailable = false, steal = false, signal }, act) {
    return new Promise((resolve, reject) => {
      const grant = async () => {
        const mine = { name, stolen: () => reject(new DOMException("", "AbortError")) };
        this.#held = mine;
        await act(mine);
        if (this.#held === mine) this.#next();
        resolve();
      };
      if (steal) {
        this.#held?.stolen();
        return grant();
      }
      if (!this.#held) return grant();
      if (ifAvailable) return resolve(act(null));
      this.#queue.push(grant);
      signal?.addEventListener("abort", () => {
        this.#queue = this.#queue.filter((other) => other !== grant);
        reject(signal.reason);
      });
      return undefined;
    });
  }
  #next() {
    this.#held = null;
    this.#queue.shift()?.();
  }
}

/** Channels that reach all but the one that speaks. */
function channels() {
  const all = [];
  return () => {
    const listeners = [];
    const channel = {
      addEventListener: (_, hear) => listeners.push(hear),
      postMessage: (data) => all.filter((other) => other !== channel).forEach((other) => other.hear(structuredClone(data))),
      hear: (data) => listeners.forEach((hear) => hear({ data })),
    };
    all.push(channel);
    return channel;
  };
}

test("one tab sends, the next has its turn when that one ends, and a sleeping one can be relieved", async () => {
  const locks = new Locks(), channel = channels();
  const [one, two, three] = [1, 2, 3].map(() => new Tabs("demo", { locks, channel: channel() }));
  assert.ok(await one.claim());
  assert.ok(await one.claim(), "what is ours stays ours");
  assert.ok(await two.taken() && !await one.taken());
  assert.equal(await two.claim(), false);
  let turn = false;
  const waits = two.await(new AbortController().signal).then((ours) => { turn = ours; });
  await new Promise(setImmediate);
  assert.ok(!turn);
  one.release();
  await waits;
  assert.ok(turn && two.mine && !one.mine);

  let lost = false;
  two.whenLost(() => { lost = true; });
  assert.ok(await three.seize());
  await new Promise(setImmediate);
  assert.ok(lost && three.mine && !two.mine);

  const called = new AbortController();
  const given = one.await(called.signal);
  called.abort();
  assert.equal(await given, false);
  assert.ok(await new Tabs("demo", { locks: null, channel: channel() }).claim(), "without locks every tab may");
});

test("who seizes the right to send no longer waits for it, and keeps it", async () => {
  const locks = new Locks(), channel = channels();
  const [one, two] = [1, 2].map(() => new Tabs("demo", { locks, channel: channel() }));
  let lost = 0;
  two.whenLost(() => { lost++; });
  assert.ok(await one.claim());
  const waiting = new AbortController();
  const waits = two.await(waiting.signal);
  assert.ok(await two.seize());
  waiting.abort();
  assert.equal(await waits, false);
  assert.ok(two.mine && lost === 0, "calling the wait off is no loss");
  assert.ok(await two.claim());
  assert.ok(await one.seize());
  await new Promise(setImmediate);
  assert.ok(!two.mine && lost === 1, "another tab's hand is");
});

test("a tab that watches knows how far it is and what to go on with", async () => {
  const channel = channels(), server = new TinyServer();
  const ours = new Tabs("demo", { locks: new Locks(), channel: channel() }), theirs = new Tabs("demo", { locks: null, channel: channel() });
  const { sender, reach } = open(server);
  const teller = new Teller(ours, sender), watcher = new Watcher();
  theirs.hear((message) => watcher.hear(message));
  await ours.claim();
  await sender.add([file("a.jpg", "one"), file("b.jpg", "two"), { path: "locked" }]);
  teller.tell(true);
  assert.deepEqual([watcher.last.phase, watcher.last.sum.files, watcher.heirs.size], ["choosing", 3, 0]);
  teller.hello();
  assert.deepEqual([...watcher.heirs.keys()], ["a.jpg", "b.jpg"]);
  await sender.remove(sender.items[0]);
  await sender.add([file("c.jpg", "three")]);
  teller.tell(true);
  assert.deepEqual([...watcher.heirs.keys()], ["b.jpg", "c.jpg"]);
  sender.leaveOutFailed();
  await sender.start(details);
  await reach("done");
  teller.tell(true);
  assert.deepEqual([watcher.last.phase, watcher.last.sum.sentBytes, watcher.last.id], ["done", 8, "t1"]);
  assert.ok(!watcher.silent);
});

test("a receipt lists everything, as a table, as JSON and for paper", async () => {
  async function* files() {
    yield { id: "1", path: 'a "b", c.jpg', size: 12, modified: "2026-06-14T00:00:00.000Z", crc32: "0000abcd", state: "stored" };
    yield { id: "2", path: "d/e.jpg", size: 3, modified: null, crc32: "89abcdef", state: "stored" };
  }
  const lines = await readLines(files());
  assert.equal(csv(lines), '\ufeffpath,size,modified,crc32\r\n"a ""b"", c.jpg",12,2026-06-14T00:00:00.000Z,0000abcd\r\nd/e.jpg,3,,89abcdef\r\n');
  assert.deepEqual(JSON.parse(json({ code: "K7QM-2XW9" }, lines)), { code: "K7QM-2XW9", files: lines });
  assert.equal(plain(lines, (n) => `${n} B`), '0000abcd  12 B  a "b", c.jpg\n89abcdef   3 B  d/e.jpg');
});

test("the files of the receipt come from the server, page by page", async () => {
  const { sender, reach } = open(new TinyServer());
  await sender.add([file("a.jpg", "123456789"), file("empty", "")]);
  await sender.start(details);
  await reach("done");
  const lines = await readLines(sender.allFiles());
  assert.deepEqual(lines.map(({ path, size, crc32 }) => [path, size, crc32]), [["a.jpg", 9, "cbf43926"], ["empty", 0, "00000000"]]);
});

test("streams of events that other tabs hold open leave fewer connections for parts", async () => {
  let held = [];
  const locks = /** @type {any} */ ({
    query: async () => ({ held }),
    request: async (name, { mode }, act) => {
      const lock = { name, mode };
      held.push(lock);
      await act(lock);
      held = held.filter((other) => other !== lock);
    },
  });
  globalThis.navigator ??= /** @type {any} */ ({});
  let changes = 0;
  const thrift = new Thrift(() => { changes++; }, locks);
  const limits = async () => {
    await thrift.look();
    return thrift.limit;
  };
  held.push({ name: "lenzeye.upload.demo", mode: "exclusive" });
  assert.equal(await limits(), 5);
  const over = announceStream(locks);
  assert.equal(await limits(), 4);
  assert.equal(await limits(), 4);
  assert.equal(changes, 1);
  for (let i = 0; i < 6; i++) announceStream(locks);
  assert.equal(await limits(), 2, "some are left for parts");
  held = held.slice(0, 2);
  over();
  await new Promise(setImmediate);
  assert.equal(await limits(), 5);
  const nobody = new Thrift(() => {}, null);
  await nobody.look();
  assert.equal(nobody.limit, 5);
  announceStream(null)();
});
