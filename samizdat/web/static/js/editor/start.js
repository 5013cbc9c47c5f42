// The block editor: puts itself in the place of the letter that the page shows, and writes it into the form as JSON.
import { Editor, Extension, pm } from "../../vendor/editor.js";
import { adding, choice } from "./adding.js";
import { blockAt, choose, chooseWords, flawed, focus, insert, keeping, named, naming, view } from "./blocks.js";
import { keys, tabs } from "./keyboard.js";
import { look } from "./look.js";
import { clean } from "./paste.js";
import { open } from "./pictures.js";
import { steady } from "./pointer.js";
import { schema } from "./schema.js";
import { typing } from "./slash.js";
import { follow } from "./together.js";
import { toolbar } from "./toolbar.js";
import { learn, make, say, tell, warn } from "./words.js";

const page = document.getElementById("writing");
if (page) begin(page);

function begin(page) {
  learn(page);
  open(page);
  dress(page);
  const source = document.getElementById("f-body");
  const frame = make("div", { class: "frame" });
  let editor = null;
  let bar = null;
  const ours = Extension.create({
    name: "ours",
    addKeyboardShortcuts: () => ({ "Mod-a": () => chooseWords(editor) }),
    addProseMirrorPlugins: () => [keeping(page), typing(() => editor, page)],
  });
  const actions = {
    link: () => bar.openLink() || true,
    tools: () => bar.enter(),
  };
  editor = new Editor({
    element: frame,
    injectCSS: false,
    extensions: [...schema(view), keys(actions), ours],
    content: null,
    editorProps: {
      attributes: { id: "letter-text", role: "textbox", "aria-multiline": "true", "aria-label": say("letter"), "aria-describedby": "writing-help", ...spoken(page) },
      transformPastedHTML: clean,
      // Chromium draws a picture that is dragged out of the page; files are brought in by the block of a picture.
      handleDrop: (_view, event) => event.dataTransfer?.files.length > 0 && warn(say("drop-files")) === undefined,
    },
  });
  if (!load(editor, source.value)) {
    editor.destroy();
    return follow({ form: source.form, source }); // Subject and sender can be written all the same.
  }

  bar = toolbar(editor, page);
  const end = make("button", { class: "btn tiny add-last", type: "button" }, say("add"));
  end.addEventListener("click", () => adding(end, (name, attrs) => insert(editor, name, attrs, last(editor))));
  page.replaceChildren(frame, end, choice());
  bar.show();
  tabs(editor, frame, bar.enter, () => document.getElementById("f-preheader"), () => end);
  // Whoever comes in by Tab has no caret in Chromium: it is put where it was.
  editor.view.dom.addEventListener("focus", () => {
    if (!editor.view.dom.contains(document.getSelection().anchorNode)) editor.view.focus();
  });
  // No form is open before somebody comes to its block.
  frame.addEventListener("focusin", () => frame.classList.add("touched", "active"));
  frame.addEventListener("focusout", ({ relatedTarget }) => frame.contains(relatedTarget) || frame.classList.remove("active"));
  steady(editor, frame);
  // The tools stand over the block before: out of sight while somebody types, until a mouse or an arrow asks for them.
  editor.view.dom.addEventListener("beforeinput", () => frame.classList.add("typing"));
  for (const name of ["pointermove", "pointerdown", "keyup"]) frame.addEventListener(name, ({ key = "Arrow" }) => /^(Arrow|Page|Home|End|Esc|F10)/.test(key) && frame.classList.remove("typing"));
  editor.on("update", () => {
    source.value = written(editor);
    source.dispatchEvent(new Event("input", { bubbles: true }));
  });
  follow({ form: source.form, source, read: () => written(editor), take: (sent, stored) => take(editor, sent, stored), complete: completing(editor, frame) });
  look(source.form, () => editor.state.selection.$from.index(0) + 1);
  goThere(editor);
  comments(editor, source);
  marks(editor);
  return undefined;
}

