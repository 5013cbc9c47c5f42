// Saving while somebody writes, with others: what is stored comes back, who else is here is said, and a session that
// ends or a line that breaks loses nothing. Used by blocks, and by Markdown and HTML as they are.
import { look as draw } from "./look.js";
import { learn, say } from "./words.js";

const LOOK = 10_000; // ms between two looks at who is here
const AGAIN = 5_000; // ms between two tries to save after one failed

// take: given what was sent and what is stored, brings the difference into the page. Absent for Markdown and HTML.
export function follow({ form, source, read, take }) {
  const place = document.getElementById("here");
  if (!place) return; // A letter that is not begun yet has nothing to follow.
  let sent = source.value;
  let said = {}; // the other fields, as they were sent
  let dirty = false;
  let failed = false;

  // Pages without saving by themselves (a place of a template) only ask before they send.
  const saves = form.hasAttribute("hx-post");
  let asked = false;

  if (saves) form.elements.page.value = crypto.randomUUID().replaceAll("-", "");
  const save = () => {
    if (saves) return window.htmx.trigger(form, "again");
    failed = false;
    return note("");
  };

  form.addEventListener("input", () => (dirty = true));
  form.addEventListener("submit", (event) => {
    // What cannot be saved now is not sent away with the page.
    if (failed) {
      event.preventDefault();
      look();
    } else if (dirty && !asked) {
      event.preventDefault();
      ask(event.submitter);
    } else dirty = asked = false;
  });
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target !== form) return;
    sent = source.value;
    said = Object.fromEntries([...form.elements].filter((field) => field.name).map((field) => [field.name, field.value]));
    dirty = false;
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== form) return;
    const status = event.detail.xhr?.status ?? 0;
    if (status === 200) {
      if (failed) note("");
      failed = false;
      stored();
      return;
    }
    dirty = true;
    failed = true;
    note(say(status === 403 ? "signed-out" : "no-line"), true);
    setTimeout(look, AGAIN);
  });
  // The browser asks before it closes a page with something that is not saved yet.
  window.addEventListener("beforeunload", (event) => {
    if (dirty && failed) event.preventDefault();
  });

  // Somebody who is signed out would get a page that says so in the place of what she typed.
  async function ask(submitter) {
    let status = 0;
    try {
      const answer = await fetch(place.dataset.look, { redirect: "manual" });
      asked = answer.ok;
      status = answer.type === "opaqueredirect" ? 403 : answer.status;
    } catch {
      // There is no line.
    }
    if (asked) return form.requestSubmit(submitter);
    failed = true;
    note(say(status === 403 ? "signed-out" : "no-line"), true);
    return setTimeout(look, AGAIN);
  }

  // The answer of a save says it when what is stored is not what was sent.
  function stored() {
    const merged = document.getElementById("merged");
    if (!merged) return;
    if (take) take(sent, merged.value);
    else if (source.value === sent) source.value = merged.value;
    // What somebody has gone on typing in is left alone: it is saved next.
    for (const [name, value] of Object.entries(JSON.parse(merged.dataset.envelope))) {
      const field = form.elements[name];
      if (field && field.value === said[name] && value !== said[name]) field.value = value;
    }
    merged.remove();
    if (read) source.value = read();
  }

  // Who else is here, by polling; also finds out that somebody has signed in again, and gets a token that is good now.
  async function look() {
    try {
      const body = new FormData();
      body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
      const answer = failed
        ? await fetch(place.dataset.look, { redirect: "manual" })
        : await fetch(place.dataset.look, { method: "POST", body, redirect: "manual" });
      if (!answer.ok) {
        if (answer.status === 403 || answer.type === "opaqueredirect") failed = true;
        if (failed) note(say("signed-out"), true);
        return;
      }
      const facts = await answer.json();
      for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = facts.token;
      if (!failed) note(facts.others);
      // Somebody saved, or what is here is not saved yet: saving brings both together.
      const behind = saves && take && facts.version > Number(form.elements.version.value);
      if (failed || (behind && !dirty)) save();
    } catch {
      if (failed) note(say("no-line"), true);
    }
  }

  function note(text, wrong = false) {
    if (place.textContent === text) return;
    place.textContent = text;
    place.hidden = !text;
    place.className = wrong ? "note stop" : "note plain";
  }

  const every = () => {
    if (document.visibilityState === "visible" || failed) look();
    setTimeout(every, failed ? AGAIN : LOOK);
  };
  if (place.dataset.look) every();
}

// Markdown and HTML: the same without blocks.
const plain = document.getElementById("typed");
if (plain) {
  learn(plain);
  const source = document.getElementById("f-body");
  follow({ form: source.form, source });
  draw(source.form, () => 0);
}
