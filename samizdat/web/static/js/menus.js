// Menus of buttons (details.dropdown): closed by Escape, wherever the focus is, and by a press anywhere else or on one of
// their entries. Without this file they close by their button.
"use strict";
const openMenus = () => document.querySelectorAll("details.dropdown[open]");

document.addEventListener("click", ({ target }) => {
  for (const menu of openMenus()) if (!menu.contains(target) || target.closest(".menu a, .menu button")) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  for (const menu of openMenus()) {
    const isInside = menu.contains(document.activeElement);
    menu.open = false;
    event.preventDefault(); // Of a window that the menu stands in, such as the rail on a phone, Escape closes no more than the menu.
    if (isInside) menu.querySelector("summary").focus();
  }
});
