"""The stop list: who is on it and why, put there by hand, pasted or from a file, and taken off with a reason."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat import dbclock
from samizdat.accounts import pending_changes
from samizdat.audience import actions, queries, read_limits, removal_limit
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import bulk, suppressions
from samizdat.audience.actions.suppressions import MOST_WAITING, PasteDetails, suppress_many
from samizdat.audience.filters import Filter
from samizdat.audience.models import Subscriber, Subscription, Suppression
from samizdat.core import consent
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def test_pasted_addresses_go_on_the_stop_list_and_whoever_is_here_gets_nothing_more(here: House, desk: Desk) -> None:
    text = "Email,Name\r\nADA@lantern.example, Ada\r\n\r\nstranger@post.example\r\nno address\r\nADA@lantern.example"
    form = {"addresses": text, "reason": "complaint"}
    shown = desk("editor").post(_to(here, "add-suppressions"), form, follow=True).content.decode()
    assert "2 addresses are on the suppression list. <" in shown.replace("list.<", "list. <")
    assert "among them" not in shown, "of a few that would be asking for one"
    assert "1 line has no address and was skipped (line 5)." in shown
    assert queries.card(here.ada, NOW).suppressed == "complaint" and f"/subscribers/{here.ada.number}/" in shown
    assert_projections_hold(here.organization, NOW)
    assert detail_of(Event.objects.get(kind="suppressions.added"))["added"] == 2
    again = desk("editor").post(_to(here, "add-suppressions"), form, follow=True).content.decode()
    assert "2 addresses are on the suppression list." in again, "of a few it would say who complained before"
    assert "already there" not in again and Suppression.objects.count() == 2
    assert "ada@" not in again.casefold() and "stranger" not in again


def test_of_many_pasted_addresses_the_page_says_how_many_are_here_and_its_lines_not_which(
    here: House, desk: Desk
) -> None:
    people = [f"one{n}@post.example" for n in range(20)]
    for address in people:
        actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    form = {"addresses": "\n".join(people), "reason": "manual"}
    shown = desk("editor").post(_to(here, "add-suppressions"), form, follow=True).content.decode()
    assert "20 addresses added to the suppression list. Subscribers among them: 20." in shown
    blinds = [bytes(blind) for blind in Suppression.objects.order_by("id").values_list("email_index", flat=True)]
    assert blinds == sorted(blinds)


def test_the_stop_list_is_not_asked_for_subscribers_by_pasting_one_after_the_other(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbclock, "ticks", lambda: 1000.0)
    client, page = desk("editor"), _to(here, "add-suppressions")

    def paste(addresses: str) -> int:
        return client.post(page, {"addresses": addresses, "reason": "manual"}).status_code

    seen = [paste(f"nobody{n}@post.example") for n in range(read_limits.AT_ONCE + 3)]
    assert seen == [302] * read_limits.AT_ONCE + [429] * 3
    assert Suppression.objects.count() == read_limits.AT_ONCE
    read_limits.forget()
    assert [paste("ada@lantern.example\nstranger@post.example"), paste("late@post.example")] == [302, 302]
    seen = [paste(f"other{n}@post.example") for n in range(read_limits.AT_ONCE)]
    assert seen.count(302) == read_limits.AT_ONCE - 3, "who was found is counted as if they were looked up"


def test_a_list_with_many_who_had_left_is_put_on_the_stop_list_without_an_alarm(here: House, desk: Desk) -> None:
    people = [f"one{n}@post.example" for n in range(read_limits.AT_ONCE + 5)]
    for address in people:
        reader = actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
        actions.unsubscribe(reader, here.list, now=NOW)
    form = {"addresses": "\n".join(people), "reason": "bounce"}
    assert desk("admin").post(_to(here, "add-suppressions"), form).status_code == 302
    assert not Event.objects.filter(kind=read_limits.ALARM).exists()


def _paste(here: House, client: Client, addresses: Sequence[str]) -> str:
    form = {"addresses": "\n".join(addresses), "reason": "complaint"}
    return client.post(_to(here, "add-suppressions"), form, follow=True).content.decode()


def test_what_an_editor_pastes_of_many_waits_for_an_admin_as_a_file_would(here: House, desk: Desk) -> None:
    """The list of subscribers, filtered by "marked as spam", would name those of the suspects who subscribe."""
    editor, admin, readers = desk("editor"), desk("admin"), _readers(here, removal_limit.ALONE_A_DAY + 1)
    suspects = [*readers, *(f"suspect{n}@post.example" for n in range(20))]
    page = _paste(here, editor, suspects)
    assert "Waiting for another admin: 41 addresses are added to the suppression list." in page
    assert "among them" not in page and not Suppression.objects.exists()
    change = pending_changes.waiting(here.organization).get()
    assert "41 addresses are added to the suppression list, 21 subscribers among them" in (
        admin.get(_to(here, "pending-changes")).content.decode()
    )
    admin.post(_to(here, "decide-change", change.pk), {"answer": "approve"})
    assert Suppression.objects.count() == 41
    assert_projections_hold(here.organization, timezone.now())
    change.refresh_from_db()
    assert pending_changes.details_of(change, PasteDetails).addresses is None, "they are not kept with it"
    assert not removal_limit.is_over(here.organization, 20, now=timezone.now(), by=here.people["editor"])


def test_an_admin_and_whoever_has_the_machine_paste_at_once(here: House, desk: Desk) -> None:
    assert "40 addresses added" in _paste(here, desk("admin"), [f"new{n}@post.example" for n in range(40)])
    suppress_many(here.organization, "\n".join(f"old{n}@post.example" for n in range(40)), "bounce", now=NOW)
    assert Suppression.objects.count() == 80


def test_an_organization_has_only_so_many_pastes_that_wait(here: House, desk: Desk) -> None:
    editor = desk("editor")
    for number in range(MOST_WAITING + 1):
        page = _paste(here, editor, [f"new{n}@paste{number}.example" for n in range(read_limits.AT_ONCE + 1)])
    assert "are waiting for an admin. Once they are approved or stopped, add more." in page
    assert pending_changes.waiting(here.organization).count() == MOST_WAITING
    assert "new0@paste3.example" in page, "nothing typed is lost"


def test_the_suppression_list_has_an_end(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison holds all of it in memory, beside the work of other organizations."""
    monkeypatch.setattr(suppressions, "SUPPRESSIONS", 2)
    most = 2 + Subscriber.objects.filter(organization=here.organization).count()
    page = _paste(here, desk("admin"), [f"new{n}@post.example" for n in range(most + 1)])
    assert f"Your suppression list can hold {most} addresses." in page and not Suppression.objects.exists()
    _paste(here, desk("admin"), [f"new{n}@post.example" for n in range(most)])
    assert Suppression.objects.count() == most


