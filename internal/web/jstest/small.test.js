// The modules that stand alone: checksums, names, parts, codes, texts, waits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readCode, tidyCode } from "../static/js/codes.js";
import { crc32, crcOfBlob, crcText } from "../static/js/crc32.js";
import { percentOf, reachOf } from "../static/js/filerows.js";
import { FileTree } from "../static/js/filetree.js";
import { Meter } from "../static/js/meter.js";
import { FreeNames, pathAllowed, pathKey, splitName, splitPath } from "../static/js/names.js";
import { Parts } from "../static/js/parts.js";
import { Patience, pause } from "../static/js/patience.js";
import { fragment, newKey, readFragment } from "../static/js/store.js";
import { figures, translator } from "../static/js/text.js";
import { fromInput, fromTransfer } from "../static/js/walk.js";

const bytes = (text) => new TextEncoder().encode(text);

/** The textbook form, bit by bit. */
function slowCrc(data) {
  let c = 0xffffffff;
  for (const byte of data) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

test("crc32 gives the published check values", () => {
  assert.equal(crcText(crc32(bytes("123456789"))), "cbf43926");
  assert.equal(crcText(crc32(bytes(""))), "00000000");
  assert.equal(crcText(crc32(bytes("a"))), "e8b7be43");
  assert.equal(crcText(crc32(bytes("The quick brown fox jumps over the lazy dog"))), "414fa339");
  assert.equal(crcText(crc32(new Uint8Array(32))), "190a55ad");
  assert.equal(crcText(crc32(new Uint8Array(32).fill(255))), "ff6cab0b");
});

test("crc32 agrees with the textbook form at every length and cut", () => {
  const data = Uint8Array.from({ length: 300 }, (_, i) => (i * 197 + 31) & 255);
  for (let n = 0; n <= data.length; n++) {
    const whole = slowCrc(data.subarray(0, n));
    assert.equal(crc32(data.subarray(0, n)), whole);
    const cut = (n * 7) % (n + 1);
    assert.equal(crc32(data.subarray(cut, n), crc32(data.subarray(0, cut))), whole);
  }
});

test("crcOfBlob reads a piece of a file and notices a file that became shorter", async () => {
  const data = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 31) & 255);
  const blob = new Blob([data]);
  assert.equal(await crcOfBlob(blob), crcText(crc32(data)));
  assert.equal(await crcOfBlob(blob, 5, 2_000_000), crcText(crc32(data.subarray(5, 2_000_000))));
  assert.equal(await crcOfBlob(blob, 9, 9), "00000000");
  await assert.rejects(crcOfBlob(blob, 0, data.length + 1), { name: "NotReadableError" });
});

test("paths are allowed as the server allows them", () => {
  const good = ["a", "Card A/IMG_1.CR3", "a\\b", "ñ.jpg", "日本/写真.jpg", "…", "a".repeat(255), Array(5).fill("a".repeat(200)).join("/"), " ", "..."];
  const bad = ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a\u0000b", "a\nb", "a\u007f", "a\u0085", "a".repeat(256), "é".repeat(128), Array(6).fill("a".repeat(200)).join("/"), "a\ud800b"];
  for (const path of good) assert.ok(pathAllowed(path), path);
  for (const path of bad) assert.ok(!pathAllowed(path), JSON.stringify(path));
});

test("names are split, compared and freed", () => {
  assert.deepEqual(splitName("IMG_1.CR3"), ["IMG_1", ".CR3"]);
  assert.deepEqual(splitName(".bashrc"), [".bashrc", ""]);
  assert.deepEqual(splitName("README"), ["README", ""]);
  assert.deepEqual(splitName("a.very-long-ending-of-a-sentence"), ["a.very-long-ending-of-a-sentence", ""]);
  assert.deepEqual(splitPath("a/b/c.jpg"), ["a/b", "c.jpg"]);
  assert.deepEqual(splitPath("c.jpg"), ["", "c.jpg"]);
  assert.equal(pathKey("e\u0301.jpg"), pathKey("\u00e9.jpg"));
  const taken = new Set(["d/a (2).jpg", "d/a (3).jpg"]);
  const names = new FreeNames();
  assert.equal(names.find("d/a.jpg", (key) => taken.has(key)), "d/a (4).jpg");
  assert.equal(names.find("a", () => false), "a (2)");
});

test("parts are handed out once each, and again when given back", () => {
  const parts = new Parts(10, [[1, 2], [5, 5], [9, 10]]);
  assert.equal(parts.left, 5);
  const taken = [];
  for (let n; (n = parts.take()) !== null;) taken.push(n);
  assert.deepEqual(taken, [3, 4, 6, 7, 8]);
  parts.giveBack(6);
  assert.equal(parts.take(), 6);
  assert.equal(parts.take(), null);
  for (let i = 0; i < 5; i++) parts.acknowledge();
  assert.equal(parts.left, 0);
  assert.equal(new Parts(0, []).take(), null);
  assert.equal(new Parts(3, [[1, 3]]).take(), null);
});

