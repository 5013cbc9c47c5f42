// The tools of the block with the caret: one row, which goes from block to block. What only some blocks have is hidden
// in the others, what is rarely used stands under More.
import { adding } from "./adding.js";
import { across, around, blockAt, copy, insert, move, naming, remark, remove } from "./blocks.js";
import { grip } from "./drag.js";
import { ATOMS, safeLink } from "./schema.js";
import { kind, make, say } from "./words.js";

const SHAPED = ["paragraph", "heading"]; // may become each other
const WORDS = [...SHAPED, "bulletList", "orderedList", "blockquote", "callout", "footer"]; // have text at the top

const here = (editor) => blockAt(editor.state);
const inColumn = ({ parent }) => parent.type.name === "column";
const beside = ({ parent, index }, way) => parent.maybeChild(index + way)?.type.name === "columns";

// name, its sign or null for a word, what it does, whether it is on, for which blocks (absent: for those with text)
const FORMATS = [
  ["bold", "B", (chain) => chain.toggleMark("bold"), (editor) => editor.isActive("bold")],
  ["italic", "I", (chain) => chain.toggleMark("italic"), (editor) => editor.isActive("italic")],
  ["link", null, null, (editor) => editor.isActive("link")],
  ["list", null, (chain) => chain.toggleList("bulletList", "listItem"), (editor) => editor.isActive("bulletList")],
  ["quote", null, (chain) => chain.toggleWrap("blockquote"), (editor) => editor.isActive("blockquote")],
  ["field", "{ }", null, null],
];

// name, what it does, in which blocks it is offered
const MORE = [
  ["numbers", (editor) => editor.chain().focus().toggleList("orderedList", "listItem").run(), ({ node }) => WORDS.includes(node.type.name)],
  ["deeper", (editor) => editor.chain().focus().sinkListItem("listItem").run(), ({ node }) => node.type.name.endsWith("List")],
  ["higher", (editor) => editor.chain().focus().liftListItem("listItem").run(), ({ node }) => node.type.name.endsWith("List")],
  ["color", (editor) => editor.chain().focus().extendMarkRange("color").unsetMark("color").run(), (_block, editor) => editor.isActive("color")],
  ["undo", (editor) => editor.chain().focus().undo().run(), () => true],
  ["redo", (editor) => editor.chain().focus().redo().run(), () => true],
  ["copy", (editor) => copy(editor, here(editor).pos), ({ node }) => node.type.name !== "footer"],
  ["column", (editor) => across(editor, here(editor).pos), (block) => !["columns", "footer"].includes(block.node.type.name) && (inColumn(block) || beside(block, 1) || beside(block, -1))],
  ["around", (editor) => around(editor, here(editor).pos), inColumn],
  ["comment", (editor) => remark(editor, here(editor).pos), () => true],
  ["remove", (editor) => remove(editor, here(editor).pos), () => true],
];

