// The page on which the studio sends: that of the guests, and the way out of it.
import { askPerson } from "./dialog.js";
import { boot, sender, t } from "./upload.js";
import { signOut } from "./signout.js";

/** Phases in which leaving loses what is needed to go on. */
const UNFINISHED = ["starting", "sending", "paused", "stuck", "completing"];

async function leave() {
  const unfinished = UNFINISHED.includes(sender.phase);
  const sure = !unfinished || await askPerson({
    title: t("send.leave"), text: t("send.leave_text"),
    choices: [{ label: t("send.leave_yes"), value: true, stop: true }, { label: t("send.cancel"), value: false }],
  });
  if (!sure) return;
  sender.pause();
  try {
    await signOut(boot.keep);
  } catch (error) {
    await askPerson({ title: t("send.leave_failed"), text: t(`error.${error.code ?? "internal"}`), choices: [{ label: t("send.cancel"), value: null }] });
  }
}

document.querySelector("[data-sign-out]").addEventListener("click", leave);
