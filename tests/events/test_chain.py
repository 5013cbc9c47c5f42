"""The log cannot be edited unseen."""

import hashlib
import os
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.audience.models import ConsentRecord, List
from samizdat.events import chain, queries
from samizdat.events.actions import detail_of, is_genuine, moment_of, record
from samizdat.events.models import ChainHead, Event
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db


def happen(organization: Any, *kinds: str) -> list[Event]:
    by = Person.objects.get_or_create(email_hash=bytes(16), defaults={"created": TODAY})[0]
    return [record(kind, organization, now=NOW, about=7, by=by, detail={"say": kind}) for kind in kinds]


def consents(organization: Any, count: int) -> None:
    wanted = List.objects.create(organization=organization, name_sealed=b"x", created=TODAY)
    ConsentRecord.objects.bulk_create(
        ConsentRecord(
            organization=organization,
            subscriber_id=number,
            list=wanted,
            kind=1,
            channel=0,
            day=TODAY,
            sealed=b"x",
            digest=os.urandom(32),
        )
        for number in range(count)
    )


def test_events_and_consent_records_stand_in_one_chain(lantern: Any) -> None:
    happen(lantern, "list.created", "list.changed")
    consents(lantern, 3)
    assert chain.append() >= 5
    assert chain.append() == 0
    happen(lantern, "list.renamed")
    chain.append()
    verdict = chain.verify(lantern)
    assert verdict.whole
    assert verdict.length == ChainHead.objects.get(organization=lantern).position
    assert Event.objects.latest("id").position == verdict.length


def test_an_empty_chain_is_whole(lantern: Any) -> None:
    assert chain.verify(lantern).whole


def test_slices_are_appended_one_after_the_other(lantern: Any) -> None:
    happen(lantern, *["list.changed"] * 7)
    consents(lantern, 12)
    while chain.append(limit=3):
        pass
    assert chain.verify(lantern) == chain.Verdict(True, ChainHead.objects.get(organization=lantern).position)
    assert not Event.objects.filter(position=None, organization=lantern).exists()


def test_an_event_committed_late_follows_those_that_were_seen(lantern: Any) -> None:
    first, late, third = happen(lantern, "list.created", "list.changed", "list.renamed")
    Event.objects.filter(id=late.id).delete()
    chain.append()
    late.save(force_insert=True)  # As if its transaction had only now committed.
    chain.append()
    late.refresh_from_db()
    third.refresh_from_db()
    assert late.position is not None and third.position is not None
    assert late.position > third.position
    assert chain.verify(lantern).whole


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": bytes(32)}, "link"),
        ({"kind": "other"}, "digest"),
        ({"about": 8}, "digest"),
        ({"at": NOW + timedelta(seconds=1)}, "digest"),
        ({"by": None}, "digest"),
        ({"position": None}, "missing"),
    ],
)
def test_an_edited_row_breaks_the_chain_at_its_place(lantern: Any, change: dict[str, Any], reason: str) -> None:
    events = happen(lantern, "list.created", "list.changed", "list.renamed")
    chain.append()
    place = Event.objects.get(id=events[1].id).position
    Event.objects.filter(id=events[1].id).update(**change)
    verdict = chain.verify(lantern)
    assert (verdict.whole, verdict.broken_at, verdict.reason) == (False, place, reason)


EXACT = datetime(2026, 11, 25, 23, 7, 9, 123456, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    "kind", ["subscriber.left", "subscriber.confirmation_requested", "subscriber.opened", "subscribers.left"]
)
def test_of_people_the_readable_time_is_a_day_and_the_rest_is_sealed(lantern: Any, kind: str) -> None:
    record(kind, lantern, now=EXACT, about=7, detail={"list": 3})
    record(kind, lantern, now=EXACT, about=8)
    chain.append()
    for event, more in zip(queries.newest(lantern, kinds=[kind]), ({}, {"list": 3}), strict=True):
        assert event.at == datetime(2026, 11, 25, tzinfo=UTC)
        assert moment_of(event) == EXACT
        assert detail_of(event).items() >= more.items()
    assert chain.verify(lantern).whole
    Event.objects.filter(kind=kind).update(detail=b"")
    assert moment_of(Event.objects.filter(kind=kind).latest("id")) == datetime(2026, 11, 25, tzinfo=UTC)


def test_what_is_not_of_people_keeps_its_time(lantern: Any) -> None:
    for kind in ("subscribers.left_alarm", "subscribers.imported", "campaign.released"):
        event = record(kind, lantern, now=EXACT)
        assert (event.at, moment_of(event), detail_of(event)) == (EXACT, EXACT, {})


def test_a_cut_off_end_is_noticed(lantern: Any) -> None:
    events = happen(lantern, "list.created", "list.changed")
    chain.append()
    Event.objects.filter(id=events[1].id).delete()
    assert chain.verify(lantern).reason == "end"


