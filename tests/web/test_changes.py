"""At the desk: changes that wait are told, approved and stopped; and nobody leafs through the list."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.accounts import actions, locking, pending_changes, sealed_settings, sign_out
from samizdat.accounts.actions import SettingDetails
from samizdat.accounts.models import Membership, Organization, PendingChange, Person
from samizdat.audience import data_quality, read_limits, removal_limit
from samizdat.audience.actions import add_subscriber
from samizdat.delivery.actions import add_route
from samizdat.delivery.models import SendingDomain
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.web.audience.views.data_quality import PAGE
from tests.conftest import NOW, PASSWORD
from tests.web.conftest import House, make_campaign, signed_in
from tests.web.controls import Controls
from tests.web.test_exports import admin_since
from tests.web.test_release import Desk, _settings, _to


@pytest.fixture
def vera(here: House) -> Client:
    return signed_in(here.people["admin"])


def _row() -> PendingChange:
    return PendingChange.objects.select_related("organization", "by").latest("pk")


def test_a_stolen_session_of_an_admin_changes_nothing_for_a_day(here: House, vera: Client) -> None:
    admin_since(here, "Zoya", 3)
    clara, house = here.people["editor"], here.organization
    page = vera.post(_to(here, "member", clara.pk), {"role": "admin"}, follow=True).content.decode()
    assert "Waiting for another admin: Clara gets the role: admin" in page
    vera.post(_to(here, "settings"), _settings(here, public_url="https://evil.example"))
    link = vera.post(_to(here, "team"), {"role": "admin", "note": "Thief"}).content.decode()
    assert "It works once another admin approves it, or after a day unless someone stops it" in link
    assert vera.get(_to(here, "team")).content.decode().count("waiting for approval</a>") == 1
    came = Client().get(link[link.index("/invitation/") :].split("<")[0])
    assert (came.status_code, "This invitation is waiting for an admin’s approval" in came.content.decode()) == (
        403,
        True,
    )
    house.refresh_from_db()
    assert house.public_url == "https://lantern.example"
    assert Membership.objects.filter(organization=house, role="admin").count() == 2
    assert [row.kind for row in pending_changes.waiting(house)] == ["role", "setting", "invitation"]


def test_where_too_many_changes_wait_the_page_says_so_and_nothing_typed_is_lost(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_changes, "MOST", 0)
    settings = vera.post(_to(here, "settings"), _settings(here, public_url="https://new.example"))
    domain = vera.post(_to(here, "domains"), {"name": "new.example", "kinds": "ed25519"})
    assert (settings.status_code, domain.status_code) == (422, 409)
    for page in (settings, domain):
        text = page.content.decode()
        assert "Approve or stop some of them under Team" in text and "new.example" in text
    assert not pending_changes.waiting(here.organization).exists()
    assert not SendingDomain.objects.filter(name="new.example").exists()


def test_an_admin_who_saves_asks_for_no_setting_that_somebody_wrote_into_the_database(
    here: House, vera: Client
) -> None:
    evil = {"public_url": "https://evil.example", "return_address": "thief@evil.example", "requires_approval": True}
    Organization.objects.update(**evil)
    form = _sent(vera.get(_to(here, "settings")), "return_address")
    vera.post(_to(here, "settings"), form)
    assert not pending_changes.waiting(here.organization)
    assert not sealed_settings.is_altered(Organization.objects.get(pk=here.organization.pk))


def test_where_the_copy_of_the_settings_is_gone_the_form_shows_no_address_of_the_row(here: House, vera: Client) -> None:
    Organization.objects.update(settings_sealed=b"", public_url="https://evil.example", requires_approval=False)
    page = vera.get(_to(here, "settings"))
    assert "evil.example" not in page.content.decode() and _sent(page, "return_address")["requires_approval"] == ["on"]
    typed = {"name": here.organization.name, "public_url": "https://lantern.example"}
    vera.post(_to(here, "settings"), _sent(page, "return_address") | typed)
    told = [pending_changes.details_of(row, SettingDetails) for row in pending_changes.waiting(here.organization)]
    assert SettingDetails("public_url", "https://lantern.example") in told


def test_bounces_are_sent_to_no_domain_of_another_organization(here: House, there: House, vera: Client) -> None:
    assert sealed_settings.leading(there.organization).public_url == "https://bell.example"
    for theirs in ("back@news.bell.example", "@news.bell.example"):
        page = vera.post(_to(here, "settings"), _settings(here, return_address=theirs))
        text = "another organization on this server uses that domain"
        assert (page.status_code, text in page.content.decode()) == (422, True)
    actions.change_settings(there.organization, by=None, now=NOW, return_address="bell@host.example")
    for name in ("return_address", "unsubscribe_mailbox"):
        page = vera.post(_to(here, "settings"), _settings(here, **{name: "bell@host.example"}))
        assert (page.status_code, "goes to another organization" in page.content.decode()) == (422, True)
    vera.post(_to(here, "settings"), _settings(here, return_address="back@lantern.example"))
    (row,) = pending_changes.waiting(here.organization)
    assert "back@lantern.example" in pending_changes.sentence_of(row)


def test_what_a_waiting_setting_replaces_is_told_from_the_sealed_copy(here: House, vera: Client) -> None:
    vera.post(_to(here, "settings"), _settings(here, public_url="https://evil.example"))
    Organization.objects.update(public_url="https://other.example")
    assert "https://evil.example instead of https://lantern.example" in pending_changes.sentence_of(_row())


def test_whose_mailbox_refuses_to_be_told_stands_at_the_change_and_on_the_first_page(here: House, vera: Client) -> None:
    admin_since(here, "Zoya", 3)
    vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"})
    now = timezone.now()
    pending_changes.refuse(_row(), pending_changes.others(here.organization, here.people["admin"], now), now)
    for page in ("pending-changes", "home"):
        text = vera.get(_to(here, page)).content.decode()
        assert "Zoya couldn’t be notified: their mailbox rejects email." in text
    assert pending_changes.until(_row(), now) >= now + timedelta(days=8)


def test_everybody_who_keeps_the_house_sees_it_at_once_and_stops_it_with_one_press(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"})
    steps = (
        (zoya, "Approve or stop"),
        (vera, "Wait or withdraw"),
        (signed_in(here.people["viewer"]), "Review"),
    )
    for who, step in steps:
        home = who.get(_to(here, "home")).content.decode()
        assert "1 change is waiting for approval" in home and step in home
        assert ("Approve or stop" in home, "You requested:" in home) == (who is zoya, who is vera)
    assert "waiting for approval" not in signed_in(here.people["editor"]).get(_to(here, "home")).content.decode()
    page = zoya.get(_to(here, "pending-changes")).content.decode()
    assert "Clara gets the role: admin" in page and "Approve" in page and "Stop change" in page
    said = zoya.post(_to(here, "decide-change", _row().pk), {"answer": "stop"}, follow=True).content.decode()
    assert "Stopped. Nothing was changed." in said and "stopped" in said
    assert Membership.objects.get(person=here.people["editor"]).role == "editor"


def test_another_admin_approves_and_whoever_asked_can_only_withdraw(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"})
    mine = vera.get(_to(here, "pending-changes")).content.decode()
    assert "Revoke" in mine and 'value="approve"' not in mine
    vera.post(_to(here, "decide-change", _row().pk), {"answer": "approve"})
    assert _row().state == "waiting"
    zoya.post(_to(here, "decide-change", _row().pk), {"answer": "approve"})
    assert Membership.objects.get(person=here.people["editor"]).role == "admin"


def test_the_only_admin_reads_when_it_is_done(here: House, vera: Client) -> None:
    page = vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"}, follow=True).content.decode()
    assert "Waiting until" in page and "No other admin can approve it yet." in page
    asked = _row().created
    pending_changes.notice(_row(), here.people["admin"], asked, by_mail=True)
    pending_changes.wait(asked + timedelta(days=1), timedelta(days=1))
    assert Membership.objects.get(person=here.people["editor"]).role == "admin"
    assert "nobody: the waiting time passed" in vera.get(_to(here, "pending-changes")).content.decode()


def test_a_second_domain_signs_nothing_before_it_is_approved(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(_to(here, "domains"), {"name": "evil.example", "kinds": "ed25519"})
    made = SendingDomain.objects.get(name="evil.example")
    key = made.keys.order_by("pk")[0]
    vera.post(_to(here, "key-published", made.pk, key.pk))
    page = vera.post(_to(here, "activate-key", made.pk, key.pk), follow=True).content.decode()
    assert "is waiting for another admin’s approval" in page
    key.refresh_from_db()
    assert key.state == "published"
    zoya.post(_to(here, "decide-change", _row().pk), {"answer": "stop"})
    assert not SendingDomain.objects.filter(name="evil.example").exists()


def test_a_domain_that_signs_is_not_removed_by_one_admin(here: House, vera: Client) -> None:
    from samizdat.delivery.models import DkimKey, SendingDomain

    DkimKey.objects.filter(pk=here.key.pk).update(state="active")
    vera.post(_to(here, "remove-domain", here.key.domain_id))
    vera.post(_to(here, "retire-key", here.key.domain_id, here.key.pk))
    assert DkimKey.objects.get(pk=here.key.pk).state == "active"
    assert [row.kind for row in pending_changes.waiting(here.organization)] == ["domain_removed", "key_retired"]
    pending_changes.approve(pending_changes.waiting(here.organization)[0], now=timezone.now(), by=None)
    assert not SendingDomain.objects.filter(pk=here.key.domain_id).exists()


def test_settings_of_a_route_that_wait_are_tried_at_once(here: House, vera: Client) -> None:
    relay = add_route(here.organization, "relay", "smtp+plain://127.0.0.1:1", now=NOW)
    answers = {"scheme": "smtp+plain", "name": "relay", "where": "127.0.0.1:2", "priority": "10", "signs": "us"}
    page = vera.post(_to(here, "edit-route", relay.pk), answers, follow=True).content.decode()
    assert "Pending settings of relay tested" in page
    relay.refresh_from_db()
    assert relay.state == "live" and pending_changes.is_waiting(here.organization, "route_changed", relay.pk)


# -- an admin signs people out of their own organization


@pytest.mark.parametrize("verb", [sign_out.sign_out_everywhere, locking.lock, actions.remove_person])
def test_an_admin_of_another_group_ends_no_session_of_ours(here: House, there: House, verb: Any) -> None:
    dmitri, now = here.people["viewer"], timezone.now()
    actions.give_role(dmitri, there.organization, "viewer", by=None, now=now)
    client = signed_in(dmitri)
    ours, theirs = _to(here, "home"), _to(there, "home")
    assert [client.get(page).status_code for page in (ours, theirs)] == [200, 200]
    verb(dmitri, there.organization, by=there.people["admin"], now=timezone.now())
    assert client.get(ours).status_code == 200
    assert client.get(theirs).status_code in (302, 404)
    assert signed_in(dmitri).get(ours).status_code == 200


def test_who_was_signed_out_of_one_group_comes_in_again_by_signing_in(here: House, there: House) -> None:
    dmitri, theirs = here.people["viewer"], _to(there, "home")
    actions.give_role(dmitri, there.organization, "viewer", by=None, now=timezone.now())
    old = signed_in(dmitri)
    sign_out.sign_out_everywhere(dmitri, there.organization, by=there.people["admin"], now=timezone.now())
    assert old.get(theirs).headers["Location"].startswith("/sign-in?next=")
    assert signed_in(dmitri).get(theirs).status_code == 200


def test_a_thief_who_signs_the_other_admin_out_again_and_again_is_told_to_stop(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    number = Membership.objects.exclude(person__in=here.people.values()).get(organization=here.organization).person_id
    vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"})
    for _press in range(sign_out.MOST):
        vera.post(_to(here, "sign-out-member", number))
    assert zoya.get(_to(here, "home")).status_code == 302
    zoya = signed_in(Person.objects.get(pk=number))
    assert "3 times today" in vera.post(_to(here, "sign-out-member", number), follow=True).content.decode()
    zoya.post(_to(here, "decide-change", _row().pk), {"answer": "stop"})
    assert _row().state == "stopped"


def test_a_change_that_no_mail_told_of_says_so_until_another_admin_looks(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(_to(here, "member", here.people["editor"].pk), {"role": "admin"})
    for who in (vera, signed_in(here.people["viewer"])):
        assert "No other admin has been notified by email yet" in who.get(_to(here, "pending-changes")).content.decode()
    zoya.get(_to(here, "home"))
    assert (
        "No other admin has been notified by email yet" not in vera.get(_to(here, "pending-changes")).content.decode()
    )
    assert _row().noticed


# -- nobody leafs through the list


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    read_limits.forget()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock by which openings are counted; it goes when told."""
    at = [1000.0]
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: at[0])
    return at


