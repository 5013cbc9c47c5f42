"""The activity log for people: its filters, and each event as a line. No line has the address of a subscriber."""

import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization, Person
from samizdat.audience.models import NUMBER_MASK, Import, List, Subscriber
from samizdat.audience.queries.lists import name_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import CampaignRow, with_subjects
from samizdat.dbclock import YEARS
from samizdat.delivery.models import Route
from samizdat.events.actions import detail_of, is_genuine, is_of_people, moment_of
from samizdat.events.kinds import SENTENCES
from samizdat.events.models import Event
from samizdat.events.queries import LogFilter
from samizdat.formatting import grouped
from samizdat.portability.models import Export
from samizdat.web import params
from samizdat.web.permissions import address

# Area -> its name, and how the kinds in it begin. The first that fits counts.
AREAS: dict[str, tuple[Promise, tuple[str, ...]]] = {
    "transfer": (
        lazy("Import and export"),
        ("subscribers.import", "subscribers.export", "standing_copy.", "campaigns.restored", "log.exported"),
    ),
    "campaigns": (
        lazy("Campaigns"),
        ("campaign", "digest.", "folder.", "template.", "picture.", "check_rules.", "seed_list."),
    ),
    "subscribers": (
        lazy("Subscribers"),
        ("subscriber", "suppressions.", "bulk.", "tag.", "field.", "segment.", "data_quality."),
    ),
    "inbox": (lazy("Inbox"), ("conversation", "inbox.")),
    "fundraising": (lazy("Fundraising"), ("fundraiser.",)),
    "lists": (lazy("Lists and forms"), ("list.", "form.", "reconsent.")),
    "sending": (lazy("Sending"), ("route.", "domain.", "incoming.", "mailbox.", "seed.")),
    "team": (lazy("Team"), ("person.", "change.")),
    "settings": (
        lazy("Settings"),
        ("organization.", "brand.", "breach.", "rescue_case.", "keys.", "move.", "api_key.", "event_webhook."),
    ),
    "server": (lazy("Server and database"), ("installation.", "clock.", "database.", "publicdb.", "log.", "event.")),
}
NOBODY = "0"
# Digits of the number of a person: below 2**53.
DIGITS = 16


def area_of(kind: str) -> str:
    return next(area for area, (_name, starts) in AREAS.items() if kind.startswith(starts))


@dataclass(frozen=True, slots=True)
class AskedLog:
    """What an address asks for. `values`: the parts of it that were understood, as they stand there."""

    filter: LogFilter
    values: dict[str, str] = field(default_factory=dict)

    def query(self, **other: str) -> str:
        return "?" + urlencode({name: text for name, text in (self.values | other).items() if text})


def read(asked: Mapping[str, str], organization: Organization) -> AskedLog:
    """What makes no sense there asks for nothing."""
    words, area, by = asked.get("q", "").strip()[:100], asked.get("area", ""), asked.get("by", "")
    since, until = _day(asked.get("since", "")), _day(asked.get("until", ""))
    area = area if area in AREAS else ""
    person = params.number(by, DIGITS)
    values = {"q": words, "area": area, "by": by if person is not None else ""}
    values |= {name: when.isoformat() for name, when in (("since", since), ("until", until)) if when}
    kinds = _kinds(words, area) if words or area else None
    zone = zoneinfo.ZoneInfo(organization.timezone)
    return AskedLog(LogFilter(kinds, person, since, until, zone), {name: text for name, text in values.items() if text})


def _kinds(words: str, area: str) -> list[str]:
    """Kinds whose sentence has all these words, in the language of whoever asks or in English."""
    wanted = words.casefold().split()
    return [
        kind
        for kind, sentence in SENTENCES.items()
        if (not area or area_of(kind) == area)
        and all(word in f"{sentence} {kind} {AREAS[area_of(kind)][0]}".casefold() for word in wanted)
    ]