test("waits double to half a minute, less a random half, and heed the server", () => {
  const waits = [1, 2, 3, 5, 6, 99].map((tries) => pause(tries, null, () => 0));
  assert.deepEqual(waits, [1000, 2000, 4000, 16000, 30000, 30000]);
  assert.equal(pause(1, null, () => 0.998), 501);
  assert.equal(pause(4, 7, () => 0), 7000);
  assert.equal(pause(4, 7, () => 0.5), 7700);
  assert.equal(pause(1, 0, () => 0), 0);
});

test("a sleep ends when all are woken, or when its own work is called off", async () => {
  const patience = new Patience();
  const long = patience.sleep(1e8);
  const called = new AbortController();
  const other = patience.sleep(1e8, called.signal);
  called.abort();
  await other;
  patience.wake();
  await long;
  await patience.sleep(1e8, called.signal);
});

test("a code is read whatever its case, spaces, dashes and look-alikes", () => {
  for (const typed of ["K7QM-2XW9", "k7qm2xw9", " K7 QM–2X W9 ", "K7QM_2XW9"]) assert.equal(readCode(typed), "K7QM2XW9");
  assert.equal(readCode("oIl0-1111"), "01101111");
  for (const typed of ["", "K7QM2XW", "K7QM2XW99", "K7QM2XWU", "K7QM2XW!"]) assert.equal(readCode(typed), null);
});

test("a code is found in the message that it came in", () => {
  for (const text of ["Code: K7QM-2XW9", "Your code K7QM-2XW9, for 30 days", "code K7QM 2XW9", "K7QM 2XW9 from Anna", "Link: https://x.example/d/abcd-efgh/1234-5678\nCode:\nk7qm-2xw9\n",
    "https://x.example/d/AbCd-EfGh K7QM2XW9", "with best wishes K7QM-2XW9"]) assert.equal(readCode(text), "K7QM2XW9", text);
  for (const text of ["no code in here", "K7QM-2XW9A", "xK7QM-2XW9", "https://x.example/d/K7QM-2XW9"]) assert.notEqual(readCode(text), "K7QM2XW9", text);
  assert.equal(tidyCode(" k7qm–2x w9\n"), "k7qm2xw9");
});

test("texts take numbers, plural forms and values", () => {
  const messages = { "f.one": "{count} file, {size}", "f.other": "{count} files, {size}", plain: "Hello {name}, {who}" };
  const t = translator(messages, "en");
  assert.equal(t("f", { count: 1, size: "2 MB" }), "1 file, 2 MB");
  assert.equal(t("f", { count: 2630, size: "1 GB" }), "2,630 files, 1 GB");
  assert.equal(t("plain", { name: "$& {who}" }), "Hello $& {who}, {who}");
  assert.equal(t("missing"), "missing");
  assert.equal(translator({ "f.one": "एक", "f.other": "कई" }, "hi")("f", { count: 0 }), "एक");
});

test("figures read well", () => {
  const f = figures("en");
  assert.deepEqual([0, 1, 999, 1000, 47_400_000, 999_949_999, 999_950_000, 142_300_000_000].map(f.bytes),
    ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "47.4 MB", "999.9 MB", "1.0 GB", "142.3 GB"]);
  assert.deepEqual([0, 8, 90, 1140, 7200, 90_000].map(f.duration), ["1 sec", "8 sec", "2 min", "19 min", "2 hr", "25 hr"]);
});

test("the meter tells what was acknowledged lately, and is calm when parts come seldom", () => {
  const meter = new Meter();
  meter.begin(0);
  for (let at = 1000; at <= 40_000; at += 1000) meter.note(1000, at);
  assert.equal(meter.rate(40_000), 1000);
  assert.equal(meter.rate(400_000), 0);
  const slow = new Meter();
  slow.begin(0);
  for (let at = 25_000; at <= 100_000; at += 25_000) slow.note(10_000_000, at);
  assert.equal(slow.rate(100_000), 400_000);
  slow.begin(200_000);
  assert.equal(slow.rate(200_000), 0, "a pause does not count");
});

