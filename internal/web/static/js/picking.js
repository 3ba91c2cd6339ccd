// The ways in which files come to the page: pickers, drop, paste.
import { $ } from "./dom.js";
import { fromHandles, fromInput, fromTransfer } from "./walk.js";

/**
 * @typedef {object} Takes
 * @property {(taken: import("./walk.js").Taken) => Promise<void>} take
 * @property {(count: number) => void} counting told how many files were found while folders are read, and 0 when that is over
 * @property {import("./remarks.js").Remarks} remarks
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

/** Reads what was chosen and hands it on; what gives nothing is told. @param {Takes} takes @param {() => Promise<import("./walk.js").Taken>} read */
async function receive({ take, counting, remarks }, read) {
  let taken;
  remarks.clear();
  try {
    taken = await read();
  } catch (error) {
    console.warn(error);
    return remarks.unread();
  } finally {
    counting(0);
  }
  if (taken.found.length === 0) return remarks.empty();
  return take(taken);
}

function wireInput(input, takes) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    // The same files may be chosen again.
    input.value = "";
    receive(takes, async () => ({ found: await fromInput(files), handles: [] }));
  });
  const kind = input.webkitdirectory ? "folder" : "files";
  if (!(kind === "folder" ? window.showDirectoryPicker : window.showOpenFilePicker)) return;
  let plain = false;
  const otherwise = () => {
    plain = true;
    input.click();
  };
  input.addEventListener("click", async (event) => {
    if (plain) {
      plain = false;
      return undefined;
    }
    event.preventDefault();
    let handles;
    try {
      handles = await PICKERS[kind]();
    } catch {
      // Given up, or a place that this picker does not open (a whole disk, the desktop):
      // the browser does not say which. The plain picker opens it, but its files are
      // not known after a reload: it comes only when asked for.
      return takes.remarks.unchosen(otherwise);
    }
    return receive(takes, async () => ({ found: await fromHandles(handles, takes.counting), handles }));
  });
}

function wireDrop(takes) {
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
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    over(false);
    if (!takes.closed()) receive(takes, () => fromTransfer(event.dataTransfer, takes.counting));
  });
}

function wirePaste(takes) {
  addEventListener("paste", (event) => {
    if (!event.clipboardData?.types.includes("Files") || takes.closed()) return;
    event.preventDefault();
    receive(takes, () => fromTransfer(event.clipboardData, takes.counting));
  });
}