def test_a_thousand_cards_are_not_opened_in_a_minute(here: House, desk: Desk, still: list[float]) -> None:
    dmitri, cards = desk("viewer"), _cards(here, 60)
    seen = [dmitri.get(card).status_code for card in cards]
    assert seen == [200] * read_limits.AT_ONCE + [429] * (60 - read_limits.AT_ONCE)
    assert "more subscribers than anyone can read" in dmitri.get(cards[-1]).content.decode()
    assert dmitri.get(cards[0]).status_code == 200, "that one they have seen"
    assert desk("editor").get(cards[-1]).status_code == 200, "nobody else is kept waiting"
    still[0] += 2
    assert dmitri.get(cards[-1]).status_code == 200


def test_who_opens_somebody_edits_and_saves_has_opened_one(here: House, desk: Desk, still: list[float]) -> None:
    clara, number = desk("editor"), here.ada.number
    pages = [_to(here, name, number) for name in ("subscriber", "edit-subscriber", "subscriber-privacy", "erase")]
    for page in pages * read_limits.AT_ONCE:
        assert clara.get(page).status_code == 200
    edit = _to(here, "edit-subscriber", number)
    assert clara.post(edit, _sent(clara.get(edit), "notes") | {"notes": "Calls back."}).status_code == 302
    assert Event.objects.filter(kind="subscriber.opened", about=here.ada.pk).count() == 1
    assert not Event.objects.filter(kind=read_limits.ALARM).exists()


