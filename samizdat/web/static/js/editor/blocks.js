// A block on the page: its words, or how it looks and the form that fills it in, and the sign behind it that adds another.
// And what the tools of a block do (toolbar.js).
import { pm } from "../../vendor/editor.js";
import { adding } from "./adding.js";
import { fields } from "./atoms.js";
import { positions } from "./drag.js";
import { face } from "./faces.js";
import { ATOMS, BLOCKS } from "./schema.js";
import { kind, make, say, tell } from "./words.js";

const { NodeSelection, Plugin, TextSelection } = pm.state;
const { closeHistory } = pm.history;
const { Decoration, DecorationSet } = pm.view;

// What a block's words stand in on this page. No h1 to h3: headings here are those of the desk.
const HOLDERS = {
  paragraph: ["p", "prose"],
  heading: ["p", "title"],
  bulletList: ["ul", "prose"],
  orderedList: ["ol", "prose"],
  blockquote: ["blockquote", "prose"],
  callout: ["div", "prose callout"],
  columns: ["div", "columns"],
  footer: ["div", "prose small"],
};

// TipTap's node view of a block.
export function view(name) {
  return () =>
    ({ node, editor, getPos }) => {
      const parent = editor.view.state.doc.resolve(getPos()).parent.type.name;
      if (parent !== "doc" && parent !== "column") return inner(name);
      return block(name, node, editor, getPos);
    };
}

// Inside of a list, a quote, a call-out or the footer: the words alone.
function inner(name) {
  const dom = make(HOLDERS[name][0]);
  return { dom, contentDOM: dom };
}

function block(name, node, editor, getPos) {
  const dom = make("div", { class: "blk", "data-kind": name, role: "group" });
  let drawn = null;
  let form = null;
  let contentDOM;
  if (name in ATOMS) {
    drawn = face(name);
    form = fields(name, node, editor, getPos);
    dom.append(drawn.dom, form.dom);
  } else {
    contentDOM = make(HOLDERS[name][0], { class: HOLDERS[name][1] });
    dom.append(contentDOM);
  }
  // Nothing stands behind the footer.
  if (name !== "footer") dom.append(between(editor, getPos));
  const show = (shown) => {
    dom.setAttribute("aria-label", naming(shown));
    drawn?.show(shown.attrs);
    if (name === "callout") contentDOM.dataset.tone = shown.attrs.tone;
    if (name === "heading") contentDOM.dataset.level = shown.attrs.level;
    if (name === "orderedList") contentDOM.start = shown.attrs.start;
    if (name === "columns") contentDOM.dataset.count = shown.childCount;
  };
  show(node);
  positions.set(dom, getPos);
  return {
    dom,
    contentDOM,
    update(next) {
      if (next.type.name !== name) return false;
      show(next);
      form?.show(next);
      return true;
    },
    // What happens in the tools, in a form and at the sign behind it is theirs; the rest is the editor's.
    stopEvent: ({ target }) => target.closest?.(".blk-bar, .form, .between")?.parentElement === dom,
    ignoreMutation: (change) => change.type !== "selection" && !contentDOM?.contains(change.target),
    // ProseMirror's own way makes the block draggable as a whole, and with it the text in its fields.
    selectNode: () => dom.classList.add("chosen"),
    deselectNode: () => dom.classList.remove("chosen"),
  };
}

// Reached by mouse and finger; the same sign in the tools of each block is for the keyboard. Its "+" is CSS, and nothing in
// it can be selected: with a text there Chromium puts the caret of a block that is chosen as a whole somewhere else.
function between(editor, getPos) {
  const plus = make("button", { class: "plus", type: "button", tabindex: "-1", "aria-label": say("add-after"), title: say("add") });
  plus.addEventListener("click", () => adding(plus, (name, attrs) => insert(editor, name, attrs, { pos: getPos(), side: 1 })));
  return make("div", { class: "between", contenteditable: "false" }, plus);
}

export function naming(node) {
  const name = node.type.name;
  if (name === "heading" && node.attrs.level > 1) return `${kind(name)} ${node.attrs.level}`;
  if (name === "callout") return say(`tone-${node.attrs.tone}`);
  return kind(name);
}

// -- what the tools do; each is one step of undo --

// Where a block is: its parent, its place in it, and the positions around it.
export function place(doc, pos) {
  const at = doc.resolve(pos);
  return { parent: at.parent, index: at.index(), node: at.nodeAfter, pos };
}

