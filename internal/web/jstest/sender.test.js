// A whole sending against a small server: faults, lost answers, resuming, files
// that changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NoAnswer } from "../static/js/api.js";
import { DAY, details, file, interrupted, open } from "./page.js";
import { PART, TinyServer, refuse } from "./server.js";

test("files of every size arrive, and the transfer is closed", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  const sizes = [0, 1, PART - 1, PART, PART + 1, 7 * PART + 3];
  await sender.add(sizes.map((n) => file(`d/${n}.bin`, "x".repeat(n))));
  await sender.start(details);
  assert.equal(await reach("done", "ended", "stuck"), "done");
  for (const n of sizes) assert.equal(server.content(`d/${n}.bin`), "x".repeat(n));
  const sum = sender.summary();
  assert.deepEqual([sum.sent, sum.sentBytes], [sizes.length, sizes.reduce((a, b) => a + b)]);
});

test("declares go in batches of a thousand", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add(Array.from({ length: 2500 }, (_, i) => file(`${i}.jpg`, "")));
  await sender.start(details);
  await reach("done");
  assert.equal(server.log.filter((line) => /^POST .*files$/.test(line)).length, 3);
});

test("broken connections, busy servers and lost answers cost nothing but time", async () => {
  const server = new TinyServer();
  const { sender, reach, patience } = open(server);
  let n = 0;
  server.fault = () => {
    switch (n++ % 5) {
      case 0: throw new NoAnswer("reset");
      case 1: return "lost";
      case 2: return refuse(503, "busy", {}, 3);
    }
    return undefined;
  };
  await sender.add([file("film.mov", "abcdefghij".repeat(9)), file("a.jpg", "one"), file("b.jpg", "two")]);
  await sender.start(details);
  assert.equal(await reach("done", "ended", "stuck"), "done");
  assert.equal(server.transfers.size, 1, "a lost start must not make a second transfer");
  assert.equal(server.content("film.mov"), "abcdefghij".repeat(9));
  assert.ok(patience.sleeps.some((ms) => ms >= 3000 && ms <= 3600), "Retry-After is heeded");
});

test("after a reload the same files go on, and nothing acknowledged is sent again", async () => {
  const server = new TinyServer(), kept = new Map(), text = "0123456789".repeat(8);
  await interrupted(server, kept, text);
  const before = new Set(server.files().flatMap((f) => [...f.parts.keys()].map((n) => `${f.id}/parts/${n}`)));
  assert.ok(before.size >= 3);
  const { sender, reach, recall } = open(server, kept);
  assert.equal(await recall(), "receiving");
  await sender.add([file("film.mov", text), file("small.jpg", "small")]);
  await sender.start({});
  assert.equal(await reach("done", "ended", "stuck"), "done");
  const again = server.log.filter((line) => line.startsWith("PUT")).map((line) => line.slice("PUT /files/".length));
  assert.deepEqual(again.filter((part) => before.has(part)), []);
  assert.equal(server.content("film.mov"), text);
  assert.equal(server.transfers.size, 1);
});

test("other bytes under equal path, size and date are never joined with the old ones", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  const { sender, reach, recall } = open(server, kept);
  await recall();
  await sender.add([file("film.mov", "b".repeat(80)), file("small.jpg", "SMALL")]);
  await sender.start({});
  assert.equal(await reach("done", "ended", "stuck"), "done");
  assert.equal(server.content("film.mov"), "b".repeat(80));
  assert.equal(server.content("small.jpg"), "SMALL");
  assert.deepEqual(sender.items.filter((item) => item.changed).map((item) => item.path), ["film.mov", "small.jpg"]);
});

test("a part that conflicts makes the file new as a whole", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add([file("film.mov", "z".repeat(50))]);
  let once = true;
  server.fault = (name) => {
    if (!once || !name.startsWith("PUT")) return;
    once = false;
    server.files()[0].parts.set(3, new TextEncoder().encode("otherbytes"));
  };
  await sender.start(details);
  assert.equal(await reach("done", "ended", "stuck"), "done");
  assert.equal(server.content("film.mov"), "z".repeat(50));
});

test("another version under a taken path is asked about, and replaced only then", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  const { sender, reach, recall } = open(server, kept);
  await recall();
  await sender.add([file("film.mov", "new version"), file("small.jpg", "small")]);
  await sender.start({});
  assert.equal(await reach("done", "ended", "stuck"), "stuck");
  assert.deepEqual(sender.failed().map((item) => item.reason), ["path_taken"]);
  await sender.replaceStanding();
  assert.equal(await reach("done", "ended"), "done");
  assert.equal(server.content("film.mov"), "new version");
});

