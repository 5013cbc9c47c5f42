"""Style sheets, read as browsers read them (CSS Syntax Module Level 3): statements, declarations, selectors.

Strings, comments, addresses with `;` or `}` in them, `<!--` around a sheet and blocks that never close are what
regular expressions over a whole sheet get wrong, and each of them costs the rule that comes after.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

type Specificity = tuple[int, int, int]

LONGEST_SELECTOR = 500  # characters
MOST_PARTS = 20  # of a selector, as in `table td p`: each may be looked for on all levels above an element
MOST_NESTED = 8  # groups such as @media inside of each other; real sheets have two
_STRING = r"\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\Z)|'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\Z)"
_COMMENT = r"/\*(?:[^*]|\*(?!/))*(?:\*/|\Z)"
# An address without quotes goes on to its bracket, whatever stands in it; one with quotes is a bracket like any other.
_URL = r"(?<![\w-])url\(\s*(?![\"'\s])(?:[^)\\]|\\.)*\)?"
_SPECIAL = re.compile(rf"{_COMMENT}|{_STRING}|{_URL}|\\.|(?P<mark>[{{}}()\[\];,])", re.IGNORECASE | re.DOTALL)
_AIR = re.compile(rf"(?:\s+|{_COMMENT}|<!--|-->)*", re.DOTALL)
_COMMENT_OR_MORE = re.compile(rf"({_COMMENT})|{_STRING}|{_URL}|\\.", re.IGNORECASE | re.DOTALL)
_PARTS = re.compile(r"[\s>+~]+")
_CLOSING = {"{": "}", "(": ")", "[": "]"}
_DECLARED = re.compile(r"\s*(-{0,2}[A-Za-z_][\w-]*)\s*:(.*)", re.DOTALL)
_IMPORTANT = re.compile(r"(?<!\s)\s*!\s*important\s*$", re.IGNORECASE)

# A style element of a page: [1] its attributes, [2] its sheet. A comment is found as well, without either: no browser
# reads a sheet in it, and what a condition shows to Outlook alone stands in one.
STYLE = re.compile(r"<!--.*?(?:-->|\Z)|<style\b([^<>]*)>(.*?)(?:</style\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def uncommented(page: str) -> str:
    """A page whose sheets have no `<!--` around them, which hid them from browsers of the last century. As long as
    before, so that places and lines are the same.
    """

    def less(match: re.Match[str]) -> str:
        return match[0] if match[2] is None else match[0].replace("<!--", "    ").replace("-->", "   ")

    return STYLE.sub(less, page) if "<style" in page or "<STYLE" in page else page


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule of a sheet. start, end: in the sheet; prelude: what stands before its block, without comments; block:
    what stands inside of the braces, None for a statement that ends with `;`.
    """

    start: int
    end: int
    prelude: str
    block: str | None
    inner: int = 0  # where the block begins in the sheet

    @property
    def keyword(self) -> str:
        """The name of an at-rule in small letters; "" for a rule with selectors."""
        match = re.match(r"@([\w-]+)", self.prelude)
        return match[1].lower() if match else ""


@dataclass(frozen=True, slots=True)
class Declaration:
    name: str
    value: str
    important: bool = False

    def written(self, important: bool) -> str:
        return f"{self.name}: {self.value}{' !important' if important else ''}"


@lru_cache(maxsize=64)
def read(sheet: str) -> tuple[Statement, ...]:
    """The statements at the top of a sheet, or of the block of a group."""
    return tuple(_statements(sheet))


def _statements(sheet: str) -> Iterator[Statement]:
    at = 0
    while (start := _end_of_air(sheet, at)) < len(sheet):
        statement = _statement(sheet, start)
        if statement is None:
            return
        yield statement
        at = statement.end


def _end_of_air(sheet: str, at: int) -> int:
    match = _AIR.match(sheet, at)
    return match.end() if match else at


def _statement(sheet: str, start: int) -> Statement | None:
    """The statement that begins here; None where a rule has no block before the end, as browsers drop it."""
    is_at_rule, inner = sheet[start] == "@", -1
    open_: list[str] = []
    for token in _SPECIAL.finditer(sheet, start):
        mark = token["mark"]
        if mark is None or mark == ",":
            continue
        if mark in _CLOSING:
            if mark == "{" and not open_:
                inner = token.end()
            open_.append(_CLOSING[mark])
        elif mark == ";":
            if is_at_rule and not open_:
                return Statement(start, token.end(), _bare(sheet[start : token.start()]), None)
        elif open_ and open_[-1] == mark:
            open_.pop()
            if inner >= 0 and not open_:
                prelude, block = _bare(sheet[start : inner - 1]), sheet[inner : token.start()]
                return Statement(start, token.end(), prelude, block, inner)
    if inner >= 0:
        return Statement(start, len(sheet), _bare(sheet[start : inner - 1]), sheet[inner:], inner)
    return Statement(start, len(sheet), _bare(sheet[start:]), None) if is_at_rule else None


def _bare(text: str) -> str:
    """Without comments, which may stand anywhere."""
    return _COMMENT_OR_MORE.sub(lambda match: "" if match[1] else match[0], text).strip()


