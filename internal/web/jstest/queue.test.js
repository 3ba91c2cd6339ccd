// The order of parts, and how many are in flight.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Parts } from "../static/js/parts.js";
import { Queue } from "../static/js/queue.js";
import { Scheduler } from "../static/js/scheduler.js";
import { each } from "../static/js/work.js";

const job = (name, count) => ({ name, parts: new Parts(count, []) });

test("large and small files take turns, and each kind keeps its order", () => {
  const queue = new Queue();
  queue.add(job("film", 100));
  for (const name of ["a", "b", "c"]) queue.add(job(name, 1));
  const flown = Array.from({ length: 6 }, () => queue.take());
  assert.deepEqual(flown.map(({ job, number }) => job.name + number), ["film1", "a1", "film2", "b1", "film3", "c1"]);
  queue.landed(flown[0]);
  assert.equal(queue.take().number, 4);
});

test("a queue of one kind uses every place", () => {
  const queue = new Queue();
  queue.add(job("film", 3));
  assert.deepEqual([1, 2, 3].map(() => queue.take().number), [1, 2, 3]);
  assert.equal(queue.take(), null);
});

test("a part that is given back comes again, and a removed file does not", () => {
  const queue = new Queue();
  const film = job("film", 2), other = job("other", 2);
  queue.add(film);
  queue.add(other);
  const taken = queue.take();
  queue.take();
  queue.take();
  queue.landed(taken);
  queue.giveBack(film, taken.number);
  assert.deepEqual(queue.take().job, film);
  queue.remove(other);
  assert.equal(queue.take(), null);
});

test("the scheduler pulls no more than its limit and starts the next when one ends", async () => {
  const ends = [];
  let made = 0, idle = 0, most = 0, flying = 0;
  const scheduler = new Scheduler({
    limit: 5,
    take: () => (made < 12 ? ++made : null),
    run: async () => {
      most = Math.max(most, ++flying);
      await new Promise((resolve) => ends.push(resolve));
      flying--;
    },
    idle: () => idle++,
  });
  scheduler.kick();
  assert.equal(made, 5);
  while (ends.length > 0) {
    ends.shift()();
    await new Promise(setImmediate);
  }
  assert.deepEqual({ made, most, idle, flying: scheduler.inFlight }, { made: 12, most: 5, idle: 1, flying: 0 });
});

test("stop ends what is in flight, go starts again", async () => {
  let made = 0;
  const aborted = [];
  const scheduler = new Scheduler({
    limit: 2,
    take: () => (made < 4 ? ++made : null),
    run: (piece, signal) => new Promise((resolve) => signal.addEventListener("abort", () => {
      aborted.push(piece);
      resolve();
    })),
  });
  scheduler.kick();
  scheduler.stop();
  await new Promise(setImmediate);
  assert.deepEqual([aborted, made], [[1, 2], 2]);
  scheduler.go();
  assert.equal(made, 4);
  scheduler.abort((piece) => piece === 4);
  await new Promise(setImmediate);
  assert.deepEqual(aborted, [1, 2, 4]);
  scheduler.stop();
});

test("the same is done with each, a few at once, and the first failure ends it", async () => {
  const done = [];
  await each([1, 2, 3, 4, 5], 2, async (n) => {
    await new Promise(setImmediate);
    done.push(n);
  });
  assert.deepEqual(done, [1, 2, 3, 4, 5]);
  await each([], 2, () => assert.fail("there is nothing to do"));
  const begun = [];
  await assert.rejects(each([1, 2, 3, 4, 5, 6], 2, async (n) => {
    begun.push(n);
    await new Promise(setImmediate);
    if (n === 2) throw new Error("no");
  }), /no/);
  await new Promise(setImmediate);
  assert.ok(begun.length <= 3, String(begun));
});