@pytest.mark.parametrize("door", ["subscriber-privacy", "add-subscriber", "paste"])
def test_nobody_is_asked_for_by_hundreds_through_a_form_that_tells_who_is_here(
    here: House, desk: Desk, still: list[float], door: str
) -> None:
    """As an address of one's own dummy, as a new subscriber, or as a file of one address."""
    clara = desk("editor")
    page = _to(here, door, *([here.ada.number] if door == "subscriber-privacy" else []))
    text = {"list": here.list.pk, "consent": "Told me so.", "purpose": "newsletter"}

    def ask(address: str) -> int:
        return clara.post(page, text | {"address": address, "pasted": address}).status_code

    seen = [ask(f"nobody{n}@post.example") for n in range(read_limits.AT_ONCE + 2)]
    assert seen[0] == 302 and seen[-2:] == [429, 429]
    assert Event.objects.filter(kind=read_limits.ALARM).count() == 1
    still[0] += 2
    assert ask("late@post.example") == 302


def test_who_corrects_and_adds_a_few_is_kept_from_nothing(here: House, desk: Desk, still: list[float]) -> None:
    clara = desk("editor")
    for n in range(10):
        assert (
            clara.post(
                _to(here, "subscriber-privacy", here.ada.number), {"address": f"ada{n}@post.example"}
            ).status_code
            == 302
        )
    assert not Event.objects.filter(kind=read_limits.ALARM).exists()