export function toolbar(editor, page) {
  const row = make("div", { class: "blk-bar", role: "toolbar", contenteditable: "false", id: "formats" });
  const shape = shapes(editor);
  const panels = { link: linkPanel(editor), field: fieldPanel(editor, page) };
  const gap = () => make("i", { class: "gap", "aria-hidden": "true" });
  // The caret stays where it is.
  const still = (event) => event.preventDefault();
  const button = (attributes, ...children) => make("button", { type: "button", tabindex: "-1", onmousedown: still, ...attributes }, ...children);
  const tool = (name, sign, onclick) => button({ "data-tool": name, "aria-label": say(`tool-${name}`), title: say(`tool-${name}`), onclick }, sign);

  const plus = tool("add", "+", () => adding(plus, (name, attrs) => insert(editor, name, attrs, { pos: here(editor).pos, side: -1 })));
  const handle = grip(editor, () => here(editor)?.pos);
  row.append(plus, handle, gap(), shape.dom);
  const formats = FORMATS.map(([name, sign, act, active]) => {
    const element = button(
      {
        "data-format": name,
        "aria-label": say(`format-${name}`),
        title: say(`format-${name}`),
        "aria-pressed": active ? "false" : null,
        "aria-expanded": act ? null : "false",
        onclick: () => (act ? act(editor.chain().focus()).run() : toggle(panels[name], element)),
      },
      sign ? make({ bold: "b", italic: "i" }[name] ?? "span", {}, sign) : say(`sign-${name}`),
    );
    if (!act) panels[name].button = element;
    row.append(element);
    return [element, active];
  });
  const [up, down] = [tool("up", "↑", () => move(editor, here(editor).pos, -1)), tool("down", "↓", () => move(editor, here(editor).pos, 1))];
  const more = rest(editor, button);
  row.append(gap(), up, down, gap(), more.dom, panels.link.dom, panels.field.dom);
  row.firstChild.tabIndex = 0;
  row.addEventListener("keydown", walk);

  const sizes = new ResizeObserver(() => place(row));
  const show = () => {
    const block = here(editor);
    const dom = block && editor.view.nodeDOM(block.pos);
    if (!dom) return row.remove();
    // A panel or a menu that stands open is about the block before.
    if (row.parentElement !== dom) {
      for (const open of Object.values(panels)) if (!open.dom.hidden) toggle(open, open.button, false);
      more.dom.open = false;
      dom.prepend(row);
      sizes.disconnect();
      for (const element of [row, dom]) sizes.observe(element);
    }
    const name = block.node.type.name;
    row.setAttribute("aria-label", say("tools", { kind: naming(block.node) }));
    handle.dataset.number = String(editor.state.doc.resolve(block.pos).index(0) + 1);
    shape.show(block.node);
    for (const [element, active] of formats) {
      // Merge tags go into the fields of forms as well.
      element.hidden = !WORDS.includes(name) && !(element === panels.field.button && name in ATOMS && name !== "divider");
      if (active) element.setAttribute("aria-pressed", String(active(editor)));
    }
    for (const element of [plus, up, down, handle]) element.hidden = name === "footer" && element !== plus;
    more.show(block);
    place(row);
    return undefined;
  };
  addEventListener("scroll", () => place(row), { passive: true });
  addEventListener("resize", () => place(row));
  editor.on("transaction", show);
  editor.on("create", show);
  return {
    show,
    dom: row,
    openLink: () => toggle(panels.link, panels.link.button, true),
    enter: () => (row.querySelector(":scope > [tabindex='0']:not([hidden])") ?? row.firstChild).focus(),
  };
}

// Above its block, in the gap to the one before; below it where the page's header leaves no room above. In columns above
// or below all of them: over a column it would cover what stands beside it. On a phone it is a row of the block.
const LAP = 9; // pixels over the block's own edge: so much of the row has no room in the gap
function place(row) {
  const block = row.parentElement;
  if (!block) return;
  row.style.inset = row.style.maxInlineSize = "";
  if (getComputedStyle(row).position !== "absolute") return;
  const around = block.closest(".blk:has(> .columns)") ?? block;
  const [own, outer] = [block.getBoundingClientRect(), around.getBoundingClientRect()];
  const isMirrored = getComputedStyle(block).direction === "rtl";
  const sheet = (block.closest(".letter") ?? around).getBoundingClientRect();
  row.style.maxInlineSize = `${(isMirrored ? outer.right - sheet.left : sheet.right - outer.left) - 2}px`;
  // What is opened from a tool hangs under it.
  const height = row.offsetHeight - (row.querySelector(":scope > .bar-panel:not([hidden])")?.offsetHeight ?? 0);
  const header = document.querySelector(".editor-bar")?.getBoundingClientRect().bottom ?? 0;
  const [above, below] = [outer.top - height + LAP, outer.bottom - LAP];
  // A block taller than the window has its tools at the upper edge of what is seen of it.
  const top = above >= header ? above : below + height <= innerHeight ? below : header;
  const start = isMirrored ? own.right - outer.right : outer.left - own.left;
  const edge = parseFloat(getComputedStyle(block).borderTopWidth);
  row.style.insetBlockStart = `${top - own.top - edge}px`;
  row.style.insetInlineStart = `${start - edge}px`;
}