test("keys and fragments have the form that the interface wants", () => {
  assert.match(newKey(), /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(newKey(), newKey());
  const id = "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", token = "lzu_" + "A".repeat(43);
  assert.deepEqual(readFragment(fragment(id, token)), { id, token });
  for (const hash of ["", "#t=", `#t=${id}`, `#t=${id}.lza_${"A".repeat(43)}`, `#t=${id}.${token}x`, `#x${fragment(id, token)}`]) {
    assert.equal(readFragment(hash), null);
  }
});

test("folders are walked to the end, and what cannot be opened is named", async () => {
  const fileEntry = (name) => ({ name, isFile: true, file: (ok) => ok(new File(["x"], name)) });
  const broken = { name: "gone.jpg", isFile: true, file: (_, no) => no(new DOMException("", "NotFoundError")) };
  const dir = (name, bunches) => ({ name, isFile: false, createReader: () => {
    const left = [...bunches, []];
    return { readEntries: (ok) => ok(left.shift()) };
  } });
  const root = dir("Card", [[fileEntry("1.jpg"), broken], [dir("Sub", [[fileEntry("2.jpg")]])]]);
  const items = [
    { kind: "file", webkitGetAsEntry: () => root, getAsFile: () => null },
    { kind: "file", getAsFile: () => new File(["y"], "lone.jpg") },
    { kind: "string" },
  ];
  const { found } = await fromTransfer({ items });
  assert.deepEqual(found.map(({ path, file }) => [path, Boolean(file)]),
    [["Card/1.jpg", true], ["Card/gone.jpg", false], ["Card/Sub/2.jpg", true], ["lone.jpg", true]]);
  const picked = new File(["z"], "3.jpg");
  Object.defineProperty(picked, "webkitRelativePath", { value: "Trip/3.jpg" });
  assert.deepEqual((await fromInput([picked, new File([], "4.jpg")])).map(({ path }) => path), ["4.jpg", "Trip/3.jpg"]);
});

test("the tree counts, opens and finds", () => {
  const tree = new FileTree("en");
  tree.add([{ path: "A/1.jpg", size: 10 }, { path: "A/B/2.JPG", size: 5 }]);
  tree.openFirst();
  assert.deepEqual(tree.rows().map((row) => row.name), ["A", "B", "1.jpg"]);
  assert.equal(tree.rows()[0].count, 2);
  assert.equal(tree.rows()[0].bytes, 15);
  tree.add([{ path: "3.jpg", size: 1 }, { path: "A/B/4.jpg", size: 1 }]);
  assert.deepEqual(tree.rows().map((row) => row.name), ["A", "B", "1.jpg", "3.jpg"]);
  tree.rows()[1].open = true;
  assert.deepEqual(tree.rows().map((row) => row.name), ["A", "B", "2.JPG", "4.jpg", "1.jpg", "3.jpg"]);
  assert.deepEqual(tree.find("2.jpg").map((row) => row.name), ["A/B/2.JPG"]);
  assert.deepEqual(tree.find("nope"), []);
});

test("a list that is loaded anew keeps its folders open", () => {
  const before = new FileTree("en");
  assert.equal(before.filled, false);
  before.add([{ path: "A/B/1.jpg", size: 1 }, { path: "C/2.jpg", size: 1 }]);
  before.rows()[0].open = true;
  const tree = new FileTree("en", before);
  tree.add([{ path: "A/B/1.jpg", size: 1 }, { path: "C/2.jpg", size: 1 }, { path: "D/3.jpg", size: 1 }]);
  tree.settle();
  assert.deepEqual(tree.rows().map((row) => row.name), ["A", "B", "C", "D"]);
  assert.equal(tree.filled, true);
});

test("bytes are whole, also those of a rate", () => {
  const f = figures("en");
  assert.deepEqual([0, 1, 384.231, 999.4, 999.6, 1049, 999_949, 999_950].map(f.bytes),
    ["0 bytes", "1 byte", "384 bytes", "999 bytes", "1.0 kB", "1.0 kB", "999.9 kB", "1.0 MB"]);
});

test("a time of day names its day", () => {
  const f = figures("en");
  const now = new Date(2026, 10, 28, 0, 5);
  assert.equal(f.moment(new Date(2026, 10, 28, 0, 1), now), "today, 00:01");
  assert.equal(f.moment(new Date(2026, 10, 27, 23, 59), now), "yesterday, 23:59");
  assert.equal(f.moment(new Date(2026, 10, 26, 9, 30), now), "26 November 2026, 09:30");
  assert.equal(f.moment(new Date(2026, 10, 29, 9, 30), now), "29 November 2026, 09:30");
});

test("a row counts what is acknowledged, and what has only left is a reach beyond it", () => {
  const row = (size, acknowledged, ...moved) => {
    const item = { size, acknowledged, pieces: new Set(moved.map((bytes) => /** @type {any} */ ({ moved: bytes }))) };
    return [percentOf(item), reachOf(item)];
  };
  assert.deepEqual(row(1000, 0, 1000), [0, 100]);
  assert.deepEqual(row(1000, 400, 100, 90), [40, 59]);
  assert.deepEqual(row(1000, 400, 700), [40, 100]);
  assert.deepEqual(row(1000, 999), [99, 99]);
  assert.deepEqual(row(1000, 1000), [100, 100]);
  assert.deepEqual(row(0, 0), [0, 0]);
});