def test_an_edit_that_is_stopped_for_the_pace_comes_back_as_it_was_typed(
    here: House, desk: Desk, still: list[float]
) -> None:
    clara, edit = desk("editor"), _to(here, "edit-subscriber", here.ada.number)
    typed = _sent(clara.get(edit), "notes") | {"notes": "Calls back on Monday."}
    read_limits.forget()  # As in a desk that was started anew.
    while not read_limits.open_some(here.organization, here.people["editor"], 1, timezone.now()):
        pass
    stopped = clara.post(edit, typed)
    page = stopped.content.decode()
    assert (stopped.status_code, "Wait 1 min" in page) == (429, True)
    assert "ada@lantern.example" not in page.replace("<wbr>", "")
    still[0] += 60
    assert _sent(stopped, "notes")["notes"].strip() == "Calls back on Monday."
    assert clara.post(edit, _sent(stopped, "notes")).status_code == 302
    assert "Calls back on Monday." in clara.get(edit).content.decode()


def test_a_letter_is_saved_and_not_sent_twice_when_its_preview_is_stopped(
    here: House, desk: Desk, still: list[float]
) -> None:
    clara, page = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _sent(clara.get(page), "body") | {"body": "Typed just now.", "as": here.ada.number}
    while not read_limits.open_some(here.organization, here.people["editor"], 1, timezone.now()):
        pass
    said = clara.post(page, typed, follow=True)
    assert said.status_code == 200 and "Typed just now." in said.content.decode()
    assert "Wait 1 min" in said.content.decode()