@lru_cache(maxsize=2048)
def declarations(block: str) -> tuple[Declaration, ...]:
    """What a rule, or a style attribute, declares, in its order. What is no declaration is left out, as by browsers."""
    result = []
    for part in _split(_bare(block), ";"):
        declared = _DECLARED.fullmatch(part)
        if declared and not any(token["mark"] == "{" for token in _SPECIAL.finditer(part)):
            value = _IMPORTANT.sub("", declared[2])
            if value.strip():
                name = declared[1] if declared[1].startswith("--") else declared[1].lower()
                result.append(Declaration(name, " ".join(value.split()), value != declared[2]))
    return tuple(result)


@lru_cache(maxsize=2048)
def selectors(prelude: str) -> tuple[str, ...]:
    """Without those that are longer than any that means something: what looks at them takes the square of that."""
    candidates = (" ".join(part.split()) for part in _split(prelude, ","))
    return tuple(
        selector
        for selector in candidates
        if 0 < len(selector) <= LONGEST_SELECTOR and len(_PARTS.findall(selector)) < MOST_PARTS
    )


def _split(text: str, at: str) -> list[str]:
    """Cut at each of these signs that stands in no bracket and no string."""
    parts, begun = list[str](), 0
    open_: list[str] = []
    for token in _SPECIAL.finditer(text):
        mark = token["mark"]
        if mark in _CLOSING:
            open_.append(_CLOSING[mark])
        elif open_ and open_[-1] == mark:
            open_.pop()
        elif mark == at and not open_:
            parts.append(text[begun : token.start()])
            begun = token.end()
    return [*parts, text[begun:]]


# --- what is fetched ---

# Readers' programs would ask somebody for these, who then knows that they read.
_FETCHING = frozenset({"import", "font-face", "namespace", "charset"})
GROUPS = frozenset({"media", "supports", "document", "-moz-document", "layer", "container"})


def is_fetched(statement: Statement) -> bool:
    """A statement about files elsewhere, or one that means nothing inside of a page."""
    return statement.keyword in _FETCHING


def without_fetched(sheet: str, nested: int = 0) -> tuple[str, int]:
    """The sheet as it was, without imports and fonts; and how many of these went."""
    out, position, count = list[str](), 0, 0
    for statement in read(sheet):
        if is_fetched(statement):
            out.append(sheet[position : statement.start])
            position, count = statement.end, count + (statement.keyword in ("import", "font-face"))
        elif statement.block is not None and statement.keyword in GROUPS and nested < MOST_NESTED:
            inner, gone = without_fetched(statement.block, nested + 1)
            out += [sheet[position : statement.inner], inner]
            position, count = statement.inner + len(statement.block), count + gone
    return "".join([*out, sheet[position:]]), count


# --- selectors ---

_SIMPLE = re.compile(
    r"(?P<element>::[\w-]+(?:\([^()]*\))?|:(?:before|after|first-line|first-letter)\b)"
    r"|(?P<open>:(?:not|is|has|matches|-webkit-any|-moz-any)\()"
    r"|(?P<id>#[\w-]+)|(?P<class>\.[\w-]+|\[(?:[^\]\"']|\"[^\"]*\"|'[^']*')*\]|:[\w-]+(?:\((?:[^()]|\([^()]*\))*\))?)"
    r"|(?P<tag>[A-Za-z][\w-]*)",
    re.IGNORECASE,
)


@lru_cache(maxsize=2048)
def specificity(selector: str) -> Specificity:
    """How much it counts: (ids, classes and the like, elements). Of what stands in :not() and :is() all of it."""
    kinds = [match.lastgroup for match in _SIMPLE.finditer(selector)]
    return kinds.count("id"), kinds.count("class"), kinds.count("tag") + kinds.count("element")


# --- properties ---

_SIDES = ("top", "right", "bottom", "left")
_BORDER = ("width", "style", "color")
_SHORT: dict[str, tuple[str, ...]] = {
    **{name: tuple(f"{name}-{side}" for side in _SIDES) for name in ("margin", "padding")},
    **{f"border-{side}": tuple(f"border-{side}-{part}" for part in _BORDER) for side in _SIDES},
    **{f"border-{part}": tuple(f"border-{side}-{part}" for side in _SIDES) for part in _BORDER},
    "border": tuple(f"border-{side}-{part}" for side in _SIDES for part in _BORDER),
    "border-radius": tuple(f"border-{y}-{x}-radius" for y in ("top", "bottom") for x in ("left", "right")),
    "background": tuple(
        f"background-{part}"
        for part in ("color", "image", "repeat", "attachment", "position", "size", "origin", "clip")
    ),
    "font": (
        *(f"font-{part}" for part in ("style", "variant", "weight", "size", "family", "stretch")),
        "line-height",
    ),
    "list-style": tuple(f"list-style-{part}" for part in ("type", "position", "image")),
    "outline": tuple(f"outline-{part}" for part in _BORDER),
    "text-decoration": tuple(f"text-decoration-{part}" for part in ("line", "style", "color", "thickness")),
    "overflow": ("overflow-x", "overflow-y"),
    "inset": _SIDES,
    "flex": ("flex-grow", "flex-shrink", "flex-basis"),
    "gap": ("row-gap", "column-gap"),
}
_LONGHANDS = {name: frozenset(parts) for name, parts in _SHORT.items()}


def longhands(name: str) -> frozenset[str]:
    """The properties that it sets: of `margin` four, of most the one itself."""
    return _LONGHANDS.get(name) or frozenset((name,))
