// What goes wrong between a page and its server, and what a guest does meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NoAnswer, readProblem } from "../static/js/api.js";
import { Checksums, Unreadable } from "../static/js/checksums.js";
import { Item } from "../static/js/item.js";
import { Patience } from "../static/js/patience.js";
import { DAY, checksums, details, file, interrupted, open } from "./page.js";
import { PART, TinyServer, refuse } from "./server.js";

const tick = () => new Promise(setImmediate);
const puts = (server) => server.log.filter((line) => line.startsWith("PUT"));
const deletes = (server) => server.log.filter((line) => line.startsWith("DELETE"));

/** Sends files through a server with faults, and tells how it came out. */
async function send(server, files, options) {
  const page = open(server, new Map(), options);
  await page.sender.add(files);
  await page.sender.start(details);
  await page.reach("done", "ended", "stuck");
  return page;
}

test("only a problem document of the server counts as its word", () => {
  assert.equal(readProblem('{"code": "not_found", "request_id": "r"}').code, "not_found");
  for (const body of ["", "<h1>404</h1>", "null", "[]", '"x"', '{"code": "not_found"}', '{"code": 404, "request_id": "r"}']) {
    assert.equal(readProblem(body).code, "foreign", body);
  }
});

for (const status of [403, 404, 413, 511]) {
  test(`a proxy's ${status} is waited out, and deletes and ends nothing`, async () => {
    const server = new TinyServer();
    let n = 0;
    server.fault = () => (n++ % 2 === 0 ? refuse(status, "foreign") : undefined);
    const { sender } = await send(server, [file("film.mov", "f".repeat(50)), file("a.jpg", "a")]);
    assert.equal(sender.phase, "done");
    assert.deepEqual(deletes(server), []);
  });
}

test("a part whose body was cut on the way is sent again", async () => {
  const server = new TinyServer();
  let once = true;
  server.fault = (name) => {
    if (!once || !name.startsWith("PUT")) return;
    once = false;
    refuse(400, "body_cut");
  };
  const { sender } = await send(server, [file("film.mov", "f".repeat(50))]);
  assert.equal(sender.phase, "done");
});

test("a file that our server lost is declared anew", async () => {
  const server = new TinyServer();
  let once = true;
  server.fault = (name) => {
    if (!once || !name.startsWith("PUT")) return;
    once = false;
    server.transfer.files.clear();
  };
  const { sender } = await send(server, [file("film.mov", "f".repeat(50))]);
  assert.equal(sender.phase, "done");
  assert.equal(server.content("film.mov"), "f".repeat(50));
});

test("an earlier sending is forgotten only when the server says that it is over", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  let n = 0;
  server.fault = () => (n++ < 3 ? refuse(403, "foreign") : undefined);
  assert.equal(await open(server, kept).recall(), "receiving");

  server.fault = () => refuse(403, "cross_origin");
  const refused = open(server, kept);
  await assert.rejects(refused.recall(), { code: "cross_origin" });
  assert.ok(refused.store.current);

  server.fault = () => {};
  server.transfer.state = "expired";
  const expired = open(server, kept);
  assert.equal(await expired.recall(), "gone");
  assert.equal(expired.sender.gone, "expired");
  assert.equal(expired.store.current, null);
});

test("files sent while the look at an earlier sending lasts wait for its end", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  server.transfer.state = "expired";
  const { sender, recall, store, reach } = open(server, kept);
  let answer;
  server.fault = (name) => (name.startsWith("GET") ? new Promise((resolve) => { answer = resolve; }) : undefined);
  const recalled = recall();
  await sender.add([file("film.mov", "new")]);
  const started = sender.start({});
  await tick();
  answer();
  assert.equal(await recalled, "gone");
  assert.equal(await started, false, "there is nothing to go on with: the page asks for the address");
  assert.equal(sender.phase, "choosing");
  server.fault = () => {};
  await sender.start(details);
  await reach("done", "ended", "stuck");
  assert.equal(sender.phase, "done");
  assert.equal(store.current.id, sender.kept.id);
});

test("too many wrong passwords are said, not tried for ever; another wait can be called off", async () => {
  const server = new TinyServer();
  const { sender, until } = open(server);
  await sender.add([file("a.jpg", "a")]);
  server.fault = () => refuse(429, "too_many_tries", {}, 900);
  await assert.rejects(sender.start(details), { code: "too_many_tries", retryAfter: 900 });
  assert.equal(sender.phase, "choosing");
  server.fault = () => refuse(503, "draining", {}, 1);
  const started = sender.start(details);
  await until(() => sender.waiting?.code === "draining");
  assert.equal(sender.phase, "starting");
  sender.cancelStart();
  assert.equal(await started, false);
  assert.equal(sender.phase, "choosing");
});

