// What comes off the clipboard of Word, Google Docs, Telegram or a web page, made plain before it is read by the schema.
// The schema lets in nothing that it does not know; here is kept what people mean by what they copied: lists that Word
// writes as paragraphs, bold that Google Docs writes as a style, lines that Telegram writes as breaks.
import { safeLink } from "./schema.js";
import { say, warn } from "./words.js";

const LARGEST = 2_000_000;
const GONE = "script, style, title, meta, link, xml, iframe, object, embed, form, svg, math, template, noscript, head, button, input, select, textarea, video, audio, [aria-hidden=true]";
const INLINE = new Set(["A", "B", "STRONG", "I", "EM", "SPAN", "U", "S", "CODE", "SUB", "SUP", "FONT", "SMALL", "MARK", "LABEL"]);

export function clean(html) {
  if (html.length > LARGEST) {
    warn(say("too-much"));
    return "";
  }
  const page = new DOMParser().parseFromString(inert(html), "text/html");
  const body = page.body;
  for (const element of body.querySelectorAll(GONE)) element.remove();
  comments(page, body);
  for (const image of body.querySelectorAll("img")) image.replaceWith(emoji(image));
  wordLists(page, body);
  for (const element of [...body.querySelectorAll("*")]) marks(page, element);
  nested(body);
  for (const box of [body, ...body.querySelectorAll("div, th, td, p, li")]) lines(page, box);
  for (const element of [...body.querySelectorAll("p")]) if (!element.textContent.trim() && !element.querySelector("[data-block]")) element.remove();
  for (const element of body.querySelectorAll("*")) bare(element);
  return body.innerHTML;
}

