"""What of a page a reader sees. Templates begin with a hidden preview text and signs that pad it; no letter goes there.

Told from the source, without a browser: from style attributes, and from rules for one element, class or id.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from samizdat.core.checks.contrast import BLACK, WHITE, Colour, colour, contrast, ground_of
from samizdat.core.letter.stylesheet import GROUPS, STYLE, Declaration, declarations, read, selectors, specificity
from samizdat.core.templating.elements import Element

SAME = 1.05  # contrast of what cannot be told apart
_SELECTOR = re.compile(r"([a-z][a-z0-9]*)?((?:[.#][\w-]+)*)", re.IGNORECASE)
_PIXELS = re.compile(r"(-?[\d.]{1,8})\s*(px|pt|em|rem|%)?")
_SHOWING = frozenset({"display", "visibility", "max-height", "height", "opacity", "font-size", "mso-hide"})


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element hands down. `gone`: with all that is in it, whatever that says of itself; `others`: it is seen
    everywhere but in Outlook.
    """

    gone: bool = False
    others: bool = False
    visible: bool = True
    tiny: bool = False
    ink: Colour | None = BLACK
    ground: Colour | None = WHITE

    @property
    def hidden(self) -> bool:
        """On purpose. Ink and ground may also be the same because a picture lies between them."""
        return self.gone or self.tiny or not self.visible

    @property
    def seen(self) -> bool:
        if self.hidden or self.others:
            return False
        return self.ink is None or self.ground is None or contrast(self.ink, self.ground) >= SAME


def seen(page: str, found: list[Element], *, phones: bool = False) -> str:
    """The page with blanks for all text that is not seen, as long as before. phones: what rules for some screens show
    is seen as well.
    """
    out, position, now = list[str](), 0, True
    for at, is_seen in _turns(_looks(page, found, phones)):
        out.append(page[position:at] if now else _blank(page[position:at]))
        position, now = at, is_seen
    return "".join([*out, page[position:] if now else _blank(page[position:])])


def preview_texts(page: str, found: list[Element]) -> list[Element]:
    """Elements at the beginning of a page that hold nothing but text which nobody sees there: mail programs show it in
    the list of mails.
    """
    shown = re.search(r"\w", re.sub(r"<[^<>]*>", _spaces, _without_heads(seen(page, found, phones=True))))
    first = shown.start() if shown else len(page)
    texts: list[Element] = []
    for one, look in _looks(page, found, phones=True):
        is_text = look.hidden and one.end <= first and not _THINGS.search(page, one.inner, one.inner_end)
        if is_text and one.tag not in _HEADS and not (texts and texts[-1].holds(one)):
            texts.append(one)
    return texts


_HEADS = frozenset({"head", "title", "style", "meta", "html", "body"})
_THINGS = re.compile(r"<(?:img|table|a|td|h[1-6])\b", re.IGNORECASE)
_NO_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(title|style|script)\b.*?(?:</\1\s*>|\Z)|&(?:#\w{1,8}|\w{2,20});", re.IGNORECASE | re.DOTALL
)


