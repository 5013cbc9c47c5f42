"""Whoever writes the database and has no keys deletes the row of somebody who left: no file brings them back."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.audience import bulk_consent_writer, consistency, missing_subscribers, queries
from samizdat.audience.actions import bulk, expire_signups
from samizdat.audience.filters import Filter
from samizdat.audience.models import ConsentRecord, Subscriber, Subscription
from samizdat.audience.queries.suppressions import reasons_of
from samizdat.core import consent
from samizdat.events import chain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from tests.conftest import NOW, TODAY
from tests.portability.test_export import made
from tests.unchecked import unchecked

pytestmark = pytest.mark.django_db

SUBSCRIBED = consent.STATUSES.index("subscribed")
LOOK = {"audience_consentrecord": consistency.changed_records}


@pytest.fixture
def eve(lantern: Any, letter: Any) -> Subscriber:
    return audience.add_subscriber(lantern, "eve@post.example", letter, consent="By form.", now=NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Whom the customer database of the organization knows."""
    path = tmp_path / "crm.csv"
    path.write_text("Email\neve@post.example\nada@post.example\n")
    return path


def _delete_row(subscriber: Subscriber) -> None:
    Subscription.objects.filter(subscriber=subscriber).delete()
    Subscriber.objects.filter(pk=subscriber.pk)._raw_delete("default")  # type: ignore[attr-defined]


def _break_row(subscriber: Subscriber) -> None:
    Subscriber.objects.filter(pk=subscriber.pk).update(sealed=b"\4" + bytes(80), email_index=os.urandom(16))


def _misplace(subscriber: Subscriber) -> None:
    Subscriber.objects.filter(pk=subscriber.pk).update(email_index=os.urandom(16))


def give_away(subscriber: Subscriber) -> None:
    """As whoever switches conditions off, or takes them from the table."""
    with unchecked("audience_subscriber", "subscriber_is_of_number"):
        Subscriber.objects.filter(pk=subscriber.pk).update(organization=99)


def _are_subscribed(organization: Any) -> set[str]:
    rows = Subscription.objects.filter(status=SUBSCRIBED, mail_verdict=consent.YES, list__organization=organization)
    numbers = rows.values_list("subscriber", flat=True)
    return {queries.address_of(row) for row in Subscriber.objects.filter(pk__in=numbers)}


def _missing() -> list[int]:
    return [detail_of(event)["count"] for event in Event.objects.filter(kind=missing_subscribers.MISSING)]


@pytest.mark.parametrize("away", [_delete_row, _break_row, _misplace, give_away])
def test_who_unsubscribed_and_whose_row_is_gone_is_not_brought_back_by_a_file(
    lantern: Any, letter: Any, eve: Subscriber, bring: Callable[..., Any], file: Path, away: Callable[..., None]
) -> None:
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    away(eve)
    bring(file, status="subscribed")
    assert _are_subscribed(lantern) == {"ada@post.example"}


def test_no_row_of_a_subscriber_stands_beside_an_organization_that_its_number_is_not_of(eve: Subscriber) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscriber.objects.filter(pk=eve.pk).update(organization=99)


def test_who_leaves_by_their_number_has_left_whatever_organization_stands_beside_it(
    lantern: Any, letter: Any, eve: Subscriber
) -> None:
    give_away(eve)
    here = queries.subscriber_numbered(lantern, eve.number)
    assert here is not None
    audience.unsubscribe(here, letter, way="one-click", now=NOW)
    assert not _are_subscribed(lantern)
    assert ConsentRecord.objects.filter(subscriber=eve, kind=consent.KINDS.index("withdrawn")).count() == 1


def test_the_comparison_puts_a_row_beside_its_own_organization_again(
    lantern: Any, letter: Any, eve: Subscriber
) -> None:
    give_away(eve)
    checked, _mended = consistency.mend_all(lantern, NOW)
    assert checked.wrong == [eve.number]
    assert queries.subscriber_at(lantern, "eve@post.example") == eve
    assert consistency.check_projections(lantern, NOW).wrong == []


