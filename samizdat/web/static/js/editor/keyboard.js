// Keyboard alone: where Tab goes, and the keys for what the tools of a block do (web/templates/web/keyboard.html).
import { Extension, pm } from "../../vendor/editor.js";
import { blockAt, chooseWords, copy, focus, move, remove, replacing } from "./blocks.js";
import { positions } from "./drag.js";

const { NodeSelection, Plugin, Selection, TextSelection } = pm.state;

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
        // A chosen block has no line; browsers leave it for one somewhere else.
        Home: ({ editor }) => chosen(editor),
        End: ({ editor }) => chosen(editor),
        "Mod-k": () => actions.link(),
        // Into the tools of the block; Escape there leads back.
        "Alt-F10": at(actions.tools),
        Escape: at(actions.tools),
      };
    },
    addProseMirrorPlugins: () => [staying()],
  });
}

// Out of a block that cannot be edited and stands behind another, Chromium moves the caret to the start of the letter, by
// itself. Nobody went there: keys leave a chosen block by transactions, so only a pointer does it by the selection.
function staying() {
  let pointed = false;
  const keydown = (view) => {
    pointed = false;
    if (chosen(view) && view.hasFocus() && !view.composing) view.focus();
  };
  const pointerdown = (_view, { target }) => void (pointed = !target.closest(".face"));
  const createSelectionBetween = ({ state }, _anchor, head) =>
    chosen({ state }) && !pointed && head.pos <= Selection.atStart(state.doc).from ? state.selection : null;
  return new Plugin({ props: { handleDOMEvents: { keydown, pointerdown }, createSelectionBetween } });
}

const chosen = ({ state: { selection } }) => selection instanceof NodeSelection && selection.node.isBlock;

function to(editor, edge) {
  const { state, view } = editor;
  view.dispatch(state.tr.setSelection(edge(state.doc)).scrollIntoView());
  return true;
}

// Tab walks through the letter as it is read: from the words of a block to those of the next, or through its fields; with
// Shift first to its tools. `frame` holds the letter.
export function tabs(editor, frame, tools, before, behind) {
  frame.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape" && event.target.closest(".blk-bar, .form")) return back(event, editor, tools);
      if (event.key === "F10" && event.altKey && event.target.closest(".form")) {
        event.preventDefault();
        return tools();
      }
      // Enter in a field of a block would send the whole form.
      if (event.key === "Enter" && event.target.matches(".form input")) event.preventDefault();
      if (event.key !== "Tab" || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (!frame.querySelector(".slash[hidden]")) return;
      const stops = [...frame.querySelectorAll(STOPS)].filter((stop) => stop.offsetParent !== null || stop.matches(ATOM));
      const next = stops[after(editor, event.target, stops, event.shiftKey)];
      event.preventDefault();
      event.stopPropagation();
      if (!next) (event.shiftKey ? before() : behind())?.focus();
      else if (next.matches(ATOM)) choose(editor, next, event.shiftKey);
      else if (next.matches(WORDS)) enter(editor, next);
      else next.focus();
    },
    true,
  );
}

const WORDS = ".blk:not([data-kind=columns]) > :is(p, ul, ol, blockquote, div):not(.blk-bar, .form, .face, .between)";
// A block with a form that is not open: to come to it opens it.
const ATOM = ".blk:has(> .face):not(.on)";
const FIELDS = ":is(input, select, textarea, button)";
const TOOL = ".blk-bar > [tabindex='0'], .blk-bar > :is(span, details) > [tabindex='0']";
const STOPS = `${TOOL}, .bar-panel ${FIELDS}, .form ${FIELDS}, ${ATOM}, ${WORDS}`;

// The number of the stop to go to.
function after(editor, target, stops, back) {
  const at = target === editor.view.dom ? null : stops.indexOf(target.closest("li")?.closest("details")?.firstChild ?? target);
  if (at !== null) return back ? (at > 0 ? at - 1 : -1) : at + 1;
  const block = editor.view.nodeDOM(blockAt(editor.state)?.pos ?? 0);
  const own = stops.map((stop) => stop.closest(".blk") === block);
  // The words are where the caret is, the fields behind it.
  const words = own.lastIndexOf(true);
  const fields = stops.findIndex((stop, index) => own[index] && stop.closest(".form"));
  if (back) return fields < 0 ? words - 1 : fields - 1;
  return fields < 0 ? words + 1 : fields;
}

function choose(editor, block, last) {
  focus(editor, positions.get(block)());
  if (last) [...block.querySelectorAll(`.form ${FIELDS}`)].filter((field) => field.offsetParent !== null).at(-1)?.focus();
}

function enter(editor, words) {
  const pos = positions.get(words.closest(".blk"))();
  const { state, view } = editor;
  view.dispatch(state.tr.setSelection(TextSelection.near(state.doc.resolve(pos + 1), 1)).scrollIntoView());
  view.focus();
  replacing(editor);
}

function back(event, editor, tools) {
  if (event.target.closest(".dropdown[open], .bar-panel")) return; // They close themselves.
  event.preventDefault();
  event.stopPropagation();
  if (event.target.closest(".form")) tools();
  else editor.view.focus();
}