def test_a_file_of_another_service_is_taken_in_its_encoding(here: House, desk: Desk) -> None:
    page, client = _to(here, "add-suppressions"), desk("editor")
    for raw in ("Почта;Имя\none@post.example;Аня\n".encode("cp1251"), "two@post.example\n".encode("utf-16")):
        client.post(page, {"file": SimpleUploadedFile("out.csv", raw), "reason": "bounce"})
    assert queries.stopped_by_reason(here.organization) == {"bounce": 2}


def test_what_is_no_list_of_addresses_is_refused_with_a_sentence(here: House, desk: Desk) -> None:
    page, client = _to(here, "add-suppressions"), desk("editor")
    for form in (
        {"addresses": "", "reason": "manual"},
        {"addresses": "nobody", "reason": "manual"},
        {"addresses": "a@post.example", "reason": "erased"},
        {"addresses": "a@post.example\n" * 50_001, "reason": "manual"},
        {"file": SimpleUploadedFile("x.xlsx", b"PK\x03\x04\x00\x00@"), "reason": "manual"},
        {"file": SimpleUploadedFile("x.csv", b""), "reason": "manual"},
        {"file": SimpleUploadedFile("x.csv", b"a@post.example\n" * 600_000), "reason": "manual"},
    ):
        assert client.post(page, form).status_code == 422, form
    assert not Suppression.objects.exists()


def test_an_address_is_looked_up_and_taken_off_with_a_reason(here: House, desk: Desk) -> None:
    actions.suppress(here.organization, "manual", subscriber=here.ada, now=NOW)
    client, page = desk("editor"), _to(here, "suppressions")
    found = client.post(page, {"look-address": "ada@lantern.example"}).content.decode()
    assert "added manually" in found and "Remove from suppression list" in found
    form = {"address": "ada@lantern.example", "reason": "manual"}
    assert client.post(_to(here, "lift-suppression"), form).status_code == 422
    client.post(_to(here, "lift-suppression"), form | {"why": "She wrote to us."})
    assert queries.card(here.ada, NOW).suppressed is None
    event = Event.objects.get(kind="subscriber.unsuppressed")
    assert detail_of(event)["why"] == "She wrote to us." and b"wrote" not in bytes(event.detail)


def _readers(here: House, many: int) -> list[str]:
    addresses = [f"reader{n}@post.example" for n in range(many)]
    for address in addresses:
        actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    return addresses