def _by_link(eve: Subscriber, letter: Any, _bring: Callable[..., Any], _file: Path) -> None:
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)


def _by_bulk_work(eve: Subscriber, letter: Any, _bring: Callable[..., Any], _file: Path) -> None:
    plan = bulk.BulkPlan(bulk.REMOVE, Filter(list=letter.id), list=letter.id)
    bulk.run(bulk.begin(eve.organization, plan, now=NOW).id, lambda: NOW)


def _by_file(_eve: Subscriber, _letter: Any, bring: Callable[..., Any], file: Path) -> None:
    (old := file.parent / "old.csv").write_text("Email\neve@post.example\n")
    bring(old, status="unsubscribed")


def _as_new_by_file(eve: Subscriber, letter: Any, bring: Callable[..., Any], file: Path) -> None:
    (old := file.parent / "old.csv").write_text("Email\nrita@post.example\n")
    bring(old, status="unsubscribed")
    audience.unsubscribe(eve, letter, now=NOW)
    file.write_text(file.read_text() + "rita@post.example\n")


@pytest.mark.parametrize("leave", [_by_link, _by_bulk_work, _by_file, _as_new_by_file])
def test_whichever_way_they_left_their_no_outlives_their_row(
    lantern: Any, letter: Any, eve: Subscriber, bring: Callable[..., Any], file: Path, leave: Callable[..., None]
) -> None:
    leave(eve, letter, bring, file)
    for subscriber in Subscriber.objects.all():
        _delete_row(subscriber)
    bring(file, status="subscribed")
    assert _are_subscribed(lantern) == {"ada@post.example"}


@pytest.mark.parametrize("away", [_delete_row, _break_row])
def test_the_comparison_tells_once_who_is_missing_and_keeps_away_who_was_brought_back(
    lantern: Any, letter: Any, eve: Subscriber, away: Callable[..., None]
) -> None:
    ada = audience.add_subscriber(lantern, "ada@post.example", letter, consent="By form.", now=NOW)
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    for subscriber in (ada, eve):
        away(subscriber)
    brought = audience.add_subscriber(lantern, "eve@post.example", letter, consent="Asked me.", now=NOW)  # By day.
    for _night in range(2):
        consistency.mend_all(lantern, NOW)
        assert _missing() == [2]
    assert reasons_of(lantern, "eve@post.example") == ["erased"] and reasons_of(lantern, "ada@post.example") == []
    assert Subscription.objects.get(subscriber=brought).mail_verdict == consent.REASONS.index("suppressed:erased")


def test_whoever_makes_a_missing_subscriber_look_erased_is_found_by_the_check_of_the_log(
    lantern: Any, letter: Any, eve: Subscriber
) -> None:
    ada, boris = "ada@post.example", "boris@post.example"
    erased = [audience.add_subscriber(lantern, who, letter, consent="By form.", now=NOW) for who in (ada, boris)]
    audience.erase(lantern, subscriber=erased[0], now=NOW)
    bulk_consent_writer.erase(lantern, [erased[1].pk], NOW)
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    chain.append()
    assert chain.verify(lantern, LOOK).whole
    ConsentRecord.objects.filter(subscriber=eve.pk).update(sealed=b"")
    _delete_row(eve)
    assert not chain.verify(lantern, LOOK).whole