def _sent(answer: Any, holds: str) -> dict[str, Any]:
    """What the form of a page sends that holds this field."""
    return next(form.sent for form in Controls(answer.content.decode()).forms if holds in form.sent)


def _cards(here: House, many: int) -> list[str]:
    """Pages of so many subscribers."""
    made = [
        add_subscriber(here.organization, f"card{n}@lantern.example", here.list, consent="yes", now=NOW)
        for n in range(many)
    ]
    return [_to(here, "subscriber", one.number) for one in made]


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_who_goes_on_all_day_sees_two_hundred_an_hour(here: House, still: list[float], role: str) -> None:
    person, seen = here.people[role], 0
    begun = still[0]
    while still[0] < begun + 3 * 3600:
        seen += not read_limits.open_some(here.organization, person, 1, timezone.now())
        still[0] += 9  # Twice as often as they come back.
    assert read_limits.IN_A_ROW < seen <= read_limits.IN_A_ROW + 3 * read_limits.AN_HOUR + 1


def test_the_admins_are_told_once_who_it_was(here: House, desk: Desk, still: list[float]) -> None:
    dmitri, cards = desk("viewer"), _cards(here, 40)
    for card in cards:
        dmitri.get(card)
    assert Event.objects.filter(kind=read_limits.ALARM).count() == 1
    page = desk("admin").get(_to(here, "home")).content.decode()
    assert "Subscribers were opened faster than anyone can read" in page and "Dmitri" in page
    assert "faster than anyone can read" not in dmitri.get(_to(here, "home")).content.decode()
    colleague = _to(here, "member", here.people["viewer"].pk)
    assert colleague in page
    desk("admin").post(_to(here, "sign-out-member", here.people["viewer"].pk))
    assert dmitri.get(cards[0]).status_code == 302


def test_whom_somebody_opened_and_when_is_in_no_table(here: House, desk: Desk, still: list[float]) -> None:
    for card in _cards(here, 40):
        desk("viewer").get(card)
    alarm = Event.objects.get(kind=read_limits.ALARM)
    assert (alarm.about, bytes(alarm.detail)) == (here.people["viewer"].pk, b"")


def test_a_viewer_reads_along_without_addresses(here: House, desk: Desk) -> None:
    card = _to(here, "subscriber", here.ada.number)
    page = desk("viewer").get(card).content.decode()
    assert "address hidden" in page and "ada@" not in page.replace("<wbr>", "")
    assert "ada@lantern.example" in desk("editor").get(card).content.decode().replace("<wbr>", "")


def test_a_letter_made_out_for_one_after_the_other_shows_no_more_addresses_than_cards(
    here: House, desk: Desk, still: list[float]
) -> None:
    here.campaign = make_campaign(here, "For each", "You are *|EMAIL|*.\n")
    others = [
        add_subscriber(here.organization, f"one{n}@lantern.example", here.list, consent="yes", now=NOW)
        for n in range(read_limits.AT_ONCE + 5)
    ]
    clara, frame = desk("editor"), _to(here, "preview-frame", here.campaign.pk, "light")
    seen = [clara.get(frame, {"as": one.number}).status_code for one in others]
    assert seen == [200] * read_limits.AT_ONCE + [429] * 5
    opened = Event.objects.filter(kind="subscriber.previewed")
    assert [event.about for event in opened.order_by("id")] == [one.pk for one in others[: read_limits.AT_ONCE]]