export function move(editor, pos, way) {
  const { state, view } = editor;
  const { parent, index, node } = place(state.doc, pos);
  const other = parent.maybeChild(index + way);
  if (!node || node.type.name === "footer" || !other || other.type.name === "footer") {
    tell(say(way < 0 ? "is-first" : "is-last", { kind: naming(node) }));
    return false;
  }
  // The neighbor is carried over the block: so the block keeps caret and focus.
  const start = way < 0 ? pos - other.nodeSize : pos + node.nodeSize;
  const transaction = closeHistory(state.tr).delete(start, start + other.nodeSize);
  transaction.insert(way < 0 ? pos - other.nodeSize + node.nodeSize : pos, other);
  view.dispatch(transaction.scrollIntoView());
  tellPlace(editor, way < 0 ? pos - other.nodeSize : pos + other.nodeSize);
  return true;
}

// Into the columns beside it, from column to column and out behind them: what a mouse does by dragging.
export function across(editor, pos) {
  const { doc } = editor.state;
  const at = doc.resolve(pos);
  const { parent, index, node } = place(doc, pos);
  const beside = (way) => parent.maybeChild(index + way)?.type.name === "columns";
  let target = null;
  if (parent.type.name === "column") {
    const next = at.node(-1).maybeChild(at.index(-1) + 1);
    target = next ? at.after() + next.nodeSize - 1 : at.after(-1);
  } else if (beside(1)) target = pos + node.nodeSize + 2;
  else if (beside(-1)) target = pos - parent.child(index - 1).nodeSize + parent.child(index - 1).firstChild.nodeSize;
  if (target !== null && carry(editor, pos, target)) return editor.view.focus();
  return tell(say("no-column", { kind: naming(node) }));
}

// The columns around a block as a whole, to be moved, duplicated or deleted.
export function around(editor, pos) {
  const at = editor.state.doc.resolve(pos);
  if (at.parent.type.name !== "column") return;
  editor.view.dispatch(editor.state.tr.setSelection(NodeSelection.create(editor.state.doc, at.before(-1))));
  editor.view.focus();
}

function tellPlace(editor, pos) {
  const at = editor.state.doc.resolve(pos);
  const { parent, index, node } = place(editor.state.doc, pos);
  const where = { kind: naming(node), place: index + 1, count: parent.childCount };
  tell(parent.type.name === "column" ? say("moved-column", { ...where, column: at.index(-1) + 1 }) : say("moved", where));
}

// From anywhere to before the block that stands at `target`, or behind the last (drag.js).
export function carry(editor, pos, target) {
  const { state, view } = editor;
  const node = state.doc.nodeAt(pos);
  const at = state.doc.resolve(target);
  if (!node || (target >= pos && target <= pos + node.nodeSize)) return false;
  if (!at.parent.canReplaceWith(at.index(), at.index(), node.type)) return false;
  const transaction = closeHistory(state.tr);
  const from = state.doc.resolve(pos);
  if (from.parent.childCount === 1) transaction.replaceWith(pos, pos + node.nodeSize, state.schema.nodes.paragraph.create());
  else transaction.delete(pos, pos + node.nodeSize);
  const spot = transaction.doc.resolve(transaction.mapping.map(target));
  // A column with nothing but an empty line had nothing in it.
  const instead = spot.parent.type.name === "column" && spot.parent.content.size === 2;
  const there = instead ? spot.start() : spot.pos;
  transaction.replaceWith(there, instead ? spot.end() : there, node);
  choose(transaction, there);
  view.dispatch(transaction.scrollIntoView());
  tellPlace(editor, there);
  return true;
}

export function copy(editor, pos) {
  const node = editor.state.doc.nodeAt(pos);
  const transaction = closeHistory(editor.state.tr).insert(pos + node.nodeSize, node.type.create({ ...node.attrs, id: null }, node.content));
  editor.view.dispatch(transaction.scrollIntoView());
  tell(say("copied", { kind: naming(node) }));
}

export function remove(editor, pos) {
  const { state, view } = editor;
  const { parent, node, index } = place(state.doc, pos);
  const transaction = closeHistory(state.tr);
  const alone = parent.childCount === 1 || (parent.childCount === 2 && parent.child(1).type.name === "footer" && index === 0);
  if (alone) transaction.replaceWith(pos, pos + node.nodeSize, state.schema.nodes.paragraph.create());
  else transaction.delete(pos, pos + node.nodeSize);
  choose(transaction, Math.min(pos, transaction.doc.content.size - 1), index ? -1 : 1);
  view.dispatch(transaction.scrollIntoView());
  focus(editor, blockAt(editor.state)?.pos ?? 0);
  tell(say("removed", { kind: naming(node) }));
}

