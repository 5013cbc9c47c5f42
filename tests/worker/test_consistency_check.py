"""Once a day subscriptions are compared with their records; a difference is said and nothing is changed."""

import itertools
import os
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.audience import consistency, suppression_check
from samizdat.audience.models import ConsentRecord, Subscriber, Subscription, Suppression
from samizdat.core import consent
from samizdat.events import queries
from samizdat.events.actions import detail_of, record
from samizdat.vault import keyring
from samizdat.worker.schedule import consistency_check, scheduler
from samizdat.worker.stopping import stopping
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency_check, "_going", {})


@pytest.fixture
def readers(lantern: Any, thursday: Any) -> list[Any]:
    return [
        audience.add_subscriber(lantern, f"reader{number}@example.org", thursday, consent="said so", now=NOW)
        for number in range(5)
    ]


def told(organization: Any, kind: str) -> list[dict[str, Any]]:
    return [detail_of(event) for event in queries.newest(organization, kinds=[kind])]


def test_the_clock_compares_once_a_day(lantern: Any, readers: list[Any]) -> None:
    for hours in (0, 1, 11):
        consistency_check.compare(NOW + timedelta(hours=hours))
    assert told(lantern, consistency_check.CHECKED) == [{"subscribers": 5, "wrong": 0}]
    consistency_check.compare(NOW + timedelta(hours=12))
    assert len(told(lantern, consistency_check.CHECKED)) == 2
    assert told(lantern, consistency_check.DIFFER) == []
    assert consistency_check.compare in scheduler.SLOW.values()


