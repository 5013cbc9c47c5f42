"""Upserts of several requests in one transaction: each is as it would be alone, and none harms another."""

import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions, headcount, queries
from samizdat.audience.actions import grouped_upserts
from samizdat.audience.actions.archive_lists import archive
from samizdat.audience.actions.grouped_upserts import UpsertedSubscriber, WantedSubscriber, upsert_with_others
from samizdat.audience.actions.upserts import upsert
from samizdat.audience.consistency import check_projections
from samizdat.audience.limits import HEAVIEST_SUBSCRIBER, TAGS_EACH
from samizdat.audience.models import ConsentRecord, Growth, ListTotal, Subscriber, TagTotal
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db

CONSENT = "Ticked the box."


@pytest.fixture
def letter(lantern: Any) -> Any:
    return _letter_of(lantern)


@pytest.fixture
def bell_letter(vault: Any) -> Any:
    """The same list of another organization."""
    return _letter_of(found_organization("Harbour Bell", source=vault, today=TODAY))


def _letter_of(organization: Any) -> Any:
    actions.add_field(organization, "FNAME", "First name", now=NOW)
    return actions.new_list(organization, "Letter", now=NOW)


def _wanted(address: str, **more: Any) -> WantedSubscriber:
    return WantedSubscriber(**{"address": address, "consent": CONSENT, "values": {}, "tags": (), "language": ""} | more)


def _alone(letter: Any, wanted: WantedSubscriber) -> str:
    more: dict[str, Any] = {"values": wanted.values, "tags": wanted.tags, "language": wanted.language}
    organization, now = letter.organization, timezone.now()
    return upsert(organization, wanted.address, letter, consent=wanted.consent, now=now, **more).outcome


def _together(letter: Any, *wanted: WantedSubscriber) -> list[str | None]:
    """What a thread writes for itself and those who wait."""
    tickets = [grouped_upserts._Ticket(each) for each in wanted]
    done = grouped_upserts._together(letter.organization, letter.pk, tickets, None)
    return [each and each.outcome for each in done]


def _all_of(letter: Any, address: str) -> Any:
    """What is known of them, without what is drawn by lot."""
    subscriber = queries.subscriber_at(letter.organization, address)
    assert subscriber is not None
    card = queries.card(subscriber, timezone.now())
    timeline = [(entry.kind, entry.way, entry.wording, entry.purpose, entry.day) for entry in card.timeline]
    lists = [(each.name, each.status, each.since, each.verdict.reason) for each in card.lists]
    events = [(event.kind, event.by_id, {*detail_of(event)}) for event in Event.objects.filter(about=subscriber.id)]
    facts = (card.language, card.provider, card.joined, card.suppressed, subscriber.source, subscriber.index_version)
    return card.address, card.values, sorted(card.tags), timeline, lists, events, facts


def _totals_of(letter: Any) -> list[Any]:
    growth = Growth.objects.filter(list=letter).values_list("day", "metric", "channel", "count")
    lists = ListTotal.objects.filter(list=letter).values_list("status", "count")
    tags = TagTotal.objects.filter(list=letter).values_list("status", "count")
    return [sorted(each) for each in (growth, lists, tags)]


PEOPLE = [
    _wanted("ada@gmail.com", values={"FNAME": "Ada", "LNAME": ""}, tags=["press", "press"], language="ru"),
    _wanted("boris@reader.example", tags=["fair", "Press"]),
    _wanted("vera@reader.example", values={"FNAME": "Вера"}, consent="Other words."),
]


def test_who_is_written_with_others_is_as_if_written_alone(letter: Any, bell_letter: Any) -> None:
    assert _together(letter, *PEOPLE) == ["added"] * 3
    for each in PEOPLE:
        _alone(bell_letter, each)
        assert _all_of(letter, each.address) == _all_of(bell_letter, each.address)
    assert _totals_of(letter) == _totals_of(bell_letter)
    for each in (letter, bell_letter):
        assert check_projections(each.organization, timezone.now()).wrong == []
        assert headcount.of(each.organization.pk) == 3


def test_the_same_again_is_unchanged_and_writes_nothing(letter: Any) -> None:
    _together(letter, *PEOPLE)
    before = Event.objects.count(), ConsentRecord.objects.count()
    assert _together(letter, *PEOPLE) == ["unchanged"] * 3
    assert _together(letter, _wanted("ADA@GMAIL.COM")) == ["unchanged"]
    assert (Event.objects.count(), ConsentRecord.objects.count()) == before


