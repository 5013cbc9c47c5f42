// Choosing a picture of the library, or bringing in a new one, inside of a block.
import { make, say } from "./words.js";

let library = null;
let page = null;
let coming = 0; // pictures on their way to the library

// element: data-library (where the list is asked for), data-picture (address of one, with SLUG in it), data-upload.
export function open(element) {
  page = element;
  // Whoever presses Save while a picture is on its way means the letter with the picture.
  page.closest("form")?.addEventListener("submit", (event) => {
    if (!coming) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    page.addEventListener("arrived", () => event.target.requestSubmit(event.submitter), { once: true });
  });
}

// The newest, or those that say these words; the list is fetched when the first picture wants it.
async function listed(words = "") {
  if (!words && library) return library;
  try {
    const answer = await fetch(`${page.dataset.library}?q=${encodeURIComponent(words)}`);
    const found = (await answer.json()).pictures;
    if (!words) library = found;
    return found;
  } catch {
    return [];
  }
}

const isAddress = (src) => /[:/.]/.test(src);

export function chooser({ id, key, set, value, attrs }, labelled, put) {
  const control = make("select", { class: "input", id });
  const search = make("input", { class: "input", id: `${id}-q`, type: "search", autocomplete: "off" });
  const address = make("input", { class: "input", id: `${id}-a`, inputmode: "url", spellcheck: "false", autocomplete: "off", placeholder: "https://" });
  const file = make("input", { type: "file", id: `${id}-f`, accept: "image/jpeg,image/png,image/gif,image/webp" });
  const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
  const waiting = make("p", { class: "hint", role: "status", hidden: true }, say("picture-coming"));
  const where = labelled(`${id}-a`, "picture-where", address);
  let offered = [];
  let now = attrs;

  const fill = (src) => {
    const options = [["", say("picture-none")], ...offered.map((one) => [one.slug, one.name || one.alt || one.slug.slice(0, 6)])];
    if (src && !isAddress(src) && !offered.some((one) => one.slug === src)) options.push([src, say("picture-other")]);
    options.push(["*", say("picture-address")]);
    control.replaceChildren(...options.map(([slug, label]) => make("option", { value: slug }, label)));
    control.value = isAddress(src) ? "*" : src;
    where.hidden = control.value !== "*";
  };
  const show = (src, next) => {
    now = next;
    if (document.activeElement !== control && document.activeElement !== address) fill(src);
    put(address, isAddress(src) ? src : "");
  };
  const choose = (src, known = offered.find((one) => one.slug === src)) => {
    // What was said of the picture once is offered; what somebody typed here stays.
    if (known?.decoration) set({ [key]: src, ...("decorative" in now ? { decorative: true } : {}) });
    else set(known?.alt && !now.alt ? { [key]: src, alt: known.alt } : { [key]: src });
  };

  // On to what the image shows, for whoever is still at this block.
  const describe = () => {
    const at = document.activeElement ?? document.body;
    const alt = dom.closest(".on > .form")?.querySelector("[data-key=alt]");
    if (!alt || alt.value || !(at.contains(dom) || dom.contains(at))) return;
    alt.focus();
    // The image pushes the field down when it is there.
    dom.closest(".blk").querySelector(".face img")?.addEventListener("load", () => alt.scrollIntoView({ block: "nearest" }), { once: true });
  };

  control.addEventListener("change", () => {
    where.hidden = control.value !== "*";
    if (control.value === "*") address.focus();
    else choose(control.value);
  });
  address.addEventListener("input", () => set({ [key]: address.value }));
  let wait = null;
  search.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(async () => {
      offered = await listed(search.value.trim());
      fill(now[key]);
    }, 300);
  });
  file.addEventListener("change", async () => {
    wrong.hidden = true;
    waiting.hidden = false;
    coming += 1;
    const answer = await upload(file.files[0]);
    coming -= 1;
    waiting.hidden = true;
    wrong.hidden = Boolean(answer.slug);
    wrong.textContent = answer.why ?? "";
    file.value = "";
    if (answer.slug) {
      library = [answer, ...(library ?? [])];
      offered = library;
      choose(answer.slug, answer);
      fill(answer.slug);
      describe();
    }
    if (!coming) page.dispatchEvent(new Event("arrived"));
  });
  const find = make("div", { class: "grid two" }, labelled(id, "picture-src", control), labelled(`${id}-q`, "picture-find", search));
  const bring = page.dataset.upload ? [labelled(`${id}-f`, "picture-upload", file), waiting, wrong] : [];
  const dom = make("div", { class: "stack" }, find, where, ...bring);
  fill(value);
  show(value, attrs);
  listed().then((found) => {
    offered = found;
    fill(now[key]);
  });
  return { dom, show };
}

export function picture(src, alt) {
  if (!src) {
    // For mouse and finger; the keyboard has the field in the form.
    const bring = make("button", { class: "btn tiny bring", type: "button", tabindex: "-1" }, say("picture-upload"));
    return make("span", { class: "stack" }, make("span", {}, say("picture-none")), page?.dataset.upload ? bring : null);
  }
  if (isAddress(src)) return make("span", {}, say("picture-foreign", { host: src.replace(/^https?:\/\//, "").split("/")[0] }));
  return make("img", { src: page.dataset.picture.replace("SLUG", src), alt, loading: "lazy" });
}

async function upload(file) {
  const form = new FormData();
  form.append("pictures", file);
  form.append("csrfmiddlewaretoken", document.querySelector("#letter [name=csrfmiddlewaretoken]").value);
  try {
    const answer = await fetch(page.dataset.upload, { method: "POST", body: form, headers: { Accept: "application/json" } });
    const { pictures, refused } = await answer.json();
    return pictures[0] ?? { why: refused[0]?.sentence ?? say("not-uploaded") };
  } catch {
    return { why: say("not-uploaded") };
  }
}
