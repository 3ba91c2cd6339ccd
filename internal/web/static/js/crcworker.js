// The worker that reads files and computes their checksums, so that the page
// stays quick. One message a piece: {id, blob, from, to} → {id, crc} or {id, error}.
import { crcOfBlob } from "./crc32.js";

self.addEventListener("message", async ({ data }) => {
  try {
    self.postMessage({ id: data.id, crc: await crcOfBlob(data.blob, data.from, data.to) });
  } catch (error) {
    self.postMessage({ id: data.id, error: error.name });
  }
});
