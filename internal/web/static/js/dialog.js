// A question that must be answered before something is lost.
import { $, setText } from "./dom.js";

/**
 * Asks, and waits for the answer.
 * @template T
 * @param {{title: string, text: string, choices: {label: string, value: T, stop?: boolean}[]}} question
 * @returns {Promise<T | null>} null when nothing was chosen
 */
export function askPerson({ title, text, choices }) {
  const dialog = $("question");
  setText($("question-title"), title);
  setText($("question-text"), text);
  return new Promise((resolve) => {
    /** @type {T | null} */
    let chosen = null;
    $("question-choices").replaceChildren(...choices.map(({ label, value, stop }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = stop ? "btn stop" : "btn";
      button.textContent = label;
      button.addEventListener("click", () => {
        chosen = value;
        dialog.close();
      });
      return button;
    }));
    dialog.addEventListener("close", () => resolve(chosen), { once: true });
    dialog.showModal();
    $("question-title").focus();
  });
}
