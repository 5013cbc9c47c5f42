// A form in which somebody typed, and that is left without being sent: the browser asks. Letters have their own way,
// since they save themselves (editor/saving.js).
"use strict";
const typedIn = new Set();
let sentForm = null;
const TEXT = "textarea, input:is([type=text], [type=email], [type=url], [type=number], :not([type]))";

document.addEventListener("input", ({ target }) => {
  const form = target.form;
  // Who goes away from a sign-in loses an address that the browser fills in again.
  if (!form || form.method !== "post" || form.id === "letter" || !target.matches(TEXT) || form.querySelector("[autocomplete=current-password]")) return;
  typedIn.add(form);
  if (sentForm === form) sentForm = null; // It was sent, and the page stayed: a download.
});
// On window, so that whoever sends a form without leaving has said so by then.
window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) sentForm = event.target;
});
window.addEventListener("beforeunload", (event) => {
  const differs = (field) => field.value !== field.defaultValue && field.value.trim();
  // What was sent by a script has been replaced by its answer, or emptied.
  const left = [...typedIn].some((form) => form !== sentForm && form.isConnected && [...form.elements].some((field) => field.matches(TEXT) && differs(field)));
  if (left) event.preventDefault();
});