def test_who_has_no_key_takes_nothing_out_and_counts_the_rest_anew(lantern: Any) -> None:
    events = happen(lantern, "list.created", "list.changed", "list.renamed")
    chain.append()
    place = Event.objects.get(id=events[1].id).position
    assert place is not None
    Event.objects.filter(id=events[1].id).delete()
    link = hashlib.sha256(chain.link_at(lantern, place - 1) + place.to_bytes(8) + b"E" + events[2].digest).digest()
    Event.objects.filter(id=events[2].id).update(position=place, link=link)
    ChainHead.objects.update(position=place, link=link)
    assert (chain.verify(lantern).broken_at, chain.verify(lantern).reason) == (place, "link")


@pytest.mark.parametrize("keeps_head", [True, False])
def test_a_log_that_was_cut_off_at_its_end_stays_broken_there(lantern: Any, keeps_head: bool) -> None:
    """The link of the last row that is left is genuine; what says that it is the end isn't."""
    events = happen(lantern, "list.created", "list.changed")
    chain.append()
    Event.objects.filter(id=events[1].id).delete()
    last = Event.objects.get(id=events[0].id)
    if keeps_head:
        ChainHead.objects.update(position=last.position, link=last.link)
    else:
        ChainHead.objects.all().delete()
    assert chain.verify(lantern).reason == ("end" if keeps_head else "place")
    happen(lantern, "list.renamed")
    chain.append()
    verdict = chain.verify(lantern)
    assert (verdict.broken_at, verdict.reason) == ((last.position or 0) + 1, "missing")


def test_a_look_goes_on_behind_a_break_and_names_each(lantern: Any) -> None:
    events = happen(lantern, *["list.changed"] * 9)
    chain.append()
    first = Event.objects.get(id=events[0].id).position or 0
    Event.objects.filter(id__in=[events[2].id, events[3].id, events[6].id]).delete()
    walk = chain.ChainWalk()
    while not walk.go_on(lantern, rows=2):
        continue
    assert walk.breaks == {(first + 2, first + 3, "missing"), (first + 6, first + 6, "missing")}


def test_a_detail_that_somebody_emptied_is_noticed(lantern: Any) -> None:
    events = happen(lantern, "list.created", "list.changed")
    chain.append()
    Event.objects.filter(id=events[0].id).update(detail=b"")
    assert chain.verify(lantern).reason == "digest"


def test_an_event_that_was_made_without_the_key_is_noticed(lantern: Any) -> None:
    heading = f"person.role\0{7}\0{NOW.isoformat()}\0".encode()
    digest = hashlib.sha256(heading + hashlib.sha256(b"").digest()).digest()
    Event.objects.create(organization=lantern, kind="person.role_changed", about=7, at=NOW, digest=digest)
    chain.append()
    assert chain.verify(lantern).reason == "digest"


def test_an_event_that_was_copied_is_none_of_ours(lantern: Any) -> None:
    copy = record("list.created", lantern, now=NOW, about=7)
    assert is_genuine(copy)
    copy.pk = None
    copy.save(force_insert=True)
    assert not is_genuine(copy)
    chain.append()
    assert chain.verify(lantern).reason == "digest"


def test_what_other_tables_say_is_looked_at_when_told_how(lantern: Any) -> None:
    consents(lantern, 5)
    chain.append()
    changed = ConsentRecord.objects.order_by("id")[2]
    verdict = chain.verify(lantern, {"audience_consentrecord": lambda _organization, numbers: [changed.id]})
    assert verdict == chain.Verdict(False, verdict.length, changed.position, "digest")


def test_chains_of_two_organizations_do_not_meet(lantern: Any, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization

    other = found_organization("Harbour", source=vault, today=TODAY)
    happen(lantern, "list.created")
    happen(other, "list.created", "list.changed")
    record("keys.rotated", now=NOW)
    chain.append()
    assert chain.verify(lantern).length + 1 == chain.verify(other).length
    assert Event.objects.get(kind="keys.rotated").position is None


def test_an_event_that_was_given_to_another_organization_is_noticed_there(lantern: Any, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization

    other = found_organization("Harbour", source=vault, today=TODAY)
    (event,) = happen(lantern, "list.created")
    Event.objects.filter(id=event.id).update(organization=other)
    chain.append()
    assert (chain.verify(other).reason, chain.verify(lantern).whole) == ("digest", True)


def test_a_rolled_back_slice_leaves_the_head_where_it_was(lantern: Any) -> None:
    happen(lantern, "list.created")
    with transaction.atomic():
        chain.append()
        transaction.set_rollback(True)
    assert chain.verify(lantern) == chain.Verdict(True, 0)
    chain.append()
    assert chain.verify(lantern).length > 0


def test_the_newest_events_come_first_and_page_on(lantern: Any) -> None:
    events = happen(lantern, "list.created", "list.changed", "list.renamed")
    newest = queries.newest(lantern, limit=2)
    assert [event.kind for event in newest] == ["list.renamed", "list.changed"]
    assert [
        event.kind for event in queries.newest(lantern, kinds=["list.created", "list.changed"], before=events[1].id)
    ] == ["list.created"]
    assert queries.about(lantern, "list.changed", 7) == events[1] and queries.about(lantern, "list.changed", 8) is None
    assert queries.last(lantern, "list.created") == events[0]
    assert events[0] in queries.unhandled()
