// The letter as readers see it, while it is typed: what stands in the form is sent to a frame of its own and takes the
// place of the one before when it is there. Nothing is saved by it. The frame opens at the block that is being written.
import { say } from "./words.js";

const PAUSE = 0; // ms: what one keystroke or paste changes is drawn together
const PATIENCE = 10_000; // ms: no answer for so long is none, as for whoever is signed out

const KINDS = { phone: "light", desk: "light", dark: "dark", off: "off" };
const SENT = ["subject", "preheader", "from_name", "from_email", "reply_to", "format", "body", "language", "csrfmiddlewaretoken"];

// block: gives the number of the block with the caret, 1 for the first; 0 for none.
export function look(form, block) {
  const glass = document.querySelector(".glass[data-look]");
  if (!glass) return;
  const paused = document.getElementById("look-paused");
  let timer = null;
  let since = 0;
  let busy = false;
  let again = false;
  let late = null;
  let isOut = false; // signed out: nothing is sent
  let count = 0;

  const kind = () => KINDS[document.querySelector("[name=view]:checked")?.value];
  const draw = () => {
    const wanted = kind();
    const old = wanted && glass.querySelector(`iframe.f-${wanted}`);
    if (!old) return;
    // What nobody looks at is not asked for.
    if (busy || isOut || !glass.checkVisibility()) {
      again = true;
      return;
    }
    const began = since || performance.now();
    busy = true;
    since = 0;
    again = false;
    count += 1;
    const frame = old.cloneNode();
    frame.removeAttribute("src");
    frame.removeAttribute("loading");
    frame.name = `look${count}`;
    frame.className = "coming";
    old.after(frame);
    late = setTimeout(free, PATIENCE);
    frame.addEventListener("load", () => {
      clearTimeout(late);
      old.remove();
      frame.className = `f-${wanted}`;
      glass.dataset.took = String(Math.round(performance.now() - began));
      glass.dataset.drawn = String(count);
      busy = false;
      if (again) draw();
    });
    send(form, glass.dataset.look.replace("KIND", wanted), frame.name, block());
  };
  // The one that was under way is given up.
  const free = () => {
    clearTimeout(late);
    glass.querySelector("iframe.coming")?.remove();
    busy = false;
    if (again) draw();
  };
  document.addEventListener("session", ({ detail }) => {
    isOut = detail.isOut;
    again = true; // What is typed meanwhile is shown afterwards.
    paused.textContent = isOut ? say("look-paused") : "";
    paused.hidden = !isOut;
    free();
  });
  const soon = () => {
    since ||= performance.now();
    clearTimeout(timer);
    timer = setTimeout(draw, PAUSE);
  };
  document.addEventListener("input", ({ target }) => target.form === form && target.name && soon());
  for (const radio of document.querySelectorAll("[name=view]")) radio.addEventListener("change", () => (since = 0) || draw());
  const shown = () => again && draw();
  for (const tab of document.querySelectorAll("[name=panel]")) tab.addEventListener("change", shown);
  document.getElementById("rail")?.addEventListener("toggle", shown);
}

// A form of its own, since the fields of the letter's form are for saving; a frame that was empty makes no step back.
function send(form, address, target, at) {
  const sent = document.createElement("form");
  Object.assign(sent, { method: "post", action: at ? `${address}#here` : address, target, hidden: true });
  const put = (name, value) => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    sent.append(field);
  };
  for (const name of SENT) if (form.elements[name]) put(name, form.elements[name].value);
  put("as", document.getElementById("as")?.value ?? "");
  put("at", at);
  document.body.append(sent);
  sent.submit();
  sent.remove();
}