def test_what_somebody_wrote_for_one_organization_keeps_no_other_from_being_compared(
    lantern: Any, readers: list[Any], vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purpose that is none; and rows of which the comparison breaks."""
    ConsentRecord.objects.filter(subscriber=readers[0]).update(purpose=5, kind=consent.KINDS.index("withdrawn"))
    consistency_check.compare(NOW)
    assert told(lantern, consistency_check.CHECKED) == [{"subscribers": 5, "wrong": 1}]
    other = found_organization("Harbour Bell", source=vault, today=TODAY)

    def check_page(organization: Any, *rest: Any) -> Any:
        if organization == lantern:
            raise ZeroDivisionError
        return consistency.check_page(organization, *rest)

    monkeypatch.setattr(consistency_check, "check_page", check_page)
    with pytest.raises(ZeroDivisionError):
        consistency_check.compare(NOW + timedelta(days=1))
    assert told(other, consistency_check.CHECKED) == [{"subscribers": 0, "wrong": 0}]


def test_after_each_release_it_compares_again(lantern: Any, readers: list[Any]) -> None:
    """Whoever writes the database could set a status after the night, and a campaign would believe it."""
    consistency_check.compare(NOW)
    Subscription.objects.filter(subscriber=readers[0]).update(status=2, mail_verdict=4)
    consistency_check.compare(NOW + timedelta(hours=1))
    assert told(lantern, consistency_check.DIFFER) == []
    record("campaign.released", lantern, now=NOW + timedelta(hours=2))
    for minutes in (0, 1):
        consistency_check.compare(NOW + timedelta(hours=2, minutes=minutes))
    assert told(lantern, consistency_check.DIFFER) == [{"subscribers": 5, "wrong": 1}]


@pytest.mark.parametrize("is_copied", [False, True])
def test_a_yes_that_somebody_without_keys_wrote_is_not_believed(
    lantern: Any, thursday: Any, readers: list[Any], is_copied: bool
) -> None:
    audience.unsubscribe(readers[0], thursday, now=NOW)
    yes = ConsentRecord.objects.filter(subscriber=readers[0]).order_by("id")[0]
    if not is_copied:
        yes.sealed, yes.digest, yes.day = os.urandom(96), os.urandom(32), yes.day + timedelta(days=1)
    yes.pk, yes.position = None, 10**12
    yes.save(force_insert=True)
    Subscription.objects.filter(subscriber=readers[0]).update(status=1, mail_verdict=1)
    consistency_check.compare(NOW + timedelta(days=1))
    assert told(lantern, consistency_check.DIFFER) == [{"subscribers": 5, "wrong": 1}]
    record(consistency_check.MEND, lantern, now=NOW + timedelta(days=1))
    consistency_check.compare(NOW + timedelta(days=1))
    row = Subscription.objects.get(subscriber=readers[0])
    assert (row.status, row.mail_verdict) != (1, 1), "put right by the records that are ours"
    assert isinstance(audience.verdict(readers[0], thursday, NOW + timedelta(days=2)), consent.Refusal)


def test_a_difference_is_told_in_counts_and_left_as_it_is(lantern: Any, readers: list[Any]) -> None:
    Subscription.objects.filter(subscriber__in=readers[:2]).update(status=2, mail_verdict=4)
    before = sorted(Subscription.objects.values_list("subscriber_id", "status", "mail_verdict"))
    consistency_check.compare(NOW)
    event = queries.last(lantern, consistency_check.DIFFER)
    assert event is not None and event.about is None
    assert detail_of(event) == {"subscribers": 5, "wrong": 2}
    assert sorted(Subscription.objects.values_list("subscriber_id", "status", "mail_verdict")) == before


def test_whose_index_of_the_address_was_changed_is_told_and_found_by_it_again(lantern: Any, readers: list[Any]) -> None:
    one, other, third = (bytes(reader.email_index) for reader in readers[:3])
    Subscriber.objects.filter(id=readers[0].id).update(email_index=b"x" * 16)
    Subscriber.objects.filter(id=readers[1].id).update(email_index=one)
    Subscriber.objects.filter(id=readers[0].id).update(email_index=other)
    Subscriber.objects.filter(id=readers[2].id).update(email_index=b"y" * 16)
    consistency_check.compare(NOW)
    assert told(lantern, consistency_check.DIFFER) == [{"subscribers": 5, "wrong": 3}]
    after = dict(Subscriber.objects.values_list("id", "email_index"))
    assert [bytes(after[reader.id]) for reader in readers[:3]] == [one, other, third]
    assert consistency.check_projections(lantern, NOW).wrong == []


def test_who_left_and_came_in_anew_beside_their_row_is_not_written_to_until_somebody_has_looked(
    lantern: Any, thursday: Any, readers: list[Any]
) -> None:
    """The index was taken from the row that says no, so a file found nobody."""
    audience.unsubscribe(readers[0], thursday, now=NOW)
    Subscriber.objects.filter(id=readers[0].id).update(email_index=b"x" * 16)
    again = audience.add_subscriber(lantern, "reader0@example.org", thursday, consent="in the file", now=NOW)
    assert again.id != readers[0].id
    assert Subscription.objects.get(subscriber=again).mail_verdict == 1
    consistency_check.compare(NOW)
    assert told(lantern, consistency_check.DIFFER) == [{"subscribers": 6, "wrong": 1}]
    assert Subscription.objects.get(subscriber=again).mail_verdict != 1


def test_it_goes_on_in_the_next_round_where_it_was(
    lantern: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "PAGE", 2)
    pages: list[int] = []
    look = consistency.check_page

    def one_page(organization: Any, after: int, now: Any) -> Any:
        pages.append(after)
        monkeypatch.setattr(consistency_check.time, "monotonic", lambda: float("inf"))
        return look(organization, after, now)

    monkeypatch.setattr(consistency_check, "check_page", one_page)
    for _round in range(3):
        assert told(lantern, consistency_check.CHECKED) == []
        monkeypatch.setattr(consistency_check.time, "monotonic", lambda: 0.0)
        consistency_check.compare(NOW)
    assert len(set(pages)) == 3
    assert told(lantern, consistency_check.CHECKED) == [{"subscribers": 5, "wrong": 0}]


def test_a_page_has_fewer_people_where_each_has_an_index_for_each_of_many_keys(
    lantern: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys came with exports: 2,000 people with 5,000 indexes each were gigabytes."""
    monkeypatch.setattr(consistency, "PAGE_INDEXES", 4)
    keyring.keys(lantern).index |= {7: bytes(32)}
    result, after = consistency.check_page(lantern, 0, NOW)
    assert result.subscribers == 2 and after == sorted(reader.number for reader in readers)[1]
    assert consistency.check_projections(lantern, NOW).subscribers == 5


def test_a_stopping_process_leaves_it_for_the_next(
    lantern: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "is_set", lambda: True)
    consistency_check.compare(NOW)
    assert told(lantern, consistency_check.CHECKED) == []


def test_who_leaves_between_two_looks_is_no_difference(
    lantern: Any, thursday: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = consistency.sql.consent_of
    looks: list[int] = []

    def and_then_a_reader_leaves(ids: Any) -> Any:
        found = look(ids)
        if not looks:
            looks.append(1)
            audience.unsubscribe(readers[0], thursday, now=NOW)
        return found

    monkeypatch.setattr(consistency.sql, "consent_of", and_then_a_reader_leaves)
    assert consistency.check_projections(lantern, NOW) == consistency.ConsistencyResult(5, [])


def test_what_was_asked_to_be_put_right_is_put_right_at_once(lantern: Any, readers: list[Any]) -> None:
    Subscription.objects.filter(subscriber__in=readers[:2]).update(status=2, mail_verdict=4)
    consistency_check.compare(NOW)
    assert consistency.compared(lantern) == consistency.ComparedSubscriptions(NOW, 5, 2, False)
    record(consistency.MEND, lantern, now=NOW)
    assert consistency.compared(lantern) == consistency.ComparedSubscriptions(NOW, 5, 2, True)
    consistency_check.compare(NOW)
    assert consistency.compared(lantern) == consistency.ComparedSubscriptions(NOW, 5, 0, False)
    assert told(lantern, consistency_check.CHECKED)[0] == {"subscribers": 5, "wrong": 2, "mended": 2}
    assert consistency.check_projections(lantern, NOW).wrong == []
    consistency_check.compare(NOW)
    assert len(told(lantern, consistency_check.CHECKED)) == 2


def test_putting_many_right_keeps_no_schedule_waiting(
    lantern: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 0.2)
    monkeypatch.setattr(consistency_check, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(consistency_check, "SECONDS", 0.5)
    monkeypatch.setattr(consistency_check, "MENDED", 1)
    Subscription.objects.update(status=2, mail_verdict=4)
    record(consistency_check.MEND, lantern, now=NOW)
    rights = []
    while not told(lantern, consistency_check.CHECKED):
        consistency_check.compare(NOW)
        rights.append(Subscription.objects.filter(status=1).count())
    assert rights[-1] == 5 and max(after - before for before, after in itertools.pairwise([0, *rights])) <= 2
    assert told(lantern, consistency_check.CHECKED) == [{"subscribers": 5, "wrong": 5, "mended": 5}]


def test_a_suppression_list_is_put_back_a_step_at_a_time(
    lantern: Any, readers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 0.2)
    for reader in readers:
        audience.suppress(lantern, "manual", subscriber=reader, now=NOW)
    Suppression.objects.all().delete()
    monkeypatch.setattr(consistency_check, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(consistency_check, "SECONDS", 0.5)
    monkeypatch.setattr(suppression_check, "SLICE", 1)
    there = []
    while not told(lantern, consistency_check.CHECKED):
        consistency_check.compare(NOW)
        there.append(Suppression.objects.count())
    assert there[-1] == 5 and max(after - before for before, after in itertools.pairwise([0, *there])) <= 2
    assert told(lantern, suppression_check.ALTERED) == [{"missing": 5, "unknown": 0, "pauses": 0, "monthly": 0}]
