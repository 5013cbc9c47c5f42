// Saving while somebody types: after a pause, or a few seconds after the first unsaved key if there is none, and once
// more when the page is left. Says at the top what is true, shows a button where pressing it is what helps, and asks
// before unsaved text goes with the page.
// Nothing is laid into the browser's own storage: a draft is encrypted on the server and would be readable there.
import { say } from "./words.js";

const PAUSE = 1_000; // ms without a key
const LONGEST = 3_000; // ms from the first unsaved key, however long somebody types on
const PATIENCE = 20_000; // ms: no answer for so long is no connection
const WAIT = 4_000; // ms that a pressed link waits for a save
const CARRIED = 60_000; // bytes: browsers send at most 64 KB for a page that is gone

const TYPED = "textarea, input[type=text], input[type=email], input[type=url]";

// Sentences of answers for which trying again is of no use before somebody types on.
const REFUSALS = { 400: "unsaved-long", 404: "unsaved-gone", 413: "unsaved-long" };

// sending: called before a save is sent. answered: after its answer was put into the page. failed: a save did not work
// and should be tried again.
export function saving({ form, sending, answered, failed }) {
  const address = form.dataset.save;
  const page = crypto.randomUUID().replaceAll("-", "").slice(0, 24);
  let serial = 0;
  // A page that came back with an error was not saved, and does not save itself before Save is pressed.
  let typed = address ? 0 : 1; // changes so far,
  let taken = typed; // how many of them the newest request has,
  let kept = 0; // and how many are stored.
  let carried = 0;
  let began = 0; // when the first change was made that no request has yet
  let timer = null;
  let busy = null;
  let trouble = ""; // the name of the sentence that says why nothing is saved
  let stops = false; // It was understood and refused: only another text helps.
  let leaving = false; // The form itself goes with the page.
  let isOut = false; // signed out, as far as is known
  const passing = new WeakSet(); // forms and links that have waited for the save

  const unsaved = () => typed > kept;
  const show = (text, wrong = false) => {
    for (const line of document.querySelectorAll("[data-saving]")) {
      if (line.textContent !== text) line.textContent = text;
      line.classList.toggle("wrong", wrong);
    }
    for (const button of document.querySelectorAll("[data-save-by-hand]")) button.hidden = Boolean(address) && !stops;
  };
  const rest = () => show(say(address ? "saves-itself" : "unsaved-press"), !address);
  const changed = () => {
    if (typed === taken) began = Date.now();
    typed += 1;
    leaving = false;
    if (!address) return rest();
    if (trouble && !stops) return undefined;
    if (!trouble) show(say("saving"));
    return plan();
  };
  const plan = () => {
    clearTimeout(timer);
    timer = setTimeout(save, Math.max(0, Math.min(PAUSE, began + LONGEST - Date.now())));
  };

  // For the preview, which asks the server as well.
  function session(out) {
    if (out !== isOut) document.dispatchEvent(new CustomEvent("session", { detail: { isOut: out } }));
    isOut = out;
  }

  function fail(name, final = false) {
    trouble = name;
    if (name === "signed-out") session(true);
    stops = final;
    show(say(name), true);
  }

  // One request at a time; whoever calls meanwhile waits for the one that is under way.
  function save() {
    clearTimeout(timer);
    if (!address) return Promise.resolve();
    busy ??= once().finally(() => {
      busy = null;
      if (typed > taken && (!trouble || stops)) plan();
    });
    return busy;
  }

  async function once() {
    const upTo = (taken = typed);
    if (unsaved() && !trouble) show(say("saving"));
    sending();
    const { status, text } = await post();
    if (status !== 200) {
      if (REFUSALS[status]) fail(REFUSALS[status], true);
      else {
        fail(status === 403 ? "signed-out" : status >= 500 ? "unsaved-server" : "no-line");
        failed(status);
      }
      return;
    }
    session(false);
    put(text);
    const { state, said } = document.getElementById("stored").dataset;
    trouble = state === "saved" ? "" : "refused";
    stops = state !== "saved";
    if (state === "saved") kept = Math.max(kept, upTo);
    answered();
    if (!unsaved()) window.htmx.trigger(document.body, "stored");
    if (stops) show(said, true);
    else show(unsaved() ? say("saving") : said);
  }

  function body() {
    serial += 1;
    // The server knows by it which of two requests of this page is the newer one, in whatever order they arrive.
    form.elements.page.value = page + serial.toString(16).padStart(8, "0");
    return new FormData(form);
  }

  const asked = { "HX-Request": "true" };

  async function post() {
    const line = new AbortController();
    const patience = setTimeout(() => line.abort(), PATIENCE);
    try {
      const options = { method: "POST", body: body(), headers: asked, redirect: "manual", signal: line.signal };
      const answer = await fetch(address, options);
      return { status: answer.type === "opaqueredirect" ? 403 : answer.status, text: await answer.text() };
    } catch {
      return { status: 0, text: "" };
    } finally {
      clearTimeout(patience);
    }
  }

  // Everything typed is stored, or it is known that it cannot be now.
  async function settle() {
    const late = new Promise((done) => setTimeout(done, WAIT, true));
    while (unsaved()) if ((await Promise.race([save(), late])) || trouble || !address) break;
    return !unsaved();
  }

  // -- leaving --

  // The page may be gone before an answer: the browser carries the request on alone. The usual save goes on besides,
  // in case that the page stays.
  const flush = () => {
    if (!address || !unsaved() || leaving || carried === typed) return;
    const sent = body();
    if (weight(sent) > CARRIED) return void save();
    carried = typed;
    fetch(address, { method: "POST", body: sent, headers: asked, redirect: "manual", keepalive: true }).catch(
      () => (carried = 0),
    );
  };
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
  window.addEventListener("pagehide", flush);
  window.addEventListener("beforeunload", (event) => {
    if (leaving || !unsaved()) return;
    if (!trouble) save(); // While the question stands there.
    event.preventDefault();
  });

  // On window, so that whoever handles a press in the page itself has said so by then.
  window.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || !unsaved() || leaving || passing.has(link) || !leads(event, link)) return;
    event.preventDefault();
    await settle();
    passing.add(link); // What could not be saved is asked about by the browser.
    link.click();
    passing.delete(link);
  });
  window.addEventListener("submit", async (event) => {
    const { target, submitter, defaultPrevented } = event;
    if (defaultPrevented || (target.target && target.target !== "_self")) return;
    const ready = passing.has(target) || (target === form ? address && !unsaved() : !unsaved() || leaving);
    if (ready) {
      leaving ||= target === form;
      return;
    }
    event.preventDefault();
    if (target === form && !(await sendable())) return;
    if (target !== form) await settle();
    passing.add(target);
    target.requestSubmit(submitter);
    passing.delete(target);
  });

  // A text that was refused is sent all the same: the page that comes back shows it, with what is wrong. What cannot
  // arrive, or would meet the page to sign in, stays here.
  async function sendable() {
    if (address) return (await settle()) || stops;
    const status = await reach();
    if (status === 200) return true;
    fail(status === 403 ? "signed-out" : "no-line");
    failed(status);
    return false;
  }

  async function reach() {
    try {
      const answer = await fetch(document.getElementById("here").dataset.look, { redirect: "manual" });
      return answer.type === "opaqueredirect" ? 403 : answer.status;
    } catch {
      return 0;
    }
  }

  // Fields of the form stand in the rail as well. Those without a name belong to a block, whose text is the form's.
  document.addEventListener("input", ({ target }) => target.form === form && target.name && changed());
  // What was typed before this script was here.
  if ([...form.elements].some((field) => field.name && field.matches(TYPED) && field.value !== field.defaultValue)) changed();
  else rest();
  return {
    save,
    fail,
    unsaved,
    // Why the newest request did not work, where trying again may help; "" if it did.
    trouble: () => (stops ? "" : trouble),
    // It can be tried again.
    well() {
      trouble = "";
      session(false);
      if (address) save();
      else rest();
    },
  };
}

// The answer of a save. What colleagues said may come with it; a comment that is being written stays.
function put(text) {
  const old = document.getElementById("comment-text");
  const focused = old && document.activeElement === old;
  window.htmx.swap(document.getElementById("answer"), text, { swapStyle: "innerHTML" });
  const fresh = document.getElementById("comment-text");
  if (!old || old === fresh) return;
  fresh.value = old.value;
  if (!focused) return;
  fresh.focus();
  fresh.setSelectionRange(old.selectionStart, old.selectionEnd);
}

function leads(event, link) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return false;
  if ((link.target && link.target !== "_self") || link.hasAttribute("download")) return false;
  const there = new URL(link.href);
  const same = there.pathname === location.pathname && there.search === location.search;
  return there.protocol.startsWith("http") && !(same && there.hash && there.origin === location.origin);
}

// Of the request's body, a little more than it will be.
function weight(sent) {
  const encoder = new TextEncoder();
  return [...sent].reduce((sum, [name, value]) => sum + 200 + encoder.encode(name + value).length, 0);
}