test("what is chosen while the transfer closes becomes another one", async () => {
  const server = new TinyServer();
  const { sender, reach, store } = open(server);
  await sender.add([file("a.jpg", "a")]);
  server.fault = (name) => (name.endsWith("/complete") ? sender.add([file("late.jpg", "late")]) : undefined);
  await sender.start(details);
  await reach("done");
  assert.equal(sender.late.length, 1);
  server.fault = () => {};
  sender.next();
  await tick();
  assert.deepEqual(sender.items.map((item) => item.path), ["late.jpg"]);
  assert.deepEqual(store.list().map(({ files, aside }) => [files, aside]), [[1, true]], "the receipt of the first stays");
  await sender.start(details);
  await reach("done");
  assert.equal(server.transfers.size, 2);
  assert.equal(server.content("late.jpg"), "late");
});

test("files chosen again without their folder are the ones that were missing", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80), [file("Card/a.jpg", "one"), file("Card/b.jpg", "two"), file("Copy/b.jpg", "two")]);
  const { sender, reach, recall } = open(server, kept);
  await recall();
  const loose = (name, text) => ({ path: name, file: file(name, text).file });
  await sender.add([loose("film.mov", "a".repeat(80)), loose("a.jpg", "one"), loose("b.jpg", "two")]);
  assert.deepEqual(sender.items.map((item) => item.path), ["film.mov", "Card/a.jpg", "b.jpg"], "of two that are alike none is guessed");
  await sender.remove(sender.items[2]);
  await sender.start({});
  await reach("stuck", "done");
  const open_ = sender.missing.names;
  assert.ok(open_.every((name) => name.endsWith("b.jpg")), String(open_));
  await sender.finishWithout();
  assert.equal(sender.phase, "done");
  assert.equal(server.content("Card/a.jpg"), "one");
});

test("a file that was saved again is known by its name when it is chosen without its folder", async () => {
  const server = new TinyServer();
  const gone = file("Card/gone.jpg", "12345");
  gone.file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) });
  const { sender, reach } = await send(server, [gone]);
  assert.deepEqual(sender.failed().map((item) => item.reason), ["unreadable"]);
  await sender.add([file("gone.jpg", "678901", DAY + 1000)]);
  await reach("done");
  assert.equal(server.content("Card/gone.jpg"), "678901");
});

test("a bad sector beyond the first byte is found by reading the whole part", async () => {
  const server = new TinyServer();
  const bad = file("film.mov", "0123456789".repeat(3));
  const slice = bad.file.slice.bind(bad.file);
  bad.file.slice = (from, to) => {
    const holds = from <= 15 && 15 < to;
    return holds ? { size: to - from, slice: () => slice(0, 0), arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) } : slice(from, to);
  };
  const { sender } = await send(server, [bad, file("good.jpg", "good")]);
  assert.deepEqual([sender.phase, ...sender.failed().map((item) => item.reason)], ["stuck", "unreadable"]);
});

test("a checksum worker that broke is replaced by the page", async () => {
  const listeners = {};
  const worker = { addEventListener: (kind, act) => { listeners[kind] = act; }, postMessage: () => setImmediate(() => listeners.error()), terminate: () => {} };
  const sums = new Checksums(() => worker);
  assert.equal(await sums.of(new Blob(["123456789"]), 0, 9), "cbf43926");
  assert.equal(await sums.of(new Blob(["123456789"]), 0, 9), "cbf43926");
  await assert.rejects(sums.of(new Blob(["123"]), 0, 9), Unreadable);
  assert.equal(await new Checksums(() => { throw new Error("none"); }).of(new Blob(["a"]), 0, 1), "e8b7be43");
});

test("a file that can neither be deleted nor renewed fails alone", async () => {
  const server = new TinyServer();
  server.fault = (name) => {
    if (name.startsWith("PUT")) refuse(409, "part_conflict");
    if (name.startsWith("DELETE")) refuse(400, "query_invalid");
  };
  const { sender } = await send(server, [file("film.mov", "f".repeat(50)), file("empty", "")]);
  assert.deepEqual([sender.phase, ...sender.failed().map((item) => item.reason)], ["stuck", "query_invalid"]);
});

test("a question about one file that is refused fails this file, not the sending", async () => {
  const server = new TinyServer();
  server.fault = (name) => (/^GET \/files\/\w+$/.test(name) ? refuse(400, "query_invalid") : undefined);
  const put = server.wire.putPart;
  server.wire.putPart = async (...args) => ({ ...await put(...args), state: "receiving" });
  const { sender } = await send(server, [file("film.mov", "f".repeat(50)), file("empty", "")]);
  assert.deepEqual([sender.phase, ...sender.failed().map((item) => item.reason)], ["stuck", "query_invalid"]);
});