def _spaces(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _without_heads(page: str) -> str:
    return _NO_TEXT.sub(_spaces, page)


def _looks(page: str, found: list[Element], phones: bool) -> Iterator[tuple[Element, _Look]]:
    """Each element that has an inside."""
    sheets = _Sheets(page)
    open_: list[tuple[int, _Look]] = []
    for one in found:
        while open_ and open_[-1][0] <= one.start:
            open_.pop()
        if one.inner_end > one.inner:
            above = open_[-1][1] if open_ else _Look()
            look = _look_of(one, sheets.styles(one), above)
            if phones and look.gone and not above.gone and sheets.shows(one):
                look = replace(look, gone=False)
            open_.append((one.end, look))
            yield one, look


def _turns(looks: Iterable[tuple[Element, _Look]]) -> Iterator[tuple[int, bool]]:
    """(place, whether text is seen from there on)."""
    open_: list[tuple[int, bool]] = []
    for one, look in looks:
        while open_ and open_[-1][0] <= one.start:
            yield open_.pop()[0], open_[-1][1] if open_ else True
        open_.append((one.inner_end, look.seen))
        yield one.inner, look.seen
    while open_:
        yield open_.pop()[0], open_[-1][1] if open_ else True


def _blank(text: str) -> str:
    """Tags stay, so that places do."""
    return re.sub(r"<[^<>]*>|.", lambda one: one[0] if len(one[0]) > 1 else " ", text, flags=re.DOTALL)


def _look_of(one: Element, style: Mapping[str, str], above: _Look) -> _Look:
    visibility = style.get("visibility", "")
    size = _pixels(style.get("font-size", ""))
    ink = style.get("color") or (one.attrs.get("color", "") if one.tag == "font" else "")
    return _Look(
        above.gone or _is_gone(one, style),
        above.others or style.get("mso-hide") == "all",
        visibility not in ("hidden", "collapse") if visibility else above.visible,
        size <= 1 if size is not None else above.tiny,
        _ink(ink, above),
        ground_of(dict(one.attrs), style, above.ground),
    )


def _ink(said: str, above: _Look) -> Colour | None:
    if not said or said in ("inherit", "initial", "unset", "currentcolor"):
        return above.ink
    return above.ground if said == "transparent" else colour(said)


def _is_gone(one: Element, style: Mapping[str, str]) -> bool:
    if "hidden" in one.attrs or style.get("display") == "none":
        return True
    if (opacity := _pixels(style.get("opacity", ""))) is not None and opacity <= 0.01:
        return True
    if re.match(r"scale\(\s*0\b(?!\.)", style.get("transform", "")):
        return True
    clips = any("hidden" in style.get(name, "") for name in ("overflow", "overflow-x", "overflow-y"))
    sizes = (_pixels(style.get(name, "")) for name in ("max-height", "height", "max-width", "width"))
    if clips and any(size is not None and size <= 1 for size in sizes):
        return True
    if style.get("position") in ("absolute", "fixed"):
        away = (_pixels(style.get(name, "")) for name in ("left", "right", "top", "bottom"))
        if any(far is not None and far <= -500 for far in away) or style.get("clip", "").startswith("rect"):
            return True
    return (_pixels(style.get("text-indent", "")) or 0) <= -500 or style.get("clip-path", "").startswith("inset(50%")


def _pixels(text: str) -> float | None:
    """Of a length in pixels, or one that is nothing in any unit."""
    found = _PIXELS.fullmatch(text)
    try:
        size = float(found[1]) if found else None
    except ValueError:
        return None
    return size if found and (size == 0 or found[2] in (None, "px", "pt")) else None


class _Sheets:
    """Rules of the page for one element, class or id: who wears these names wears what they say."""

    def __init__(self, page: str) -> None:
        self.rules: dict[str, list[tuple[object, set[str], tuple[Declaration, ...]]]] = {}
        self.shown = set[str]()
        self.known: dict[tuple[str, ...], Mapping[str, str]] = {}
        for number, sheet in enumerate(found[2] for found in STYLE.finditer(page) if found[2] is not None):
            self._read(sheet, number * 1_000_000)

    def _read(self, sheet: str, order: int, nested: int = 0) -> None:
        for number, one in enumerate(read(sheet), order):
            if one.block is None:
                continue
            if one.keyword in GROUPS and nested < 3:
                self._read(one.block, number, nested + 1)
            elif not one.keyword:
                self._take(one.prelude, declarations(one.block), number, nested > 0)

    def _take(self, prelude: str, declared: tuple[Declaration, ...], order: int, nested: bool) -> None:
        if not declared:
            return
        for selector in selectors(prelude):
            names = re.findall(r"[.#][\w-]+", selector)
            if nested:
                shows = any(
                    one.name in _SHOWING and one.value.lower() not in ("none", "hidden", "0") for one in declared
                )
                self.shown |= set(names) if shows else set()
            elif (simple := _SELECTOR.fullmatch(selector)) and selector:
                key = names[-1] if names else simple[1].lower()
                wanted = {*names, *([simple[1].lower()] if simple[1] else [])}
                self.rules.setdefault(key, []).append(((specificity(selector), order), wanted, declared))

    def shows(self, one: Element) -> bool:
        return bool(_names(one) & self.shown)

    def styles(self, one: Element) -> Mapping[str, str]:
        """Property -> value, in small letters."""
        key = (one.tag, *(one.attrs.get(name, "") for name in ("class", "id", "style")))
        if key not in self.known:
            self.known[key] = self._styles(one)
        return self.known[key]

    def _styles(self, one: Element) -> Mapping[str, str]:
        own = declarations(one.attrs.get("style", ""))
        names = _names(one)
        worn = [rule for name in names for rule in self.rules.get(name, ()) if rule[1] <= names]
        worn.sort(key=lambda rule: rule[0])  # type: ignore[arg-type, return-value]
        every = [declared for _rank, _wanted, said in worn for declared in said]
        in_order = sorted([*every, *own], key=lambda declared: declared.important)
        return {declared.name: declared.value.lower() for declared in in_order}


def _names(one: Element) -> set[str]:
    worn = {f".{name}" for name in one.attrs.get("class", "").split()}
    return worn | {one.tag} | ({f"#{one.attrs['id']}"} if one.attrs.get("id") else set())