export function remark(editor, pos) {
  const node = editor.state.doc.nodeAt(pos);
  const detail = { id: node.attrs.id, name: `${place(editor.state.doc, pos).index + 1}. ${naming(node)}: ${node.textContent.slice(0, 60)}` };
  document.dispatchEvent(new CustomEvent("remark", { detail }));
}

// A new block behind the one with the caret, or before (side: -1) or behind (1) the block at `pos`; in an empty text block
// it takes its place.
export function insert(editor, name, attrs = {}, { pos: asked = null, side = 1 } = {}) {
  const { state, view } = editor;
  const node = fresh(state.schema, name, attrs);
  const here = asked === null ? blockAt(state) : place(state.doc, asked);
  const transaction = closeHistory(state.tr);
  let pos;
  if (name === "footer") {
    const last = state.doc.lastChild;
    if (last?.type.name === "footer") return focus(editor, state.doc.content.size - last.nodeSize);
    pos = state.doc.content.size;
    transaction.insert(pos, node);
  } else if (here && here.node.type.name === "paragraph" && !here.node.content.size && allows(here, node, true)) {
    pos = here.pos;
    transaction.replaceWith(pos, pos + here.node.nodeSize, node);
  } else {
    let beside = here;
    // Columns do not stand in a column, and nothing stands behind the footer.
    if (beside && !allows(beside, node, false)) beside = topOf(state, beside.pos);
    if (beside?.node.type.name === "footer" && side > 0) beside = null;
    const end = state.doc.lastChild?.type.name === "footer" ? state.doc.content.size - state.doc.lastChild.nodeSize : state.doc.content.size;
    pos = beside ? beside.pos + (side > 0 ? beside.node.nodeSize : 0) : end;
    transaction.insert(pos, node);
  }
  choose(transaction, pos);
  view.dispatch(transaction.scrollIntoView());
  focus(editor, pos);
  tell(say("added", { kind: naming(node) }));
  return true;
}

function allows(here, node, instead) {
  const index = here.index + (instead ? 0 : 1);
  return here.parent.canReplaceWith(index, instead ? index + 1 : index, node.type);
}

export function fresh(schema, name, attrs = {}) {
  const { nodes } = schema;
  const text = () => nodes.paragraph.create();
  if (name === "bulletList" || name === "orderedList") return nodes[name].create(null, nodes.listItem.create(null, text()));
  if (name === "columns") {
    return nodes.columns.create(null, Array.from({ length: attrs.count ?? 2 }, () => nodes.column.create(null, text())));
  }
  if (["blockquote", "callout", "footer"].includes(name)) return nodes[name].create(attrs, text());
  return nodes[name].create(attrs);
}

// The innermost block that has tools, around the caret: its node, position, parent and place.
export function blockAt(state) {
  const { selection } = state;
  if (selection instanceof NodeSelection && BLOCKS.includes(selection.node.type.name)) return place(state.doc, selection.from);
  const at = selection.$from;
  for (let depth = at.depth; depth > 0; depth -= 1) {
    const parent = at.node(depth - 1).type.name;
    if (parent === "doc" || parent === "column") {
      return { node: at.node(depth), pos: at.before(depth), parent: at.node(depth - 1), index: at.index(depth - 1) };
    }
  }
  return null;
}

// The block at the top in which a position is.
function topOf(state, within) {
  const at = state.doc.resolve(within);
  const pos = at.depth ? at.before(1) : at.pos;
  return state.doc.nodeAt(pos) ? place(state.doc, pos) : null;
}

// The caret into the words of a block; an atom is chosen as a whole.
export function choose(transaction, pos, way = 1) {
  const node = transaction.doc.nodeAt(pos);
  const chosen = node?.isAtom && !node.isText ? NodeSelection.create(transaction.doc, pos) : TextSelection.near(transaction.doc.resolve(Math.min(pos + (node ? 1 : 0), transaction.doc.content.size)), way);
  return transaction.setSelection(chosen);
}

// And the focus with it: into the first field of a form, else into the words.
export function focus(editor, pos) {
  const node = editor.state.doc.nodeAt(pos);
  if (!node) return editor.view.focus();
  editor.view.dom.parentElement.classList.add("touched"); // Its form is open from now on.
  editor.view.dispatch(choose(editor.state.tr, pos).scrollIntoView());
  const dom = editor.view.nodeDOM(pos);
  const field = node.isAtom ? (dom?.querySelector(".form :is(input, select, textarea, button)") ?? dom?.querySelector(".blk-bar [tabindex='0']")) : null;
  if (field) field.focus();
  else editor.view.focus();
  replacing(editor);
  dom?.scrollIntoView?.({ block: "nearest" });
  return true;
}

let samples = []; // texts of a starter

