// The page on which a guest sends: joins the sending to what is seen and pressed.
import * as wire from "./api.js";
import { Checksums } from "./checksums.js";
import { $, Painter, readBoot, say, wireCopying } from "./dom.js";
import { Patience } from "./patience.js";
import { Sender } from "./sender.js";
import { Store, readFragment } from "./store.js";
import { figures, translator } from "./text.js";
import { UploadView } from "./uploadview.js";
import { fromDrop, fromInput } from "./walk.js";

const boot = readBoot();
const t = translator(boot.texts, boot.language);
const store = new Store(boot.slug);
const patience = new Patience();
const painter = new Painter(() => view.paint());
const sender = new Sender({ slug: boot.slug, store, wire, checksums: new Checksums(), patience, changed: painter.ask });
const view = new UploadView(sender, { boot, t, figures: figures(boot.language) });

/** A sending handed over in the address is this browser's from now on. */
function adoptFragment() {
  const handed = readFragment(location.hash);
  if (!handed) return;
  if (store.read()?.id !== handed.id) store.write({ key: null, ...handed });
  // Where nothing is kept, the address stays the only way back.
  if (store.durable) history.replaceState(null, "", location.pathname + location.search);
}

async function recall() {
  const kept = store.read()?.id;
  if (!kept) return;
  try {
    const found = await sender.recall();
    if (found === "receiving") view.showRecall();
    else if (found === "gone") view.showGone();
  } finally {
    painter.ask();
  }
}

function wirePicking() {
  for (const input of document.querySelectorAll("input[data-pick]")) {
    input.addEventListener("change", () => {
      if (input.files.length > 0) sender.add(fromInput(input.files));
      // The same files may be chosen again.
      input.value = "";
      view.chosen();
    });
  }
}

function wireDropping() {
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
    if (view.ended) return;
    sender.add(await fromDrop(event.dataTransfer));
    view.chosen();
  });
}

function wireForm() {
  $("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const details = view.readDetails();
    if (!details) return;
    try {
      await sender.start(details);
      say(t("send.said.sending"));
      view.sendingBegan();
    } catch (error) {
      if (!(error instanceof wire.Problem)) throw error;
      view.refused(error);
    }
  });
  $("unchoose").addEventListener("click", () => {
    sender.clear();
    view.chosen();
  });
  $("pause").addEventListener("click", () => (sender.running ? sender.pause() : sender.goOn()));
  $("print").addEventListener("click", () => print());
  $("recall-finish").addEventListener("click", () => sender.finishWithout());
  for (const id of ["again", "recall-new", "ended-again"]) {
    $(id).addEventListener("click", () => {
      store.clear();
      location.reload();
    });
  }
}

adoptFragment();
wirePicking();
wireDropping();
wireForm();
wireCopying(t("send.copied"));
addEventListener("online", () => sender.goOnUnasked());
addEventListener("offline", painter.ask);
setInterval(() => sender.running && painter.ask(), 1000);
recall();
