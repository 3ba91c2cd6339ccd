// The ways in which files come to the page: pickers, drop, paste.
import { $ } from "./dom.js";
import { fromHandles, fromInput, fromTransfer } from "./walk.js";

/**
 * @typedef {object} Takes
 * @property {(taken: import("./walk.js").Taken) => Promise<void>} take
 * @property {(count: number) => void} counting told how many files were found while folders are read
 * @property {() => boolean} closed whether nothing is taken any more
 */

/** Pickers that give handles, where the browser has them: they outlive the page. */
const PICKERS = {
  files: () => window.showOpenFilePicker({ multiple: true }),
  folder: async () => [await window.showDirectoryPicker({ mode: "read" })],
};

/** Wires all of them. @param {Takes} takes */
export function wirePicking(takes) {
  if (!("webkitdirectory" in HTMLInputElement.prototype)) {
    for (const label of document.querySelectorAll("[data-folder]")) label.remove();
  }
  for (const input of document.querySelectorAll("input[data-pick]")) wireInput(input, takes);
  wireDrop(takes);
  wirePaste(takes);
}

function wireInput(input, { take, counting }) {
  input.addEventListener("change", async () => {
    const files = [...input.files];
    // The same files may be chosen again.
    input.value = "";
    if (files.length > 0) await take({ found: await fromInput(files), handles: [] });
  });
  const kind = input.webkitdirectory ? "folder" : "files";
  if (!(kind === "folder" ? window.showDirectoryPicker : window.showOpenFilePicker)) return;
  let plain = false;
  input.addEventListener("click", async (event) => {
    if (plain) {
      plain = false;
      return;
    }
    event.preventDefault();
    try {
      const handles = await PICKERS[kind]();
      await take({ found: await fromHandles(handles, counting), handles });
    } catch {
      // Given up, or a place that this picker does not open (a whole disk, the
      // desktop): next time it is the browser's plain one.
      plain = true;
    }
  });
}

function wireDrop({ take, counting, closed }) {
  const place = $("drop");
  const files = (event) => event.dataTransfer?.types.includes("Files");
  const over = (on) => place.classList.toggle("over", on);
  addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) over(false);
  });
  addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault();
    over(false);
    if (!closed()) await take(await fromTransfer(event.dataTransfer, counting));
  });
}

function wirePaste({ take, counting, closed }) {
  addEventListener("paste", async (event) => {
    if (!event.clipboardData?.types.includes("Files") || closed()) return;
    event.preventDefault();
    const taken = await fromTransfer(event.clipboardData, counting);
    if (taken.found.length > 0) await take(taken);
  });
}