test("files that are refused or unreadable are named and do not stop the rest", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  const gone = file("gone.jpg", "12345");
  gone.file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) });
  await sender.add([file("refused.jpg", "x"), gone, { path: "folder/locked" }, file("bad//name", "x"), file("good.jpg", "good")]);
  await sender.start(details);
  assert.equal(await reach("done", "ended", "stuck"), "stuck");
  assert.deepEqual(sender.failed().map((item) => [item.path, item.reason]),
    [["refused.jpg", "file_too_large"], ["gone.jpg", "unreadable"], ["folder/locked", "unreadable"], ["bad//name", "path_invalid"]]);
  assert.equal(server.content("good.jpg"), "good");

  // Chosen again with another date, the file is sent in place of its own beginning.
  await sender.add([file("gone.jpg", "67890!", DAY + 1000)]);
  assert.equal(await reach("done", "ended", "stuck"), "stuck");
  assert.equal(server.content("gone.jpg"), "67890!");
  await sender.finishWithout();
  assert.equal(sender.phase, "done");
  assert.equal(server.files().length, 2);
});

test("files of the last time that are not chosen again are told, and left out on demand", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  const { sender, reach, recall } = open(server, kept);
  await recall();
  await sender.add([file("small.jpg", "small")]);
  await sender.start({});
  assert.equal(await reach("done", "ended", "stuck"), "stuck");
  assert.deepEqual(sender.missing, { count: 1, names: ["film.mov"] });
  await sender.finishWithout();
  assert.equal(sender.phase, "done");
  assert.deepEqual(server.files().map((f) => f.path), ["small.jpg"]);
});

test("one file chosen twice is one, two files of one name are two", async () => {
  const { sender } = open(new TinyServer());
  await sender.add([file("a.jpg", "1"), file("a.jpg", "1"), file("a.jpg", "22"), file("e\u0301.jpg", "3"), file("\u00e9.jpg", "3")]);
  assert.deepEqual(sender.items.map((item) => item.path), ["a.jpg", "a (2).jpg", "e\u0301.jpg"]);
  assert.deepEqual(sender.renamed, [{ from: "a.jpg", to: "a (2).jpg" }]);
});

test("a file that was refused gives its place to no namesake, only to itself", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  let full = true;
  server.fault = (name) => {
    if (full && name.endsWith("/files")) refuse(413, "quota_exceeded", { bytes_left: 0 });
  };
  await sender.add([file("IMG_1.jpg", "of the first card")]);
  await sender.start(details);
  await reach("stuck");
  full = false;
  await sender.add([file("IMG_1.jpg", "of the second", DAY + 1000)]);
  assert.equal(await reach("done", "stuck"), "stuck", "the first is still to be decided about");
  assert.deepEqual(sender.failed().map((item) => [item.path, item.reason]), [["IMG_1.jpg", "quota_exceeded"]]);
  assert.deepEqual(sender.renamed, [{ from: "IMG_1.jpg", to: "IMG_1 (2).jpg" }]);
  await sender.add([file("IMG_1.jpg", "of the first card")]);
  assert.equal(await reach("done", "stuck"), "done");
  assert.deepEqual(["IMG_1.jpg", "IMG_1 (2).jpg"].map((path) => server.content(path)), ["of the first card", "of the second"]);
});

test("a pause holds, and going on finishes", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add([file("film.mov", "p".repeat(200))]);
  let puts = 0;
  server.fault = (name) => {
    if (name.startsWith("PUT") && ++puts === 3) sender.pause();
  };
  await sender.start(details);
  await reach("paused");
  while (sender.pieces.length > 0) await new Promise(setImmediate);
  const then = puts;
  await new Promise(setImmediate);
  assert.equal(puts, then);
  sender.goOn();
  assert.equal(await reach("done", "ended", "stuck"), "done");
  assert.equal(server.content("film.mov"), "p".repeat(200));
});

test("a quota that is full holds the sending instead of ending it", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add([file("film.mov", "q".repeat(60))]);
  let full = true;
  server.fault = (name) => (full && name.startsWith("PUT") ? refuse(413, "quota_exceeded", { bytes_left: 5 }) : undefined);
  await sender.start(details);
  await reach("paused");
  assert.equal(sender.problem.body.bytes_left, 5);
  full = false;
  while (sender.pieces.length > 0) await new Promise(setImmediate);
  sender.goOn();
  assert.equal(await reach("done", "ended", "stuck"), "done");
});