@pytest.mark.parametrize("deed", ["unsubscribe", "suppress", "subscriber-objection"])
def test_nobody_ends_a_list_one_by_one(here: House, desk: Desk, deed: str) -> None:
    addresses = _readers(here, removal_limit.ALONE_A_DAY + 2)
    editor, before = desk("editor"), _written_to(here)
    for address in addresses:
        subscriber = queries.subscriber_at(here.organization, address)
        assert subscriber is not None
        to = reverse(deed, args=[here.organization.slug, subscriber.number])
        page = editor.post(to, {"list": str(here.list.id)}, follow=True).content.decode()
    assert "under Bulk actions, where an admin approves it" in page
    assert _written_to(here) == before - removal_limit.ALONE_A_DAY
    home = reverse("home", args=[here.organization.slug])
    assert "Daily limit exceeded: removals from lists" in desk("admin").get(home).content.decode()
    assert Event.objects.filter(kind=removal_limit.ALARM).count() == 1
    # What an admin approved comes after it, and who is on no list loses nothing.
    last = queries.subscriber_at(here.organization, addresses[-1])
    assert last is not None
    bulk.run(bulk.begin(here.organization, _removal(here, last), now=timezone.now()).id, timezone.now)
    editor.post(reverse("subscriber-objection", args=[here.organization.slug, last.number]))
    assert queries.reasons_of(here.organization, addresses[-1]) == ["objected"]


def _written_to(here: House) -> int:
    return Subscription.objects.filter(list=here.list, mail_verdict=consent.YES).count()


def _removal(here: House, subscriber: Subscriber) -> bulk.BulkPlan:
    return bulk.BulkPlan(bulk.REMOVE, Filter(numbers=(subscriber.number,)), list=here.list.id)


def test_a_pasted_stop_list_of_more_readers_than_a_team_takes_off_alone_is_refused(here: House, desk: Desk) -> None:
    addresses = _readers(here, removal_limit.ALONE_A_DAY + 1)
    form = {"addresses": "\n".join([*addresses, "stranger@post.example"]), "reason": "complaint"}
    page = desk("editor").post(_to(here, "add-suppressions"), form)
    assert page.status_code == 422 and "under Bulk actions, where an admin approves it" in page.content.decode()
    assert not Suppression.objects.exists()
    form["addresses"] = "\n".join([*addresses[1:], *(f"stranger{n}@post.example" for n in range(10))])
    desk("editor").post(_to(here, "add-suppressions"), form)
    assert Suppression.objects.count() == removal_limit.ALONE_A_DAY + 10
    assert bulk.needs_approval(here.organization, 1, now=timezone.now(), by=here.people["admin"], action=bulk.REMOVE)


def test_nobody_at_the_desk_takes_back_that_somebody_was_erased(here: House, desk: Desk) -> None:
    actions.erase(here.organization, subscriber=here.ada, now=NOW)
    client = desk("admin")
    found = client.post(_to(here, "suppressions"), {"look-address": "ada@lantern.example"}).content.decode()
    assert (
        "Only subscribers can undo this themselves, by signing up and confirming" in found
        and "Remove from suppression list" not in found
    )
    form = {"address": "ada@lantern.example", "reason": "erased", "why": "I say so."}
    assert client.post(_to(here, "lift-suppression"), form).status_code == 422
    assert queries.reasons_of(here.organization, "ada@lantern.example") == ["erased"]


def test_the_list_is_paged_and_a_viewer_sees_it_without_buttons(here: House, desk: Desk) -> None:
    suppress_many(here.organization, "\n".join(f"r{n}@post.example" for n in range(60)), "bounce", now=NOW)
    client, page = desk("viewer"), _to(here, "suppressions")
    shown = client.get(page).content.decode()
    assert shown.count("no subscriber") == 50 and "before=" in shown and "<textarea" not in shown
    last = min(Suppression.objects.values_list("id", flat=True)) + 10
    assert client.get(f"{page}?reason=bounce&before={last}").content.decode().count("no subscriber") == 10
    assert client.get(f"{page}?reason=why&before=x").status_code == 200


def test_the_growth_of_a_list_is_drawn_and_stands_in_a_table(here: House, desk: Desk) -> None:
    page, client = _to(here, "growth"), desk("viewer")
    other = actions.new_list(here.organization, "Court Diary", now=timezone.now())
    plan = bulk.BulkPlan(bulk.MOVE, Filter(list=here.list.id), list=here.list.id, to=other.id, words="Asked for it.")
    work = bulk.begin(here.organization, plan, now=timezone.now())
    bulk.run(work.id, timezone.now)
    work.refresh_from_db()
    bulk.undo(work, now=timezone.now())
    bulk.run(work.id, timezone.now)
    shown = client.get(f"{page}?days=7&list=x").content.decode()
    assert (
        re.search(r"Moves between lists aren’t included \((\d+) in, \1 out\)", shown) and "a move between" not in shown
    )
    shown = client.get(f"{page}?days=7&list={other.id}").content.decode()
    assert "a move between lists" in shown and "Moves between lists aren’t included" not in shown
    actions.add_subscriber(here.organization, "new@post.example", here.list, consent="yes", now=timezone.now())
    shown = client.get(f"{page}?days=90&list={here.list.id}").content.decode()
    assert "<svg" in shown and re.search(r"[1-9] subscribed, [0-9] unsubscribed", shown) and "the team" in shown
    actions.unsubscribe(here.ada, here.list, way="form", now=timezone.now())
    shown = client.get(f"{page}?days=90&list={here.list.id}").content.decode()
    assert "our public pages" in shown and "a sign-up form" not in shown


