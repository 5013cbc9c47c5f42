// Mouse and finger. What is pressed stays under the pointer, whatever opens and closes around it: forms that are open close
// when the button is let go, and the page is scrolled by as much as they and the tools move it.
import { here } from "./atoms.js";
import { replacing } from "./blocks.js";
import { positions } from "./drag.js";

export function steady(editor, frame) {
  let pressed = null;
  let left = null; // the text that had the caret when another is pressed
  let isDown = false;
  let top = 0;
  const place = () => pressed?.getBoundingClientRect().top;
  const settle = (before = top) => pressed && scrollBy(0, place() - before);
  const around = (act) => {
    const before = place();
    act();
    settle(before);
  };
  frame.addEventListener("pointerdown", ({ target }) => {
    left = editor.isFocused ? editor.state.selection.$from.parent : true;
    isDown = true;
    pressed = target.closest(".blk-bar, .form, .between") ? null : target;
    if (pressed) frame.querySelector(".on > .form")?.classList.add("open");
  });
  const release = () => {
    isDown = false;
    around(() => frame.querySelector(".form.open")?.classList.remove("open"));
  };
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, release);
  for (const name of ["keydown", "beforeinput"]) document.addEventListener(name, () => (pressed = left = null));
  // A mouse moves the caret when it is pressed, a finger after it was lifted.
  const arrive = () => {
    if (isDown || !left || left === editor.state.selection.$from.parent) return;
    left = null;
    replacing(editor);
  };
  frame.addEventListener("click", arrive);
  editor.on("selectionUpdate", arrive);
  editor.view.dom.addEventListener("focus", ({ relatedTarget: from }) => from && !pressed && !frame.contains(from) && replacing(editor));
  editor.on("beforeTransaction", () => (top = place()));
  editor.on("transaction", () => settle());
  // A block with a form is chosen when it is let go: the browser chooses when it is pressed, and then goes on to whatever
  // has come to stand there.
  const atom = ({ target }) => target.closest(".face")?.parentElement;
  frame.addEventListener("mousedown", (event) => atom(event) && event.preventDefault(), true);
  frame.addEventListener("click", (event) => {
    const block = atom(event);
    if (!block) return;
    around(() => {
      frame.classList.add("touched", "active");
      here(editor, positions.get(block)());
      editor.view.focus();
    });
    if (event.target.closest(".bring")) block.querySelector(".form [type=file]").click();
    const bar = block.querySelector(".blk-bar"); // one that floats finds its own place
    if (bar && getComputedStyle(bar).position !== "absolute") bar.scrollIntoView({ block: "nearest" });
  });
}
