"""Many readers left within an hour: the numbers, and what an admin decides for all of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.accounts.errors import AccountError
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.events.actions import digest, record
from samizdat.events.models import Event
from samizdat.web.settings import alarms
from samizdat.worker.inbox import unsubscribes
from tests.conftest import NOW
from tests.web.conftest import CONSENT, House
from tests.web.test_exports import admin_since

Desk = Callable[[str], Client]


def _leave(here: House, names: list[str], told: int) -> int:
    """They leave as worker/inbox/unsubscribes.py writes it down, the alarm after the first `told`; the alarm's
    number."""
    now, numbers = timezone.now(), []
    for name in names:
        reader = audience.add_subscriber(
            here.organization, f"{name}@lantern.example", here.list, consent=CONSENT, now=NOW, by=None
        )
        audience.unsubscribe(reader, here.list, way="one-click", now=now)
        numbers.append(reader.number)
    group = now.strftime("%Y-%m-%dT%H")
    about = here.list.pk
    seen = {"group": group, "numbers": numbers[:told], "count": told}
    record("subscribers.left", here.organization, now=now, about=about, detail=seen)
    words = {"groups": [group], "left": told, "of": 100}
    alarm = record("subscribers.left_alarm", here.organization, now=now, about=about, detail=words)
    if numbers[told:]:
        late = {"group": group, "numbers": numbers[told:], "count": len(numbers) - told}
        record("subscribers.left", here.organization, now=now, about=about, detail=late)
    return alarm.pk


def _page(here: House, alarm: int) -> str:
    return reverse("mass-unsubscribe", args=[here.organization.slug, alarm])


def _answers() -> Any:
    return Event.objects.filter(kind__in=("subscribers.left_undo", "subscribers.left_kept"))


def test_an_alarm_is_shown_in_numbers_that_add_up_and_names_nobody(here: House, desk: Desk) -> None:
    alarm = _leave(here, ["olga", "petr", "rita"], told=2)
    assert _page(here, alarm) in desk("viewer").get(reverse("home", args=[here.organization.slug])).content.decode()
    page = desk("viewer").get(_page(here, alarm)).content.decode()
    for figure in ("100", "98", "1 more unsubscribe in the same hour after the alarm is included"):
        assert figure in page
    assert "olga" not in page
    assert "resubscribe 3 subscribers" not in page


def test_an_admin_brings_them_back_as_one_once_another_has_approved_it(here: House, desk: Desk) -> None:
    alarm = _leave(here, ["olga", "petr", "rita"], told=2)
    zoya, client = admin_since(here, "Zoya", 3), desk("admin")
    assert "resubscribe 3 subscribers" in client.get(_page(here, alarm)).content.decode()
    for _twice in range(2):
        page = client.post(_page(here, alarm), {"how": "back"}, follow=True).content.decode()
        assert f"3 subscribers who unsubscribed from “{queries.name_of(here.list)}” are subscribed again" in page
        assert "The undo is waiting for another admin" in page and "resubscribe 3 subscribers" not in page
    assert not _answers().exists(), "one stolen session takes nobody's no back"
    change = pending_changes.waiting(here.organization).get()
    zoya.post(reverse("decide-change", args=[here.organization.slug, change.pk]), {"answer": "approve"})
    assert "Resubscribing them" in client.get(_page(here, alarm)).content.decode()
    assert [event.about for event in _answers()] == [alarm]
    unsubscribes.undo(_answers().get(), timezone.now())
    assert "3 subscribers are back on the list" in client.get(_page(here, alarm)).content.decode()
    left = queries.count(here.organization, list=here.list, status="unsubscribed")
    assert left == 1, "Boris left long before, and not with them"
    assert _page(here, alarm) not in client.get(reverse("home", args=[here.organization.slug])).content.decode()


def test_a_leaving_that_was_meant_is_left_so(here: House, desk: Desk) -> None:
    alarm = _leave(here, ["olga"], told=1)
    client = desk("admin")
    assert (
        "Kept: they are unsubscribed" in client.post(_page(here, alarm), {"how": "keep"}, follow=True).content.decode()
    )
    client.post(_page(here, alarm), {"how": "back"})
    assert [event.kind for event in _answers()] == ["subscribers.left_kept"]
    assert not pending_changes.waiting(here.organization).exists()
    assert _page(here, alarm) not in client.get(reverse("home", args=[here.organization.slug])).content.decode()


def test_who_says_that_it_was_they_stops_an_undoing_that_waits(here: House, desk: Desk) -> None:
    alarm, client = _leave(here, ["olga"], told=1), desk("admin")
    client.post(_page(here, alarm), {"how": "back"})
    assert pending_changes.waiting(here.organization).count() == 1
    client.post(_page(here, alarm), {"how": "keep"})
    assert not pending_changes.waiting(here.organization).exists()
    assert [event.kind for event in _answers()] == ["subscribers.left_kept"]


def test_an_old_alarm_is_undone_by_no_other_time(here: House, desk: Desk) -> None:
    alarm, now = Event.objects.get(pk=_leave(here, ["olga"], told=1)), timezone.now()
    alarm.at = now - timedelta(days=8)
    Event.objects.filter(pk=alarm.pk).update(at=now, digest=digest(alarm))
    assert desk("admin").post(_page(here, alarm.pk), {"how": "back"}).status_code == 404
    assert not pending_changes.waiting(here.organization).exists() and not _answers().exists()


def test_an_answer_that_nobody_gave_is_none(here: House, desk: Desk) -> None:
    alarm = _leave(here, ["olga"], told=1)
    Event.objects.create(
        organization=here.organization, kind="subscribers.left_kept", about=alarm, at=timezone.now(), digest=bytes(32)
    )
    assert "resubscribe 1 subscriber" in desk("admin").get(_page(here, alarm)).content.decode()
    assert alarm in [event.pk for event in alarms.unanswered(here.organization, timezone.now())]


def test_after_a_week_nobody_is_brought_back_by_an_alarm(here: House, desk: Desk) -> None:
    old, now = Event.objects.get(pk=_leave(here, ["olga"], told=1)), timezone.now()
    old.at = now - timedelta(days=8)
    Event.objects.filter(pk=old.pk).update(at=old.at, digest=digest(old))
    client = desk("admin")
    assert "resubscribe 1 subscriber" not in client.get(_page(here, old.pk)).content.decode()
    said = client.post(_page(here, old.pk), {"how": "back"}, follow=True).content.decode()
    assert "You can undo this alert for a week." in said
    assert not _answers().exists() and not pending_changes.waiting(here.organization).exists()


def test_an_undoing_that_waited_for_weeks_brings_nobody_back(here: House, desk: Desk) -> None:
    alarm, now = Event.objects.get(pk=_leave(here, ["olga"], told=1)), timezone.now()
    desk("admin").post(_page(here, alarm.pk), {"how": "back"})
    alarm.at = now - timedelta(days=16)
    Event.objects.filter(pk=alarm.pk).update(at=alarm.at, digest=digest(alarm))
    with pytest.raises(AccountError, match="for a week"):
        pending_changes.approve(pending_changes.waiting(here.organization).get(), now=now, by=None)
    assert not _answers().exists()


def test_many_who_came_back_are_unsubscribed_again_at_once(here: House, desk: Desk) -> None:
    group = timezone.now().strftime("%Y-%m-%dT%H")
    words = {"what": "returned", "groups": [group], "left": 3, "of": 9}
    alarm = record("subscribers.left_alarm", here.organization, now=timezone.now(), about=here.list.pk, detail=words).pk
    desk("admin").post(_page(here, alarm), {"how": "back"})
    assert [event.kind for event in _answers()] == ["subscribers.left_undo"]


def test_of_who_left_appeals_alone_it_does_not_say_that_nothing_is_written_to_them(here: House, desk: Desk) -> None:
    seen = {"groups": ["2026-11-26T09"], "left": 3, "of": 100, "purpose": "fundraising"}
    record("subscribers.left_alarm", here.organization, now=timezone.now(), about=here.list.pk, detail=seen)
    alarm = Event.objects.filter(kind="subscribers.left_alarm").latest("id").pk
    page = desk("admin").post(_page(here, alarm), {"how": "keep"}, follow=True).content.decode()
    assert "Kept: they get no more appeals" in page and "aren’t emailed" not in page


@pytest.mark.parametrize(
    ("what", "title", "offer"),
    [
        ("returned", "Many subscribers resubscribed by a link", "unsubscribe 3 subscribers again"),
        ("fewer", "Many subscribers chose fewer emails within an hour", "send 3 subscribers as many emails as before"),
    ],
)
def test_many_who_come_back_or_choose_fewer_emails_are_shown_likewise(
    here: House, desk: Desk, what: str, title: str, offer: str
) -> None:
    now, about = timezone.now(), here.list.pk
    group = now.strftime("%Y-%m-%dT%H")
    seen = {"group": group, "numbers": [1, 2, 3], "count": 3}
    record(f"subscribers.{what}", here.organization, now=now, about=about, detail=seen)
    words = {"what": what, "groups": [group], "left": 3, "of": 9}
    alarm = record("subscribers.left_alarm", here.organization, now=now, about=about, detail=words).pk
    client = desk("admin")
    assert title in client.get(reverse("home", args=[here.organization.slug])).content.decode()
    page = client.get(_page(here, alarm)).content.decode()
    assert title in page and offer in page and "bring" not in page
    record("subscribers.left_undo", here.organization, now=now, about=alarm, by=None)
    assert "Undoing" in client.get(_page(here, alarm)).content.decode()
    done = {"what": what, "groups": [group], "back": 2, "purpose": "newsletter"}
    record("subscribers.left_undone", here.organization, now=now, about=about, detail=done)
    assert "2 subscribers" in client.get(_page(here, alarm)).content.decode()


def test_only_an_admin_decides_and_only_for_their_own_house(here: House, there: House, desk: Desk) -> None:
    alarm = _leave(here, ["olga"], told=1)
    assert desk("editor").post(_page(here, alarm), {"how": "back"}).status_code == 403
    assert desk("admin").get(_page(here, there.alarm)).status_code == 404
    assert desk("admin").post(_page(here, there.alarm), {"how": "back"}).status_code == 404
    assert not _answers().exists()
