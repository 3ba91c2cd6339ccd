// The page of upload links: make, change, close, delete, print.
import { call } from "./api.js";
import { $, setShown, setText } from "./dom.js";
import { begin, boot, busy, confirmed, endOfDay, showWrong, t } from "./studio.js";

const GIGABYTE = 1e9;
const TEXTS = ["title", "message", "slug"];
const SIZES = ["max_bytes", "max_file_bytes"];
const COUNTS = ["max_transfers", "retention_days"];

/** Writes the day of a link's end as the calendar here has it. */
function localiseDay() {
  const field = $("expires_at");
  if (!field.dataset.at) return;
  const at = new Date(field.dataset.at);
  const two = (n) => String(n).padStart(2, "0");
  field.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  field.defaultValue = field.value;
}

class Refused extends Error {}

/** A number as people type it, with a comma or a point, times a unit. @returns {number | null} null for none */
function numberIn(name, unit) {
  const typed = $(name).value.trim();
  if (typed === "") return null;
  const value = Math.round(Number(typed.replace(",", ".")) * unit);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  $(name).focus();
  throw new Refused(t("studio.link_number", { field: document.querySelector(`label[for="${name}"]`).textContent }));
}

/** What differs from what the page was made with. */
function changes() {
  const json = {};
  const changed = (name) => $(name).value !== $(name).defaultValue;
  for (const name of TEXTS) if (changed(name)) json[name] = $(name).value.trim();
  for (const name of SIZES) if (changed(name)) json[name] = numberIn(name, GIGABYTE);
  for (const name of COUNTS) if (changed(name)) json[name] = numberIn(name, 1);
  if (changed("expires_at")) json.expires_at = $("expires_at").value ? endOfDay($("expires_at").value) : null;
  if ($("password").value) json.password = $("password").value;
  else if ($("no-password")?.checked) json.password = null;
  return json;
}

function withoutNothing(json) {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null && value !== ""));
}

async function save() {
  const json = changes();
  if (boot.link) {
    if (Object.keys(json).length > 0) await call("PATCH", `/links/${boot.link}`, { json });
    leaveNote("saved");
    location.reload();
    return;
  }
  const link = await call("POST", "/links", { json: withoutNothing(json) });
  leaveNote("made");
  location.assign(`/links/${link.id}`);
}

/** What to say on the page that comes next. */
function leaveNote(note) {
  try {
    sessionStorage.setItem("lenzeye-note", note);
  } catch {
    // The page shows the change itself.
  }
}

function showNote() {
  let note = null;
  try {
    note = sessionStorage.getItem("lenzeye-note");
    sessionStorage.removeItem("lenzeye-note");
  } catch {
    return;
  }
  const texts = { saved: "studio.link_saved", made: "studio.link_made", closed: "studio.link_closed", opened: "studio.link_opened" };
  if (!texts[note]) return;
  setShown($("saved"), true);
  setText($("saved"), t(texts[note]));
}

async function toggleClosed() {
  const closed = $("close").dataset.closed !== "true";
  await call("PATCH", `/links/${boot.link}`, { json: { closed } });
  leaveNote(closed ? "closed" : "opened");
  location.reload();
}

async function remove() {
  const yes = await confirmed({ title: t("studio.delete_link"), text: t("studio.delete_link_text"), yes: t("studio.delete_link_yes") });
  if (!yes) return;
  await call("DELETE", `/links/${boot.link}`);
  location.assign("/links");
}

async function submit() {
  try {
    await save();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showWrong($("edit-wrong"), error.message);
  }
}

begin(["list"]);
if ($("edit")) {
  localiseDay();
  $("edit").addEventListener("submit", (event) => {
    event.preventDefault();
    setShown($("saved"), false);
    busy($("save"), submit, (sentence) => showWrong($("edit-wrong"), sentence));
  });
}
if (boot.link) {
  showNote();
  $("close").addEventListener("click", () => busy($("close"), toggleClosed, (sentence) => showWrong($("edit-wrong"), sentence)));
  $("delete").addEventListener("click", () => busy($("delete"), remove, (sentence) => showWrong($("edit-wrong"), sentence)));
  $("print").addEventListener("click", () => print());
}