@pytest.mark.parametrize("other", [{"values": {"FNAME": "Eva"}}, {"tags": ["new"]}, {"language": "en"}])
def test_who_changes_is_left_to_a_transaction_of_their_own(letter: Any, other: dict[str, Any]) -> None:
    _together(letter, *PEOPLE)
    changed = _wanted("ada@gmail.com", **other)
    assert _together(letter, changed, _wanted("dora@reader.example")) == [None, "added"]
    assert _alone(letter, changed) == "updated"
    assert _together(letter, changed) == ["unchanged"]


def test_whoever_is_not_simple_is_left_alone_and_stops_nobody(letter: Any) -> None:
    organization = letter.organization
    for name in ("left", "suppressed", "erased", "elsewhere"):
        _alone(letter, _wanted(f"{name}@reader.example"))
    left = queries.subscriber_at(organization, "left@reader.example")
    assert left is not None
    actions.unsubscribe(left, letter, now=NOW)
    actions.suppress(organization, "complaint", address="suppressed@reader.example", now=NOW)
    actions.erase(organization, address="erased@reader.example", now=NOW)
    actions.sign_up(organization, "asked@reader.example", letter, wording="Yes.", now=NOW)
    names = ("left", "suppressed", "erased", "asked", "twice", "Twice")
    rest = [_wanted(f"{name}@reader.example") for name in names]
    before = Subscriber.objects.count()
    many, odd = [f"tag{number}" for number in range(TAGS_EACH + 1)], {"FNAME": "x" * HEAVIEST_SUBSCRIBER}
    rest += [_wanted("no address"), _wanted("many@reader.example", tags=many)]
    assert _together(letter, *rest, _wanted("new@reader.example")) == [None] * len(rest) + ["added"]
    assert Subscriber.objects.count() == before + 1
    # Whose text is too long is seen when they are sealed: then all of them are on their own.
    assert _together(letter, _wanted("long@reader.example", values=odd), _wanted("next@reader.example")) == [None, None]
    assert Subscriber.objects.count() == before + 1


def test_nothing_is_written_where_somebody_has_one_of_the_addresses_by_then(
    letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL neither sees the other's row before it is committed."""
    _together(letter, PEOPLE[0])
    before = Subscriber.objects.count(), Event.objects.count()
    monkeypatch.setattr(grouped_upserts._Upserts, "_here", lambda *_given: {})
    assert _together(letter, *PEOPLE) == [None] * 3
    assert (Subscriber.objects.count(), Event.objects.count()) == before


def test_a_list_of_others_or_an_archived_one_takes_nobody(letter: Any, bell_letter: Any) -> None:
    tickets = [grouped_upserts._Ticket(PEOPLE[0])]
    assert grouped_upserts._together(letter.organization, bell_letter.pk, tickets, None) == [None]
    archive(letter, now=NOW)
    assert _together(letter, PEOPLE[0]) == [None]
    assert not Subscriber.objects.exists()


def test_whoever_has_the_row_of_another_by_its_index_is_left_to_the_look_that_mends_it(letter: Any) -> None:
    _together(letter, *PEOPLE)
    ada, boris = (queries.subscriber_at(letter.organization, each.address) for each in PEOPLE[:2])
    assert ada is not None and boris is not None
    Subscriber.objects.filter(id=ada.id).delete()
    Subscriber.objects.filter(id=boris.id).update(email_index=ada.email_index)
    assert _together(letter, PEOPLE[0]) == [None]


class _Counted(grouped_upserts._Group):
    def __init__(self) -> None:
        super().__init__()
        self.come = threading.Semaphore(0)

    def join(self, ticket: Any) -> None:
        super().join(ticket)
        self.come.release()


@pytest.mark.django_db(transaction=True)
def test_requests_of_a_moment_are_written_at_once_and_answered_each(letter: Any) -> None:
    """They come while another one has its turn."""
    answers: dict[str, UpsertedSubscriber | None] = {}
    organization, written = letter.organization, []
    together = grouped_upserts._together

    def write(*given: Any) -> Any:
        written.append(len(given[2]))
        return together(*given)

    def ask(wanted: WantedSubscriber) -> None:
        try:
            answers[wanted.address] = upsert_with_others(organization, letter.pk, wanted)
        finally:
            connections.close_all()

    group = grouped_upserts._groups[organization.pk, letter.pk, None] = _Counted()
    threads = [
        threading.Thread(target=ask, args=[_wanted(f"at{number}@reader.example", tags=["fair"])]) for number in range(5)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouped_upserts, "_together", write)
        with group.turn:
            for thread in threads:
                thread.start()
            for _thread in threads:
                assert group.come.acquire(timeout=60)
        for thread in threads:
            thread.join()
    assert written == [5]
    for address, done in answers.items():
        subscriber = queries.subscriber_at(organization, address)
        assert subscriber is not None
        assert done == UpsertedSubscriber("added", subscriber.number)
    assert len(answers) == 5
