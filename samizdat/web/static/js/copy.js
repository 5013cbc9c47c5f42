// Copy buttons: <button data-copy="id" hidden>. Shown only where there is a clipboard to copy to; also in parts of a page
// that come later.
"use strict";
function offerCopies(part) {
  for (const button of part.querySelectorAll("button[data-copy][hidden]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
      button.textContent = button.dataset.copied;
    });
  }
}
offerCopies(document);
document.addEventListener("htmx:afterSettle", () => offerCopies(document));