test("a date that no calendar writes is left out, and one bad name stops no other", async () => {
  for (const ms of [Date.UTC(10_000, 0), -1e15, NaN]) {
    const { declaration } = new Item("a.jpg", { size: 1, lastModified: ms, type: "" });
    assert.deepEqual(declaration, { path: "a.jpg", size: 1 });
  }
  const server = new TinyServer();
  const { sender } = await send(server, [file("a.jpg", "a"), file("shapeless", "b"), file("c.jpg", "c"), file("d.jpg", "d")]);
  assert.equal(sender.phase, "stuck");
  assert.deepEqual(sender.failed().map((item) => [item.path, item.reason]), [["shapeless", "json_invalid"]]);
  assert.equal(server.files().filter((f) => f.state === "stored").length, 3);
});

test("a file without a date goes on after a reload", async () => {
  const server = new TinyServer(), kept = new Map(), later = Date.UTC(12_000, 0);
  const films = () => [file("film.mov", "f".repeat(80), later)];
  let n = 0;
  server.fault = (name) => (name.startsWith("PUT") && ++n > 3 ? new Promise(() => {}) : undefined);
  const first = open(server, kept);
  await first.sender.add(films());
  await first.sender.start(details);
  while (server.files()[0].parts.size < 3) await tick();
  server.fault = () => {};
  server.log.length = 0;
  const { sender, recall, reach } = open(server, kept);
  await recall();
  await sender.add(films());
  await sender.start({});
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.equal(puts(server).length, 5);
});

test("bytes that change while they are sent, under equal size and date, are not joined", async () => {
  const server = new TinyServer();
  const film = file("film.mov", "a".repeat(80));
  let now = "a";
  film.file.slice = (from, to) => new Blob([now.repeat(to - from)]);
  let n = 0;
  server.fault = (name) => {
    if (name.startsWith("PUT") && ++n === 7) now = "b";
  };
  const { sender } = await send(server, [film]);
  assert.equal(sender.phase, "done");
  assert.equal(server.content("film.mov"), "b".repeat(80));
  assert.deepEqual(sender.summary().changed.map((item) => item.path), ["film.mov"]);
});

test("a file whose date held is not read again; one that is fresh, slow, begun earlier or of another date is", async () => {
  const began = DAY + 3_600_000;
  /** Sends a film, and tells how many of them were read once more. */
  const readAgain = async ({ age = 60_000, takes = 1000, date = "held", parts = 2, kept = new Map(), server = new TinyServer() } = {}) => {
    const film = file("film.mov", "f".repeat(parts * PART), began - age);
    const slice = film.file.slice.bind(film.file);
    const unreadable = () => Promise.reject(new DOMException("", "NotReadableError"));
    film.file.slice = (from, to) => (to === 1 && date === "other" ? { arrayBuffer: unreadable } : slice(from, to));
    let reads = 0, at = began;
    const counting = { of: (...piece) => {
      reads++;
      return checksums.of(...piece);
    } };
    const page = open(server, kept, { datesHold: true, now: () => at, checksums: counting });
    await page.recall();
    server.fault = (name) => {
      if (name.startsWith("PUT")) at += takes;
    };
    await page.sender.add([film]);
    await page.sender.start(details);
    assert.equal(await page.reach("done", "stuck", "ended"), "done");
    return reads;
  };
  assert.equal(await readAgain(), 0);
  assert.equal(await readAgain({ age: 3000 }), 2);
  assert.equal(await readAgain({ age: -3_600_000 }), 2, "a clock that is ahead");
  assert.equal(await readAgain({ takes: 40_000 }), 2);
  assert.equal(await readAgain({ date: "other" }), 2);
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "f".repeat(8 * PART), []);
  assert.ok(await readAgain({ age: 3_600_000, parts: 8, server, kept }) >= 8);
});

test("a card that is taken out after all has arrived changes nothing", async () => {
  const server = new TinyServer();
  const film = file("film.mov", "a".repeat(80));
  const reads = checksums.of;
  const { sender } = await send(server, [film], { checksums: { of: (blob, from, to) => (to - from > 1 ? Promise.reject(new Unreadable("NotFoundError")) : reads(blob, from, to)) } });
  assert.equal(sender.phase, "done");
});

