// What opens while somebody types: blocks behind a slash in an empty line, merge tags behind two brackets.
import { pm } from "../../vendor/editor.js";
import { ADDED } from "./adding.js";
import { insert } from "./blocks.js";
import { kind, make, say, tell } from "./words.js";

const { Plugin, PluginKey } = pm.state;

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