def test_taking_addresses_off_tells_of_no_more_than_looking_them_up(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who complained or bounced was a subscriber."""
    monkeypatch.setattr(dbclock, "ticks", lambda: 1000.0)
    client, statuses = desk("editor"), list[int]()
    for number in range(read_limits.AT_ONCE + 2):
        form = {"address": f"suspect{number}@post.example", "reason": "complaint", "why": "They asked."}
        statuses.append(client.post(_to(here, "lift-suppression"), form).status_code)
    assert statuses[0] == 302 and statuses[-1] == 429


def test_a_team_takes_few_addresses_off_in_a_day(here: House, desk: Desk) -> None:
    addresses = [f"reader{number}@post.example" for number in range(removal_limit.ALONE_A_DAY + 1)]
    suppress_many(here.organization, "\n".join(addresses), "complaint", now=timezone.now(), by=None)
    *some, last = addresses
    for address in some:
        actions.lift(here.organization, "complaint", address=address, now=timezone.now(), by=here.people["editor"])
    form = {"address": last, "reason": "complaint", "why": "They asked."}
    page = desk("editor").post(_to(here, "lift-suppression"), form, follow=True).content.decode()
    assert "20 addresses off the suppression list per day" in page and Suppression.objects.count() == 1
    assert Event.objects.filter(kind="person.removal_limit_reached").exists(), "and the admins are told"
    actions.lift(here.organization, "complaint", address=last, now=timezone.now(), by=None)
    assert not Suppression.objects.exists(), "whoever has the machine is not counted"


def test_a_long_paste_that_was_approved_is_taken_up_in_portions_and_goes_on_after_a_kill(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "SLICE", 20)
    text = "\n".join(f"old{n}@post.example" for n in range(50))
    waits = suppress_many(here.organization, text, "bounce", now=NOW, by=here.people["editor"]).waits
    assert waits is not None
    genuine, slices = suppressions._suppress_slice, []

    def killed(*args: Any, **values: Any) -> None:
        slices.append(args)
        if len(slices) == 3:
            raise KeyboardInterrupt
        genuine(*args, **values)

    monkeypatch.setattr(suppressions, "_suppress_slice", killed)
    with pytest.raises(KeyboardInterrupt):
        pending_changes.approve(waits, now=NOW, by=None)
    assert Suppression.objects.count() == 40, "each portion was a transaction of its own"
    again = pending_changes.waiting(here.organization).get()
    pending_changes.approve(again, now=NOW, by=None)
    assert Suppression.objects.count() == 50 and not pending_changes.waiting(here.organization)
    events = Event.objects.select_related("organization").filter(kind="suppressions.added").order_by("pk")
    assert [detail_of(event)["added"] for event in events] == [20, 20, 10], "nothing is said twice"


def test_a_paste_that_somebody_stops_while_it_is_taken_up_goes_no_further(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "SLICE", 20)
    text = "\n".join(f"old{n}@post.example" for n in range(50))
    waits = suppress_many(here.organization, text, "bounce", now=NOW, by=here.people["editor"]).waits
    assert waits is not None
    genuine = suppressions.approved_slices

    def stopped(*args: Any, **values: Any) -> Iterator[Callable[[], None]]:
        for number, portion in enumerate(genuine(*args, **values)):
            if number == 1:
                pending_changes.stop(pending_changes.waiting(here.organization).get(), now=NOW, by=None)
            yield portion

    monkeypatch.setattr(suppressions, "approved_slices", stopped)
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(waits, now=NOW, by=None)
    assert Suppression.objects.count() == 20


def test_those_with_many_consent_records_are_put_on_the_list_a_few_at_a_time(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What settles them grows with their records, and SQLite lets nobody else write meanwhile."""
    readers = _readers(here, 5)
    monkeypatch.setattr(audience_sql, "SLICE_RECORDS", 1)
    taken = suppress_many(here.organization, "\n".join([*readers, "stranger@post.example"]), "bounce", now=NOW)
    assert (taken.added, taken.subscribers) == (6, 5)
    events = Event.objects.select_related("organization").filter(kind="suppressions.added")
    assert max(detail_of(event)["subscribers"] for event in events) == 1
    assert_projections_hold(here.organization, NOW)
