// A server of the interface, as small as the tests of the sender need it: it
// keeps declared files and parts in memory and answers by the documented rules.
import { NoAnswer, Problem } from "../static/js/api.js";
import { crc32, crcText } from "../static/js/crc32.js";

export const PART = 10;

export class TinyServer {
  transfers = new Map();
  /** Called before each request; may throw to play a fault, or return "lost" to lose the answer. */
  fault = () => {};
  log = [];
  #ids = 0;
  #keys = new Map();

  wire = {
    call: (method, path, { json, key } = {}) => this.#answer(`${method} ${path.replace(/\?.*/, "")}`, () => this.#route(method, path, json, key)),
    putPart: (id, number, blob, { signal, moved }) => this.#answer(`PUT /files/${id}/parts/${number}`, async () => {
      const data = await bytesOf(blob);
      moved(data.length);
      return this.#put(id, number, data);
    }, signal),
  };

  get transfer() {
    return [...this.transfers.values()].at(-1);
  }

  files() {
    return [...this.transfer.files.values()];
  }

  /** What a stored file holds. */
  content(path) {
    const file = this.files().find((file) => file.path === path);
    return [...file.parts].sort(([a], [b]) => a - b).map(([, data]) => new TextDecoder().decode(data)).join("");
  }

  async #answer(name, act, signal) {
    this.log.push(name);
    const fault = await this.fault(name);
    if (signal?.aborted) throw new NoAnswer("abort");
    const answer = await act();
    if (fault === "lost") throw new NoAnswer("lost");
    return answer;
  }

  #route(method, path, json, key) {
    const [, kind, id, what] = /^\/(u|transfers|files)\/([^/?]+)(?:\/(\w+))?/.exec(path);
    if (kind === "u") return this.#start(key, json);
    if (kind === "transfers") {
      const transfer = this.transfers.get(id) ?? refuse(404, "not_found");
      if (method === "POST" && what === "files") return this.#declare(transfer, json.files);
      if (method === "POST" && what === "complete") return this.#complete(transfer);
      if (what === "files") return { files: [...transfer.files.values()].map(shown), next_cursor: null };
      if (method === "DELETE") {
        if (transfer.state === "complete") refuse(409, "transfer_ended");
        transfer.state = "aborted";
        return null;
      }
      const all = [...transfer.files.values()];
      return { id, state: transfer.state, sender_email: "a@example.com", files: { total: all.length, stored: all.filter((f) => f.state === "stored").length },
        bytes: { declared: 0, received: 0 } };
    }
    const [transfer, file] = this.#find(id);
    if (method === "DELETE") {
      if (transfer.state !== "receiving") refuse(409, "transfer_ended");
      return transfer.files.delete(file.id) && null;
    }
    if (what === "parts") {
      return { parts: [...file.parts].map(([number, data]) => ({ number, size: data.length, crc32: crcText(crc32(data)) })), next_cursor: null };
    }
    return shown(file);
  }

  #start(key, json) {
    if (!this.#keys.has(key)) {
      const id = `t${++this.#ids}`;
      this.transfers.set(id, { id, state: "receiving", files: new Map(), details: json });
      this.#keys.set(key, id);
    }
    const id = this.#keys.get(key);
    return { id, upload_token: `lzu_${id}`, state: this.transfers.get(id).state };
  }

  #declare(transfer, wanted) {
    if (transfer.state !== "receiving") refuse(409, "transfer_ended");
    if (wanted.length > 1000) refuse(400, "too_many_files");
    const files = [], errors = [];
    wanted.forEach(({ path, size, modified }, index) => {
      let file = [...transfer.files.values()].find((file) => file.path === path);
      if (file && (file.size !== size || file.modified !== modified)) {
        errors.push({ index, path, code: "path_taken", file: shown(file) });
        return;
      }
      if (wanted.some((other) => other.path.includes("shapeless"))) refuse(400, "json_invalid");
      if (path.includes("refused")) {
        errors.push({ index, path, code: "file_too_large", max_file_bytes: 1 });
        return;
      }
      if (!file) {
        file = { id: `f${++this.#ids}`, path, size, modified, parts: new Map(), state: size === 0 ? "stored" : "receiving" };
        transfer.files.set(file.id, file);
      }
      files.push({ index, ...shown(file) });
    });
    if (files.length === 0) refuse(409, errors[0].code, { errors });
    return { files, errors };
  }

  #put(id, number, data) {
    const [, file] = this.#find(id);
    const standing = file.parts.get(number);
    if (standing && Buffer.compare(standing, data) !== 0) refuse(409, "part_conflict");
    file.parts.set(number, data);
    if (file.parts.size === Math.ceil(file.size / PART)) file.state = "stored";
    return { number, size: data.length, crc32: crcText(crc32(data)), state: file.state };
  }

  #complete(transfer) {
    const open = [...transfer.files.values()].filter((file) => file.state !== "stored");
    if (transfer.files.size === 0) refuse(409, "transfer_empty");
    if (open.length > 0) refuse(409, "transfer_incomplete", { unfinished_count: open.length, files: open.map(shown) });
    transfer.state = "complete";
    return { share: { url: "http://x/d/t", code: "K7QM-2XW9" }, files: transfer.files.size, bytes: 0 };
  }

  #find(id) {
    for (const transfer of this.transfers.values()) if (transfer.files.has(id)) return [transfer, transfer.files.get(id)];
    return refuse(404, "not_found");
  }
}

/** What cannot be read breaks its request just as a network does. */
async function bytesOf(blob) {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new NoAnswer(String(error));
  }
}

export function refuse(status, code, body = {}, retryAfter = null) {
  throw new Problem(status, { ...body, code }, retryAfter);
}

function shown(file) {
  const numbers = [...file.parts.keys()].sort((a, b) => a - b);
  const received = [];
  for (const n of numbers) {
    if (received.at(-1)?.[1] === n - 1) received.at(-1)[1] = n;
    else received.push([n, n]);
  }
  let crc32Text = null;
  if (file.state === "stored") {
    let crc = 0;
    for (const n of numbers) crc = crc32(file.parts.get(n), crc);
    crc32Text = crcText(crc);
  }
  return { id: file.id, path: file.path, size: file.size, modified: file.modified, part_size: PART,
    part_count: Math.ceil(file.size / PART), received, state: file.state, crc32: crc32Text };
}
