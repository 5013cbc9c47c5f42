"""The filters above the list of subscribers: what an address asks for, and the chips that take one away again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf.locale import LANG_INFO
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.audience.filters import ANY, SUPPRESSED, Filter
from samizdat.audience.queries.lists import ListView
from samizdat.core.consent import STATUSES, WAYS
from samizdat.core.mail import address
from samizdat.web import labels
from samizdat.web.audience import subscriber_sorting
from samizdat.web.audience.field_types import SOURCES, STOPPED
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
class RequestedFilter:
    """What an address asks for. `values`: the parts of it that were understood, as they stand there."""

    filter: Filter
    values: dict[str, str] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # of each, what it and its value are called
    unknown: list[str] = field(default_factory=list)  # Parts that were not understood, and ask for nothing.
    sort: str = ""  # of subscriber_sorting.SORTS; "" for the order of numbers

    @property
    def parts(self) -> dict[str, str]:
        """The filters and the order, as they stand in an address."""
        return self.values | ({"sort": self.sort} if self.sort else {})

    def query(self, **other: str) -> str:
        """The same as an address, with other values for some; an empty one takes it away."""
        return "?" + urlencode({name: text for name, text in (self.parts | other).items() if text})

    def sorted(self, sort: str) -> str:
        """The first page in another order."""
        return self.query(sort=sort)

    @property
    def cleared(self) -> str:
        """The page without filters, in the same order."""
        return "?" + urlencode({"sort": self.sort} if self.sort else {})

    @property
    def chips(self) -> list[Chip]:
        return [Chip(*self.names[name], self.query(**{name: ""})) for name in self.values if name != "status"]

    @property
    def sentence(self) -> str:
        """All of it in words, for a page that is about those who fit."""
        return "; ".join(f"{name}: {value}" for name, value in (self.names[name] for name in self.values))


def read(asked: Mapping[str, str], lists: Iterable[ListView], tags: Iterable[tuple[int, str]]) -> RequestedFilter:
    """The filters of an address. What makes no sense there asks for nothing."""
    known: dict[str, Any] = {}
    result = RequestedFilter(Filter())
    for name, (label, choices) in _offered(lists, tags).items():
        text = asked.get(name, "")
        if text and text in choices:
            value, word = choices[text]
            known[name] = value
            result.values[name], result.names[name] = text, (label, word)
    language = asked.get("language", "")
    if language.isascii() and language.replace("-", "").isalnum() and len(language) <= LONGEST:
        known["language"] = language
        result.values["language"], result.names["language"] = language, (_("Language"), formatting.language(language))
    for name, label in (("since", _("Since")), ("until", _("Until"))):
        when = _day(asked.get(name, ""))
        if when is not None:
            known[name] = when
            result.values[name], result.names[name] = when.isoformat(), (label, day(when))
    result.filter = Filter(**known)
    result.sort = subscriber_sorting.read(asked.get("sort", ""))
    every = (*_offered((), ()), "language", "since", "until")
    result.unknown = [name for name in every if asked.get(name) and name not in result.values]
    return result


def _offered(
    lists: Iterable[ListView], tags: Iterable[tuple[int, str]]
) -> dict[str, tuple[str, dict[str, tuple[Any, str]]]]:
    """Name in the address -> (label, text there -> (value of the filter, word))."""
    stopped = {ANY: (ANY, str(STOPPED[ANY]))} | {reason: (reason, str(STOPPED[reason])) for reason in SUPPRESSED}
    return {
        "list": (_("List"), {str(list_view.id): (list_view.id, list_view.name) for list_view in lists}),
        "status": (_("Status"), {name: (name, labels.subscription_state(name)[1]) for name in STATUSES}),
        "tag": (_("Tag"), {str(id): (id, name) for id, name in tags}),
        "provider": (
            _("Mailbox provider"),
            {name: (number, str(labels.PROVIDERS[name])) for number, name in enumerate(address.PROVIDERS)},
        ),
        "source": (_("Source"), {way: (way, str(SOURCES[way])) for way in WAYS}),
        "suppressed": (_("Can’t be emailed"), stopped),
        "appeals": (_("Fundraising appeals"), {"yes": (True, _("agreed"))}),
    }


@dataclass(frozen=True, slots=True)
class FilterOffer:
    """A filter that can be set. `options`: (value, word, chosen); without them it is the two days of joining."""

    name: str
    label: str
    query: str  # The page that asks for its value.
    options: list[tuple[str, str, bool]] = field(default_factory=list)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,) if self.options else ("since", "until")


def offers(lists: Iterable[ListView], tags: Iterable[tuple[int, str]], asked: RequestedFilter) -> list[FilterOffer]:
    """What *Add filter* has."""
    results = []
    for name, (label, choices) in _offered(lists, tags).items():
        if name != "status" and choices:
            options = [(text, word, asked.values.get(name) == text) for text, (_value, word) in choices.items()]
            results.append(FilterOffer(name, label, asked.query(add=name), options))
    codes = list(dict.fromkeys([*LANGUAGES, *([asked.values["language"]] if "language" in asked.values else [])]))
    options = [(code, formatting.language(code), asked.values.get("language") == code) for code in codes]
    results.insert(2, FilterOffer("language", _("Language"), asked.query(add="language"), options))
    results.insert(4, FilterOffer("joined", _("Date added"), asked.query(add="joined")))
    return results


def every_language(*others: str) -> list[tuple[str, str]]:
    """(code, word) of every language that has a name here, and of other codes that stand somewhere; by the word."""
    named = [code for code, info in LANG_INFO.items() if "name" in info and "-" not in code]
    codes = dict.fromkeys([*LANGUAGES, *named, *(code for code in others if code)])
    return sorted(((code, formatting.language(code)) for code in codes), key=lambda pair: pair[1])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-25") else None
    except ValueError:
        return None
