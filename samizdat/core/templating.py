"""A foreign template becomes one of ours: Mailchimp's, or any page of HTML.

The part that letters are written into becomes {{ content }}; what stood there is kept as a sample. Other editable parts
(mc:edit) stay as they are between comments that name them, so that a letter can put its own there. Nothing is taken
out without a note, and every merge tag is accounted for.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from samizdat.core import mergetags
from samizdat.core.letter import cleaning
from samizdat.core.letter.cleaning import MAX_NESTING
from samizdat.core.mergetags import Flaw

MAX_FILE = 5 * 1024 * 1024  # bytes as they come in; pictures inside of it are taken out before the next limit
MAX_TEMPLATE = 300_000  # characters, as of an HTML letter
MAX_PLACES = 60

SENTENCES: dict[str, str] = {
    "template_file": "The file has %(size)s bytes; %(limit)s is the most. Save the template without pictures inside.",
    "template_long": "The template has %(size)s characters; %(limit)s is the most. Take parts of it out.",
    "template_deep": "The template is nested more than %(limit)s deep. Save it again without the surrounding tables.",
    "template_no_html": "This is no page of HTML. Choose the file that the other service exports.",
    # what was done
    "note_taken_out": "%(what)s cannot be in a letter: %(count)s taken out.",
    "note_pixel": "Pictures of one pixel, which count readers or hold tables apart: %(count)s taken out.",
    "note_data": "Pictures inside of the file itself, which mail programs do not show: %(count)s taken out.",
    "note_remote": "Fonts and styles that are fetched from elsewhere: %(count)s taken out.",
    "note_unread": "Characters that could not be read: %(count)s. Look at the text; the file is no proper UTF-8.",
    "note_repeat": "Repeatable parts (%(names)s) stay once each, as they stand.",
    "note_variant": "Of parts with variants the first one stays; taken out: %(names)s.",
    "note_hide": "Parts that Mailchimp can hide (%(names)s) are shown.",
    "note_designer": "Marks for Mailchimp's designer (%(names)s) say nothing here and are taken out.",
    "note_tags": "Merge tags that work only inside Mailchimp are taken out with their links: %(names)s.",
    "note_place": "Letters are written where “%(name)s” stood.",
    "note_guess": "The file does not say where the letter goes. Its longest part was taken; look at the preview.",
}


class TemplateRefused(ValueError):
    """`code` of SENTENCES and its `values`."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(mergetags.fill(SENTENCES[code], values))
        self.code, self.values = code, values


@dataclass(frozen=True, slots=True)
class Note:
    code: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A merge tag of the file, how often it stands there, and what is wrong with it."""

    written: str
    count: int
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """`source` with {{ content }}; `sample`: HTML that stood there; `places`: names of other editable parts."""

    source: str
    sample: str
    places: tuple[str, ...]
    notes: tuple[Note, ...]
    tags: tuple[Told, ...]


def take(data: bytes, fields: Iterable[str] = ()) -> Taken:
    """Errors: TemplateRefused."""
    if len(data) > MAX_FILE:
        raise TemplateRefused("template_file", size=f"{len(data):,}", limit=f"{MAX_FILE:,}")
    text, unread = _decoded(data)
    notes = [Note("note_unread", {"count": f"{unread:,}"})] if unread else []
    page, more = _cleaned(text)
    notes += more
    if len(page) > MAX_TEMPLATE:
        raise TemplateRefused("template_long", size=f"{len(page):,}", limit=f"{MAX_TEMPLATE:,}")
    if cleaning.nesting(page) > MAX_NESTING:
        raise TemplateRefused("template_deep", limit=str(MAX_NESTING))
    if not re.search(r"<(?:html|body|table|div|p|td)\b", page, re.IGNORECASE):
        raise TemplateRefused("template_no_html")
    told, page, gone = _accounted(page, frozenset(fields))
    notes += gone
    source, sample, places, more = _placed(page)
    return Taken(source, sample, places, (*notes, *more), told)


def fill_places(source: str, values: Mapping[str, str]) -> str:
    """The template with a letter's own HTML in its places; the others keep what the template has."""
    return _PLACE.sub(lambda place: values.get(html.unescape(place[1]), place[2]), source)


