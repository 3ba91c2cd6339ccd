// Sendings of this browser other than the one in sight: unfinished ones, and
// receipts.
import { $, copyTemplate, setIcon, setShown, setText } from "./dom.js";

/**
 * @param {import("./store.js").Kept[]} list
 * @param {(kept: import("./store.js").Kept) => void} open
 * @param {import("./uploadview.js").Page} page
 */
export function showEarlier(list, open, { t, figures, boot }) {
  const place = $("earlier-list");
  setShown($("earlier"), list.length > 0);
  const state = JSON.stringify(list.map(({ id, files }) => [id, files]));
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.replaceChildren(...list.map((kept) => {
    const row = copyTemplate("earlier-row");
    const [icon, text, side] = row.children;
    const whole = kept.files !== undefined;
    setIcon(icon, boot.icons, whole ? "check" : "clock");
    setText(text.firstElementChild, figures.moment(new Date(kept.since), new Date()));
    setText(text.lastElementChild, whole ? t("send.chosen", { count: kept.files, size: figures.bytes(kept.bytes) }) : t("send.unfinished"));
    const button = side.firstElementChild;
    setText(button, t(whole ? "send.receipt" : "send.go_on"));
    button.addEventListener("click", () => open(kept));
    return row;
  }));
}
