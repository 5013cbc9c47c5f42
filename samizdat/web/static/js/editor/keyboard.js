// Keyboard alone: where Tab goes, and the keys for what the tools of a block do (web/templates/web/keyboard.html).
import { Extension, pm } from "../../vendor/editor.js";
import { blockAt, copy, focus, move, remove } from "./blocks.js";
import { positions } from "./drag.js";

const { Selection, TextSelection } = pm.state;

export function keys(actions) {
  return Extension.create({
    name: "keys",
    priority: 50,
    addKeyboardShortcuts() {
      const at = (act) => () => {
        const here = blockAt(this.editor.state);
        if (here) act(this.editor, here.pos);
        return Boolean(here);
      };
      return {
        "Alt-Shift-ArrowUp": at((editor, pos) => move(editor, pos, -1)),
        "Alt-Shift-ArrowDown": at((editor, pos) => move(editor, pos, 1)),
        "Mod-Shift-d": at(copy),
        "Mod-Shift-Backspace": at(remove),
        // Browsers stop at the first island that cannot be edited.
        "Mod-Home": () => to(this.editor, Selection.atStart),
        "Mod-End": () => to(this.editor, Selection.atEnd),
        "Mod-k": () => actions.link(),
        "Alt-F10": () => actions.formats(),
        // Into the tools of the block; Escape there leads back.
        Escape: at((editor, pos) => editor.view.nodeDOM(pos)?.querySelector(".kind button[tabindex='0']")?.focus()),
      };
    },
  });
}

function to(editor, edge) {
  const { state, view } = editor;
  view.dispatch(state.tr.setSelection(edge(state.doc)).scrollIntoView());
  return true;
}

// Tab walks through the letter as it is read: the tools of a block, then its words or its fields. `frame` holds the letter.
export function tabs(editor, frame, before, behind) {
  frame.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape" && event.target.closest(".kind, .form")) return back(event, editor);
      if (event.key === "F10" && event.altKey && event.target.closest(".form, .kind")) {
        event.preventDefault();
        return before().focus();
      }
      // Enter in a field of a block would send the whole form.
      if (event.key === "Enter" && event.target.matches(".form input")) event.preventDefault();
      if (event.key !== "Tab" || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (!frame.querySelector(".slash[hidden]")) return;
      const stops = [...frame.querySelectorAll(STOPS)].filter((stop) => stop.offsetParent !== null);
      const place = here(editor, event.target, stops);
      const next = stops[place + (event.shiftKey ? -1 : 1)];
      event.preventDefault();
      event.stopPropagation();
      if (!next) (event.shiftKey ? before() : behind())?.focus();
      else if (next.matches(WORDS)) enter(editor, next);
      else next.focus();
    },
    true,
  );
}

const WORDS = ".block:not([data-kind=columns]) > :is(p, ul, ol, blockquote, div):not(.kind, .form)";
const STOPS = `.kind button[tabindex='0'], .form :is(input, select, textarea, button), ${WORDS}`;

function here(editor, target, stops) {
  if (target !== editor.view.dom) return stops.indexOf(target);
  const block = editor.view.nodeDOM(blockAt(editor.state)?.pos ?? 0);
  return stops.findLastIndex((stop) => stop.closest(".block") === block);
}

function enter(editor, words) {
  const pos = positions.get(words.closest(".block"))();
  const { state, view } = editor;
  view.dispatch(state.tr.setSelection(TextSelection.near(state.doc.resolve(pos + 1), 1)).scrollIntoView());
  view.focus();
}

function back(event, editor) {
  const pos = positions.get(event.target.closest(".block"))?.();
  event.preventDefault();
  event.stopPropagation();
  if (event.target.closest(".form")) event.target.closest(".block").querySelector(".kind button[tabindex='0']").focus();
  else if (pos !== undefined) focus(editor, pos);
}
