// What stands around the letter: the row of formats, its panels for links and fields, the row that adds blocks, and the
// menu that opens behind a slash in an empty line and behind two brackets.
import { pm } from "../../vendor/editor.js";
import { insert, walk } from "./blocks.js";
import { safeLink } from "./schema.js";
import { kind, make, say, tell } from "./words.js";

const { Plugin, PluginKey } = pm.state;

// name of the word, kind of block, attributes
const ADDED = [
  ["heading", "heading", { level: 1 }],
  ["paragraph", "paragraph", {}],
  ["picture", "picture", {}],
  ["button", "button", {}],
  ["bulletList", "bulletList", {}],
  ["orderedList", "orderedList", {}],
  ["blockquote", "blockquote", {}],
  ["callout", "callout", { tone: "note" }],
  ["columns", "columns", { count: 2 }],
  ["columns3", "columns", { count: 3 }],
  ["donation", "donation", {}],
  ["event", "event", {}],
  ["question", "question", {}],
  ["video", "video", {}],
  ["social", "social", {}],
  ["divider", "divider", {}],
  ["html", "html", {}],
  ["footer", "footer", {}],
];

export function adder(editor) {
  const row = make("div", { class: "adder", role: "toolbar", "aria-label": say("add") }, make("span", { class: "soft small" }, say("add")));
  for (const [word, name, attrs] of ADDED) {
    const tabindex = row.querySelector("button") ? "-1" : "0";
    row.append(make("button", { class: "btn tiny", type: "button", tabindex, "data-add": word, onclick: () => insert(editor, name, attrs) }, kind(word)));
  }
  row.addEventListener("keydown", walk);
  return row;
}

// -- the row of formats --

const FORMATS = [
  ["bold", "B", (chain) => chain.toggleMark("bold"), (editor) => editor.isActive("bold")],
  ["italic", "I", (chain) => chain.toggleMark("italic"), (editor) => editor.isActive("italic")],
  ["link", null, null, (editor) => editor.isActive("link")],
  ["color", null, (chain) => chain.extendMarkRange("color").unsetMark("color"), (editor) => editor.isActive("color")],
  ["list", null, (chain) => chain.toggleList("bulletList", "listItem"), (editor) => editor.isActive("bulletList")],
  ["numbers", null, (chain) => chain.toggleList("orderedList", "listItem"), (editor) => editor.isActive("orderedList")],
  ["deeper", null, (chain) => chain.sinkListItem("listItem"), null],
  ["higher", null, (chain) => chain.liftListItem("listItem"), null],
  ["quote", null, (chain) => chain.toggleWrap("blockquote"), (editor) => editor.isActive("blockquote")],
  ["field", null, null, null],
  ["undo", null, (chain) => chain.undo(), null],
  ["redo", null, (chain) => chain.redo(), null],
];

export function toolbar(editor, page) {
  const row = make("div", { class: "tools", role: "toolbar", "aria-label": say("formats"), id: "formats" });
  const panels = { link: linkPanel(editor), field: fieldPanel(editor, page) };
  const shape = shapes(editor);
  row.append(shape.dom);
  const buttons = FORMATS.map(([name, sign, act, active]) => {
    const button = make(
      "button",
      {
        class: "tool",
        type: "button",
        tabindex: name === "bold" ? "0" : "-1",
        "data-format": name,
        "aria-label": say(`format-${name}`),
        title: say(`format-${name}`),
        "aria-pressed": active ? "false" : null,
        "aria-expanded": act ? null : "false",
        // The caret stays where it is.
        onmousedown: (event) => event.preventDefault(),
        onclick: () => (act ? act(editor.chain().focus()).run() : toggle(panels[name], button)),
      },
      sign ? make(name === "bold" ? "b" : "i", {}, sign) : say(`sign-${name}`),
    );
    row.append(button);
    if (!act) panels[name].button = button;
    return [button, active];
  });
  row.addEventListener("keydown", walk);
  row.addEventListener("keydown", (event) => event.key === "Escape" && editor.view.focus());
  const show = () => {
    shape.show();
    for (const [button, active] of buttons) if (active) button.setAttribute("aria-pressed", String(active(editor)));
    const color = row.querySelector("[data-format='color']");
    color.hidden = !editor.isActive("color");
  };
  editor.on("transaction", show);
  show();
  const dom = make("div", { class: "formats" }, row, panels.link.dom, panels.field.dom);
  return { dom, openLink: () => toggle(panels.link, panels.link.button, true), first: () => row.querySelector("button[tabindex='0']") };
}

// Text or a heading, and the tone of a call-out.
function shapes(editor) {
  const options = [["paragraph", kind("paragraph")], ...[1, 2, 3, 4, 5, 6].map((level) => [`heading${level}`, level > 1 ? `${kind("heading")} ${level}` : kind("heading")])];
  const text = make("select", { class: "input", "aria-label": say("shape") }, ...options.map(([value, label]) => make("option", { value }, label)));
  const tones = ["note", "warn", "good"].map((tone) => make("option", { value: tone }, say(`tone-${tone}`)));
  const tone = make("select", { class: "input", "aria-label": say("tone"), hidden: true }, ...tones);
  text.addEventListener("change", () => {
    const level = Number(text.value.slice(7));
    editor.chain().setNode(level ? "heading" : "paragraph", level ? { level } : {}).run();
  });
  tone.addEventListener("change", () => editor.chain().updateAttributes("callout", { tone: tone.value }).run());
  const show = () => {
    const level = editor.getAttributes("heading").level;
    text.value = level ? `heading${level}` : "paragraph";
    tone.hidden = !editor.isActive("callout");
    if (!tone.hidden) tone.value = editor.getAttributes("callout").tone;
  };
  return { dom: make("span", { class: "shapes" }, text, tone), show };
}

