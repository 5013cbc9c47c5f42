"""Subscribers read by pages of their keys: no transaction stays open for long, whoever writes meanwhile goes on."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.audience import consent_records, plaintext_fields, sealed_subscribers, tags_and_fields
from samizdat.audience import sql as audience_sql
from samizdat.audience.list_details import list_name, open_details
from samizdat.audience.models import NUMBER_MASK, Field, List, Subscription, row_id
from samizdat.audience.tags_and_fields import definition_of
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# Rows of a page: 5 ms of reading, 250 KB of text, and 64 MB where each is as heavy as a subscriber may be.
PAGE = 1_000

# What the seal keeps for itself below the merge fields; everything else there is somebody's later thought and goes
# along by its number.
_OWN = frozenset({seal.ADDRESS, seal.NOTES})


type ReadRecord = tuple[Any, Any, Any, Any, Any, dict[int, str]]


@dataclass(slots=True)
class ExportedSubscriber:
    """One subscriber, opened. `values` by field number; `records` as consent_between gives them, opened."""

    number: int
    address: str
    values: dict[int, str]
    language: str
    joined: str
    tags: list[int] = field(default_factory=list)
    lists: list[tuple[Any, ...]] = field(default_factory=list)  # (list, status, since, and WISHES of the subscription)
    records: list[tuple[Any, Any, Any, Any, Any, dict[int, str]]] = field(
        default_factory=list
    )  # (list, kind, purpose, way, day, words)
    suppressed: list[tuple[str, str]] = field(default_factory=list)  # (reason, day)
    asking: dict[int, int] = field(default_factory=dict)  # List -> the verdict about appeals, where there is one.


# Columns of a subscription beside its status: what they wished for (a pause, how often). Whatever the model has, but
# the verdicts: those follow from their consent records, wherever they are read.
WISHES = tuple(
    column.attname
    for column in Subscription._meta.concrete_fields
    if column.attname not in ("subscriber_id", "list_id", "status", "mail_verdict", "fundraising_verdict", "since")
)


class ExportContext:
    """What is asked of the organization once: keys, names of lists, tags and fields."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.keys = keyring.keys(organization)
        assert self.keys.ring is not None
        self.start, self.end = row_id(organization.id, 0), row_id(organization.id + 1, 0)
        self.lists = {row.id: row for row in List.objects.filter(organization=organization).order_by("created", "id")}
        self.list_names = _list_names(self.keys, self.lists.values())
        self.tags = tags_and_fields.all_tags(organization, self.keys)
        self.fields = fields_of(organization, self.keys)
        self.open = sealed_subscribers.opener(self.keys).open
        self.open_record = self.keys.ring.bound(*consent_records.RECORD, self.keys.uid).open

    def words(self, blob: bytes, number: int) -> dict[int, str]:
        """What is sealed of a consent record; nothing once they were erased."""
        return seal.unpack(self.open_record(blob, number)) if blob else {}


def _list_names(keys: OrganizationKeys, lists: Iterable[List]) -> dict[int, str]:
    """Number -> name; the name of a deleted one, which another may have since, with its number."""
    rows = [(row.id, list_name(keys, row), open_details(keys, row).deleted) for row in lists]
    return {number: f"{name} ({day}, {number})" if day else name for number, name, day in rows}


def fields_of(organization: Organization, keys: OrganizationKeys) -> dict[int, dict[str, Any]]:
    """Number -> all that is told of a merge field, in the order of their making."""
    rows = Field.objects.filter(organization=organization, removed=None).order_by("number")
    return {
        row.number: {
            **structs.asdict(definition_of(keys, row)),
            "readable": plaintext_fields.is_chosen(keys, row),
        }
        for row in rows
    }


def pages(home: ExportContext) -> Iterator[list[tuple[int, bytes, str, str]]]:
    """(id, blob, language, joined) of everybody, by rising number."""
    after = home.start
    while rows := audience_sql.subscribers_page(home.organization.id, after, home.end, PAGE):
        yield rows
        after = rows[-1][0]


@dataclass(slots=True)
class ExportedNumbers:
    """Whose rows went out: what is read of them afterwards is read for them alone, whoever signs up meanwhile."""

    pages: list["array[int]"] = field(default_factory=list)

    def add(self, ids: Sequence[int]) -> None:
        self.pages.append(array("q", ids))

    def has(self, id: int | None) -> bool:
        if id is None:
            return False
        page = bisect_left(self.pages, id, key=lambda page: page[-1])
        if page == len(self.pages):
            return False
        at = bisect_left(self.pages[page], id)
        return self.pages[page][at] == id

    def spans(self, start: int) -> Iterator[tuple[int, int, set[int]]]:
        """(after, last, ids) of each page."""
        for page in self.pages:
            yield start, page[-1], set(page)
            start = page[-1]


def whole(home: ExportContext, ids: Sequence[int]) -> list[ExportedSubscriber]:
    """These subscribers with everything that is known of them, in the order given."""
    rows = {row[0]: row for row in audience_sql.subscribers_at(home.organization.id, ids)}
    people = {id: _person(home, rows[id]) for id in ids if id in rows}
    for id, tag in audience_sql.tags_of(ids):
        if id in people and tag in home.tags:
            people[id].tags.append(tag)
    for id, *of, asking in audience_sql.subscriptions_with(ids, (*WISHES, "fundraising_verdict")):
        if id in people:
            people[id].lists.append(tuple(of))
            people[id].asking |= {of[0]: asking} if asking else {}
    for id, (_, list_id, kind, purpose, way, day), blob in audience_sql.consent_with_words(ids):
        if id in people:
            words = home.words(blob, id & NUMBER_MASK)
            people[id].records.append((list_id, kind, purpose, way, day, words))
    _suppressions(home, people)
    return list(people.values())


def _person(home: ExportContext, row: tuple[int, bytes, str, str, bytes]) -> ExportedSubscriber:
    number = row[0] & NUMBER_MASK
    held = seal.unpack(home.open(row[1], number))
    return ExportedSubscriber(number, held.pop(seal.ADDRESS, ""), held, row[2], row[3])


def _suppressions(home: ExportContext, people: dict[int, ExportedSubscriber]) -> None:
    # Of an unconfirmed sign-up nothing is said but what was typed, whoever else has its address.
    whose = {
        blind: id
        for id, person in people.items()
        if seal.WAITING not in person.values
        for blind in home.keys.blinds(addresses.comparable(person.address))
    }
    by_subscriber: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for blind, reason, day in audience_sql.suppressions_with_days(home.organization.id, list(whose)):
        by_subscriber[whose[bytes(blind)]].append((reason, day))
    for id, of in by_subscriber.items():
        people[id].suppressed = sorted(of)


type Tell = Callable[[int, int], None]


class ExportStopped(Exception):
    """The process is to end: the file is not finished."""


@dataclass(slots=True)
class ExportProgress:
    """How far it is, in steps of any size; looks whether to stop."""

    whole: int
    tell: Tell | None = None
    stop: Callable[[], bool] | None = None
    done: int = 0

    def on(self, steps: int) -> None:
        self.done += steps
        if self.tell:
            self.tell(min(self.done, self.whole), self.whole)
        if self.stop and self.stop():
            raise ExportStopped