// The words of a starter are chosen as a whole when somebody comes to them: what is typed takes their place.
export function replacing({ view }) {
  const { selection, doc, tr } = view.state;
  const { parent } = selection.$from;
  if (!selection.empty || !samples.includes(parent.textContent)) return;
  view.dispatch(tr.setSelection(TextSelection.create(doc, selection.$from.start(), selection.$from.end())));
}

// All the words of the block with the caret. False where they are chosen, or where there are none.
export function chooseWords({ state, view }) {
  const { from, to } = state.selection;
  const here = blockAt(state);
  if (!here || here.node.isAtom) return false;
  const words = TextSelection.between(state.doc.resolve(here.pos + 1), state.doc.resolve(here.pos + here.node.nodeSize - 1));
  if (to > words.to || to - from === words.to - words.from) return false;
  view.dispatch(state.tr.setSelection(words));
  return true;
}

// -- what the page keeps true by itself --

// Ids for those that have none or share one, and the frame around the block with the caret.
export function keeping(page) {
  samples = JSON.parse(page.dataset.samples ?? "[]");
  return new Plugin({
    appendTransaction: (transactions, _before, state) =>
      transactions.some((one) => one.docChanged) ? named(state.tr, state.doc) : null,
    props: {
      // What is typed while an atom is chosen comes behind it, and not in its place.
      handleTextInput(view, _from, _to, text) {
        const { selection, schema } = view.state;
        if (!(selection instanceof NodeSelection) || !selection.node.isBlock) return false;
        const behind = selection.to;
        const transaction = view.state.tr.insert(behind, schema.nodes.paragraph.create(null, schema.text(text)));
        view.dispatch(transaction.setSelection(TextSelection.create(transaction.doc, behind + 1 + text.length)).scrollIntoView());
        return true;
      },
      decorations: (state) => DecorationSet.create(state.doc, [...frames(state), ...tags(state.doc)]),
    },
  });
}

// Block -> the attribute without which it is empty.
const FILLED_BY = { picture: "src", button: "link" };
const visited = new Set(); // ids of blocks that have had the caret

// The block with the caret, and those that a check finds something wrong with.
function frames(state) {
  const here = blockAt(state);
  const framed = (node, pos, name) => Decoration.node(pos, pos + node.nodeSize, { class: name });
  // That nothing is written yet is no fault of the empty line, nor of an image or a button that nobody has come to yet.
  const begun = ({ type: { name }, attrs, content }) => (name in FILLED_BY ? attrs[FILLED_BY[name]] || visited.has(attrs.id) : name !== "paragraph" || content.size);
  // Nor is anything of a block that somebody is at.
  const at = state.selection.$from.index(0);
  visited.add(state.doc.maybeChild(at)?.attrs.id);
  const flawed = [...state.doc.content.content.keys()].filter((index) => index !== at && flaws.has(index + 1) && begun(state.doc.child(index)));
  let pos = 0;
  const starts = state.doc.content.content.map((node) => (pos += node.nodeSize) - node.nodeSize);
  const wrong = flawed.map((index) => framed(state.doc.child(index), starts[index], "flawed"));
  return here ? [framed(here.node, here.pos, "on"), ...wrong] : wrong;
}

// Numbers of the blocks at the top that have to be mended before the letter can go, as the checks said last.
let flaws = new Set();

export function flawed(editor, numbers) {
  if (numbers.size === flaws.size && [...numbers].every((number) => flaws.has(number))) return;
  flaws = numbers;
  editor.view.dispatch(editor.state.tr.setMeta("addToHistory", false));
}

// Merge tags look like the values that stand there for each reader.
function tags(doc) {
  const found = [];
  doc.descendants((node, pos) => {
    if (node.isText && node.text.includes("{")) {
      for (const { index, 0: tag } of node.text.matchAll(/\{\{[^{}]*\}\}|\{%[^{}]*%\}/g)) found.push(Decoration.inline(pos + index, pos + index + tag.length, { class: "pill" }));
    }
  });
  return found;
}

export function named(transaction, doc) {
  const seen = new Set();
  doc.descendants((node, pos, parent) => {
    if (!BLOCKS.includes(node.type.name)) return node.type.name === "column";
    const wants = parent.type.name === "doc" || parent.type.name === "column";
    const id = node.attrs.id;
    if (wants && (!id || seen.has(id))) transaction.setNodeAttribute(pos, "id", newId());
    else if (!wants && id) transaction.setNodeAttribute(pos, "id", null);
    if (wants && id) seen.add(id);
    return !node.isTextblock;
  });
  return transaction.docChanged ? transaction.setMeta("addToHistory", false) : null;
}

function newId() {
  const signs = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => signs[byte % 36]).join("");
}
