// How the blocks whose words stand in attributes look in the letter; the form below each of them fills them in (atoms.js).
import { picture } from "./pictures.js";
import { make, say } from "./words.js";

const text = (tag, words, attributes = {}) => (words?.trim() ? make(tag, attributes, words) : null);
const host = (address) => address.replace(/^[a-z]+:\/\//i, "").split("/")[0];
const button = (words, name = "cta") => make("p", {}, make("span", { class: name }, words));

// "2026-12-24T18:00" as somebody here would write it.
function moment(typed) {
  const at = new Date(typed);
  if (!typed || Number.isNaN(at.getTime())) return typed;
  return at.toLocaleString(document.documentElement.lang, { dateStyle: "full", timeStyle: "short" });
}

function image(src, alt, decorative) {
  const shown = make("div", { class: "pic" }, picture(src, decorative ? "" : alt));
  if (!src) shown.classList.add("none");
  return shown;
}

const FACES = {
  picture: ({ src, alt, decorative }) => [
    image(src, alt, decorative),
    src ? make("p", { class: "hint" }, decorative ? say("picture-decorative") : alt ? say("alt-is", { alt }) : say("alt-missing")) : null,
  ],
  button: ({ text: words, align }) => [make("p", { class: align }, make("span", { class: "cta" }, words || say("button-text")))],
  divider: () => [make("hr")],
  social: ({ links }) => [make("p", {}, ...(links.length ? links.flatMap(({ network, url }, at) => [at ? "\u00a0 " : "", make("u", {}, network || host(url))]) : [say("kind-social")]))],
  donation: ({ title, text: words, label, amounts }) => [
    make(
      "div",
      { class: "box strong" },
      text("p", title, { class: "title", "data-level": "2" }),
      text("p", words),
      make("p", { class: "warn" }, say("donation-hint")),
      amounts.length ? make("p", {}, make("strong", {}, amounts.join("\u00a0 "))) : null,
      button(label.trim() || say("give"), "cta give"),
    ),
  ],
  event: ({ title, start, end, place, link, about }) => [
    make(
      "div",
      { class: "box" },
      make("p", { class: "title", "data-level": "2" }, title || say("event-title")),
      start ? make("p", {}, make("strong", {}, end ? `${moment(start)} – ${moment(end)}` : moment(start))) : null,
      text("p", place),
      text("p", about),
      link ? make("p", {}, make("u", {}, host(link))) : null,
    ),
  ],
  question: ({ question, answers }) => [
    make("div", { class: "box" }, make("p", { class: "title", "data-level": "2" }, question || say("question-question")), make("ul", {}, ...answers.map((answer) => make("li", {}, make("u", {}, answer))))),
  ],
  video: ({ src, link, alt }) => [image(src, alt, false), make("p", {}, make("u", {}, link ? `▶ ${host(link)}` : `▶ ${say("video-link")}`))],
  html: ({ source }) => [make("code", { class: "typed" }, source.trim() || say("html-source"))],
};

export function face(name) {
  const dom = make("div", { class: "face", contenteditable: "false" });
  let drawn = "";
  return {
    dom,
    show(attrs) {
      const wanted = JSON.stringify(attrs);
      if (wanted === drawn) return;
      drawn = wanted;
      const old = dom.querySelector("img");
      dom.replaceChildren(...FACES[name](attrs).filter(Boolean));
      // The same picture is not drawn anew for each letter of its description.
      const fresh = dom.querySelector("img");
      if (old && fresh?.src === old.src) {
        old.alt = fresh.alt;
        fresh.replaceWith(old);
      }
    },
  };
}
