"""Many at once: chosen by ticks or filters, asked with an exact count, done, undone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.accounts.models import PendingChange
from samizdat.audience import consent_writer, queries
from samizdat.audience.actions import add_subscriber, add_tags, bulk, new_list
from samizdat.audience.models import SUBSCRIBED, BulkAction, Subscriber, SubscriberTag, Subscription
from samizdat.core.consent import STATUSES
from samizdat.events.actions import record
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _status(here: House, person: object) -> str:
    return STATUSES[Subscription.objects.get(subscriber=person, list=here.list).status]


def test_those_ticked_are_asked_about_tagged_and_untagged(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "bulk")
    chosen = client.get(f"{page}?whom=ticked&n={here.ada.number}&n=999999&n=x").content.decode()
    assert "2 subscribers selected." in chosen
    form = {"whom": "ticked", "n": [str(here.ada.number)], "deed": "tag", "do-name": "spring"}
    asked = client.post(page, form).content.decode()
    assert "Add tag “spring” to 1 subscriber?" in asked and not SubscriberTag.objects.filter(tag__id=0).exists()
    assert "spring" not in dict(queries.tags(here.organization)).values()
    done = client.post(page, form | {"sure": "1", "counted": "1"}, follow=True).content.decode()
    assert "Done" in done and "Can be undone until" in done
    assert queries.card(here.ada, NOW).tags == ["spring", "volunteer"]
    work = BulkAction.objects.latest("id")
    assert "Undone" in client.post(_to(here, "undo-bulk-action", work.pk), follow=True).content.decode()
    assert queries.card(here.ada, NOW).tags == ["volunteer"]


def test_all_who_fit_are_moved_with_the_words_that_were_said(here: House, desk: Desk) -> None:
    other = new_list(here.organization, "Court Diary", now=NOW)
    client, page = desk("editor"), _to(here, "bulk")
    form = {"list": str(here.list.id), "deed": "move", "do-list": str(here.list.id), "do-to": str(other.id)}
    assert client.post(page, form).status_code == 422
    form["do-words"] = "Asked at the meeting."
    asked = client.post(page, form).content.decode()
    assert "Move 1 subscriber from “The Thursday Letter” to “Court Diary”?" in asked
    client.post(page, form | {"sure": "1", "counted": "1"})
    assert _status(here, here.ada) == "unsubscribed"
    assert any(entry.wording == "Asked at the meeting." for entry in queries.card(here.ada, NOW).timeline)


def test_nobody_ticked_is_nobody(here: House, desk: Desk) -> None:
    form = {"whom": "ticked", "deed": "remove", "do-list": str(here.list.id), "sure": "1", "counted": "1"}
    shown = desk("editor").post(_to(here, "bulk"), form, follow=True).content.decode()
    assert "No subscribers would change" in shown and _status(here, here.ada) == "subscribed"


def test_many_are_erased_only_with_the_word(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "bulk")
    form = {"deed": "erase", "status": "unsubscribed", "sure": "1", "counted": "1", "word": "yes"}
    assert "Erase personal data of 1 subscriber?" in (refused := client.post(page, form)).content.decode()
    assert refused.status_code == 422 and Subscriber.objects.count() == 2
    client.post(page, form | {"word": "erase"})
    assert [*Subscriber.objects.values_list("id", flat=True)] == [here.ada.id]


def _many(here: House, many: int) -> None:
    for n in range(many):
        add_subscriber(here.organization, f"one{n}@post.example", here.list, consent="yes", now=NOW)


ALL = {"deed": "erase", "sure": "1", "counted": "99", "word": "erase"}


def _waiting(here: House) -> PendingChange:
    return pending_changes.waiting(here.organization).get()


def test_an_editor_alone_does_not_erase_the_list(here: House, desk: Desk) -> None:
    _many(here, 30)
    editor, admin = desk("editor"), desk("admin")
    asked = editor.post(_to(here, "bulk"), ALL | {"sure": ""}).content.decode()
    assert (
        "A change to this many subscribers takes effect when an admin approves it, or after a day if none stops it"
        in asked
    )
    page = editor.post(_to(here, "bulk"), ALL, follow=True).content.decode()
    assert "Waiting for another admin: Personal data of 32 subscribers is erased for good" in page
    assert "Waiting for approval" in page and Subscriber.objects.count() == 32
    pending_changes.wait(timezone.now(), timedelta(seconds=1))
    assert _waiting(here).state == "waiting", "an editor may ask for it"
    assert "1 change is waiting for approval" in admin.get(_to(here, "home")).content.decode()
    late = add_subscriber(here.organization, "late@post.example", here.list, consent="yes", now=NOW)
    admin.post(_to(here, "decide-change", _waiting(here).pk), {"answer": "approve"})
    work = BulkAction.objects.latest("id")
    bulk.run(work.pk, timezone.now)
    work.refresh_from_db()
    assert (work.state, work.changed) == ("finished", 32)
    assert Subscriber.objects.get() == late, "who came meanwhile is not among them"


def test_no_more_are_erased_than_were_approved(here: House, desk: Desk) -> None:
    _many(here, 30)
    people = list(Subscriber.objects.order_by("id"))
    for person in people[:25]:
        add_tags(person, ["old"], now=NOW, by=None)
    tag = next(number for number, name in queries.tags(here.organization) if name == "old")
    desk("editor").post(_to(here, "bulk"), ALL | {"tag": str(tag)})
    for person in people[25:]:
        add_tags(person, ["old"], now=NOW, by=None)
    desk("admin").post(_to(here, "decide-change", _waiting(here).pk), {"answer": "approve"})
    bulk.run(BulkAction.objects.latest("id").pk, timezone.now)
    assert Subscriber.objects.count() == len(people) - 25


def test_an_approval_is_of_the_work_that_was_asked_for_and_of_no_other_one_that_got_its_number(
    here: House, desk: Desk
) -> None:
    _many(here, 30)
    desk("editor").post(_to(here, "bulk"), ALL)
    agreed = BulkAction.objects.latest("id")
    BulkAction.objects.filter(pk=agreed.pk).delete()
    desk("editor").post(_to(here, "bulk"), ALL)
    other = BulkAction.objects.select_related("organization").latest("id")
    # As if the sequence had been set back before: the same work, written under the number of the other.
    plan = bulk.plan_of(other)
    BulkAction.objects.filter(pk=other.pk).update(id=agreed.pk)
    other.pk = agreed.pk
    BulkAction.objects.filter(pk=agreed.pk).update(plan_sealed=bulk._sealed(other, plan))
    change = PendingChange.objects.get(about=agreed.pk)
    desk("admin").post(_to(here, "decide-change", change.pk), {"answer": "approve"})
    assert BulkAction.objects.get(pk=agreed.pk).state == "waiting"


def test_an_admin_stops_an_erasing_that_waits_and_so_does_whoever_asked(here: House, desk: Desk) -> None:
    _many(here, 30)
    for stop in (
        lambda work: desk("admin").post(_to(here, "decide-change", _waiting(here).pk), {"answer": "stop"}),
        lambda work: desk("editor").post(_to(here, "stop-bulk-action", work.pk)),
    ):
        desk("editor").post(_to(here, "bulk"), ALL)
        work = BulkAction.objects.latest("id")
        stop(work)
        work.refresh_from_db()
        bulk.run(work.pk, timezone.now)
        assert work.state == "stopped" and Subscriber.objects.count() == 32
        assert not pending_changes.waiting(here.organization).exists()


def test_nobody_erases_the_list_by_a_few_at_a_time(here: House, desk: Desk) -> None:
    _many(here, 30)
    editor = desk("editor")
    numbers = [str(row.number) for row in Subscriber.objects.all()]
    for at in range(0, 30, 10):
        editor.post(_to(here, "bulk"), ALL | {"whom": "ticked", "n": numbers[at : at + 10]})
    assert Subscriber.objects.count() == 32 - bulk.ALONE_A_DAY
    assert _waiting(here).kind == bulk.CHANGES[bulk.ERASE]
    single = editor.post(_to(here, "erase", Subscriber.objects.latest("id").number), {"word": "erase"})
    assert single.status_code == 422 and "an admin has to approve it" in single.content.decode()
    assert Subscriber.objects.count() == 32 - bulk.ALONE_A_DAY


def test_of_people_who_are_erased_at_once_each_counts_those_before_it(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, lock = desk("editor"), consent_writer.lock

    def meanwhile(subscriber: Subscriber) -> Subscriber:
        for number in range(bulk.ALONE_A_DAY):
            record("subscriber.erased", here.organization, about=number, by=here.people["editor"], now=timezone.now())
        monkeypatch.setattr(consent_writer, "lock", lock)
        return lock(subscriber)

    monkeypatch.setattr(consent_writer, "lock", meanwhile)
    page = editor.post(_to(here, "erase", here.ada.number), {"word": "erase"})
    assert page.status_code == 422 and "an admin has to approve it" in page.content.decode()
    assert Subscriber.objects.filter(pk=here.ada.pk).exists()


@pytest.mark.parametrize("deed", ["remove", "move"])
def test_an_editor_alone_empties_no_list(here: House, desk: Desk, deed: str) -> None:
    _many(here, 30)
    editor, admin = desk("editor"), desk("admin")
    other = new_list(here.organization, "Nobody writes to it", now=NOW)
    form = {"deed": deed, "do-list": str(here.list.id), "do-to": str(other.id), "do-words": "x", "counted": "99"}
    assert (
        "A change to this many subscribers takes effect when an admin approves it, or after a day if none stops it"
        in editor.post(_to(here, "bulk"), form).content.decode()
    )
    page = editor.post(_to(here, "bulk"), form | {"sure": "1"}, follow=True).content.decode()
    assert "Waiting for another admin: 31 subscribers are" in page
    bulk.run(BulkAction.objects.latest("id").pk, timezone.now)
    assert queries.count(here.organization, here.list, "subscribed") == 31
    late = add_subscriber(here.organization, "late@post.example", here.list, consent="yes", now=NOW)
    admin.post(_to(here, "decide-change", _waiting(here).pk), {"answer": "approve"})
    bulk.run(BulkAction.objects.latest("id").pk, timezone.now)
    assert Subscription.objects.get(list=here.list, status=SUBSCRIBED).subscriber == late


def test_nobody_empties_a_list_by_a_few_at_a_time(here: House, desk: Desk) -> None:
    _many(here, 30)
    other = new_list(here.organization, "Nobody writes to it", now=NOW)
    rows = Subscription.objects.filter(list=here.list, status=SUBSCRIBED).order_by("subscriber")
    numbers = [str(row.subscriber.number) for row in rows]
    form = {"whom": "ticked", "do-list": str(here.list.id), "do-to": str(other.id), "do-words": "x", "counted": "99"}
    for at, deed in ((0, "remove"), (10, "move"), (20, "remove")):
        desk("editor").post(_to(here, "bulk"), form | {"sure": "1", "deed": deed, "n": numbers[at : at + 10]})
    assert queries.count(here.organization, here.list, "subscribed") == 31 - bulk.ALONE_A_DAY
    assert _waiting(here).kind == bulk.CHANGES[bulk.REMOVE]


def test_a_filter_that_means_nothing_any_more_is_not_everybody(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "bulk")
    for gone in ({"status": "bogus"}, {"list": "77"}, {"tag": "77"}, {"since": "yesterday"}):
        form = gone | {"deed": "erase", "sure": "1", "counted": "9", "word": "erase"}
        assert "One of these filters no longer works" in client.post(page, form, follow=True).content.decode()
    assert Subscriber.objects.count() == 2


def test_when_more_would_be_changed_than_were_counted_it_asks_again(here: House, desk: Desk) -> None:
    form = {"deed": "erase", "sure": "1", "counted": "1", "word": "erase"}
    shown = desk("editor").post(_to(here, "bulk"), form).content.decode()
    assert (
        "More subscribers would change now than were counted" in shown
        and "Erase personal data of 2 subscribers?" in shown
    )
    assert Subscriber.objects.count() == 2


def test_a_forged_form_does_nothing(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "bulk")
    for form in (
        {"deed": "burn", "sure": "1", "counted": "1"},
        {"deed": "untag", "do-tag": "0", "sure": "1", "counted": "1"},
        {"deed": "move", "do-list": str(here.list.id), "do-to": "77", "do-words": "x", "sure": "1", "counted": "1"},
        {"deed": "tag", "do-name": "x" * 101, "sure": "1", "counted": "1"},
        {"deed": "tag", "do-name": " ", "sure": "1", "counted": "1"},
    ):
        assert client.post(page, form).status_code in (404, 422), form
    assert desk("viewer").post(page, {"deed": "erase", "sure": "1", "counted": "1", "word": "erase"}).status_code == 403
    assert BulkAction.objects.get().id == here.work


def test_another_organization_sees_and_undoes_nothing(here: House, there: House, desk: Desk) -> None:
    plan = bulk.BulkPlan(bulk.REMOVE, bulk.Filter(), list=there.list.id)
    work = bulk.begin(there.organization, plan, now=NOW)
    for name in ("bulk-action", "undo-bulk-action", "stop-bulk-action"):
        client = desk("admin")
        ask = client.get if name == "bulk-action" else client.post
        assert ask(_to(here, name, work.pk)).status_code == 404
    form = {"deed": "remove", "do-list": str(there.list.id), "sure": "1", "counted": "1"}
    assert desk("admin").post(_to(here, "bulk"), form).status_code == 422


def test_long_work_shows_how_far_it_is_and_can_be_stopped(here: House, desk: Desk) -> None:
    work = bulk.begin(here.organization, bulk.BulkPlan(bulk.REMOVE, bulk.Filter(), list=here.list.id), now=NOW)
    client, page = desk("editor"), _to(here, "bulk-action", work.pk)
    assert "0 of 1. You can close this page; it keeps running" in client.get(page).content.decode()
    assert "Stopped" in client.post(_to(here, "stop-bulk-action", work.pk), follow=True).content.decode()
    assert "Remove from list" in client.get(_to(here, "bulk-actions")).content.decode()