def places_of(source: str) -> dict[str, str]:
    """Name of each place, and what stands there in the template."""
    return {html.unescape(name): inner for name, inner in _PLACE.findall(source)}


_PLACE = re.compile(r"<!--place:([^<>]{1,80}?)-->(.*?)<!--/place-->", re.DOTALL)


# --- reading ---


def _decoded(data: bytes) -> tuple[str, int]:
    """Text, and how many characters of it are guessed at. The page may name an older encoding."""
    for encoding in ("utf-8-sig", _named(data)):
        try:
            return data.decode(encoding).replace("\x00", ""), 0
        except (UnicodeDecodeError, LookupError):
            continue
    text = data.decode("utf-8", "replace").replace("\x00", "")
    return text, text.count("\ufffd")


def _named(data: bytes) -> str:
    found = re.search(rb"charset\s*=\s*[\"']?\s*([\w-]{3,20})", data[:4096], re.IGNORECASE)
    name = found[1].decode("ascii", "ignore").lower() if found else "utf-8"
    # Old names of Western and Cyrillic pages alone: others could make text of anything.
    return name if re.fullmatch(r"windows-125\d|iso-8859-\d{1,2}|koi8-[ru]", name) else "utf-8"


_WHOLE = ("script", "iframe", "object", "applet", "svg", "math", "video", "audio", "select", "textarea", "noscript")
_BARE = ("form", "input", "button", "embed", "frame", "frameset", "base")
_HANDLER = re.compile(
    r"(<[a-z][^<>]{0,4000}?)\s(on[a-z]{3,20})\s{0,9}=\s{0,9}(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE
)
_REMOTE = re.compile(r"<link\b[^<>]{0,2000}>|@import[^;<]{0,500};?|@font-face\s{0,9}\{[^{}]{0,2000}\}", re.IGNORECASE)
_DATA = re.compile(r"data:[a-z]{3,20}/[\w.+-]{1,40}[;,][^\"'<>)\s]*", re.IGNORECASE)
_PIXEL = re.compile(r"<img\b[^<>]{0,4000}>", re.IGNORECASE)
_ONE = tuple(
    re.compile(rf"\b{side}\s{{0,4}}[=:]\s{{0,4}}[\"']?\s{{0,4}}[01](?:px)?(?![\d.%])", re.IGNORECASE)
    for side in ("width", "height")
)


def _cleaned(text: str) -> tuple[str, list[Note]]:
    notes: list[Note] = []
    text, count = _DATA.subn("", text)
    if count:
        notes.append(Note("note_data", {"count": f"{count:,}"}))
    for name in _WHOLE:
        whole = re.compile(rf"<{name}\b(?:(?!</{name}).)*?(?:</{name}\s*>|\Z)", re.IGNORECASE | re.DOTALL)
        text = _out(whole, text, f"<{name}>", notes)
    for name in _BARE:
        text = _out(re.compile(rf"</?{name}\b[^<>]{{0,4000}}>", re.IGNORECASE), text, f"<{name}>", notes)
    found = Counter[str]()
    while True:  # An element may have several handlers; each round takes one of each.
        text, count = _HANDLER.subn(lambda handler: found.update([handler[2].lower()]) or handler[1], text)
        if not count:
            break
    notes += [Note("note_taken_out", {"what": name, "count": f"{count:,}"}) for name, count in sorted(found.items())]
    text, count = _REMOTE.subn("", text)
    if count:
        notes.append(Note("note_remote", {"count": f"{count:,}"}))
    pixels = sum(1 for image in _PIXEL.findall(text) if all(side.search(image) for side in _ONE))
    if pixels:
        text = _PIXEL.sub(lambda image: "" if all(side.search(image[0]) for side in _ONE) else image[0], text)
        notes.append(Note("note_pixel", {"count": f"{pixels:,}"}))
    return text, notes


