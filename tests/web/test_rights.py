"""The pages of rights and duties, as people press through them."""

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.audience import actions as audience
from samizdat.audience import queries, read_limits, removal_limit
from samizdat.audience.actions import objection
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import Subscriber
from samizdat.campaigns.models import Campaign
from samizdat.events.models import Event
from samizdat.privacy import actions
from samizdat.privacy.models import Renewal
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW
from tests.web.conftest import House, signed_in


def address(here: House, rest: str) -> str:
    return f"/o/{here.organization.slug}/privacy/{rest}"


def test_what_would_go_is_shown_before_anything_is_switched_on(here: House) -> None:
    admin, page = signed_in(here.people["admin"]), address(here, f"lists/{here.list.pk}/retention")
    asked = {"left_days": "30", "delivery_months": ""}
    shown = admin.post(page, asked)
    assert shown.status_code == 200 and b"What would be deleted" in shown.content
    assert actions.rules_of(here.list) == actions.RetentionRules()
    assert b"No other admin can approve this yet: it takes effect after a day, unless you stop it." in shown.content
    said = admin.post(page, asked | {"on": "1"}, follow=True).content.decode()
    assert "on “The Thursday Letter”, people who unsubscribed are erased after 30 days" in said
    assert "No other admin can approve it yet." in said
    assert actions.rules_of(here.list) == actions.RetentionRules()
    (waits,) = pending_changes.waiting(here.organization)
    pending_changes.approve(waits, now=timezone.now(), by=None)
    assert actions.rules_of(here.list) == actions.RetentionRules(30, None)
    assert "erased after 30 days" in admin.get(address(here, "")).content.decode()


@pytest.mark.parametrize(
    ("before", "asked", "held"),
    [
        ((None, None), (7, None), True),
        ((90, None), (89, None), True),
        ((90, 12), (None, 6), True),
        ((90, 12), (90, 12), False),
        ((90, 12), (91, None), False),
    ],
)
def test_one_session_has_nobody_erased_sooner_and_everybody_kept_longer_at_once(
    here: House, before: tuple[int | None, int | None], asked: tuple[int | None, int | None], held: bool
) -> None:
    kept, wanted = actions.RetentionRules(*before), actions.RetentionRules(*asked)
    actions.retain(here.list, kept, now=NOW)
    change = actions.retain(here.list, wanted, now=NOW, by=here.people["admin"])
    assert (change is not None) == held
    assert actions.rules_of(here.list) == (kept if held else wanted)


@pytest.mark.parametrize("wrong", ["0", "-1", "99999999999999999999", "seven", "3.5"])
def test_a_rule_that_is_none_is_refused_beside_its_field(here: House, wrong: str) -> None:
    admin = signed_in(here.people["admin"])
    refused = admin.post(address(here, f"lists/{here.list.pk}/retention"), {"left_days": wrong, "on": "1"})
    assert refused.status_code == 422
    assert actions.rules_of(here.list) == actions.RetentionRules()


def test_an_editor_may_look_at_the_rules_and_not_change_them(here: House) -> None:
    editor, page = signed_in(here.people["editor"]), address(here, f"lists/{here.list.pk}/retention")
    assert editor.get(page).status_code == 200
    assert editor.post(page, {"left_days": "30", "on": "1"}).status_code == 403


@pytest.mark.parametrize(("which", "name"), [("record", "processing-record"), ("notice", "privacy-notice")])
def test_a_paper_is_shown_and_given_in_both_languages(here: House, which: str, name: str) -> None:
    viewer = signed_in(here.people["viewer"])
    for language, word in (("en", "The Thursday Letter"), ("ru", "Составлено")):
        assert word in viewer.get(address(here, f"{which}?language={language}")).content.decode()
        file = viewer.get(address(here, f"{which}/text?language={language}"))
        assert file.headers["Content-Disposition"].endswith(f'{name}-{language}.md"')
        assert file.content.decode().startswith("# ")
    assert viewer.get(address(here, f"{which}?language=%27--")).status_code == 200


def test_a_readers_file_is_given_by_post_and_written_to_the_log(here: House) -> None:
    editor, page = signed_in(here.people["editor"]), address(here, f"subscribers/{here.ada.number}/data")
    assert editor.get(page).status_code == 405
    document = json.loads(editor.post(page, {"form": "json"}).content)
    assert document["about"]["address"] == "ada@lantern.example"
    assert "ada@lantern.example" in editor.post(page, {"form": "html"}).content.decode()
    assert Event.objects.filter(kind="subscriber.access_exported", about=here.ada.id).count() == 2


