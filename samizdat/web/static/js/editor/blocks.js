// A block on the page: its kind, the tools beside it, and its words or its form. And what the tools do.
import { pm } from "../../vendor/editor.js";
import { fields } from "./atoms.js";
import { grip, positions } from "./drag.js";
import { ATOMS, BLOCKS } from "./schema.js";
import { kind, make, say, tell } from "./words.js";

const { NodeSelection, Plugin, PluginKey, TextSelection } = pm.state;
const { closeHistory } = pm.history;
const { Decoration, DecorationSet } = pm.view;

// What a block's words stand in on this page. No h1 to h3: headings here are those of the desk.
const HOLDERS = {
  paragraph: ["p", "prose"],
  heading: ["p", "big"],
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
  const label = make("span", { class: "name" }, naming(node));
  const bar = make("div", { class: "kind", contenteditable: "false" }, label, tools(name, editor, getPos));
  const dom = make("div", { class: "block", "data-kind": name, role: "group" }, bar);
  // A tap on the name of a block is the way to its tools on a phone, where only the block in hand shows all of them.
  bar.addEventListener("click", (event) => !event.target.closest("button") && take(editor, getPos(), event.pointerType));
  dom.setAttribute("aria-label", naming(node));
  let form = null;
  let contentDOM;
  if (name in ATOMS) {
    form = fields(name, node, editor, getPos);
    dom.append(form.dom);
  } else {
    contentDOM = make(HOLDERS[name][0], { class: HOLDERS[name][1] });
    dom.append(contentDOM);
  }
  const show = (shown) => {
    label.textContent = naming(shown);
    dom.setAttribute("aria-label", naming(shown));
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
    // What happens in the tools and in a form is theirs; the rest is the editor's.
    stopEvent: (event) => bar.contains(event.target) || Boolean(form?.dom.contains(event.target)),
    ignoreMutation: (change) => change.type !== "selection" && !contentDOM?.contains(change.target),
    selectNode: () => dom.classList.add("chosen"),
    deselectNode: () => dom.classList.remove("chosen"),
  };
}

export function naming(node) {
  const name = node.type.name;
  if (name === "heading" && node.attrs.level > 1) return `${kind(name)} ${node.attrs.level}`;
  if (name === "callout") return say(`tone-${node.attrs.tone}`);
  return kind(name);
}

const TOOLS = [
  ["up", "↑", (editor, pos) => move(editor, pos, -1)],
  ["down", "↓", (editor, pos) => move(editor, pos, 1)],
  ["column", null, (editor, pos) => across(editor, pos)],
  ["copy", null, (editor, pos) => copy(editor, pos)],
  ["comment", null, (editor, pos) => remark(editor, pos)],
  ["remove", null, (editor, pos) => remove(editor, pos)],
];

// One stop of the Tab key; arrows go from tool to tool.
function tools(name, editor, getPos) {
  const row = make("span", { class: "tools", role: "toolbar", "aria-label": say("tools", { kind: kind(name) }) });
  if (name !== "footer") row.append(grip(editor, getPos, name));
  for (const [tool, sign, act] of TOOLS) {
    if (name === "footer" && (tool === "up" || tool === "down" || tool === "copy")) continue;
    if (["columns", "footer"].includes(name) && tool === "column") continue;
    row.append(
      make(
        "button",
        {
          class: "tool",
          type: "button",
          "data-tool": tool,
          tabindex: row.querySelector("button[tabindex='0']") ? "-1" : "0",
          "aria-label": say(`tool-${tool}`, { kind: kind(name) }),
          onclick: () => act(editor, getPos()),
        },
        sign ?? say(`sign-${tool}`),
      ),
    );
  }
  row.addEventListener("keydown", walk);
  return row;
}

export function walk(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !event.target.matches("button")) return;
  const buttons = [...event.currentTarget.querySelectorAll("button")].filter((button) => button.offsetParent !== null);
  const turned = getComputedStyle(event.currentTarget).direction === "rtl" ? -step : step;
  const next = buttons[(buttons.indexOf(event.target) + turned + buttons.length) % buttons.length];
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
  event.preventDefault();
}

// -- what the tools do; each is one step of undo --

// Where a block is: its parent, its place in it, and the positions around it.
function place(doc, pos) {
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
function across(editor, pos) {
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
  if (target !== null && carry(editor, pos, target)) return focusTool(editor, "column");
  return tell(say("no-column", { kind: naming(node) }));
}

// The block is another element now: the keyboard goes on where it was.
function focusTool(editor, tool) {
  editor.view.nodeDOM(blockAt(editor.state).pos)?.querySelector(`.kind [data-tool=${tool}]`)?.focus();
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

function remark(editor, pos) {
  const node = editor.state.doc.nodeAt(pos);
  const detail = { id: node.attrs.id, name: `${place(editor.state.doc, pos).index + 1}. ${naming(node)}: ${node.textContent.slice(0, 60)}` };
  document.dispatchEvent(new CustomEvent("remark", { detail }));
}

// A new block behind the one with the caret; in an empty text block it takes its place.
export function insert(editor, name, attrs = {}) {
  const { state, view } = editor;
  const node = fresh(state.schema, name, attrs);
  const here = blockAt(state);
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
    let behind = here;
    // Columns do not stand in a column, and nothing stands behind the footer.
    if (behind && !allows(behind, node, false)) behind = topOf(state);
    if (behind?.node.type.name === "footer") behind = null;
    const end = state.doc.lastChild?.type.name === "footer" ? state.doc.content.size - state.doc.lastChild.nodeSize : state.doc.content.size;
    pos = behind ? behind.pos + behind.node.nodeSize : end;
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

function topOf(state) {
  const at = state.selection.$from;
  const pos = at.depth ? at.before(1) : at.pos;
  return state.doc.nodeAt(pos) ? place(state.doc, pos) : null;
}

// The caret into the words of a block; an atom is chosen as a whole.
export function choose(transaction, pos, way = 1) {
  const node = transaction.doc.nodeAt(pos);
  const chosen = node?.isAtom && !node.isText ? NodeSelection.create(transaction.doc, pos) : TextSelection.near(transaction.doc.resolve(Math.min(pos + (node ? 1 : 0), transaction.doc.content.size)), way);
  return transaction.setSelection(chosen);
}

// The block in hand, without a field that would bring up the keyboard of a phone; whoever has a mouse has a keyboard too.
export function take(editor, pos, pointer) {
  if (pos === undefined) return; // It was dragged away.
  editor.view.dispatch(choose(editor.state.tr, pos));
  if (pointer === "mouse") editor.view.focus();
}

// And the focus with it: into the first field of a form, else into the words.
export function focus(editor, pos) {
  const node = editor.state.doc.nodeAt(pos);
  if (!node) return editor.view.focus();
  editor.view.dispatch(choose(editor.state.tr, pos).scrollIntoView());
  const dom = editor.view.nodeDOM(pos);
  const field = node.isAtom ? (dom?.querySelector(".form :is(input, select, textarea)") ?? dom?.querySelector(".kind button[tabindex='0']")) : null;
  if (field) field.focus();
  else editor.view.focus();
  dom?.scrollIntoView?.({ block: "nearest" });
  return true;
}

// -- what the page keeps true by itself --

// Ids for those that have none or share one, and the frame around the block with the caret.
export function keeping() {
  const key = new PluginKey("keeping");
  return new Plugin({
    key,
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
      decorations(state) {
        const here = blockAt(state);
        if (!here) return null;
        const frame = Decoration.node(here.pos, here.pos + here.node.nodeSize, { class: "editing" });
        return DecorationSet.create(state.doc, [frame]);
      },
    },
  });
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