def _out(pattern: re.Pattern[str], text: str, what: str, notes: list[Note]) -> str:
    text, count = pattern.subn("", text)
    if count:
        notes.append(Note("note_taken_out", {"what": what, "count": f"{count:,}"}))
    return text


# --- merge tags ---


def _accounted(page: str, fields: frozenset[str]) -> tuple[tuple[Told, ...], str, list[Note]]:
    """Every tag that stands in the page, the page without those that cannot work, and a note about these."""
    flaws = mergetags.parse(page, fields, place="template").flaws
    spans = {page[flaw.start : flaw.end]: flaw for flaw in flaws if flaw.end}
    short = {flaw.values.get("tag", ""): flaw for flaw in flaws}
    counted = Counter(_bare(found[0]) for found in mergetags._TOKEN.finditer(page) if found.lastgroup in _COUNTED)
    told = []
    for tag, count in counted.items():
        flaw = spans.get(tag) or short.get(tag) or next((one for text, one in spans.items() if tag in text), None)
        told.append(Told(tag, count, flaw))
    gone = []
    for flaw in sorted((flaw for flaw in flaws if flaw.fix == "remove"), key=lambda flaw: -flaw.start):
        gone.append(flaw.values.get("tag", ""))
        page = mergetags.without(page, flaw)
    names = ", ".join(dict.fromkeys(reversed(gone)))
    return tuple(told), page, [Note("note_tags", {"names": names})] if gone else []


_COUNTED = ("wrapped", "comment", "mailchimp", "value", "block")


def _bare(written: str) -> str:
    return re.sub(r"^<!--\s*|\s*-->$", "", written)


# --- places ---


@dataclass(slots=True)
class _Open:
    tag: str
    attrs: dict[str, str]
    start: int
    inner: int


@dataclass(frozen=True, slots=True)
class _Part:
    tag: str
    attrs: Mapping[str, str]
    start: int
    inner: int
    inner_end: int
    end: int


_CLOSING = re.compile(r"</[^>]*>")