def test_a_readers_address_is_corrected_and_a_taken_one_is_refused(here: House) -> None:
    editor, page = signed_in(here.people["editor"]), address(here, f"subscribers/{here.ada.number}/")
    for wrong in ("boris@lantern.example", "nobody", ""):
        assert editor.post(page, {"address": wrong}).status_code == 422
    assert editor.post(page, {"address": "ada@new.example"}).status_code == 302
    assert queries.address_of(Subscriber.objects.get(id=here.ada.id)) == "ada@new.example"


def test_nobody_has_a_list_written_to_at_other_addresses(here: House) -> None:
    editor, removals = signed_in(here.people["editor"]), removal_limit.ALONE_A_DAY + removal_limit.CORRECTIONS
    readers = [_reader(here, f"reader{n}@post.example") for n in range(removals + 1)]
    seen = [_corrected(here, editor, reader) for reader in readers]
    assert [page.status_code for page in seen] == [302] * removals + [422]
    assert "and changed addresses count too" in seen[-1].content.decode()
    assert Event.objects.filter(kind=removal_limit.ALARM).count() == 1
    # A mend of one or two stays free, whatever others did; so does one of whom nothing is written to.
    admin = signed_in(here.people["admin"])
    for reader in readers[-1], here.ada:
        assert _corrected(here, admin, reader).status_code == 302
    left = _reader(here, "left@post.example")
    audience.unsubscribe(left, here.list, now=NOW)
    assert _corrected(here, editor, left).status_code == 302


def test_a_mistyped_provider_is_put_right_however_many_were_corrected(here: House) -> None:
    for n in range(removal_limit.ALONE_A_DAY + 5):
        reader = _reader(here, f"reader{n}@gmial.com")
        audience.correct_address(reader, f"reader{n}@gmail.com", now=NOW, by=here.people["editor"])
    assert not removal_limit.is_over(here.organization, 1, now=NOW, by=here.people["editor"])


def _reader(here: House, at: str) -> Subscriber:
    return audience.add_subscriber(here.organization, at, here.list, consent="yes", now=NOW)


def _corrected(here: House, client: Client, reader: Subscriber) -> Any:
    read_limits.forget()
    form = {"address": f"other{reader.number}@evil.example"}
    return client.post(address(here, f"subscribers/{reader.number}/"), form)


def test_a_readers_objection_ends_every_letter(here: House) -> None:
    editor = signed_in(here.people["editor"])
    assert (
        editor.post(address(here, f"subscribers/{here.ada.number}/objection"), {"o-reason": "Stop."}).status_code == 302
    )
    assert audience.verdict(here.ada, here.list, NOW).reason == "suppressed:objected"
    assert (
        "Objected to all email"
        in editor.get(f"/o/{here.organization.slug}/subscribers/{here.ada.number}/").content.decode()
    )


def test_a_yes_to_appeals_is_shown_and_withdrawn_apart(here: House) -> None:
    editor, page = signed_in(here.people["editor"]), f"/o/{here.organization.slug}/subscribers/{here.ada.number}/"
    told = {"address": "ada@lantern.example", "list": here.list.pk, "consent": "Will give.", "purpose": "both"}
    assert editor.post(f"/o/{here.organization.slug}/subscribers/add", told).status_code == 302
    assert "Fundraising appeals" in editor.get(page).content.decode()
    leave = {"list": here.list.pk, "purpose": "fundraising"}
    assert editor.post(f"{page}unsubscribe", leave | {"purpose": "war"}).status_code == 404
    assert editor.post(f"{page}unsubscribe", leave).status_code == 302
    assert audience.verdict(here.ada, here.list, NOW, purpose="fundraising").reason == "left"
    assert audience.verdict(here.ada, here.list, NOW).reason == "given"


def test_a_list_is_asked_again_from_counting_to_the_letter(here: House) -> None:
    editor, page = signed_in(here.people["editor"]), address(here, f"lists/{here.list.pk}/reconsent")
    assert editor.post(page, {"step": "count"}).status_code == 302
    assert b"Counting" in editor.get(page).content
    worked()
    assert b"Who to ask" in editor.get(page).content
    assert (
        editor.post(page, {"step": "choose", "group": ["nonsense", "brought-old", "written-one-"]}).status_code == 302
    )
    assert Renewal.objects.get().state == "counted"  # Nobody is in those.
    editor.post(page, {"step": "choose", "group": ["written-one"]})
    worked()
    for days in (-1, 3, 400):
        assert editor.post(page, {"step": "ask", "deadline": in_days(days)}).status_code == 422
    letter = editor.post(page, {"step": "ask", "deadline": in_days(21)})
    assert letter.status_code == 302
    campaign = Campaign.objects.latest("pk")
    assert str(campaign.pk) in letter.headers["Location"] and campaign.tag_id == Renewal.objects.get().tag_id
    assert editor.get(letter.headers["Location"]).status_code == 200
    assert editor.post(page, {"step": "move"}).status_code == 302
    assert Renewal.objects.get().state == "asking"  # Too early: the letter has not gone out.
    assert editor.post(page, {"step": "close"}).status_code == 302
    worked()
    assert b"Last asked on" in editor.get(page).content
    assert editor.post(page, {"step": "rule the world"}).status_code == 404


