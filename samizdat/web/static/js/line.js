// "Go there" beside a flaw: <a href="#f-body" data-line="12"> puts the caret on that line and marks it. Without this
// file the link leads to the field.
"use strict";
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  const field = link && document.querySelector(link.hash);
  if (!field?.matches("textarea")) return;
  event.preventDefault();
  const lines = field.value.split("\n");
  const line = Math.min(Number(link.dataset.line), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  field.focus({ preventScroll: true });
  field.setSelectionRange(start, start + lines[line - 1].length);
  const way = above(field, field.value.slice(0, start));
  field.scrollTop = way - field.clientHeight / 2;
  // The line itself into the middle of the window: on a phone the field is as high as that.
  window.scrollBy(0, field.getBoundingClientRect().top + way - field.scrollTop - window.innerHeight / 2);
});

// Long lines wrap, so the way down to the line is the height of the text before it.
function above(field, text) {
  const twin = field.cloneNode();
  twin.removeAttribute("id");
  twin.removeAttribute("name");
  twin.setAttribute("aria-hidden", "true");
  twin.value = text;
  twin.rows = 1;
  twin.classList.add("measuring");
  field.after(twin);
  const height = twin.scrollHeight;
  twin.remove();
  return height;
}