function toggle(panel, button, open = panel.dom.hidden) {
  for (const other of document.querySelectorAll(".formats .panel")) other.hidden = true;
  for (const other of document.querySelectorAll(".formats [aria-expanded]")) other.setAttribute("aria-expanded", "false");
  panel.dom.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (open) panel.open();
}

// A small form under the row, which is no form of its own: Enter does its deed, Escape closes it.
function panel(name, editor, act, ...children) {
  const dom = make("div", { class: "panel", role: "group", "aria-label": say(`format-${name}`), hidden: true }, ...children);
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

// -- what opens while somebody types: blocks behind a slash, merge tags behind two brackets --

const TYPED = new PluginKey("typed");
const MOST = 12;

export function typing(getEditor, page) {
  const tags = JSON.parse(page.dataset.fields);
  const list = make("ul", { class: "slash", role: "listbox", id: "slash", hidden: true });
  let found = []; // { label, take }
  let at = 0;
  let left = ""; // What stood there when the menu was closed by hand: it stays closed for that.

  // What is typed, and what could be meant by it.
  const asked = (state) => {
    const { $from, empty } = state.selection;
    if (!empty || !$from.parent.isTextblock) return null;
    const before = $from.parent.textBetween(0, $from.parentOffset, null, "\ufffc");
    if ($from.parent.type.name === "paragraph" && /^\/\S{0,20}$/.test(before) && $from.parentOffset === $from.parent.content.size) {
      return { text: before, name: "add", found: blocks(before.slice(1).toLowerCase()) };
    }
    const tag = before.match(/\{\{ ?([^{}|%]{0,20})$/);
    return tag && { text: tag[0], name: "format-field", found: merged(tag[0].length, tag[1].trim().toLowerCase()) };
  };
  const blocks = (typed) =>
    ADDED.filter(([word]) => kind(word).toLowerCase().includes(typed) || word.toLowerCase().startsWith(typed)).map(([word, name, attrs]) => ({
      label: kind(word),
      take: (view) => instead(view, name, attrs),
    }));
  const merged = (length, typed) =>
    tags
      .filter(({ tag, label, group }) => group !== "condition" && `${tag} ${label}`.toLowerCase().includes(typed))
      .slice(0, MOST)
      .map(({ tag, label }) => ({
        label: `${label} ${tag}`,
        take: (view) => {
          const to = view.state.selection.from;
          view.dispatch(view.state.tr.insertText(tag, to - length, to));
        },
      }));
  // The line with the slash goes: inside of a call-out or a quote whole, if others are left.
  const instead = (view, name, attrs) => {
    const { $from } = view.state.selection;
    const around = $from.node(-1);
    const whole = !["doc", "column"].includes(around.type.name) && around.childCount > 1;
    view.dispatch(whole ? view.state.tr.delete($from.before(), $from.after()) : view.state.tr.delete($from.start(), $from.end()));
    insert(getEditor(), name, attrs);
  };
  const close = (view) => {
    list.hidden = true;
    view.dom.removeAttribute("aria-activedescendant");
    view.dom.removeAttribute("aria-controls");
  };
  const draw = (view) => {
    const option = ({ label, take }, index) =>
      make(
        "li",
        {
          role: "option",
          id: `slash-${index}`,
          "aria-selected": String(index === at),
          onmousedown: (event) => {
            event.preventDefault();
            take(view);
          },
        },
        label,
      );
    list.replaceChildren(...found.map(option));
    view.dom.setAttribute("aria-controls", "slash");
    view.dom.setAttribute("aria-activedescendant", `slash-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const put = (view) => {
    const caret = view.coordsAtPos(view.state.selection.from);
    const frame = view.dom.parentElement.getBoundingClientRect();
    list.style.top = `${caret.bottom - frame.top + 4}px`;
    list.style.insetInlineStart = "1rem";
  };

  return new Plugin({
    key: TYPED,
    view(view) {
      queueMicrotask(() => view.dom.parentElement?.append(list));
      return {
        update() {
          const wanted = asked(view.state);
          if (!wanted) left = "";
          if (!wanted?.found.length || wanted.text === left) return close(view);
          const before = found[at]?.label;
          found = wanted.found;
          at = Math.max(0, found.findIndex(({ label }) => label === before));
          if (list.hidden) {
            at = 0;
            tell(say("slash-open", { count: found.length }));
          }
          list.setAttribute("aria-label", say(wanted.name));
          list.hidden = false;
          draw(view);
          put(view);
        },
        destroy: () => list.remove(),
      };
    },
    props: {
      handleKeyDown(view, event) {
        if (list.hidden) return false;
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          at = (at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length;
          draw(view);
        } else if (event.key === "Enter" || event.key === "Tab") found[at].take(view);
        else if (event.key === "Escape") {
          left = asked(view.state)?.text ?? "";
          close(view);
        } else return false;
        event.preventDefault();
        event.stopPropagation();
        return true;
      },
    },
  });
}
