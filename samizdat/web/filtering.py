"""The filters above the list of subscribers: what an address asks for, and the chips that take one away again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf.locale import LANG_INFO
from django.utils.translation import gettext as _

from samizdat import wording
from samizdat.audience.filters import ANY, SUPPRESSED, Filter
from samizdat.core import address
from samizdat.core.consent import STATUSES, WAYS
from samizdat.web import words
from samizdat.web.kinds import SOURCES, STOPPED
from samizdat.web.templatetags.desk import day

# Languages that can be asked for: those of the letters that are written hereabouts. Another one is still taken from
# the address of the page.
LANGUAGES = (
    "ru", "en", "uk", "be", "kk", "ky", "tg", "uz", "tt", "hy", "az", "ka", "lv", "lt", "et", "pl", "cs", "de", "fr",
    "es", "it", "pt", "fi", "sv", "tr", "ar", "fa", "zh",
)  # fmt: skip
LONGEST = 8


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is set. `query`: the page without it."""

    name: str
    value: str
    query: str


@dataclass(slots=True)
class Asked:
    """What an address asks for. `values`: the parts of it that were understood, as they stand there."""

    filter: Filter
    values: dict[str, str] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # of each, what it and its value are called
    unknown: list[str] = field(default_factory=list)  # Parts that were not understood, and ask for nothing.

    def query(self, **other: str) -> str:
        """The filters as an address, with other values for some; an empty one takes it away."""
        return "?" + urlencode({name: text for name, text in (self.values | other).items() if text})

    @property
    def chips(self) -> list[Chip]:
        return [Chip(*self.names[name], self.query(**{name: ""})) for name in self.values if name != "status"]

    @property
    def sentence(self) -> str:
        """All of it in words, for a page that is about those who fit."""
        return "; ".join(f"{name}: {value}" for name, value in (self.names[name] for name in self.values))


def read(asked: Mapping[str, str], lists: Iterable[Any], tags: Iterable[tuple[int, str]]) -> Asked:
    """The filters of an address. What makes no sense there asks for nothing."""
    known: dict[str, Any] = {}
    found = Asked(Filter())
    for name, (label, choices) in _offered(lists, tags).items():
        text = asked.get(name, "")
        if text and text in choices:
            value, word = choices[text]
            known[name] = value
            found.values[name], found.names[name] = text, (label, word)
    language = asked.get("language", "")
    if language.isascii() and language.replace("-", "").isalnum() and len(language) <= LONGEST:
        known["language"] = language
        found.values["language"], found.names["language"] = language, (_("Language"), wording.language(language))
    for name, label in (("since", _("Here since")), ("until", _("Here until"))):
        when = _day(asked.get(name, ""))
        if when is not None:
            known[name] = when
            found.values[name], found.names[name] = when.isoformat(), (label, day(when))
    found.filter = Filter(**known)
    every = (*_offered((), ()), "language", "since", "until")
    found.unknown = [name for name in every if asked.get(name) and name not in found.values]
    return found


def _offered(
    lists: Iterable[Any], tags: Iterable[tuple[int, str]]
) -> dict[str, tuple[str, dict[str, tuple[Any, str]]]]:
    """Name in the address -> (label, text there -> (value of the filter, word))."""
    stopped = {ANY: (ANY, str(STOPPED[ANY]))} | {reason: (reason, str(STOPPED[reason])) for reason in SUPPRESSED}
    return {
        "list": (_("List"), {str(found.id): (found.id, found.name) for found in lists}),
        "status": (_("Status"), {name: (name, words.subscription_state(name)[1]) for name in STATUSES}),
        "tag": (_("Tag"), {str(id): (id, name) for id, name in tags}),
        "provider": (
            _("Mailbox"),
            {name: (number, str(words.PROVIDERS[name])) for number, name in enumerate(address.PROVIDERS)},
        ),
        "source": (_("Came by"), {way: (way, str(SOURCES[way])) for way in WAYS}),
        "suppressed": (_("Not written to"), stopped),
        "appeals": (_("Appeals for money"), {"yes": (True, _("agreed"))}),
    }


def offers(lists: Iterable[Any], tags: Iterable[tuple[int, str]], asked: Asked) -> list[dict[str, Any]]:
    """The selects of the filters: name, label, and (value, word, chosen) of each choice."""
    found = []
    for name, (label, choices) in _offered(lists, tags).items():
        if name != "status":
            options = [(text, word, asked.values.get(name) == text) for text, (_value, word) in choices.items()]
            found.append({"name": name, "label": label, "options": options})
    codes = list(dict.fromkeys([*LANGUAGES, *([asked.values["language"]] if "language" in asked.values else [])]))
    options = [(code, wording.language(code), asked.values.get("language") == code) for code in codes]
    found.insert(2, {"name": "language", "label": _("Language"), "options": options})
    return found


def every_language(*others: str) -> list[tuple[str, str]]:
    """(code, word) of every language that has a name here, and of other codes that stand somewhere; by the word."""
    named = [code for code, told in LANG_INFO.items() if "name" in told and "-" not in code]
    codes = dict.fromkeys([*LANGUAGES, *named, *(code for code in others if code)])
    return sorted(((code, wording.language(code)) for code in codes), key=lambda one: one[1])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-25") else None
    except ValueError:
        return None
