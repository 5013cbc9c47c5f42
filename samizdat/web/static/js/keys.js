// Keyboard shortcuts. An element says which keys press it: <a data-key="g c">. Single letters do nothing while
// somebody types, and the whole file is not loaded for whoever has switched shortcuts off under Profile.
"use strict";
let before = "";
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    const name = event.key === "Enter" ? "ctrl enter" : `ctrl ${event.key.toLowerCase()}`;
    press(event, name);
    return;
  }
  if (typing || event.altKey || event.metaKey) return;
  const pair = `${before} ${event.key}`;
  before = event.key;
  press(event, pair) || press(event, event.key);
});

function press(event, keys) {
  const found = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === keys);
  if (!found) return false;
  event.preventDefault();
  before = "";
  if (found.matches("input, textarea, select")) found.focus();
  else found.click();
  return true;
}
