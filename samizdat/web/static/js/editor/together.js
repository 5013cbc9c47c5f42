// Writing with others: what is stored comes back into the page, who else is here is said, and after a session that ended
// or a line that broke it is tried again. Used by blocks, and by Markdown and HTML as they are.
import { look as draw } from "./look.js";
import { saving } from "./saving.js";
import { learn } from "./words.js";

const LOOK = 10_000; // ms between two looks at who is here
const AGAIN = 5_000; // ms between two tries to save after one failed
const SOON = 700; // ms between the first looks after a reload,
const LATE = 4; // and how many: what was typed last may come in after this page was made

// take: given what was sent and what is stored, brings the difference into the page. complete: the same where the server
// has only mended links. Both absent for Markdown and HTML.
export function follow({ form, source, read, take, complete }) {
  const place = document.getElementById("here");
  if (!place) return; // A letter that is not begun yet has nothing to follow.
  let sent = source.value;
  let said = {}; // the other fields, as they were sent

  const keeper = saving({
    form,
    sending() {
      sent = source.value;
      said = Object.fromEntries([...form.elements].filter((field) => field.name).map((field) => [field.name, field.value]));
    },
    answered: stored,
    // Whether it is the line, the session or a right is found out by looking.
    failed: (status) => (status === 403 ? every() : next()),
  });

  // The answer of a save says it when what is stored is not what was sent.
  function stored() {
    const completed = document.getElementById("completed");
    if (completed) {
      if (complete) complete(sent, completed.value);
      else if (source.value === sent) bring(source, sent, completed.value);
      completed.remove();
    }
    const merged = document.getElementById("merged");
    if (!merged) return;
    if (take) take(sent, merged.value);
    else bring(source, sent, merged.value);
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
    const failing = keeper.trouble();
    try {
      const body = new FormData();
      body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
      const answer = failing
        ? await fetch(place.dataset.look, { redirect: "manual" })
        : await fetch(place.dataset.look, { method: "POST", body, redirect: "manual" });
      if (!answer.ok) return lost(answer, failing);
      const facts = await answer.json();
      for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = facts.token;
      note(facts.others);
      // Somebody saved, or what is here is not saved yet: saving brings both together.
      const behind = form.dataset.save && facts.version > Number(form.elements.version.value);
      if (failing) keeper.well();
      else if (behind && !keeper.unsaved()) keeper.save();
    } catch {
      if (failing) keeper.fail("no-line");
    }
  }

  function lost(answer, failing) {
    if (answer.type === "opaqueredirect") return keeper.fail("signed-out");
    if (answer.status === 403 && failing) return keeper.fail("unsaved-role");
    if (answer.status === 403) {
      keeper.fail("signed-out");
      return look(); // With a token that is out of date it asks once more without one.
    }
    if (answer.status === 404) return keeper.fail("unsaved-gone");
    return failing && keeper.fail("unsaved-server");
  }

  function note(text) {
    if (place.textContent === text) return;
    place.textContent = text;
    place.hidden = !text;
  }

  let timer = null;
  let late = ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type) ? LATE : 0;
  function next() {
    clearTimeout(timer);
    timer = setTimeout(every, keeper.trouble() ? AGAIN : late-- > 0 ? SOON : LOOK);
  }
  async function every() {
    clearTimeout(timer);
    if (document.visibilityState === "visible" || keeper.trouble()) await look();
    next();
  }
  window.addEventListener("online", () => keeper.trouble() && every());
  every();
}

// What is stored comes into a text in which somebody may have typed on since it was sent; the caret stays at its words.
function bring(source, sent, stored) {
  const here = source.value;
  if (stored === here) return;
  const theirs = piece(sent, stored);
  const typed = piece(sent, here);
  let { begin, end } = theirs;
  if (end > typed.begin && typed.end > begin) begin = end = typed.begin; // Both changed it: both stay.
  else if (end > typed.begin) [begin, end] = [begin, end].map((at) => at + here.length - sent.length);
  const more = theirs.text.length - (end - begin);
  const moved = (at) => (at > begin || at === here.length ? Math.max(begin, at + more) : at);
  const caret = [source.selectionStart, source.selectionEnd].map(moved);
  source.value = here.slice(0, begin) + theirs.text + here.slice(end);
  source.setSelectionRange(...caret);
}

// The one piece of base that the text has something else for.
function piece(base, text) {
  const most = Math.min(base.length, text.length);
  let begin = 0;
  while (begin < most && base[begin] === text[begin]) begin += 1;
  let tail = 0;
  while (tail < most - begin && base[base.length - 1 - tail] === text[text.length - 1 - tail]) tail += 1;
  return { begin, end: base.length - tail, text: text.slice(begin, text.length - tail) };
}

// Markdown and HTML: the same without blocks.
const plain = document.getElementById("typed");
if (plain) {
  learn(plain);
  const source = document.getElementById("f-body");
  follow({ form: source.form, source });
  draw(source.form, () => 0);
}