test("a file that has another date when all has arrived is not kept, and offered again", async () => {
  const server = new TinyServer();
  const film = file("film.mov", "a".repeat(80));
  const slice = film.file.slice.bind(film.file);
  let written = false;
  film.file.slice = (from, to) => (written ? { arrayBuffer: unreadable, stream: unreadable } : slice(from, to));
  const unreadable = () => { throw new DOMException("", "NotReadableError"); };
  server.fault = (name) => {
    written ||= name.endsWith("/parts/8");
  };
  const { sender, reach } = await send(server, [film, file("a.jpg", "a")]);
  assert.equal(sender.phase, "stuck");
  assert.deepEqual(sender.failed().map(({ path, reason }) => [path, reason]), [["film.mov", "unreadable"]]);
  assert.deepEqual(server.files().find(({ path }) => path === "film.mov").parts.size, 0);
  await sender.add([file("film.mov", "b".repeat(80), DAY + 1000)]);
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.equal(server.content("film.mov"), "b".repeat(80));
});

test("a part that waits for its next try leaves its place to others, and trouble everywhere begins nothing new", async () => {
  const server = new TinyServer();
  const { sender, until } = open(server, new Map(), { patience: new Patience() });
  await sender.add(Array.from({ length: 30 }, (_, i) => file(`${i}.jpg`, "x")));
  server.fault = (name) => (name.startsWith("PUT /files/f2/") ? refuse(503, "busy", {}, 1000) : undefined);
  await sender.start(details);
  await until(() => sender.summary().sent === 29);
  assert.deepEqual(sender.pieces.map((piece) => [piece.job.path, piece.why]), [["0.jpg", "busy"]]);
  sender.goOn();
  sender.pause();

  const down = new TinyServer();
  const all = open(down, new Map(), { patience: new Patience() });
  await all.sender.add(Array.from({ length: 30 }, (_, i) => file(`${i}.jpg`, "x")));
  down.fault = (name) => (name.startsWith("PUT") ? refuse(503, "busy", {}, 1000) : undefined);
  await all.sender.start(details);
  await all.until(() => all.sender.pieces.length >= 5 && all.sender.pieces.every((piece) => piece.again));
  await tick();
  assert.ok(all.sender.pieces.length <= 9, `${all.sender.pieces.length} parts`);
  down.fault = () => {};
  all.sender.goOn();
  assert.equal(await all.reach("done", "stuck", "ended"), "done");
});

test("connections that died with the network are not waited for when it is back", async () => {
  const server = new TinyServer();
  let clock = 0, dead = true;
  const { sender, reach, until } = open(server, new Map(), { now: () => clock });
  const put = server.wire.putPart;
  server.wire.putPart = (id, n, blob, options) => {
    if (!dead) return put(id, n, blob, options);
    return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(new NoAnswer("abort"))));
  };
  await sender.add([file("film.mov", "f".repeat(50))]);
  await sender.start(details);
  await until(() => sender.pieces.length === 5);
  sender.revive();
  await tick();
  assert.ok(sender.pieces.every((piece) => piece.movedAt === 0), "what moved just now is left alone");
  clock = 60_000;
  dead = false;
  sender.revive();
  assert.equal(await reach("done", "stuck", "ended"), "done");
});

test("a call that hangs is made anew when the network is back", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  const call = server.wire.call;
  let hanging = 0;
  server.wire.call = (method, path, options) => {
    if (!path.endsWith("/files") || hanging++ > 0) return call(method, path, options);
    return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(new NoAnswer("abort", true))));
  };
  await sender.add([file("a.jpg", "a")]);
  await sender.start(details);
  await tick();
  sender.revive();
  assert.equal(await reach("done", "stuck", "ended"), "done");
});

test("a pause lets parts finish that are nearly out", async () => {
  const server = new TinyServer();
  const { sender, reach, until } = open(server);
  const finish = [], aborted = [];
  const put = server.wire.putPart;
  server.wire.putPart = (id, n, blob, options) => new Promise((resolve, reject) => {
    options.moved(n === 1 ? 9 : 2);
    finish.push(() => put(id, n, blob, { ...options, moved: () => {} }).then(resolve, reject));
    options.signal.addEventListener("abort", () => {
      aborted.push(n);
      reject(new NoAnswer("abort"));
    });
  });
  await sender.add([file("film.mov", "f".repeat(3 * PART))]);
  await sender.start(details);
  await until(() => sender.pieces.length === 3);
  sender.pause();
  assert.deepEqual(aborted, [2, 3]);
  finish[0]();
  while (sender.pieces.length > 0) await tick();
  assert.equal(sender.summary().sentBytes, PART);
  server.wire.putPart = put;
  sender.goOn();
  assert.equal(await reach("done", "stuck", "ended"), "done");
});