// Behind the last block that is not the footer; without one behind all.
function last({ state: { doc } }) {
  const [size, { lastChild: footer }] = [doc.content.size, doc];
  return footer.type.name === "footer" ? { pos: size - footer.nodeSize, side: -1 } : { pos: size - footer.nodeSize, side: 1 };
}

// Blocks that have to be mended, as the checks beside the letter name them after each save.
function marks(editor) {
  const aside = document.getElementById("aside");
  if (!aside) return;
  const read = () => flawed(editor, new Set([...aside.querySelectorAll("li:has(.mark.stop) a[data-block]")].map((link) => Number(link.dataset.block))));
  new MutationObserver(read).observe(aside, { childList: true, subtree: true });
  read();
}

// Colors and fonts of the organization. Set as properties, since the page allows no style in its markup.
function dress({ dataset }) {
  const body = document.querySelector(".body");
  for (const [name, value] of Object.entries(JSON.parse(dataset.look ?? "{}"))) body?.style.setProperty(`--letter-${name}`, value);
}

// The letter's own language, which need not be the page's: for the caret, the spelling and whoever hears it.
function spoken({ dataset }) {
  return dataset.lang ? { lang: dataset.lang, dir: dataset.dir || "ltr" } : {};
}

// -- from JSON and back --

// A letter that this schema does not know stays as the page shows it: better not to be edited than to lose a part.
function load(editor, text) {
  let json = null;
  try {
    json = text.trim() ? JSON.parse(text) : { type: "doc", content: [] };
    const doc = pm.model.Node.fromJSON(editor.schema, filled(json));
    doc.check();
    const transaction = editor.state.tr.replaceWith(0, editor.state.doc.content.size, doc.content);
    named(transaction, transaction.doc);
    choose(transaction, 0);
    editor.view.dispatch(transaction.setMeta("addToHistory", false));
    return true;
  } catch (error) {
    console.warn(error.message);
    return false;
  }
}

// An empty letter has one empty line to write in.
function filled(json) {
  const content = json.content ?? [];
  const only = content.every((block) => block.type === "footer");
  return { ...json, content: only ? [{ type: "paragraph" }, ...content] : content };
}

export function written(editor) {
  return JSON.stringify(plain(editor.getJSON()));
}

function plain(node) {
  const { attrs, content, ...rest } = node;
  const kept = Object.entries(attrs ?? {}).filter(([key, value]) => key !== "id" || value !== null);
  return {
    ...rest,
    ...(kept.length ? { attrs: Object.fromEntries(kept) } : {}),
    ...(content ? { content: content.map(plain) } : {}),
  };
}

// -- what was stored is more than what was sent: somebody else wrote too --

// Brings into the page what they changed, block by block, and leaves alone what was typed since it was sent.
function take(editor, sentText, storedText) {
  const { state, view } = editor;
  const sent = byId(JSON.parse(sentText).content);
  const here = byId(JSON.parse(written(editor)).content);
  const stored = JSON.parse(storedText).content ?? [];
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const result = [];
  const placed = new Set();
  for (const block of stored) {
    const id = block.attrs?.id;
    const mine = here.get(id);
    const typed = mine && sent.has(id) && !same(mine, sent.get(id));
    result.push(typed ? mine : block);
    // They changed what I went on typing in: theirs comes behind mine.
    if (typed && !same(block, sent.get(id))) result.push({ ...block, attrs: { ...block.attrs, id: null } });
    placed.add(id);
  }
  let before = null;
  for (const [id, block] of here) {
    const fresh = !placed.has(id) && (!sent.has(id) || !same(block, sent.get(id)));
    if (fresh) {
      result.splice(before === null ? 0 : result.findIndex((one) => one.attrs?.id === before) + 1, 0, block);
      placed.add(id);
    }
    if (placed.has(id)) before = id;
  }
  const nodes = filled({ content: result }).content.map((block) => pm.model.Node.fromJSON(state.schema, block));
  const wanted = new Set(nodes.map((node) => node.attrs.id));
  const transaction = state.tr;
  let pos = 0;
  for (const node of nodes) {
    let there = transaction.doc.nodeAt(pos);
    while (there && !wanted.has(there.attrs.id)) {
      transaction.delete(pos, pos + there.nodeSize);
      there = transaction.doc.nodeAt(pos);
    }
    if (there && there.attrs.id === node.attrs.id) {
      if (!there.eq(node)) transaction.replaceWith(pos, pos + there.nodeSize, node);
    } else transaction.insert(pos, node);
    wanted.delete(node.attrs.id);
    pos += node.nodeSize;
  }
  if (pos < transaction.doc.content.size) transaction.delete(pos, transaction.doc.content.size);
  if (transaction.docChanged) view.dispatch(transaction.setMeta("addToHistory", false));
}