def _day(text: str) -> date | None:
    try:
        when = date.fromisoformat(text) if len(text) == len("2026-11-25") else None
    except ValueError:
        return None
    return when if when and when.year in YEARS else None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event. `at`: a day alone where it is of a subscriber and nobody on the team did it. `about`: what it was done
    to, with the page of that, if it has one."""

    at: datetime | date
    text: str
    by: str
    about: str = ""
    href: str = ""
    genuine: bool = True


class LogLines:
    """Events as lines; what they are about is looked up for all of them at once."""

    def __init__(self, organization: Organization, events: Iterable[Event]) -> None:
        self._organization = organization
        self._events = list(events)
        self._names: dict[int, str] = {}

    def lines(self) -> list[LogLine]:
        return [self._line(event) for event in self._events]

    def name(self, person: Person | None) -> str:
        if person is None:
            return ""
        if person.pk not in self._names:
            self._names[person.pk] = accounts.name_in(self._organization, person)
        return self._names[person.pk]

    def _line(self, event: Event) -> LogLine:
        if not is_genuine(event):
            return LogLine(
                event.at, _("This entry was changed in the database, or Samizdat didn’t write it."), "", genuine=False
            )
        at = event.at.date() if is_of_people(event.kind) and event.by_id is None else moment_of(event)
        about, href = self._about(event)
        sentence: Any = SENTENCES.get(event.kind, event.kind)  # type: ignore[call-overload]
        return LogLine(at, str(sentence), self.name(event.by), about, href)

    def _about(self, event: Event) -> tuple[str, str]:
        """What it is called, and where it is; a row that is gone is named as far as the log knows."""
        number, kind = event.about, event.kind
        if not number:
            return "", ""
        for starts, named in self._places.items():
            if kind.startswith(starts):
                return named(event, number)
        return "", ""

    @cached_property
    def _places(self) -> dict[tuple[str, ...], Callable[[Event, int], tuple[str, str]]]:
        return {
            ("subscriber.",): self._subscriber,
            ("campaign.", "digest."): self._campaign,
            ("person.",): self._person,
            ("subscribers.import",): self._import,
            ("subscribers.export",): self._export,
            ("list.",): self._list,
            ("route.",): self._route,
            ("segment.", "tag.", "domain.", "api_key.", "event_webhook."): self._named,
            ("subscribers.read_by_program", "subscribers.erased_by_program"): self._named,
        }

    def _here(self, name: str, *numbers: int) -> str:
        return address(self._organization, name, *numbers)

    def _numbers(self, *starts: str) -> set[int]:
        return {event.about for event in self._events if event.about and event.kind.startswith(starts)}

    @cached_property
    def _subscribers(self) -> set[int]:
        rows = Subscriber.objects.filter(organization=self._organization, pk__in=self._numbers("subscriber."))
        return set(rows.values_list("pk", flat=True))

    @cached_property
    def _campaigns(self) -> dict[int, CampaignRow]:
        rows = Campaign.objects.filter(organization=self._organization, pk__in=self._numbers("campaign.", "digest."))
        return {row.campaign.pk: row for row in with_subjects(rows)}

    def _known(self, model: Any, *starts: str) -> dict[int, Any]:
        rows: dict[int, Any] = model.objects.filter(organization=self._organization).in_bulk(self._numbers(*starts))
        return rows

    @cached_property
    def _lists(self) -> dict[int, List]:
        return self._known(List, "list.")

    @cached_property
    def _routes(self) -> dict[int, Route]:
        return self._known(Route, "route.")

    @cached_property
    def _imports(self) -> dict[int, Import]:
        return self._known(Import, "subscribers.import")

    @cached_property
    def _exports(self) -> dict[int, Export]:
        return self._known(Export, "subscribers.export")

    def _subscriber(self, _event: Event, number: int) -> tuple[str, str]:
        shown = number & NUMBER_MASK
        return _no(shown), self._here("subscriber", shown) if number in self._subscribers else ""

    def _campaign(self, _event: Event, number: int) -> tuple[str, str]:
        row = self._campaigns.get(number)
        if row is None:
            return _no(number), ""
        campaign = row.campaign
        page = "campaign" if campaign.state == "draft" else "report"
        return row.subject or _("no subject"), self._here(page, campaign.version_of_id or number)

    def _person(self, event: Event, number: int) -> tuple[str, str]:
        if event.kind == "person.invited":
            return "", ""
        return self.name(Person.objects.filter(pk=number).first()), ""

    def _import(self, _event: Event, number: int) -> tuple[str, str]:
        return _no(number), self._here("import", number) if number in self._imports else ""

    def _export(self, _event: Event, number: int) -> tuple[str, str]:
        return _no(number), self._here("export", number) if number in self._exports else ""

    def _list(self, _event: Event, number: int) -> tuple[str, str]:
        row = self._lists.get(number)
        return (name_of(row), self._here("list", number)) if row is not None else (_no(number), "")

    def _route(self, event: Event, number: int) -> tuple[str, str]:
        row = self._routes.get(number)
        if row is None or row.state == "removed":
            return self._named(event, number)
        return row.name, self._here("edit-route", number)

    def _named(self, event: Event, number: int) -> tuple[str, str]:
        detail = detail_of(event)
        return str(detail.get("name") or detail.get("domain") or detail.get("place") or _no(number)), ""


def _no(number: int) -> str:
    return _("No. %(number)s") % {"number": grouped(number)}