class _Parts(HTMLParser):
    """Every element with its offsets; what is never closed ends where its parent does."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.page = page
        self.starts = [0, *(found.end() for found in re.finditer("\n", page))]
        self.stack: list[_Open] = []
        self.parts: list[_Part] = []
        self.feed(page)
        self.close()
        self._close_to(0, len(page), len(page))

    def _at(self) -> int:
        line, column = self.getpos()
        return self.starts[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start, text = self._at(), self.get_starttag_text() or ""
        values = {name: value or "" for name, value in attrs}
        if tag in cleaning._VOID or text.endswith("/>"):
            self.parts.append(_Part(tag, values, start, start, start, start + len(text)))
        else:
            self.stack.append(_Open(tag, values, start, start + len(text)))

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth].tag == tag:
                start = self._at()
                self._close_to(depth + 1, start, start)
                one = self.stack.pop()
                closing = _CLOSING.match(self.page, start)
                end = closing.end() if closing else start
                self.parts.append(_Part(one.tag, one.attrs, one.start, one.inner, start, end))
                return

    def _close_to(self, depth: int, inner_end: int, end: int) -> None:
        while len(self.stack) > depth:
            one = self.stack.pop()
            self.parts.append(_Part(one.tag, one.attrs, one.start, one.inner, inner_end, end))


_MC = re.compile(r"\smc:[\w-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+))?", re.IGNORECASE)
_MAIN = re.compile(r"content|body|main|article|story", re.IGNORECASE)
_BESIDE = re.compile(r"header|footer|social|util|reward|teaser|sidebar|link|image|logo|column01", re.IGNORECASE)
_CONTENT = re.compile(r"\{\{\s*content\s*\}\}")


def _placed(page: str) -> tuple[str, str, tuple[str, ...], list[Note]]:
    """(source, sample, names of places, notes)."""
    parts = _Parts(page).parts
    notes = [*_mailchimp_notes(parts)]
    page, parts, dropped = _without_variants(page, parts)
    if dropped:
        notes.append(Note("note_variant", {"names": ", ".join(dropped)[:200]}))
    editable = [part for part in parts if part.attrs.get("mc:edit") and part.inner_end > part.inner]
    editable = [part for part in editable if not any(o.start < part.start and part.end <= o.end for o in editable)]
    if _CONTENT.search(page):
        main = None
    elif editable:
        main = max(editable, key=lambda part: _weight(page, part))
        notes.append(Note("note_place", {"name": main.attrs["mc:edit"]}))
    else:
        main = _longest(page, parts)
        notes.append(Note("note_guess"))
    sample = page[main.inner : main.inner_end].strip() if main else ""
    names: list[str] = []
    for part in sorted(editable if main is None or main in editable else [main], key=lambda part: -part.inner):
        inner = page[part.inner : part.inner_end]
        if part is main:
            filled = "{{ content }}"
        elif len(names) < MAX_PLACES and "<!--place:" not in inner:
            name = _free(part.attrs["mc:edit"], names)
            names.append(name)
            filled = f"<!--place:{html.escape(name)}-->{inner}<!--/place-->"
        else:
            continue
        page = page[: part.inner] + filled + page[part.inner_end :]
    return _MC.sub("", page), _MC.sub("", sample), tuple(reversed(names)), notes


def _free(name: str, taken: list[str]) -> str:
    name = re.sub(r"[<>\s]+|--", " ", name).strip()[:60] or "part"
    number = sum(1 for one in taken if one.partition(" #")[0] == name)
    return f"{name} #{number + 1}" if number else name


def _weight(page: str, part: _Part) -> tuple[bool, int]:
    name = part.attrs["mc:edit"]
    words = len(re.sub(r"<[^>]*>", "", page[part.inner : part.inner_end]))
    return bool(_MAIN.search(name)) and not _BESIDE.search(name), words


def _longest(page: str, parts: list[_Part]) -> _Part:
    """The innermost cell that holds half of all words; the whole page where no cell does."""

    def words(part: _Part) -> int:
        return len(re.sub(r"<style.*?</style>|<[^>]*>|\s+", "", page[part.inner : part.inner_end], flags=re.DOTALL))

    cells = [part for part in parts if part.tag in ("td", "div", "body", "article", "main", "section")]
    body = next((part for part in parts if part.tag == "body"), None) or _Part("", {}, 0, 0, len(page), len(page))
    whole = words(body)
    good = [part for part in cells if words(part) * 2 >= whole and part.inner >= body.inner]
    return min(good, key=lambda part: part.inner_end - part.inner, default=body)


def _mailchimp_notes(parts: list[_Part]) -> Iterator[Note]:
    for code, attribute in (("note_repeat", "mc:repeatable"), ("note_hide", "mc:hideable")):
        found = [part.attrs[attribute] or "mc:" for part in parts if attribute in part.attrs]
        if found:
            yield Note(
                code,
                {"names": ", ".join(name if name != "mc:" else f"no. {n}" for n, name in enumerate(found, 1))[:200]},
            )
    known = {"mc:edit", "mc:repeatable", "mc:hideable", "mc:variant"}
    marks = sorted({name for part in parts for name in part.attrs if name.startswith("mc:")} - known)
    if marks:
        yield Note("note_designer", {"names": ", ".join(marks)[:200]})


def _without_variants(page: str, parts: list[_Part]) -> tuple[str, list[_Part], list[str]]:
    """Of the variants of one repeatable part the first stays, as a new letter in Mailchimp shows it."""
    seen: set[str] = set()
    gone = []
    for part in sorted((part for part in parts if "mc:variant" in part.attrs), key=lambda part: part.start):
        of = part.attrs.get("mc:repeatable", "")
        if of in seen:
            gone.append(part)
        seen.add(of)
    for part in reversed(gone):
        page = page[: part.start] + page[part.end :]
    names = [f"{part.attrs.get('mc:repeatable', '')} {part.attrs['mc:variant']}".strip() for part in gone]
    return page, _Parts(page).parts if gone else parts, names