test("a file is taken out before, while and after it is sent, and the server forgets it", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  const files = ["never", "declaring", "going", "sent", "stays"].map((name) => file(`${name}.bin`, name === "going" ? "g".repeat(90) : name));
  await sender.add(files);
  const item = (name) => sender.items.find((item) => item.path === `${name}.bin`);
  await sender.remove(item("never"));
  let release;
  server.fault = (name) => {
    if (name === `POST /transfers/t1/files` && item("declaring")) sender.remove(item("declaring"));
    if (name.startsWith("PUT /files/f3/parts/9")) return new Promise((resolve) => { release = resolve; });
    return undefined;
  };
  await sender.start(details);
  while (item("sent").state !== "sent" || !release) await tick();
  await sender.remove(item("sent"));
  await sender.remove(item("going"));
  release();
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.deepEqual(server.files().map((f) => f.path), ["stays.bin"]);
  assert.equal(sender.summary().files, 1);
});

test("a transfer is not completed while a file is still being taken out", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add([file("out.jpg", "o"), file("stays.jpg", "s")]);
  const item = (name) => sender.items.find((item) => item.path === name);
  let forget, arrive;
  server.fault = (name) => {
    if (name === "DELETE /files/f2") return new Promise((resolve) => { forget = resolve; });
    if (name.startsWith("PUT /files/f3/")) return new Promise((resolve) => { arrive = resolve; });
    return undefined;
  };
  await sender.start(details);
  while (item("out.jpg").state !== "sent" || !arrive) await tick();
  const removed = sender.remove(item("out.jpg"));
  arrive();
  while (item("stays.jpg").state !== "sent") await tick();
  assert.equal(sender.phase, "sending");
  forget();
  await removed;
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.deepEqual(server.files().map((f) => f.path), ["stays.jpg"]);
});

test("a transfer is not completed while a question about it is open, and what is complete keeps its files", async () => {
  const server = new TinyServer();
  const { sender, reach, until } = open(server);
  await sender.add([file("out.jpg", "o"), file("stays.jpg", "s")]);
  const [out, stays] = sender.items;
  let answer;
  const asked = sender.heed(async () => await new Promise((resolve) => { answer = resolve; }) && sender.remove(out));
  await sender.start(details);
  await until(() => [out, stays].every((item) => item.state === "sent"));
  sender.settle();
  assert.equal(sender.phase, "sending");
  answer(true);
  assert.equal(await asked, true);
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.deepEqual(server.files().map((f) => f.path), ["stays.jpg"]);
  assert.equal(await sender.remove(stays), false);
  assert.deepEqual(sender.items, [stays]);
});

test("a file larger than the link takes is known before anything is sent", async () => {
  const { sender } = open(new TinyServer(), new Map(), { maxFile: 4 });
  await sender.add([file("a.jpg", "1234"), file("b.jpg", "12345")]);
  assert.deepEqual(sender.failed().map((item) => [item.path, item.reason, item.refusal.max_file_bytes]), [["b.jpg", "file_too_large", 4]]);
  sender.leaveOutFailed();
  assert.deepEqual(sender.items.map((item) => item.path), ["a.jpg"]);
});

test("a name that is taken by something else is sent under another one", async () => {
  const server = new TinyServer();
  let first = true;
  server.fault = (name) => {
    if (!first || !name.endsWith("/files")) return;
    first = false;
    refuse(409, "path_taken", { errors: [{ index: 0, path: "a/b", code: "path_taken", file: { id: "x", path: "a", size: 1, modified: null } }] });
  };
  const { sender, reach } = await send(server, [file("a/b.jpg", "b")]);
  assert.equal(sender.failed()[0].reason, "path_taken");
  sender.renameTaken();
  assert.equal(await reach("done", "stuck", "ended"), "done");
  assert.equal(server.content("a/b (2).jpg"), "b");
  assert.deepEqual(sender.renamed, [{ from: "a/b.jpg", to: "a/b (2).jpg" }]);
});

test("a transfer that is given up is deleted, one that is put aside is kept", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  const first = open(server, kept);
  await first.recall();
  first.sender.next();
  assert.equal(first.store.current, null);
  assert.equal(first.store.list().length, 1);
  await first.sender.add([file("other.jpg", "o")]);
  await first.sender.start(details);
  await first.reach("done");
  assert.equal(server.transfers.size, 2);
  const again = open(server, kept);
  await again.store.opened;
  assert.equal(await again.sender.recall(again.store.list().find((k) => k.aside)), "receiving");
  await again.sender.abandon();
  assert.equal(again.store.list().filter((k) => k.id).length, 1);
  assert.equal(server.transfers.get("t1").state, "aborted");
});
