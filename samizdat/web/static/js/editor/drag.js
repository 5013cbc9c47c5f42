// Dragging a block by its grip, with a mouse, a pen or a finger. Keyboards move by the arrows beside it.
import { carry } from "./blocks.js";
import { make, say } from "./words.js";

// The element of a block -> a function that gives its position now.
export const positions = new WeakMap();

// In the tools of the block with the caret; shows its number, by which the checks name it.
export function grip(editor, getPos) {
  const handle = make("span", { class: "grip", title: say("drag"), "aria-hidden": "true" });
  handle.addEventListener("pointerdown", (event) => begin(event, editor, getPos));
  return handle;
}

function begin(event, editor, getPos) {
  if (event.button !== 0) return;
  event.preventDefault();
  const handle = event.currentTarget;
  const dragged = handle.closest(".blk");
  const line = make("div", { class: "drop-line", hidden: true });
  editor.view.dom.parentElement.append(line);
  const from = getPos();
  let target = null;
  handle.setPointerCapture(event.pointerId);
  dragged.classList.add("dragged");

  const over = (moved) => {
    target = nearest(editor, dragged, moved.clientX, moved.clientY);
    line.hidden = !target;
    if (!target) return;
    const frame = line.parentElement.getBoundingClientRect();
    line.style.top = `${target.y - frame.top}px`;
    line.style.left = `${target.left - frame.left}px`;
    line.style.width = `${target.width}px`;
    // Close to an edge of the window the page comes along.
    if (moved.clientY < 80) window.scrollBy(0, -12);
    else if (moved.clientY > window.innerHeight - 80) window.scrollBy(0, 12);
  };
  const end = (ended) => {
    handle.removeEventListener("pointermove", over);
    handle.removeEventListener("pointerup", end);
    handle.removeEventListener("pointercancel", end);
    dragged.classList.remove("dragged");
    line.remove();
    // Undo by the keyboard has to be at hand; a phone's own keyboard has not.
    if (ended.type === "pointerup" && target && carry(editor, from, target.pos) && ended.pointerType === "mouse") editor.view.focus();
  };
  handle.addEventListener("pointermove", over);
  handle.addEventListener("pointerup", end);
  handle.addEventListener("pointercancel", end);
}

// The gap between blocks that is closest to the pointer: where it is in the letter and on the screen.
function nearest(editor, dragged, x, y) {
  let best = null;
  for (const block of editor.view.dom.querySelectorAll(".blk")) {
    if (dragged.contains(block)) continue;
    const box = block.getBoundingClientRect();
    const inColumn = Boolean(block.parentElement.closest(".blk"));
    if (inColumn && (x < box.left || x > box.right)) continue;
    const pos = positions.get(block)?.();
    const node = pos === undefined ? null : editor.view.state.doc.nodeAt(pos);
    if (!node) continue;
    const gaps = [[box.top, pos], ...(node.type.name === "footer" ? [] : [[box.bottom, pos + node.nodeSize]])];
    for (const [edge, at] of gaps) {
      // A column's own gaps win over those of the block around it where both are as near.
      const far = Math.abs(y - edge) - (inColumn ? 1 : 0);
      if (!best || far < best.far) best = { far, pos: at, y: edge, left: box.left, width: box.width };
    }
  }
  return best;
}
