// The end of a studio's session in this browser.
import { call } from "./api.js";
import { Handles } from "./handles.js";
import { Store } from "./store.js";

/** Forgets what the browser keeps of a studio's sendings: who has it could open them. @param {string} keep its name */
export async function forgetSendings(keep) {
  const store = new Store(keep);
  await store.opened;
  const handles = new Handles();
  await Promise.all(store.list().filter(({ id }) => id).map(({ id }) => handles.forget(id)));
  await store.clear();
}

/** @param {string} keep see forgetSendings */
export async function signOut(keep) {
  await call("POST", "/logout", { json: {} });
  await forgetSendings(keep);
  location.assign("/signin#out");
}
