// The page of settings: the studio's name, sessions, API tokens.
import { call } from "./api.js";
import { $, setShown, setText } from "./dom.js";
import { begin, boot, busy, confirmed, endOfDay, redraw, showWrong, t } from "./studio.js";

async function rename() {
  const name = $("name").value.trim();
  await call("PATCH", "/me", { json: { name } });
  location.reload();
}

async function makeToken() {
  const json = { name: $("token-name").value.trim() };
  if ($("token-until").value) json.expires_at = endOfDay($("token-until").value);
  const { token } = await call("POST", "/tokens", { json });
  setText($("made-token"), token);
  setShown($("made"), true);
  $("token").reset();
  $("made-title").focus();
  await redraw(["tokens"]);
}

async function revoke({ dataset }) {
  const yes = await confirmed({ title: t("studio.revoke_token", { name: dataset.name }), text: t("studio.revoke_token_text"), yes: t("studio.revoke_token_yes") });
  if (!yes) return;
  await call("DELETE", `/tokens/${dataset.revoke}`);
  await redraw(["tokens"], t("studio.said.token_revoked"));
}

async function end(path) {
  await call("DELETE", path);
  await redraw(["sessions"], t("studio.said.session_ended"));
  setShown($("end-others"), $("sessions").children.length > 1);
}

/** Deletes the account, once its address was typed. */
async function deleteAccount() {
  const same = $("delete-email").value.trim().toLowerCase() === $("delete-which").textContent.toLowerCase();
  if (!same) {
    showWrong($("delete-wrong"), t("studio.delete_other"));
    return $("delete-email").focus();
  }
  await call("DELETE", "/me");
  const { forgetSendings } = await import("./signout.js");
  await forgetSendings(boot.keep);
  location.replace("/deleted");
  return undefined;
}

function wireDelete() {
  $("delete").addEventListener("click", () => {
    $("delete-form").reset();
    showWrong($("delete-wrong"), "");
    $("delete-ask").showModal();
    $("delete-email").focus();
  });
  $("delete-no").addEventListener("click", () => $("delete-ask").close());
  $("delete-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy($("delete-yes"), deleteAccount, (sentence) => showWrong($("delete-wrong"), sentence));
  });
}

for (const [form, work] of Object.entries({ rename, token: makeToken })) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    busy($(form).querySelector("button"), work, (sentence) => showWrong($(`${form}-wrong`), sentence));
  });
}
$("tokens").addEventListener("click", (event) => {
  const button = event.target.closest("[data-revoke]");
  if (button) busy(button, () => revoke(button));
});
$("sessions").addEventListener("click", (event) => {
  const button = event.target.closest("[data-end]");
  if (button) busy(button, () => end(`/sessions/${button.dataset.end}`));
});
$("end-others")?.addEventListener("click", () => busy($("end-others"), () => end("/sessions")));
$("made-done").addEventListener("click", () => {
  setShown($("made"), false);
  setText($("made-token"), "");
  $("token-make").focus();
});
wireDelete();
begin(["sessions", "tokens"]);