// Links that the server has completed come into the page as well: into a block that nobody is in, and only if it is as it
// was sent.
function completing(editor, frame) {
  const waiting = new Map();
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const busy = ({ nodeSize }, pos) => {
    const at = editor.state.selection.$from.pos;
    const inside = editor.view.nodeDOM(pos)?.contains(document.activeElement);
    return frame.contains(document.activeElement) && (inside || (at >= pos && at < pos + nodeSize));
  };
  const settle = () => {
    if (!waiting.size) return;
    const transaction = editor.state.tr;
    editor.state.doc.forEach((node, pos) => {
      const link = waiting.get(node.attrs.id);
      if (!link || busy(node, pos)) return;
      waiting.delete(node.attrs.id);
      const fresh = pm.model.Node.fromJSON(editor.schema, link.stored);
      if (!same(plain(node.toJSON()), link.sent) || node.eq(fresh)) return;
      const there = transaction.mapping.map(pos);
      transaction.replaceWith(there, there + node.nodeSize, fresh);
    });
    if (transaction.docChanged) editor.view.dispatch(transaction.setMeta("addToHistory", false));
  };
  editor.on("selectionUpdate", () => setTimeout(settle));
  frame.addEventListener("focusout", () => setTimeout(settle));
  return (sentText, storedText) => {
    const sent = byId(JSON.parse(sentText).content);
    for (const stored of JSON.parse(storedText).content ?? []) {
      const before = sent.get(stored.attrs?.id);
      if (before && !same(before, stored)) waiting.set(stored.attrs.id, { sent: before, stored });
    }
    settle();
  };
}

function byId(blocks = []) {
  return new Map(blocks.map((block) => [block.attrs?.id, block]));
}

// -- from a flaw or a comment to its block, and from a block to the form for comments --

function comments(editor, source) {
  document.addEventListener("remark", ({ detail }) => {
    // The block has to be in the letter that is stored, with its id.
    source.value = written(editor);
    source.dispatchEvent(new Event("input", { bubbles: true }));
    const chosen = document.getElementById("comment-block");
    if (!chosen) return warn(say("save-first"));
    if (![...chosen.options].some((option) => option.value === detail.id)) chosen.append(make("option", { value: detail.id }, detail.name));
    chosen.value = detail.id;
    return document.getElementById("comment-text").focus();
  });
}

function goThere(editor) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-block], a[data-line], a[href='#f-body']");
    const pos = link && position(editor, link.dataset);
    if (!link || (pos === null && link.hash !== "#f-body")) return;
    event.preventDefault();
    if (pos === null) return void editor.view.focus(); // It speaks of the letter as a whole.
    focus(editor, pos);
    editor.view.nodeDOM(pos)?.scrollIntoView({ block: "center" });
    tell(say("at", { kind: naming(blockAt(editor.state).node) }));
  });
}

// By id, or by the number of the block at the top, from 1.
function position(editor, { block, line }) {
  let byId = null;
  let byNumber = null;
  let number = 0;
  editor.state.doc.descendants((node, pos, parent) => {
    if (parent.type.name === "doc") number += 1;
    if (block && node.attrs.id === block) byId = pos;
    if (parent.type.name === "doc" && String(number) === (block ?? line)) byNumber = pos;
    return ["columns", "column"].includes(node.type.name);
  });
  return byId ?? byNumber;
}
