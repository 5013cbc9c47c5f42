"""What was recorded before the instance key was replaced is checked by the key of its time, and what came later by the
new one alone."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import actions, backend, passwords, sealed_people
from samizdat.accounts.models import Person
from samizdat.audience import consent_records, emptied_records, sql, suppression_log
from samizdat.audience.actions import add_subscriber, new_list, suppress
from samizdat.audience.consent_records import is_ours
from samizdat.audience.models import ConsentRecord
from samizdat.backup import instance_rotation
from samizdat.events import chain, log_file
from samizdat.events.actions import detail_of, digest, is_genuine, record
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.source import InstanceSource
from tests.conftest import INSTANCE_KEY, NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

KEYS = [INSTANCE_KEY, bytes(range(50, 82)), bytes(range(100, 132))]
DAY = timedelta(days=1)
ANNA = "anna@reader.example"


@pytest.fixture
def exchange(vault: Any) -> Callable[[], None]:
    """Another instance key each time."""
    keys = iter(itertools.pairwise(KEYS))

    def exchange() -> None:
        former, new = next(keys)
        instance_rotation.exchange(InstanceSource(former), new, NOW)

    return exchange


def _clara() -> Person:
    return actions.add_person("clara@lantern.example", name="Clara", password=PASSWORD, today=TODAY)


def test_the_log_is_whole_and_goes_on(lantern: Any, exchange: Any) -> None:
    for _turn in range(2):
        events = [record("list.created", here, now=NOW, detail={"say": "before"}) for here in (lantern, None)]
        chain.append()
        file = [*log_file.lines(lantern, NOW)]
        exchange()
        record("list.renamed", lantern, now=NOW, detail={"say": "after"})
        chain.append()
        assert chain.verify(lantern).whole
        assert log_file.check(lantern, file).whole
        assert log_file.check(lantern, [*log_file.lines(lantern, NOW)]).whole
        assert all(map(is_genuine, Event.objects.all()))
        assert [detail_of(event) for event in events] == [{"say": "before"}] * 2


def test_who_has_the_former_key_writes_no_event_of_today(lantern: Any, exchange: Any) -> None:
    record("list.created", lantern, now=NOW)
    exchange()
    event = record("list.renamed", lantern, now=NOW)
    present = keyring.open_source()
    keyring.use(InstanceSource(INSTANCE_KEY))
    keyring._former["log"] = ()
    event.digest = digest(event)
    event.save(update_fields=["digest"])
    keyring.use(present)
    assert not is_genuine(Event.objects.get(pk=event.pk))


def test_who_has_the_former_key_changes_no_older_event_unseen(lantern: Any, exchange: Any) -> None:
    first, second = (record("list.created", lantern, now=NOW, about=about) for about in (1, 2))
    chain.append()
    exchange()
    present = keyring.open_source()
    keyring.use(InstanceSource(INSTANCE_KEY))
    keyring._former["log"] = keyring._former["chain"] = ()
    link = chain.linker("events_event")
    Event.objects.filter(pk=first.pk).update(about=7)
    before = Event.objects.filter(organization=lantern, pk__lt=first.pk).order_by("-position").first()
    at = bytes(before.link) if before else bytes(32)
    for event in Event.objects.filter(pk__in=[first.pk, second.pk]).order_by("position"):
        assert event.position is not None
        event.digest = digest(event)
        event.link = at = link(at, event.position, event.digest)
        event.save(update_fields=["digest", "link"])
    keyring.use(present)
    assert not chain.verify(lantern).whole


def test_consent_from_before_counts_and_later_consent_is_of_the_new_key_alone(lantern: Any, exchange: Any) -> None:
    letters = new_list(lantern, "Letter", now=NOW)
    anna = add_subscriber(lantern, ANNA, letters, consent="Yes, write to me.", now=NOW)
    exchange()
    ben = add_subscriber(lantern, "ben@reader.example", letters, consent="Yes, write to me.", now=NOW)
    rows = sql.digested_consent_of([anna.pk, ben.pk])
    assert rows and all(map(is_ours, rows))
    keyring.use(InstanceSource(INSTANCE_KEY))
    keyring._former["consent records"] = ()
    assert [is_ours(row) for row in rows] == [row[0] == anna.pk for row in rows]


def test_the_log_of_one_suppression_is_found(lantern: Any, exchange: Any) -> None:
    suppress(lantern, "manual", address=ANNA, now=NOW)
    exchange()
    keys = keyring.keys(lantern)
    assert suppression_log.logged_days(lantern, [keys.blind(ANNA)])


def test_an_invitation_from_before_lets_its_person_in(lantern: Any, exchange: Any) -> None:
    token = actions.invite(lantern, "viewer", note="", by=None, now=NOW)
    exchange()
    exchange()
    assert actions.invitation_of(token, NOW + DAY).role == "viewer"


def test_a_password_from_before_opens_and_is_kept_under_the_new_key_from_then_on(lantern: Any, exchange: Any) -> None:
    clara = _clara()
    actions.give_role(clara, lantern, "admin", by=None, now=NOW)
    exchange()
    exchange()
    index = sealed_people.index_of("clara@lantern.example")
    assert backend.owner(index, "something else entirely", NOW) is None
    assert backend.owner(index, PASSWORD, NOW) == clara
    kept = Person.objects.get(pk=clara.pk)
    assert passwords.is_of_now(kept.password, kept.pk)
    assert kept.check_password(PASSWORD) and not kept.check_password("something else entirely")


def test_a_password_that_somebody_made_with_the_former_key_opens_nothing(lantern: Any, exchange: Any) -> None:
    clara = _clara()
    theirs = clara.password
    exchange()
    Person.objects.filter(pk=clara.pk).update(password=theirs)
    assert not Person.objects.get(pk=clara.pk).check_password(PASSWORD)


# -- somebody has the former key, and writes the database ------------------------------------------------------------


def _forged_consent(organization: Any, number: int) -> tuple[Any, ...]:
    """A yes of today under the former key."""
    letters = new_list(organization, "Forged", now=NOW)
    key = InstanceSource(INSTANCE_KEY).derive("consent records")
    facts = (organization.pk, 77, letters.pk, 1, 0, 0, TODAY.isoformat(), b"words")
    ConsentRecord.objects.create(
        id=number, organization=organization, subscriber_id=77, list=letters, kind=1, channel=0, day=TODAY,
        sealed=b"words", digest=consent_records.digest(*facts, key=key),
    )  # fmt: skip
    [row] = sql.digested_consent_of([77])
    return row


def test_a_yes_in_a_number_that_no_row_can_have_counts_for_nothing(lantern: Any, exchange: Any) -> None:
    new = new_list(lantern, "Letter", now=NOW)
    add_subscriber(lantern, ANNA, new, consent="Yes, write to me.", now=NOW)
    exchange()
    assert not is_ours(_forged_consent(lantern, -5))


def test_a_row_far_ahead_moves_no_bound(lantern: Any, exchange: Any) -> None:
    new = new_list(lantern, "Letter", now=NOW)
    add_subscriber(lantern, ANNA, new, consent="Yes, write to me.", now=NOW)
    newest = ConsentRecord.objects.latest("id")
    highest = newest.pk
    newest.pk = newest.pk + 10_000  # A copy of one that we wrote.
    newest.save(force_insert=True)
    last = Event.objects.latest("id").pk
    Event.objects.create(id=last + 10_000, kind="list.created", at=NOW, organization=lantern, digest=bytes(32))
    exchange()
    assert [former.through for former in keyring.former("consent records")] == [highest]
    assert [former.through for former in keyring.former("log")] == [last]


def test_what_has_no_place_in_the_chain_gets_it_before_and_nothing_does_later(lantern: Any, exchange: Any) -> None:
    event = record("list.created", lantern, now=NOW)
    exchange()
    assert Event.objects.get(pk=event.pk).position
    Event.objects.filter(pk=event.pk).update(position=None)
    chain.append()
    assert Event.objects.get(pk=event.pk).position is None
    assert not chain.verify(lantern).whole


def test_a_record_of_before_is_not_emptied_for_somebody_else(lantern: Any, exchange: Any) -> None:
    new = new_list(lantern, "Letter", now=NOW)
    anna = add_subscriber(lantern, ANNA, new, consent="Yes, write to me.", now=NOW)
    ben = add_subscriber(lantern, "ben@reader.example", new, consent="Yes, write to me.", now=NOW)
    emptied_records.empty_all_of([ben.pk])
    exchange()
    assert not emptied_records.altered(sql.digested_consent_of([anna.pk, ben.pk])), "what we emptied is ours"
    present = keyring.open_source()
    ConsentRecord.objects.filter(subscriber_id=anna.pk).update(subscriber_id=77, sealed=b"")
    rows = sql.digested_consent_of([77])
    keyring.use(InstanceSource(INSTANCE_KEY))
    sql.empty_records([(consent_records.mac_of_emptied(row), row[1][0]) for row in rows])
    keyring.use(present)
    assert emptied_records.altered(sql.digested_consent_of([77])) == {row[1][0] for row in rows}
