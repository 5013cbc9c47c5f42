// What a letter may hold, for TipTap: the same schema as samizdat/core/content/blocks/schema.py (docs/content-format.md).
// An atom is a block without text of its own: its words stand in attributes and are filled in by a small form (atoms.js).
import {
  Bold,
  Extension,
  HardBreak,
  Italic,
  Mark,
  Node,
  Text,
  UndoRedo,
  mergeAttributes,
  textblockTypeInputRule,
  wrappingInputRule,
} from "../../vendor/editor.js";

export const VERSION = 1;

// Attributes of each atom and what stands there before anybody chose.
export const ATOMS = {
  picture: { src: "", alt: "", decorative: false, link: "", width: null },
  button: { text: "", link: "", align: "start" },
  divider: {},
  social: { links: [] },
  donation: { fundraiser: "", title: "", text: "", link: "", label: "", amounts: [] },
  event: { title: "", start: "", end: "", place: "", link: "", about: "" },
  question: { question: "", answers: [] },
  video: { src: "", link: "", alt: "" },
  html: { source: "" },
};

// Blocks that are moved, copied and commented on: those at the top and those in a column. Only they have an id.
export const BLOCKS = [
  "paragraph",
  "heading",
  "bulletList",
  "orderedList",
  "blockquote",
  "callout",
  "columns",
  "footer",
  ...Object.keys(ATOMS),
];

const GROUP = "block cell";

// Where links may lead. A merge tag may stand for a whole address or begin it; anything else with a scheme is no link.
export function safeLink(href) {
  const text = String(href ?? "").trim();
  const scheme = text.replace(/[\s\u0000-\u001f]/g, "").match(/^([a-z][a-z0-9+.-]*):/i);
  return !scheme || /^(https?|mailto|tel)$/i.test(scheme[1]) ? text.slice(0, 2000) : "";
}

const doc = Node.create({
  name: "doc",
  topNode: true,
  // The same as "block+ footer?", but what comes next by itself is a paragraph: the editor takes what is named first, and
  // fails where it makes a footer of an empty line (all chosen, then Enter).
  content: "block+ (block | footer)?",
  addAttributes: () => ({ version: { default: VERSION } }),
});

const paragraph = Node.create({
  name: "paragraph",
  group: GROUP,
  content: "inline*",
  priority: 1000,
  parseHTML: () => [{ tag: "p" }],
  renderHTML: ({ HTMLAttributes }) => ["p", HTMLAttributes, 0],
});

const heading = Node.create({
  name: "heading",
  group: GROUP,
  content: "inline*",
  defining: true,
  addAttributes: () => ({ level: { default: 1, rendered: false } }),
  parseHTML: () =>
    [1, 2, 3, 4, 5, 6].map((level) => ({ tag: `h${level}`, getAttrs: () => ({ level }) })),
  renderHTML: ({ node, HTMLAttributes }) => [`h${node.attrs.level}`, HTMLAttributes, 0],
  addInputRules() {
    return [1, 2, 3, 4, 5, 6].map((level) =>
      textblockTypeInputRule({ find: new RegExp(`^(#{${level}})\\s$`), type: this.type, getAttributes: { level } }),
    );
  },
});

const bulletList = Node.create({
  name: "bulletList",
  group: `${GROUP} list`,
  content: "listItem+",
  parseHTML: () => [{ tag: "ul" }],
  renderHTML: ({ HTMLAttributes }) => ["ul", HTMLAttributes, 0],
  addInputRules() {
    return [wrappingInputRule({ find: /^\s*([-+*])\s$/, type: this.type })];
  },
});

const orderedList = Node.create({
  name: "orderedList",
  group: `${GROUP} list`,
  content: "listItem+",
  addAttributes: () => ({
    start: { default: 1, parseHTML: (element) => Math.min(Math.max(0, Number.parseInt(element.getAttribute("start"), 10) || 1), 999_999) },
  }),
  parseHTML: () => [{ tag: "ol" }],
  renderHTML: ({ HTMLAttributes }) => ["ol", HTMLAttributes, 0],
  addInputRules() {
    return [
      wrappingInputRule({
        find: /^(\d{1,3})\.\s$/,
        type: this.type,
        getAttributes: (match) => ({ start: Number(match[1]) }),
        joinPredicate: (match, node) => node.childCount + node.attrs.start === Number(match[1]),
      }),
    ];
  },
});

const listItem = Node.create({
  name: "listItem",
  content: "paragraph (bulletList | orderedList)?",
  defining: true,
  parseHTML: () => [{ tag: "li" }],
  renderHTML: ({ HTMLAttributes }) => ["li", HTMLAttributes, 0],
  addKeyboardShortcuts() {
    // Tab goes on to what comes next, as everywhere on the desk: items are moved in and out by these.
    return {
      Enter: () => this.editor.commands.splitListItem("listItem"),
      "Mod-]": () => this.editor.commands.sinkListItem("listItem"),
      "Mod-[": () => this.editor.commands.liftListItem("listItem"),
    };
  },
});

const blockquote = Node.create({
  name: "blockquote",
  group: GROUP,
  content: "paragraph+",
  defining: true,
  parseHTML: () => [{ tag: "blockquote" }],
  renderHTML: ({ HTMLAttributes }) => ["blockquote", HTMLAttributes, 0],
  addInputRules() {
    return [wrappingInputRule({ find: /^\s*>\s$/, type: this.type })];
  },
});

const TONES = ["note", "warn", "good"];

