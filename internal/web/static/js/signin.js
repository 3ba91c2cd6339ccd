// The page on which a studio signs in: its address, then the code that was mailed.
import { Problem, call } from "./api.js";
import { $, readBoot, say, setAttribute, setShown, setText } from "./dom.js";
import { figures, translator } from "./text.js";

/** What this tab has asked for, so that a reload on the way to the mail and back loses nothing. */
const KEPT = "lenzeye-login";
/** How long a code holds, in milliseconds. */
const LIFE = 600_000;

const boot = readBoot();
const t = translator(boot.texts, boot.language);
const format = figures(boot.language);
let login = recall();

/** @returns {{id: string, email: string, at: number} | null} */
function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    return kept && Date.now() - kept.at < LIFE ? kept : null;
  } catch {
    return null;
  }
}

function keep(value) {
  login = value;
  try {
    if (value) sessionStorage.setItem(KEPT, JSON.stringify(value));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Nothing is kept here: the page goes on as long as it is open.
  }
}

function sentenceOf(error) {
  if (!(error instanceof Problem)) return t("login.no_answer");
  const own = boot.texts[`login.error.${error.code}`] ?? t(`error.${error.code}`);
  return error.retryAfter === null ? own : `${own} ${t("login.wait", { time: format.duration(error.retryAfter) })}`;
}

function showWrong(field, sentence) {
  setShown($(`${field}-wrong`), sentence !== "");
  setText($(`${field}-wrong`).querySelector("span"), sentence);
  setAttribute($(field), "aria-invalid", sentence ? "true" : null);
  if (sentence) $(field).focus();
}

function showAsking() {
  setShown($("type"), false);
  setShown($("ask"), true);
  $("email").focus();
}

function showTyping() {
  setShown($("ask"), false);
  setShown($("type"), true);
  setText($("type-text"), t("login.on_its_way", { email: login.email }));
  $("code").disabled = false;
  setShown($("enter"), true);
  $("code").value = "";
  showWrong("code", "");
  $("code").focus();
}

/** Does what a button asks for, once at a time. */
async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  setAttribute(button, "aria-busy", "true");
  try {
    await work();
  } finally {
    setAttribute(button, "aria-busy", null);
  }
}

async function ask(email, field) {
  try {
    const { login_id: id } = await call("POST", "/login", { json: { email } });
    keep({ id, email, at: Date.now() });
    setShown($("out"), false);
    showTyping();
    say(t("login.on_its_way", { email }));
  } catch (error) {
    showWrong(field, sentenceOf(error));
  }
}

async function verify(id, code) {
  await call("POST", "/login/verify", { json: { login_id: id, code } });
  keep(null);
  location.replace(boot.next);
}

async function enter() {
  const code = $("code").value;
  if (code.replace(/\P{Nd}/gu, "").length !== 8) return showWrong("code", t("login.code_form"));
  showWrong("code", "");
  try {
    await verify(login.id, code);
  } catch (error) {
    const left = error instanceof Problem && error.code === "code_wrong" ? error.body.tries_left : null;
    if (left === 0) showOver();
    else showWrong("code", left === null ? sentenceOf(error) : t("login.wrong", { count: left }));
  }
  return undefined;
}

/** This code does nothing any more, right or wrong. */
function showOver() {
  keep({ ...login, at: 0 });
  showWrong("code", t("login.over"));
  $("code").disabled = true;
  setShown($("enter"), false);
  $("again").focus();
}

/** The address that was mailed or printed signs in by itself. @param {string[]} mailed what was found in it: all, the id, the code */
async function follow([, id, code]) {
  history.replaceState(null, "", location.pathname + location.search);
  setShown($("ask"), false);
  setShown($("type"), true);
  setText($("type-title"), t("login.entering"));
  $("code").value = code;
  $("code").disabled = true;
  setShown($("enter"), false);
  setShown($("again"), false);
  try {
    await verify(id, code);
  } catch (error) {
    if (boot.signed_in && error instanceof Problem) {
      location.replace(boot.next);
      return;
    }
    setText($("type-title"), t("login.look"));
    setShown($("again"), true);
    showAsking();
    const wrong = error instanceof Problem && error.code === "code_wrong";
    setText($("link-wrong").querySelector("p"), wrong ? t("login.link_over") : sentenceOf(error));
    setShown($("link-wrong"), true);
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  setShown($("link-wrong"), false);
  showWrong("email", "");
  const email = $("email").value.trim();
  if (email === "") showWrong("email", t("login.email_missing"));
  else busy($("send"), () => ask(email, "email"));
});
$("type").addEventListener("submit", (event) => {
  event.preventDefault();
  busy($("enter"), enter);
});
$("again").addEventListener("click", () => busy($("again"), () => ask(login.email, "code")));
for (const field of ["email", "code"]) $(field).addEventListener("input", () => showWrong(field, ""));

function begin() {
  const mailed = location.hash.match(/^#([0-9a-f-]{36})\.(\d{8})$/);
  if (mailed) return follow(mailed);
  if (location.hash === "#out") {
    history.replaceState(null, "", location.pathname + location.search);
    setShown($("out"), true);
  }
  if (login) showTyping();
  else $("email").focus();
  return undefined;
}

// The address may also be pasted into a tab that shows this page already.
addEventListener("hashchange", begin);
begin();
