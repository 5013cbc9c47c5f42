// The forms of blocks whose words stand in attributes: picture, button, social links, donation, event, question, video,
// raw HTML.
import { pm } from "../../vendor/editor.js";
import { chooser } from "./pictures.js";
import { make, say } from "./words.js";

const { NodeSelection } = pm.state;

// key, and what it is filled in with. `long`: several lines; `link`: an address; `amounts`: texts with commas between;
// `answers`: a text in each line.
const FORMS = {
  picture: [["src", "picture"], ["alt", "text"], ["decorative", "tick"], ["link", "link"], ["width", "width"]],
  button: [["text", "text"], ["link", "link"], ["align", "align"]],
  divider: [],
  social: [["links", "social"]],
  donation: [["title", "text"], ["text", "long"], ["link", "link"], ["label", "text"], ["amounts", "amounts"], ["fundraiser", "text"]],
  event: [["title", "text"], ["start", "moment"], ["end", "moment"], ["place", "text"], ["link", "link"], ["about", "long"]],
  question: [["question", "text"], ["answers", "answers"]],
  video: [["src", "picture"], ["link", "link"], ["alt", "text"]],
  html: [["source", "source"]],
};

export const NETWORKS = ["Telegram", "Mastodon", "Bluesky", "Signal", "WhatsApp", "YouTube", "Instagram", "Facebook", "X", "VK", "LinkedIn", "TikTok", "RSS", "Website"];

let count = 0;

export function fields(name, node, editor, getPos) {
  const dom = make("div", { class: "form", contenteditable: "false" });
  const set = (changes) => change(editor, getPos(), changes);
  const shows = FORMS[name].map(([key, type]) => {
    count += 1;
    const field = TYPES[type]({ id: `b${count}`, name: `${name}-${key}`, key, set, value: node.attrs[key], attrs: node.attrs });
    dom.append(field.dom);
    return (attrs) => field.show(attrs[key], attrs);
  });
  if (["donation", "question", "html"].includes(name)) dom.append(make("p", { class: "hint" }, say(`${name}-hint`)));
  // Whoever fills in a form is at this block: what is added comes behind it, its frame is drawn.
  dom.addEventListener("focusin", () => here(editor, getPos()));
  return { dom, show: (next) => shows.forEach((show) => show(next.attrs)) };
}

export function here(editor, pos) {
  const { state, view } = editor;
  if (state.selection instanceof NodeSelection && state.selection.from === pos) return;
  view.dispatch(state.tr.setSelection(NodeSelection.create(state.doc, pos)));
}

function change(editor, pos, changes) {
  const { state, view } = editor;
  const node = state.doc.nodeAt(pos);
  if (!node) return; // removed while its picture was being uploaded
  // As one step in place of the node, and not of the attribute: so letters typed one after the other are undone together.
  const transaction = state.tr.setNodeMarkup(pos, null, { ...node.attrs, ...changes });
  // Whoever is at another block by the time the upload ends stays there.
  const at = state.selection instanceof NodeSelection && state.selection.from === pos;
  view.dispatch(at ? transaction.setSelection(NodeSelection.create(transaction.doc, pos)) : transaction);
}

// The value of a control that somebody is typing in is left alone.
function put(control, value) {
  if (control.value !== value && document.activeElement !== control) control.value = value;
}

function labelled(id, name, control, hint = false) {
  const field = make("div", { class: "field" }, make("label", { for: id }, say(name)), control);
  if (hint) {
    control.setAttribute("aria-describedby", `${id}-h`);
    field.append(make("p", { class: "hint", id: `${id}-h` }, say(`${name}-hint`)));
  }
  return field;
}

function text({ id, name, key, set, value }, attributes = {}, hint = false) {
  const control = make("input", { class: "input", id, autocomplete: "off", "data-key": key, ...attributes });
  control.value = value ?? "";
  control.addEventListener("input", () => set({ [key]: control.value }));
  return { dom: labelled(id, name, control, hint), show: (next) => put(control, next ?? "") };
}

function long({ id, name, key, set, value }, attributes = { rows: 3 }, hint = false) {
  const control = make("textarea", { class: "input", id, ...attributes });
  control.value = value;
  control.addEventListener("input", () => set({ [key]: control.value }));
  return { dom: labelled(id, name, control, hint), show: (next) => put(control, next) };
}

