// What the upload page shows when all has arrived: link, code, receipt.
import { $, copyTemplate, setName, setShown, setText } from "./dom.js";
import { splitName, splitPath } from "./names.js";
import { Notices } from "./notices.js";
import { csv, json, plain, readLines, save } from "./receipt.js";
import { WindowList } from "./windowlist.js";

/** @typedef {import("./uploadview.js").Page} Page */

export class DoneView {
  #sender;
  #page;
  #list;
  #notices;
  /** @type {Promise<import("./receipt.js").Line[]> | null} */
  #lines = null;

  /** @param {import("./sender.js").Sender} sender @param {Page} page */
  constructor(sender, page) {
    this.#sender = sender;
    this.#page = page;
    this.#notices = new Notices($("done-notices"), page.boot.icons, page.t);
    this.#list = new WindowList($("receipt-list"), () => copyTemplate("receipt-row"), (row, line) => this.#fill(row, line), true);
    $("print").addEventListener("click", () => this.#print(false));
    $("print-list").addEventListener("click", () => this.#print(true));
    $("save-csv").addEventListener("click", async () => save(this.#name("csv"), "text/csv", csv(await this.#read())));
    $("save-json").addEventListener("click", async () => save(this.#name("json"), "application/json", json(this.#head(), await this.#read())));
  }

  /** Shows link and code, and begins to read the list. */
  open() {
    const { t, figures, boot } = this.#page;
    const { share, files, bytes } = this.#sender.done;
    const size = figures.bytes(bytes);
    const link = $("share-link");
    link.href = share.url;
    setText(link, share.url.replace(/^https?:\/\//, ""));
    setText($("share-code"), share.code);
    $("share-qr").querySelector("img").src = `/api/v1${new URL(share.url).pathname}/qr.svg`;
    setText($("done-until"), figures.day(share.expires_at));
    setText($("done-files"), t("send.chosen", { count: files, size }));
    setText($("done-text"), t("send.done_text", { count: files, size, studio: boot.studio }));
    const email = boot.slug && (this.#sender.earlier?.sender_email || $("email").value.trim());
    if (email) setText($("done-mail"), t("send.done_mail", { email }));
    if ($("done-transfer")) $("done-transfer").href = `/transfers/${this.#sender.kept.id}`;
    document.title = t("send.title.done");
    $("done-title").focus();
    scrollTo(0, 0);
    this.#lines = null;
    this.#list.show([]);
    this.#read();
  }

  paint() {
    const { t, around } = this.#page;
    const { late } = this.#sender;
    this.#notices.show([...around.remarks.shown, ...late.length === 0 ? [] : [{
      id: "late", tone: "slow", icon: "clock", title: t("send.late", { count: late.length }), text: t("send.late_text"),
      buttons: [{ label: t("send.late_send"), act: () => this.#page.another() }],
    }]]);
  }

  /** The list as the server has it, asked for once. */
  async #read() {
    this.#lines ??= readLines(this.#sender.allFiles());
    const { kept } = this.#sender;
    try {
      const lines = await this.#lines;
      if (kept === this.#sender.kept) this.#list.show(lines);
      setShown($("receipt"), true);
      return lines;
    } catch {
      // Purged meanwhile: link and code tell so too.
      setShown($("receipt"), false);
      return [];
    }
  }

  #fill(row, { path, size, crc32 }) {
    const [, text, side] = row.children;
    const [folder, name] = splitPath(path);
    setName(text.firstElementChild, splitName(name));
    setText(text.lastElementChild, [folder, this.#page.figures.bytes(size)].filter(Boolean).join(" · "));
    setText(side.firstElementChild, crc32 ?? "");
  }

  /** Ten thousand lines are one piece of text, and only while they are printed. */
  async #print(withList) {
    const place = $("receipt-lines");
    place.textContent = withList ? plain(await this.#read(), this.#page.figures.bytes) : "";
    $("receipt").classList.toggle("no-print", !withList);
    addEventListener("afterprint", () => { place.textContent = ""; }, { once: true });
    print();
  }

  #name(extension) {
    return `${this.#page.boot.slug ?? "files"}-${this.#sender.kept.id.slice(0, 8)}.${extension}`;
  }

  #head() {
    const { share, files, bytes } = this.#sender.done;
    return { studio: this.#page.boot.studio, link: share.url, code: share.code, expires_at: share.expires_at, total_files: files, total_bytes: bytes };
  }
}