// Styles are read as data, and handlers not at all: the page's policy forbids both, also in a document that nobody sees.
function inert(html) {
  return html
    .replace(/<(style|xml|script)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<[a-z][^<>]*>/gi, (tag) =>
      tag.replace(/[\s/"'](style|on[a-z]+)\s*=/gi, (all, name) => `${all[0]} data-${/^style$/i.test(name) ? "style" : "off"}=`),
    );
}

function comments(page, body) {
  const walker = page.createTreeWalker(body, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  for (const comment of found) comment.remove();
}

// Emoji are pictures in Telegram, with the sign as description. Other pictures are brought in by their own block.
function emoji(image) {
  const alt = image.getAttribute("alt") ?? "";
  return /\p{Extended_Pictographic}/u.test(alt) && alt.length <= 16 ? alt : "";
}

// Word: a paragraph with "mso-list:l0 level2 lfo1" is an item, its sign stands in a part marked as to be ignored.
function wordLists(page, body) {
  let lists = [];
  let last = null;
  let number = null;
  for (const item of [...body.querySelectorAll("[data-style*='mso-list']")]) {
    const [, id, depth] = item.dataset.style.match(/mso-list:\s*(\w+)[^;"]*level(\d)/) ?? [];
    const level = Number(depth);
    if (!level || !/^(P|H\d|DIV|LI)$/.test(item.tagName)) continue;
    const sign = [...item.querySelectorAll("[data-style*='mso-list:Ignore'], [data-style*='mso-list: Ignore']")][0];
    const ordered = /^[\s\u00a0]*[\da-zA-Z]{1,4}[.)]/.test(sign?.textContent ?? "");
    sign?.remove();
    // Another list of Word's right behind the last one is a list of its own.
    if (!last || last.nextElementSibling !== item || (level === 1 && id !== number)) lists = [];
    if (level === 1) number = id;
    lists.length = Math.min(lists.length, level);
    while (lists.length < level) {
      const list = page.createElement(ordered ? "ol" : "ul");
      const outer = lists.at(-1);
      if (outer) (outer.lastElementChild ?? outer.appendChild(page.createElement("li"))).append(list);
      else item.before(list);
      lists.push(list);
    }
    const entry = page.createElement("li");
    const words = page.createElement("p");
    words.append(...item.childNodes);
    entry.append(words);
    lists.at(-1).append(entry);
    item.remove();
    last = lists[0];
  }
  for (const title of body.querySelectorAll("p.MsoTitle")) {
    const heading = page.createElement("h1");
    heading.append(...title.childNodes);
    title.replaceWith(heading);
  }
}

// Bold and italic by style become the elements that say so; Google's <b style="font-weight:normal"> becomes nothing.
function marks(page, element) {
  const style = element.dataset.style ?? "";
  const weight = style.match(/(?:^|;)\s*font-weight\s*:\s*([a-z0-9]+)/i)?.[1];
  const heading = /^H[1-6]$/.test(element.tagName);
  if (/^(B|STRONG)$/.test(element.tagName) && /^(normal|[1-4]00)$/.test(weight ?? "")) return element.replaceWith(...element.childNodes);
  if (!INLINE.has(element.tagName) || heading) return undefined;
  if (/^(bold|[6-9]00)$/.test(weight ?? "") && !element.closest("h1, h2, h3, h4, h5, h6")) wrap(page, element, "strong");
  if (/font-style\s*:\s*italic/i.test(style)) wrap(page, element, "em");
  return undefined;
}

function wrap(page, element, tag) {
  const outer = page.createElement(tag);
  outer.append(...element.childNodes);
  element.append(outer);
}

// Google Docs puts a list into a list; it belongs to the item before. Of an item, what is not its list is one paragraph.
function nested(body) {
  for (const list of body.querySelectorAll(":is(ul, ol) > :is(ul, ol)")) {
    const item = list.previousElementSibling;
    if (item?.tagName === "LI") item.append(list);
  }
}

// Two line breaks make a paragraph, as in Telegram and in mail. Word's own elements ("o:p") stand in a line as well.
function inline({ nodeType, nodeName }) {
  return nodeType === 3 || nodeName === "BR" || INLINE.has(nodeName) || nodeName.includes(":");
}

function lines(page, box) {
  if (box.nodeName === "LI") return;
  const nodes = [...box.childNodes];
  if (!nodes.every(inline)) return beside(page, nodes);
  const made = paragraphs(page, nodes);
  // One line in the middle of a sentence stays one: it is pasted into the text at the caret. The words of two cells of
  // a table stay apart.
  const cell = /^T[HD]$/.test(box.nodeName) && box.closest("table")?.querySelectorAll("th, td").length > 1;
  if (made.length < 2 && box.nodeName !== "DIV" && !cell) {
    if (made.length) box.replaceChildren(...made[0].childNodes);
  } else if (box.nodeName === "P") box.replaceWith(...made);
  else box.replaceChildren(...made);
}

// Words beside blocks, such as a quotation in Telegram: what stands between two blocks is lines of its own.
function beside(page, nodes) {
  let run = [];
  for (const node of [...nodes, null]) {
    if (node && inline(node)) run.push(node);
    else if (run.length) {
      const [first] = run;
      const mark = page.createTextNode("");
      first.before(mark);
      const made = paragraphs(page, run);
      for (const rest of run) if (rest.parentNode === mark.parentNode) rest.remove();
      mark.replaceWith(...made);
      run = [];
    }
  }
}

// Breaks within a paragraph stay; those at its ends, and blanks between two, mean nothing.
function paragraphs(page, nodes) {
  const parts = [[]];
  let breaks = 0;
  for (const node of nodes) {
    if (node.nodeName === "BR") breaks += 1;
    else if (node.nodeType === 3 && !node.textContent.trim() && breaks) continue;
    else {
      if (breaks >= 2) parts.push([]);
      else if (breaks && parts.at(-1).length) parts.at(-1).push(page.createElement("br"));
      breaks = 0;
      parts.at(-1).push(node);
    }
  }
  const said = (part) => part.some((node) => node.textContent.trim() || node.querySelector?.("[data-block]"));
  return parts.filter(said).map((part) => {
    const paragraph = page.createElement("p");
    paragraph.append(...part);
    return paragraph;
  });
}

// No attribute is left but addresses of links, and what our own blocks carry.
function bare(element) {
  const href = element.tagName === "A" ? plainLink(element.getAttribute("href")) : "";
  const start = element.tagName === "OL" ? element.getAttribute("start") : null;
  const own = ["data-block", "data-attrs", "data-id", "data-tone", "data-pm-slice"].map((name) => [name, element.getAttribute(name)]);
  for (const { name } of [...element.attributes]) element.removeAttribute(name);
  if (href) element.setAttribute("href", href);
  if (start) element.setAttribute("start", start);
  for (const [name, value] of own) if (value !== null) element.setAttribute(name, value);
}

// Google leads over its own address, which would see who reads: the real one stands in it. What is an address only within
// the page that it was copied from leads nowhere from an email.
function plainLink(href) {
  const link = /^\s*([.?#]|\/(?!\/))/.test(href ?? "") ? "" : safeLink(href);
  const around = link.match(/^https?:\/\/(?:www\.)?google\.[a-z.]+\/url\?(.*)$/i);
  const real = around && new URLSearchParams(around[1]).get("q");
  return real && /^https?:/i.test(real) ? safeLink(real) : link;
}