function choice({ id, name, key, set, value }, options) {
  const control = make("select", { class: "input", id }, ...options.map(([one, label]) => make("option", { value: one }, label)));
  control.value = value;
  control.addEventListener("change", () => set({ [key]: control.value }));
  return { dom: labelled(id, name, control), show: (next) => put(control, next) };
}

function tick({ id, name, key, set, value }) {
  const control = make("input", { type: "checkbox", id });
  control.checked = value;
  control.addEventListener("change", () => set({ [key]: control.checked }));
  const dom = make("div", { class: "choice" }, control, make("label", { for: id }, say(name)));
  return { dom, show: (next) => (control.checked = next) };
}

function width(given) {
  const field = text({ ...given, value: given.value ?? "", set: ({ width }) => given.set({ width: pixels(width) }) }, { type: "number", min: 1, max: 600, inputmode: "numeric" }, true);
  return { dom: field.dom, show: (next) => field.show(next === null ? "" : String(next)) };
}

function pixels(typed) {
  const number = Number.parseInt(typed, 10);
  return number >= 1 && number <= 2000 ? number : null;
}

function amounts(given) {
  const read = (typed) => typed.split(",").map((one) => one.trim()).filter(Boolean).slice(0, 12);
  const field = text({ ...given, value: given.value.join(", "), set: (typed) => given.set({ amounts: read(typed.amounts) }) }, {}, true);
  return { dom: field.dom, show: (next) => field.show(next.join(", ")) };
}

function answers(given) {
  const read = (typed) => typed.split("\n").map((one) => one.trim()).filter(Boolean).slice(0, 6);
  const field = long({ ...given, value: given.value.join("\n"), set: (typed) => given.set({ answers: read(typed.answers) }) }, { rows: 4 }, true);
  return { dom: field.dom, show: (next) => field.show(next.join("\n")) };
}

// Rows of a network and an address; the form is made anew when their number changes.
function social({ id, name, set, value }) {
  const dom = make("fieldset", { class: "stack" }, make("legend", {}, say(name)));
  const rows = make("div", { class: "stack" });
  const add = make("button", { class: "btn tiny", type: "button" }, say("social-add"));
  let links = value;
  const row = (link, number) => {
    const network = make("select", { class: "input", "aria-label": say("social-network", { number: number + 1 }) });
    const names = NETWORKS.includes(link.network) ? NETWORKS : [link.network, ...NETWORKS];
    network.append(...names.map((one) => make("option", { value: one }, one === "Website" ? say("website") : one)));
    network.value = link.network;
    const url = make("input", { class: "input", inputmode: "url", spellcheck: "false", autocomplete: "off", "aria-label": say("social-url", { number: number + 1 }) });
    url.value = link.url;
    const change = () => {
      links = links.map((one, at) => (at === number ? { network: network.value, url: url.value } : one));
      set({ links });
    };
    network.addEventListener("change", change);
    url.addEventListener("input", change);
    const away = make("button", { class: "tool", type: "button", "aria-label": say("social-remove", { number: number + 1 }) }, say("sign-remove"));
    away.addEventListener("click", () => {
      links = links.filter((_one, at) => at !== number);
      set({ links });
      draw();
      add.focus();
    });
    return make("div", { class: "joined" }, network, url, away);
  };
  const draw = () => rows.replaceChildren(...links.map(row));
  add.addEventListener("click", () => {
    links = [...links, { network: NETWORKS[0], url: "" }].slice(0, 20);
    set({ links });
    draw();
    rows.lastElementChild?.querySelector("input").focus();
  });
  draw();
  dom.append(rows, make("div", { class: "row" }, add));
  return {
    dom,
    show(next) {
      if (JSON.stringify(next) === JSON.stringify(links)) return;
      links = next;
      draw();
    },
  };
}

const link = { inputmode: "url", spellcheck: "false", autocapitalize: "none", placeholder: "https://" };

const TYPES = {
  text,
  long,
  tick,
  width,
  amounts,
  answers,
  social,
  link: (given) => text(given, link),
  moment: (given) => text(given, { type: "datetime-local" }),
  source: (given) => long(given, { rows: 6, spellcheck: "false", class: "input source" }),
  align: (given) => choice(given, [["start", say("align-start")], ["center", say("align-center")]]),
  picture: (given) => chooser(given, labelled, put),
};
