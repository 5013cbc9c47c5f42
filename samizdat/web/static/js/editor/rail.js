// Around the letter: subject and preview text grow with what is typed, the rail says what is chosen and opens at what is
// asked for. Without this file everything works by itself: tabs are radio buttons, settings fold.
const rail = document.getElementById("rail");
const subject = document.getElementById("f-subject");
const preheader = document.getElementById("f-preheader");

for (const field of [subject, preheader]) if (field?.matches("textarea")) line(field);
counted();
summaries();
ways();

// -- the first two lines of the sheet --

function line(field) {
  const grows = CSS.supports("field-sizing", "content");
  const fit = () => {
    if (grows) return;
    field.style.blockSize = "auto";
    field.style.blockSize = `${field.scrollHeight}px`;
  };
  field.addEventListener("input", () => {
    // A subject is one line, also where several were pasted.
    if (/[\r\n]/.test(field.value)) {
      const at = field.selectionStart;
      field.value = field.value.replace(/\s*[\r\n]+\s*/g, " ");
      field.setSelectionRange(at, at);
    }
    fit();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    (field === subject ? preheader : (document.getElementById("letter-text") ?? document.getElementById("f-body"))).focus();
  });
  fit();
}

// How long the subject is, in the words of the page for one, few and many.
function counted() {
  const said = document.getElementById("subject-count");
  if (!said || !subject) return;
  const forms = JSON.parse(said.dataset.forms);
  const rules = new Intl.PluralRules(document.documentElement.lang);
  const show = () => {
    const count = [...subject.value].length;
    const words = (forms[rules.select(count)] ?? forms.other).replace("%(n)s", count);
    said.textContent = count > Number(said.dataset.most) ? `${words} ${said.dataset.long}` : words;
  };
  subject.addEventListener("input", show);
}

// -- the rail --

// One line of each setting says what is chosen; the page has said it once.
function summaries() {
  rail?.addEventListener("change", ({ target }) => {
    const said = target.closest(".set")?.querySelector(":scope > summary > [data-of]");
    const fields = said?.dataset.of.split(" ").map((id) => document.getElementById(id)).filter(Boolean);
    if (!fields?.includes(target)) return;
    const shown = fields.map((field) => (field.matches("select") ? field.selectedOptions[0]?.textContent.trim() : field.value.trim()));
    const [first, second] = shown;
    said.textContent = second && fields[1].matches("[inputmode=email]") ? `${first} <${second}>` : shown.filter(Boolean).join(", ") || said.dataset.none || "–";
  });
}

export function panel(name) {
  const tab = rail?.querySelector(`[name=panel][value=${name}]`);
  if (!tab) return;
  tab.checked = true;
  tab.dispatchEvent(new Event("change", { bubbles: true }));
}

// In the rail itself it is on the screen already where the screen is wide.
function open() {
  if (getComputedStyle(rail).position === "fixed" && !rail.matches(":popover-open")) rail.showPopover();
}

// A link to a field opens what it stands in; one to the letter closes the sheet that lies over it. Before anybody else puts
// the focus there, since a window that closes takes it back.
function ways() {
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest("a[href^='#']");
      const to = link && document.getElementById(link.hash.slice(1));
      const isBlock = link?.matches("[data-block], [data-line]");
      if (!rail || (!to && !isBlock)) return;
      if (isBlock || !rail.contains(to)) {
        if (rail.matches(":popover-open")) rail.hidePopover();
        if (to === subject || to === preheader) (event.preventDefault(), to.focus());
        return;
      }
      event.preventDefault();
      open();
      panel(to.closest(".panel").dataset.panel);
      for (let fold = to.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      to.focus();
      to.scrollIntoView({ block: "nearest" });
    },
    true,
  );
  document.addEventListener("remark", () => {
    if (!rail) return;
    panel("comments");
    open();
  }, true);
}
