// The field for the code.
import { readCode, tidyCode } from "./codes.js";

/**
 * Lets the field take what is pasted, were it the whole message that the code came
 * in, and keeps the eight characters under their eight marks.
 * @param {HTMLInputElement} field
 */
export function wireCodeField(field) {
  field.addEventListener("paste", (event) => {
    // A field of one line drops line ends, and glues words to the code.
    const code = readCode(event.clipboardData?.getData("text") ?? "");
    if (code === null) return;
    event.preventDefault();
    field.value = code;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  field.addEventListener("input", (event) => {
    if (/** @type {InputEvent} */ (event).isComposing) return; // the keyboard still holds the text
    const text = tidyCode(field.value);
    if (text === field.value) return;
    const caret = tidyCode(field.value.slice(0, field.selectionStart ?? field.value.length)).length;
    field.value = text;
    field.setSelectionRange(caret, caret);
  });
}
