// Which block is added: a small window over the page, opened by the signs between blocks, in the tools and below the letter.
import { kind, make, say } from "./words.js";

// name of the word, kind of block, attributes
export const ADDED = [
  ["paragraph", "paragraph", {}],
  ["heading", "heading", { level: 1 }],
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

const GAP = 4; // px between the sign and the window

let chosen = null; // what is done with the kind that is pressed
let pop = null;

// The window itself, to be put into the page once.
export function choice() {
  const kinds = make("div", { class: "kinds" });
  for (const [word, name, attrs] of ADDED) {
    const act = () => {
      const then = chosen;
      pop.hidePopover();
      then?.(name, attrs);
    };
    kinds.append(make("button", { type: "button", "data-add": word, onclick: act }, kind(word), make("small", {}, say(`about-${word}`))));
  }
  const close = make("button", { class: "btn tiny", type: "button", onclick: () => pop.hidePopover() }, say("close"));
  pop = make("div", { class: "pop", id: "add", popover: "auto", role: "dialog", "aria-label": say("add") }, make("div", { class: "row apart" }, make("strong", {}, say("add")), close), kinds);
  pop.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 2, ArrowUp: -2, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const buttons = [...kinds.children];
    const next = step && buttons[buttons.indexOf(event.target.closest("button")) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  return pop;
}

// sign: the button that was pressed. act: called with kind of block and attributes.
export function adding(sign, act) {
  chosen = act;
  pop.style.cssText = "";
  pop.showPopover();
  const { bottom, top, left } = sign.getBoundingClientRect();
  if (matchMedia("(min-width: 48rem)").matches) {
    const [width, height] = [pop.offsetWidth, pop.offsetHeight];
    const below = bottom + GAP + height < innerHeight;
    pop.style.inset = "auto";
    pop.style.margin = "0";
    pop.style.top = `${below ? bottom + GAP : Math.max(GAP, top - GAP - height)}px`;
    pop.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
  }
  pop.querySelector(".kinds button").focus();
}