def test_who_writes_all_morning_sees_the_preview_for_one_reader(here: House, desk: Desk, still: list[float]) -> None:
    clara, preview = desk("editor"), _to(here, "preview", here.campaign.pk, "light")
    for _sentence in range(2 * read_limits.AT_ONCE):
        assert clara.get(preview, {"as": here.ada.number}).status_code == 200
    assert Event.objects.filter(kind="subscriber.previewed", about=here.ada.pk).count() == 1
    still[0] += read_limits.AGAIN
    clara.get(preview, {"as": here.ada.number})
    assert Event.objects.filter(kind="subscriber.previewed", about=here.ada.pk).count() == 2


def test_what_was_typed_stays_when_too_many_were_opened(here: House, desk: Desk, still: list[float]) -> None:
    clara = desk("editor")
    while not read_limits.open_some(here.organization, here.people["editor"], 1, timezone.now()):
        pass
    page = clara.post(_to(here, "campaign", here.campaign.pk), {"body": "Typed just now.", "as": here.ada.number})
    assert page.status_code == 422 and "Typed just now." in page.content.decode()


def test_a_list_of_strangers_is_not_asked_for_subscribers_one_by_one(
    here: House, desk: Desk, still: list[float]
) -> None:
    clara = desk("editor")
    forms = {"subscribers": "q", "suppressions": "look-address"}
    for page, field in forms.items():
        read_limits.forget()
        tried = [{field: f"nobody{n}@reader.example"} for n in range(read_limits.AT_ONCE + 5)]
        seen = [clara.post(_to(here, page), one).status_code for one in tried]
        assert seen == [200] * read_limits.AT_ONCE + [429] * 5, page


def test_typos_and_doubles_cost_what_they_show_and_nothing_the_second_time(
    here: House, desk: Desk, still: list[float]
) -> None:
    for n in range(40):
        add_subscriber(here.organization, f"one{n}@gmial.com", here.list, consent="yes", now=NOW)
    assert data_quality.scan(NOW, 9)
    clara, page = desk("editor"), _to(here, "data-quality")
    first = clara.get(page)
    assert [clara.get(page).status_code for _again in range(5)] == [200] * 5
    seen, before = 1, first.context["before"]
    while (answer := clara.get(page, {"before": before})).status_code == 200:
        seen, before = seen + 1, answer.context["before"]
    assert seen * PAGE <= read_limits.AT_ONCE


def test_counts_of_people_who_do_nothing_are_forgotten() -> None:
    for number in range(read_limits.MANY + 5):
        read_limits._take((1, number), 1, float(number * 10_000))
    assert len(read_limits._held) < 10


# -- routes


def _route_answers(name: str, where: str) -> dict[str, str]:
    return {"scheme": "smtp", "name": name, "where": where, "user": "thief", "password": "p" * 20, "priority": "1"}


def test_a_route_that_a_stolen_session_adds_carries_nothing_and_the_page_says_what_waits(
    here: House, vera: Client
) -> None:
    from samizdat.delivery.models import Route

    zoya = admin_since(here, "Zoya", 3)
    page = vera.post(_to(here, "routes"), _route_answers("evil", "127.0.0.1:1"), follow=True).content.decode()
    assert "Waiting for another admin: A new route, evil, sends emails through smtp://thief@127.0.0.1:1" in page
    page = vera.get(_to(here, "routes")).content.decode()
    assert "Waiting for approval" in page and page.count(_to(here, "pending-changes")) >= 2
    made = Route.objects.get(name="evil")
    refused = vera.post(_to(here, "resume-route", made.pk), follow=True).content.decode()
    assert "evil is waiting for another admin’s approval" in refused
    refused = vera.post(_to(here, "pause-route", made.pk), follow=True).content.decode()
    assert "evil is waiting for another admin’s approval" in refused
    assert Route.objects.get(name="evil").state == "waiting"
    zoya.post(_to(here, "decide-change", _row().pk), {"answer": "approve"})
    assert Route.objects.get(name="evil").state == "live"