// Under More: what is not needed for every sentence.
function rest(editor, button) {
  const summary = make("summary", { tabindex: "-1" }, say("more"));
  const dom = make("details", { class: "dropdown" }, summary);
  const items = MORE.map(([name, act, offered]) => {
    const entry = button({ class: name === "remove" ? "loss" : "", "data-tool": name }, say(`more-${name}`));
    entry.addEventListener("click", () => {
      dom.open = false;
      act(editor);
    });
    return [make("li", {}, entry), offered];
  });
  dom.append(make("ul", { class: "menu" }, ...items.map(([item]) => item)));
  summary.addEventListener("mousedown", (event) => event.preventDefault());
  dom.addEventListener("keydown", (event) => {
    const entries = [...dom.querySelectorAll("li:not([hidden]) button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && dom.open) {
      dom.open = false;
      summary.focus();
    } else if (step) {
      dom.open = true;
      entries[(entries.indexOf(event.target) + step + entries.length) % entries.length].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    dom,
    show(block) {
      for (const [item, offered] of items) item.hidden = !offered(block, editor);
    },
  };
}

// One stop of the Tab key; arrows go from tool to tool.
function walk(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const own = ":scope > button, :scope > span > select, :scope > details > summary";
  const tools = [...event.currentTarget.querySelectorAll(own)].filter((tool) => tool.offsetParent !== null);
  if (!step || !tools.includes(event.target)) return;
  const turned = getComputedStyle(event.currentTarget).direction === "rtl" ? -step : step;
  const next = tools[(tools.indexOf(event.target) + turned + tools.length) % tools.length];
  for (const tool of tools) tool.tabIndex = tool === next ? 0 : -1;
  next.focus();
  event.preventDefault();
}

// Text or a heading, and the tone of a call-out.
function shapes(editor) {
  const options = [["paragraph", kind("paragraph")], ...[1, 2, 3, 4, 5, 6].map((level) => [`heading${level}`, level > 1 ? `${kind("heading")} ${level}` : kind("heading")])];
  const text = make("select", { "aria-label": say("shape"), tabindex: "-1" }, ...options.map(([value, label]) => make("option", { value }, label)));
  const tones = ["note", "warn", "good"].map((tone) => make("option", { value: tone }, say(`tone-${tone}`)));
  const tone = make("select", { "aria-label": say("tone"), tabindex: "-1", hidden: true }, ...tones);
  text.addEventListener("change", () => {
    const level = Number(text.value.slice(7));
    editor.chain().setNode(level ? "heading" : "paragraph", level ? { level } : {}).run();
  });
  tone.addEventListener("change", () => editor.chain().updateAttributes("callout", { tone: tone.value }).run());
  const show = (node) => {
    text.hidden = !SHAPED.includes(node.type.name);
    text.value = node.type.name === "heading" ? `heading${node.attrs.level}` : "paragraph";
    tone.hidden = node.type.name !== "callout";
    if (!tone.hidden) tone.value = node.attrs.tone;
  };
  return { dom: make("span", { class: "shapes" }, text, tone), show };
}

function toggle(panel, button, open = panel.dom.hidden) {
  for (const other of document.querySelectorAll(".bar-panel")) other.hidden = true;
  for (const other of document.querySelectorAll(".blk-bar [aria-expanded]")) other.setAttribute("aria-expanded", "false");
  panel.dom.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (open) panel.open();
}

// A small form under the tools, which is no form of its own: Enter does its deed, Escape closes it.
function panel(name, editor, act, ...children) {
  const dom = make("div", { class: "bar-panel", role: "group", "aria-label": say(`format-${name}`), hidden: true }, ...children);
  const made = { dom, button: null, open: () => {} };
  made.close = () => {
    toggle(made, made.button, false);
    editor.view.focus();
  };
  dom.addEventListener("keydown", (event) => {
    if (event.key === "Escape") made.close();
    if (event.key === "Enter" && event.target.matches("input, select")) act();
    if (event.key === "Escape" || (event.key === "Enter" && event.target.matches("input, select"))) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  return made;
}

function linkPanel(editor) {
  const address = make("input", { class: "input", id: "link-to", inputmode: "url", spellcheck: "false", autocapitalize: "none", autocomplete: "off", placeholder: "https://", "aria-describedby": "link-wrong" });
  const wrong = make("p", { class: "wrong", id: "link-wrong", role: "alert", hidden: true });
  const act = () => {
    const href = safeLink(address.value);
    wrong.hidden = Boolean(href);
    if (!href) {
      wrong.textContent = say(address.value.trim() ? "link-refused" : "link-empty");
      address.setAttribute("aria-invalid", "true");
      return address.focus();
    }
    const chain = editor.chain().focus();
    if (editor.state.selection.empty && !editor.isActive("link")) chain.insertContent({ type: "text", text: href, marks: [{ type: "link", attrs: { href } }] }).run();
    else chain.extendMarkRange("link").setMark("link", { href }).run();
    made.close();
  };
  const off = () => {
    editor.chain().focus().extendMarkRange("link").unsetMark("link").run();
    made.close();
  };
  const row = make("div", { class: "row" }, make("button", { class: "btn tiny", type: "button", onclick: act }, say("link-set")), make("button", { class: "btn tiny", type: "button", onclick: off }, say("link-off")));
  const made = panel("link", editor, act, make("div", { class: "field" }, make("label", { for: "link-to" }, say("link-to")), address, wrong), row);
  made.open = () => {
    address.value = editor.getAttributes("link").href ?? "";
    address.removeAttribute("aria-invalid");
    wrong.hidden = true;
    address.focus();
  };
  return made;
}

// A field and what stands there for whoever has none. It goes where the caret is, in the letter or in a form of it.
function fieldPanel(editor, page) {
  const tags = JSON.parse(page.dataset.fields);
  let into = null;
  const groups = Map.groupBy(tags, ({ group }) => (["field", "condition"].includes(group) ? group : "other"));
  const chosen = make(
    "select",
    { class: "input", id: "field-tag" },
    ...[...groups].map(([group, found]) => make("optgroup", { label: say(`group-${group}`) }, ...found.map(({ tag, label }) => make("option", { value: tag }, label)))),
  );
  const instead = make("input", { class: "input", id: "field-else", autocomplete: "off" });
  const offer = () => {
    const found = tags.find(({ tag }) => tag === chosen.value);
    instead.value = found?.default ?? "";
    instead.disabled = found?.group !== "field";
  };
  chosen.addEventListener("change", offer);
  const act = () => {
    const words = instead.disabled ? "" : instead.value.replace(/["{}%|*]/g, "").trim();
    const text = words ? chosen.value.replace(/\s*}}$/, ` | default: "${words}" }}`) : chosen.value;
    toggle(made, made.button, false);
    if (into?.isConnected) {
      into.focus();
      into.setRangeText(text, into.selectionStart ?? into.value.length, into.selectionEnd ?? into.value.length, "end");
      into.dispatchEvent(new Event("input", { bubbles: true }));
    } else editor.chain().focus().insertContent({ type: "text", text }).run();
  };
  const fields = make("div", { class: "grid two" }, make("div", { class: "field" }, make("label", { for: "field-tag" }, say("field-tag")), chosen), make("div", { class: "field" }, make("label", { for: "field-else" }, say("field-else")), instead));
  const made = panel("field", editor, act, fields, make("div", { class: "row" }, make("button", { class: "btn tiny", type: "button", onclick: act }, say("field-insert"))));
  // Of the places where text is typed, the one that was left last.
  document.addEventListener("focusin", ({ target }) => {
    if (editor.view.dom === target) into = null;
    else if (target.matches("#f-subject, #f-preheader, .form input.input:not([type]), .form textarea")) into = target;
  });
  made.open = () => {
    offer();
    chosen.focus();
  };
  return made;
}
