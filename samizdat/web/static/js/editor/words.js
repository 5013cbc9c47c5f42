// What the editor says. The sentences come from the page, in the language of whoever writes (web/campaigns/editor_strings.py).
let words = {};

export function learn(element) {
  words = JSON.parse(element.dataset.words);
}

export function say(name, values = {}) {
  return (words[name] ?? name).replace(/%\((\w+)\)s/g, (whole, key) => values[key] ?? whole);
}

export function kind(name) {
  return say(`kind-${name}`);
}

// An element with attributes, listeners ("onclick") and children; text is text and never read as HTML.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// The one line that screen readers speak: what an action did.
export function tell(text) {
  const line = document.getElementById("told");
  if (line) line.textContent = text;
}

// What could not be done, for everybody to see: above the letter, in sight wherever it is written. Gone with the next key or press.
export function warn(text) {
  const frame = document.querySelector(".writing .frame");
  if (!frame) return tell(text);
  const note = frame.querySelector(".warning") ?? make("p", { class: "note care warning", role: "alert" });
  frame.prepend(note);
  note.textContent = text;
  for (const name of ["keydown", "pointerdown"]) document.addEventListener(name, () => note.remove(), { once: true });
  return undefined;
}