def test_another_server_of_a_route_waits_and_its_page_says_so_without_the_password(here: House, vera: Client) -> None:
    from samizdat.delivery import actions, queries
    from samizdat.delivery.models import Route

    made = actions.add_route(here.organization, "relay", "smtp://ada:secret@relay.example:587", now=timezone.now())
    page = vera.post(
        _to(here, "edit-route", made.pk), _route_answers("relay", "evil.example:587"), follow=True
    ).content.decode()
    assert ": The route relay sends all emails through smtp://thief@evil.example:587" in page
    assert "nothing was changed" not in page
    assert queries.way_of(Route.objects.get(pk=made.pk)).shown == "smtp://ada@relay.example:587"
    page = vera.get(_to(here, "edit-route", made.pk)).content.decode()
    assert "smtp://thief@evil.example:587 instead of smtp://ada@relay.example:587" in page and "pppp" not in page


# -- a locked colleague


def test_a_colleague_is_locked_and_unlocked_on_their_page_and_every_admin_reads_it(
    here: House, vera: Client, desk: Desk
) -> None:
    from samizdat.accounts import locking
    from samizdat.worker.schedule import event_handlers

    zoya, clara = admin_since(here, "Zoya", 3), desk("editor")
    person = here.people["editor"]
    assert clara.get(_to(here, "home")).status_code == 200
    page = vera.post(_to(here, "lock-member", person.pk), follow=True).content.decode()
    assert "Clara was locked and signed out everywhere." in page and "Unlock" in page
    assert clara.get(_to(here, "home")).status_code == 302
    refused = Client().post("/sign-in", {"email": "clara@lantern.example", "password": PASSWORD})
    assert "Your account is locked. Ask an admin" in refused.content.decode()
    for who in (vera, zoya):
        assert "Clara is locked" in who.get(_to(here, "home")).content.decode()
    assert event_handlers.FOLLOW_UPS[locking.LOCKED]
    zoya.post(_to(here, "unlock-member", person.pk))
    assert signed_in(person).get(_to(here, "home")).status_code == 200


def test_of_two_admins_none_locks_the_other_and_reads_what_to_do_instead(here: House, vera: Client) -> None:
    admin_since(here, "Zoya", 3)
    zoya = Membership.objects.filter(organization=here.organization, role="admin").latest("pk").person_id
    page = vera.post(_to(here, "lock-member", zoya), follow=True).content.decode()
    assert "Nobody would be left to unlock Zoya" in page and "samizdat person lock" in page


def test_what_a_locked_person_released_is_paused(here: House) -> None:
    from samizdat.accounts import locking
    from samizdat.campaigns.models import Campaign
    from samizdat.worker.schedule import event_handlers

    now, clara = timezone.now(), here.people["editor"]
    Campaign.objects.filter(pk=here.sent.pk).update(state="sending")
    record("campaign.released", here.organization, now=now, by=clara, about=here.sent.pk)
    locking.lock(here.people["viewer"], here.organization, by=here.people["admin"], now=now)
    event_handlers.follow(now)
    assert Campaign.objects.get(pk=here.sent.pk).state == "sending"
    locking.lock(clara, here.organization, by=here.people["admin"], now=now)
    event_handlers.follow(now)
    assert Campaign.objects.get(pk=here.sent.pk).state == "paused"


def test_who_came_to_a_limit_reads_that_it_was_their_account_and_is_not_told_to_ask_themself(
    here: House, desk: Desk
) -> None:
    record(removal_limit.ALARM, here.organization, now=timezone.now(), by=here.people["admin"])
    page = desk("admin").get(_to(here, "home")).content.decode()
    assert "It was your account" in page and "Ask them" not in page
    zoya = admin_since(here, "Zoya", 3).get(_to(here, "home")).content.decode()
    assert "It was your account" not in zoya and "Ask them" in zoya
