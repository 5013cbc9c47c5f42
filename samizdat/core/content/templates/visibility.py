"""What of a page a reader sees. Templates begin with a hidden preview text and signs that pad it; no letter goes there.

Told from the source, without a browser: from style attributes, and from rules for one element, class or id.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from samizdat.core.content.checks.contrast import BLACK, WHITE, Color, color, contrast, ground_of
from samizdat.core.content.render.stylesheet import (
    GROUPS,
    STYLE,
    Declaration,
    declarations,
    read,
    selectors,
    specificity,
)
from samizdat.core.content.templates.elements import Element

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
    ink: Color | None = BLACK
    ground: Color | None = WHITE

    @property
    def hidden(self) -> bool:
        """On purpose. Ink and ground may also be the same because a picture lies between them."""
        return self.gone or self.tiny or not self.visible

    @property
    def seen(self) -> bool:
        if self.hidden or self.others:
            return False
        return self.ink is None or self.ground is None or contrast(self.ink, self.ground) >= SAME


def seen(page: str, elements: list[Element], *, phones: bool = False) -> str:
    """The page with blanks for all text that is not seen, as long as before. phones: what rules for some screens show
    is seen as well.
    """
    out, position, now = list[str](), 0, True
    for at, is_seen in _turns(_looks(page, elements, phones)):
        out.append(page[position:at] if now else _blank(page[position:at]))
        position, now = at, is_seen
    return "".join([*out, page[position:] if now else _blank(page[position:])])


def preview_texts(page: str, elements: list[Element]) -> list[Element]:
    """Elements at the beginning of a page that hold nothing but text which nobody sees there: mail programs show it in
    the list of mails.
    """
    shown = re.search(r"\w", re.sub(r"<[^<>]*>", _spaces, _without_heads(seen(page, elements, phones=True))))
    first = shown.start() if shown else len(page)
    texts: list[Element] = []
    for element, look in _looks(page, elements, phones=True):
        is_text = look.hidden and element.end <= first and not _THINGS.search(page, element.inner, element.inner_end)
        if is_text and element.tag not in _HEADS and not (texts and texts[-1].holds(element)):
            texts.append(element)
    return texts


_HEADS = frozenset({"head", "title", "style", "meta", "html", "body"})
_THINGS = re.compile(r"<(?:img|table|a|td|h[1-6])\b", re.IGNORECASE)
_NO_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(title|style|script)\b.*?(?:</\1\s*>|\Z)|&(?:#\w{1,8}|\w{2,20});", re.IGNORECASE | re.DOTALL
)


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _without_heads(page: str) -> str:
    return _NO_TEXT.sub(_spaces, page)


def _looks(page: str, elements: list[Element], phones: bool) -> Iterator[tuple[Element, _Look]]:
    """Each element that has an inside."""
    sheets = _Sheets(page)
    open_: list[tuple[int, _Look]] = []
    for element in elements:
        while open_ and open_[-1][0] <= element.start:
            open_.pop()
        if element.inner_end > element.inner:
            above = open_[-1][1] if open_ else _Look()
            look = _look_of(element, sheets.styles(element), above)
            if phones and look.gone and not above.gone and sheets.shows(element):
                look = replace(look, gone=False)
            open_.append((element.end, look))
            yield element, look


def _turns(looks: Iterable[tuple[Element, _Look]]) -> Iterator[tuple[int, bool]]:
    """(place, whether text is seen from there on)."""
    open_: list[tuple[int, bool]] = []
    for element, look in looks:
        while open_ and open_[-1][0] <= element.start:
            yield open_.pop()[0], open_[-1][1] if open_ else True
        open_.append((element.inner_end, look.seen))
        yield element.inner, look.seen
    while open_:
        yield open_.pop()[0], open_[-1][1] if open_ else True


def _blank(text: str) -> str:
    """Tags stay, so that places do."""
    return re.sub(r"<[^<>]*>|.", lambda match: match[0] if len(match[0]) > 1 else " ", text, flags=re.DOTALL)


def _look_of(element: Element, style: Mapping[str, str], above: _Look) -> _Look:
    visibility = style.get("visibility", "")
    size = _pixels(style.get("font-size", ""))
    ink = style.get("color") or (element.attrs.get("color", "") if element.tag == "font" else "")
    return _Look(
        above.gone or _is_gone(element, style),
        above.others or style.get("mso-hide") == "all",
        visibility not in ("hidden", "collapse") if visibility else above.visible,
        size <= 1 if size is not None else above.tiny,
        _ink(ink, above),
        ground_of(dict(element.attrs), style, above.ground),
    )


def _ink(value: str, above: _Look) -> Color | None:
    if not value or value in ("inherit", "initial", "unset", "currentcolor"):
        return above.ink
    return above.ground if value == "transparent" else color(value)


def _is_gone(element: Element, style: Mapping[str, str]) -> bool:
    if "hidden" in element.attrs or style.get("display") == "none":
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
    match = _PIXELS.fullmatch(text)
    try:
        size = float(match[1]) if match else None
    except ValueError:
        return None
    return size if match and (size == 0 or match[2] in (None, "px", "pt")) else None


class _Sheets:
    """Rules of the page for one element, class or id: who wears these names wears what they say."""

    def __init__(self, page: str) -> None:
        self.rules: dict[str, list[tuple[object, set[str], tuple[Declaration, ...]]]] = {}
        self.shown = set[str]()
        self.known: dict[tuple[str, ...], Mapping[str, str]] = {}
        for number, sheet in enumerate(match[2] for match in STYLE.finditer(page) if match[2] is not None):
            self._read(sheet, number * 1_000_000)

    def _read(self, sheet: str, order: int, nested: int = 0) -> None:
        for number, statement in enumerate(read(sheet), order):
            if statement.block is None:
                continue
            if statement.keyword in GROUPS and nested < 3:
                self._read(statement.block, number, nested + 1)
            elif not statement.keyword:
                self._take(statement.prelude, declarations(statement.block), number, nested > 0)

    def _take(self, prelude: str, declared: tuple[Declaration, ...], order: int, nested: bool) -> None:
        if not declared:
            return
        for selector in selectors(prelude):
            names = re.findall(r"[.#][\w-]+", selector)
            if nested:
                shows = any(
                    declaration.name in _SHOWING and declaration.value.lower() not in ("none", "hidden", "0")
                    for declaration in declared
                )
                self.shown |= set(names) if shows else set()
            elif (simple := _SELECTOR.fullmatch(selector)) and selector:
                key = names[-1] if names else simple[1].lower()
                wanted = {*names, *([simple[1].lower()] if simple[1] else [])}
                self.rules.setdefault(key, []).append(((specificity(selector), order), wanted, declared))

    def shows(self, element: Element) -> bool:
        return bool(_names(element) & self.shown)

    def styles(self, element: Element) -> Mapping[str, str]:
        """Property -> value, in small letters."""
        key = (element.tag, *(element.attrs.get(name, "") for name in ("class", "id", "style")))
        if key not in self.known:
            self.known[key] = self._styles(element)
        return self.known[key]

    def _styles(self, element: Element) -> Mapping[str, str]:
        own = declarations(element.attrs.get("style", ""))
        names = _names(element)
        worn = [rule for name in names for rule in self.rules.get(name, ()) if rule[1] <= names]
        worn.sort(key=lambda rule: rule[0])  # type: ignore[arg-type, return-value]
        every = [declared for _rank, _wanted, declared_block in worn for declared in declared_block]
        in_order = sorted([*every, *own], key=lambda declared: declared.important)
        return {declared.name: declared.value.lower() for declared in in_order}


def _names(element: Element) -> set[str]:
    worn = {f".{name}" for name in element.attrs.get("class", "").split()}
    return worn | {element.tag} | ({f"#{element.attrs['id']}"} if element.attrs.get("id") else set())
