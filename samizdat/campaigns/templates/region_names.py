"""What the parts of a template are called on a page: as a person named them, else by what and where they are."""

import html
import re
from collections import Counter
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from samizdat.core.content.templates.region_names import given, where

FIRST_WORDS = 5
_ALT = re.compile(r"<img\b[^<>]*?\balt=\"([^\"]*)\"")
_UNSEEN = re.compile(
    r"\*\|(?:IF|IFNOT|ELSEIF|ELSE|END|INTERESTED)\b[^|]*\|\*|\{%(?:(?!\{%).)*?%\}"
    r"|<!--(?:(?!<!--).)*?-->|<style(?:(?!<style).)*?</style>|<[^<>]*>",
    re.DOTALL,
)
_TAG = re.compile(r"\*\|[^|]*\|\*[,.;]?|\{\{[^{}]*\}\}[,.;]?")


@dataclass(frozen=True, slots=True)
class RegionName:
    """`what` it is, with where it stands, and how it begins. `words` alone tell nothing apart."""

    what: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.words}" if self.words else self.what


def words_of(source: str) -> str:
    """How a piece of HTML reads, pictures by what they show; "" where nothing is said."""
    words = " ".join(html.unescape(_UNSEEN.sub(_shown, source)).split())
    return words if re.search(r"\w", words) else ""


def _shown(unseen: re.Match[str]) -> str:
    """Looked for in one tag at a time: what is never closed, as Outlook's comments may hold it, is no picture."""
    alt = _ALT.match(unseen[0])
    return f" {_UNSEEN.sub(' ', alt[1])} " if alt else " "


def place(name: str, words: str, is_picture: bool) -> RegionName:
    if named := given(name):
        return RegionName(named)
    at = where(name)
    if is_picture:
        what = _("Image (%(where)s)") % {"where": _place_word(at)} if at else _("Image")
        return RegionName(what, _first(words))
    if not words:
        return RegionName(_("Empty area (%(where)s)") % {"where": _place_word(at)} if at else _("Empty area"))
    what = _("Text (%(where)s)") % {"where": _place_word(at)} if at else pgettext("block", "Text")
    return RegionName(what, _first(words))


def repeated(name: str, words: str) -> RegionName:
    return RegionName(_("Repeatable block"), given(name) or _first(words))


def hideable(name: str, words: str) -> RegionName:
    return RegionName(_("Optional block"), given(name) or _first(words))


def told_apart(called: list[RegionName]) -> list[str]:
    """The same name twice gets numbers."""
    counts, seen = Counter(map(str, called)), Counter[str]()
    titles = []
    for name in called:
        plain = str(name)
        if counts[plain] > 1:
            seen[plain] += 1
            name = replace(name, what=f"{name.what} {seen[plain]}")
        titles.append(str(name))
    return titles


def _first(words: str) -> str:
    plain_words = [word for word in _TAG.sub(" ", words).split() if re.search(r"\w", word)]
    return " ".join(plain_words[:FIRST_WORDS]) + ("…" if len(plain_words) > FIRST_WORDS else "")


def _place_word(code: str) -> str:
    return {
        "preheader": _("above the email"),
        "header": _("header"),
        "logo": _("logo"),
        "footer": _("footer"),
        "utility": _("subscription"),
        "social": _("social networks"),
        "left": _("left column"),
        "right": _("right column"),
        "sidebar": _("side column"),
    }[code]