def in_days(days: int) -> str:
    return (timezone.now() + timedelta(days=days)).date().isoformat()


def worked() -> None:
    for number in actions.working(NOW):
        actions.work(number, lambda: NOW, lambda: False)


def test_every_page_is_there_in_russian_too(here: House) -> None:
    editor: Any = here.people["editor"]
    editor.language = "ru"
    editor.save(update_fields=["language"])
    client = signed_in(editor)
    for rest in (
        "",
        f"lists/{here.list.pk}/retention",
        f"lists/{here.list.pk}/reconsent",
        f"subscribers/{here.ada.number}/",
    ):
        page = client.get(address(here, rest)).content.decode()
        assert "Данные и приватность" in page


def test_a_breach_is_written_down_counted_and_its_notices_drafted(here: House) -> None:
    admin, page = signed_in(here.people["admin"]), address(here, "breaches/")
    now = timezone.now().astimezone(ZoneInfo("Europe/Riga")).strftime("%Y-%m-%dT%H:%M")
    for wrong in ({"kind": "weather"}, {"noticed": "yesterday"}, {"noticed": "2126-01-01T10:00"}, {"kind": "account"}):
        assert admin.post(page, {"kind": "key", "noticed": now} | wrong).status_code == 422
    made = admin.post(page, {"kind": "key", "noticed": now, "notes": "The server was taken."})
    assert made.status_code == 302
    shown = admin.get(made.headers["Location"]).content.decode()
    assert "71 hours left" in shown and "The server was taken." in shown
    assert "Уведомление" in admin.get(made.headers["Location"] + "?language=ru").content.decode()
    assert admin.post(made.headers["Location"], {"notes": "Taken.", "done": "Changed all."}).status_code == 302
    assert admin.post(made.headers["Location"], {"told": "the press"}).status_code == 404
    home = f"/o/{here.organization.slug}/"
    assert "Data breach: a deadline is running" in admin.get(home).content.decode()
    assert admin.post(made.headers["Location"], {"told": "authority"}).status_code == 302
    assert "Changed all." in admin.get(made.headers["Location"]).content.decode()
    other = admin.post(page, {"kind": "disk", "noticed": now}).headers["Location"]
    assert admin.post(other, {"told": "nobody"}).status_code == 302
    assert "no notification needed" in admin.get(other).content.decode()
    assert "Data breach: a deadline is running" not in admin.get(home).content.decode()
    assert signed_in(here.people["editor"]).get(page).status_code == 403


def test_an_objection_that_a_colleague_wrote_down_is_taken_back_by_two_admins_within_a_week(here: House) -> None:
    editor, admin, now = signed_in(here.people["editor"]), signed_in(here.people["admin"]), timezone.now()
    page, lift = (address(here, f"subscribers/{here.ada.number}/{rest}") for rest in ("", "objection/lift"))
    editor.post(address(here, f"subscribers/{here.ada.number}/objection"))
    only = b"Only their own confirmation can undo it"
    assert b"objection/lift" not in editor.get(page).content and only in editor.get(page).content
    assert b"objection/lift" in admin.get(page).content and only not in admin.get(page).content
    assert editor.post(lift).status_code == 403
    assert "recorded by a teammate, is withdrawn" in admin.post(lift, follow=True).content.decode()
    assert queries.card(here.ada, now).suppressed == "objected"
    (waits,) = pending_changes.waiting(here.organization)
    pending_changes.approve(waits, now=now, by=None)
    card = queries.card(here.ada, now)
    assert not card.suppressed and card.lists[0].status == "subscribed"
    assert_projections_hold(here.organization, now)
    audience.object_to_mail(here.organization, subscriber=here.ada, now=now, by=here.people["editor"])
    with pytest.raises(AudienceError):
        objection.ask_to_lift(here.ada, now=now + timedelta(days=8), by=here.people["admin"])


def test_what_a_reader_said_after_an_objection_is_not_taken_back_with_it(here: House) -> None:
    now = timezone.now()
    audience.object_to_mail(here.organization, subscriber=here.ada, now=now, by=here.people["editor"])
    audience.unsubscribe(here.ada, here.list, now=now, way="one-click")
    objection.lift_objection(here.ada, now=now, by=None)
    assert queries.card(here.ada, now).lists[0].status == "unsubscribed"