const callout = Node.create({
  name: "callout",
  group: GROUP,
  content: "(paragraph | bulletList | orderedList)+",
  defining: true,
  addAttributes: () => ({
    tone: {
      default: "note",
      parseHTML: (element) => (TONES.includes(element.dataset.tone) ? element.dataset.tone : "note"),
      renderHTML: ({ tone }) => ({ "data-tone": tone }),
    },
  }),
  parseHTML: () => [{ tag: "div[data-block=callout]" }],
  renderHTML: ({ HTMLAttributes }) => ["div", mergeAttributes(HTMLAttributes, { "data-block": "callout" }), 0],
});

const columns = Node.create({
  name: "columns",
  group: "block",
  content: "column{2,3}",
  isolating: true,
  parseHTML: () => [{ tag: "div[data-block=columns]" }],
  renderHTML: ({ HTMLAttributes }) => ["div", mergeAttributes(HTMLAttributes, { "data-block": "columns" }), 0],
});

const column = Node.create({
  name: "column",
  content: "cell+",
  isolating: true,
  parseHTML: () => [{ tag: "div[data-block=column]" }],
  renderHTML: ({ HTMLAttributes }) => ["div", mergeAttributes(HTMLAttributes, { "data-block": "column" }), 0],
});

const footer = Node.create({
  name: "footer",
  content: "paragraph+",
  isolating: true,
  parseHTML: () => [{ tag: "div[data-block=footer]" }],
  renderHTML: ({ HTMLAttributes }) => ["div", mergeAttributes(HTMLAttributes, { "data-block": "footer" }), 0],
});

// An atom on the clipboard: its attributes as JSON, read back by name and kind, so that nothing else comes along.
function atom(name, defaults, view) {
  return Node.create({
    name,
    group: GROUP,
    atom: true,
    selectable: true,
    addAttributes: () =>
      Object.fromEntries(Object.entries(defaults).map(([key, value]) => [key, { default: value, rendered: false }])),
    parseHTML: () => [{ tag: `div[data-block=${name}]`, getAttrs: (element) => readAtom(element, defaults) }],
    renderHTML: ({ node, HTMLAttributes }) => {
      const { id, ...attrs } = node.attrs;
      return ["div", mergeAttributes(HTMLAttributes, { "data-block": name, "data-attrs": JSON.stringify(attrs) })];
    },
    addNodeView: view(name),
  });
}

function readAtom(element, defaults) {
  let told = {};
  try {
    told = JSON.parse(element.dataset.attrs || "{}") ?? {};
  } catch {
    return { ...defaults };
  }
  const kept = Object.entries(defaults).map(([key, value]) => [key, alike(key, told[key], value)]);
  return Object.fromEntries(kept);
}

function alike(key, told, value) {
  if (key === "width") return Number.isInteger(told) && told > 0 && told <= 2000 ? told : null;
  const most = { amounts: 12, answers: 6 }[key];
  if (most) return Array.isArray(told) ? told.filter((one) => typeof one === "string").slice(0, most) : [];
  if (key === "links") {
    const links = Array.isArray(told) ? told.filter((one) => one && typeof one === "object").slice(0, 20) : [];
    return links.map(({ network, url }) => ({ network: String(network ?? ""), url: safeLink(url) }));
  }
  if (typeof told !== typeof value) return value;
  return key === "link" || key === "src" ? safeLink(told) : told;
}

const link = Mark.create({
  name: "link",
  priority: 1000,
  inclusive: false,
  addAttributes: () => ({ href: { default: "" } }),
  parseHTML: () => [
    {
      tag: "a[href]",
      getAttrs: (element) => {
        const href = safeLink(element.getAttribute("href"));
        return href && !href.startsWith("#") ? { href } : false;
      },
    },
  ],
  renderHTML: ({ HTMLAttributes }) => ["a", { href: safeLink(HTMLAttributes.href) }, 0],
});

// Of imported letters: nobody gives one here, and whatever is pasted loses its own. It can be taken off. Set as a property,
// since the page allows no style in its markup.
const color = Mark.create({
  name: "color",
  priority: 40,
  addAttributes: () => ({ color: { default: "#000000" } }),
  parseHTML: () => [
    {
      tag: "span[data-color]",
      getAttrs: (element) => (/^#[0-9a-f]{6}$/.test(element.dataset.color) ? { color: element.dataset.color } : false),
    },
  ],
  renderHTML: ({ mark }) => {
    const dom = document.createElement("span");
    dom.dataset.color = mark.attrs.color;
    dom.style.color = mark.attrs.color;
    return { dom, contentDOM: dom };
  },
});

// Ctrl Enter sends a test, as everywhere on the page.
const lineBreak = HardBreak.extend({
  addKeyboardShortcuts() {
    return { "Shift-Enter": () => this.editor.commands.setHardBreak() };
  },
});

const ids = Extension.create({
  name: "ids",
  addGlobalAttributes: () => [
    {
      types: BLOCKS,
      attributes: {
        id: {
          default: null,
          keepOnSplit: false,
          parseHTML: (element) => (/^[a-z0-9]{4,20}$/.test(element.dataset.id ?? "") ? element.dataset.id : null),
          renderHTML: ({ id }) => (id ? { "data-id": id } : {}),
        },
      },
    },
  ],
});

// view: name of a block -> a node view for TipTap (blocks.js).
export function schema(view) {
  const viewed = [paragraph, heading, bulletList, orderedList, blockquote, callout, columns, footer].map((node) =>
    node.extend({ addNodeView: view(node.name) }),
  );
  const atoms = Object.entries(ATOMS).map(([name, defaults]) => atom(name, defaults, view));
  return [doc, Text, lineBreak, ...viewed, listItem, column, ...atoms, Bold, Italic, link, color, ids, UndoRedo];
}