@pytest.mark.parametrize("how", ["of somebody erased", "of a sign-up that was forgotten"])
def test_a_no_that_somebody_emptied_is_found_though_words_of_others_were_erased(
    lantern: Any, letter: Any, eve: Subscriber, how: str
) -> None:
    """Whoever writes the database gives a no to somebody who is gone, or makes it a sign-up; and they subscribe."""
    ada = audience.add_subscriber(lantern, "ada@post.example", letter, consent="By form.", now=NOW)
    audience.erase(lantern, subscriber=ada, now=NOW)
    other = audience.new_list(lantern, "Other", now=NOW)
    audience.confirm(audience.sign_up(lantern, "eve@post.example", other, wording="Yes.", now=NOW), other, now=NOW)
    audience.sign_up(lantern, "eve@post.example", other, wording="Yes.", now=NOW)
    expire_signups.forget_unconfirmed(NOW + timedelta(days=9))
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    chain.append()
    assert chain.verify(lantern, LOOK).whole
    no = ConsentRecord.objects.filter(subscriber=eve, kind=consent.KINDS.index("withdrawn"))
    asked = {"kind": consent.KINDS.index("asked"), "channel": consent.WAYS.index("form")}
    no.update(sealed=b"", **({"subscriber_id": ada.pk} if how == "of somebody erased" else asked))
    assert chain.verify(lantern, LOOK).reason == "digest"


@pytest.mark.parametrize(
    "written", [{"kind": 5}, {"list_id": None}, {"subscriber_id": 7}, {"day": "2020-01-01"}, {"mac": b""}]
)
def test_a_record_without_words_is_what_it_was_when_they_were_erased(
    lantern: Any, letter: Any, eve: Subscriber, written: dict[str, Any]
) -> None:
    audience.erase(lantern, subscriber=eve, now=NOW)
    chain.append()
    assert chain.verify(lantern, LOOK).whole
    ConsentRecord.objects.filter(list=letter).update(**written)
    assert chain.verify(lantern, LOOK).reason == "digest"


def test_what_is_not_ours_is_erased_and_found(lantern: Any, letter: Any, eve: Subscriber) -> None:
    """Erasing somebody else takes the words of a no that was given to them, and doesn't vouch for it."""
    ada = audience.add_subscriber(lantern, "ada@post.example", letter, consent="By form.", now=NOW)
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    chain.append()
    ConsentRecord.objects.filter(subscriber=eve).update(subscriber_id=ada.pk)
    audience.erase(lantern, subscriber=ada, now=NOW)
    assert not any(map(bytes, ConsentRecord.objects.values_list("sealed", flat=True)))
    assert chain.verify(lantern, LOOK).reason == "digest"


def test_who_was_kept_away_comes_back_by_their_own_sign_up(lantern: Any, letter: Any, eve: Subscriber) -> None:
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    _delete_row(eve)
    consistency.mend_all(lantern, NOW)
    audience.confirm(audience.sign_up(lantern, "eve@post.example", letter, wording="Yes.", now=NOW), letter, now=NOW)
    assert _are_subscribed(lantern) == {"eve@post.example"}


def test_a_no_that_came_along_from_elsewhere_outlives_its_row_as_well(
    lantern: Any, letter: Any, eve: Subscriber, vault: Any, tmp_path: Path
) -> None:
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    (tmp_path / "moved.zip").write_bytes(made(lantern, ExportRequest("samizdat")))
    harbor = found_organization("Harbor", source=vault, today=TODAY)
    bring_back(harbor, tmp_path / "moved.zip", now=lambda: NOW)
    _delete_row(Subscriber.objects.get(organization=harbor))
    consistency.mend_all(harbor, NOW)
    assert reasons_of(harbor, "eve@post.example") == ["erased"]


def test_nobody_is_missing_who_was_erased_or_whose_sign_up_was_forgotten_or_who_is_here(
    lantern: Any, letter: Any, eve: Subscriber, bring: Callable[..., Any], file: Path
) -> None:
    bring(file, status="subscribed")
    audience.unsubscribe(eve, letter, way="one-click", now=NOW)
    audience.erase(lantern, subscriber=eve, now=NOW)
    boris = audience.sign_up(lantern, "boris@post.example", letter, wording="Yes.", now=NOW - timedelta(days=99))
    expire_signups.forget_unconfirmed(NOW)
    assert not Subscriber.objects.filter(pk=boris.pk).exists()
    missing_subscribers.look(lantern, NOW)
    consistency.mend_all(lantern, NOW)
    assert _missing() == []
    assert not ConsentRecord.objects.filter(subscriber=eve.pk).exclude(sealed=b"").exists()