test("a refused start leaves the form to be corrected, an ended transfer ends the page", async () => {
  const server = new TinyServer();
  const { sender, reach } = open(server);
  await sender.add([file("a.jpg", "a")]);
  server.fault = (name) => (name.startsWith("POST /u/") ? refuse(422, "email_invalid") : undefined);
  await assert.rejects(sender.start(details), { code: "email_invalid" });
  assert.equal(sender.phase, "choosing");
  server.fault = (name) => (name.startsWith("PUT") ? refuse(410, "transfer_expired") : undefined);
  await sender.start(details);
  await reach("ended");
  assert.equal(sender.problem.code, "transfer_expired");
});

test("details that are corrected after a lost start are those that count", async () => {
  const server = new TinyServer();
  const { sender, reach, until, store } = open(server);
  await sender.add([file("a.jpg", "a")]);
  const tryInVain = async (said) => {
    server.fault = () => "lost";
    const started = sender.start(said);
    await until(() => sender.waiting);
    sender.cancelStart();
    assert.equal(await started, false);
    server.fault = () => {};
  };
  const right = { sender_email: "bob@example.com", message: "for the album" };
  await tryInVain({ sender_email: "bob@exmaple.com", password: "wrong" });
  await tryInVain({ sender_email: "bob@exmaple.com", password: "right" });
  assert.equal(server.transfers.size, 1, "a password says nothing");
  await sender.start(right);
  assert.equal(await reach("done", "ended", "stuck"), "done");
  assert.deepEqual([...server.transfers.values()].map(({ details, state }) => [details.sender_email, state]),
    [["bob@exmaple.com", "aborted"], ["bob@example.com", "complete"]]);
  assert.deepEqual(server.transfer.details, right);
  assert.equal(store.list().length, 1);
});

test("a finished transfer shows its link and code again, one that is gone is forgotten", async () => {
  const server = new TinyServer(), kept = new Map();
  const first = open(server, kept);
  await first.sender.add([file("a.jpg", "a")]);
  await first.sender.start(details);
  await first.reach("done");
  const again = open(server, kept);
  assert.equal(await again.recall(), "complete");
  assert.equal(again.sender.done.share.code, "K7QM-2XW9");
  server.transfers.clear();
  const gone = open(server, kept);
  assert.equal(await gone.recall(), "gone");
  assert.equal(kept.size, 0);
  assert.equal(await open(server, kept).recall(), "none");
});

test("leaving out goes a few files at a time, tells how far it is, and minds none that are gone", async () => {
  const server = new TinyServer(), kept = new Map();
  const others = Array.from({ length: 11 }, (_, i) => file(`Card/${i}.mov`, `${i}`.repeat(20)));
  await interrupted(server, kept, "a".repeat(80), [file("small.jpg", "small"), ...others]);
  for (const [, standing] of server.transfer.files) if (standing.path !== "small.jpg") Object.assign(standing, { state: "receiving" });
  const { sender, recall } = open(server, kept);
  await recall();
  let now = 0, most = 0, first = true;
  const told = [];
  server.fault = async (name) => {
    if (!name.startsWith("DELETE")) return;
    most = Math.max(most, ++now);
    if (first) server.transfer.files.delete(name.slice("DELETE /files/".length)); // another browser was quicker
    first = false;
    await new Promise(setImmediate);
    told.push(sender.leaving.count);
    now--;
  };
  await sender.finishWithout();
  assert.equal(sender.phase, "done");
  assert.equal(sender.leaving, null);
  assert.deepEqual(server.files().map((f) => f.path), ["small.jpg"]);
  assert.equal(most, 4);
  assert.deepEqual(new Set(told), new Set([12]));
});

test("of an earlier sending of which nothing was chosen again the figures are the server's", async () => {
  const server = new TinyServer(), kept = new Map();
  await interrupted(server, kept, "a".repeat(80));
  const { sender, recall } = open(server, kept);
  await recall();
  sender.earlier.bytes = { declared: 85, received: 45 };
  const { files, bytes, sentBytes } = sender.summary();
  assert.deepEqual([files, bytes, sentBytes], [2, 85, 45]);
  await sender.add([file("small.jpg", "small")]);
  assert.equal(sender.summary().bytes, 5);
});
