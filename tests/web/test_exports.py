"""Leaving whole at the desk: an admin asks, the worker makes it, it is fetched once; of a plain one all admins hear."""

import csv
import io
import re
import zipfile
from datetime import timedelta
from math import inf
from typing import Any

import pyrage
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from samizdat.accounts import locking, pending_changes
from samizdat.accounts.actions import add_person, give_role
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience import read_limits as audience_limits
from samizdat.audience.models import Segment, Subscriber, SubscriberTag
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.audience.segments import lookup
from samizdat.audience.segments.members import MemberReader
from samizdat.core import segment
from samizdat.events import walked_log
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.portability import actions, approval, bound_selection, permits, recipient_keys
from samizdat.portability.models import Export
from samizdat.portability.request import ExportRequest, told_of
from samizdat.portability.subscribers import ExportedSubscriber
from samizdat.vault import keyring
from tests.conftest import NOW, PASSWORD, TODAY
from tests.web.conftest import AGE_KEY, House, make_person, signed_in

KEY = pyrage.x25519.Identity.generate()
FILLED = {"format": "samizdat", "list": "0", "seal": "sealed", "recipients": f"{KEY.to_public()}\n", "keys": "on"}
SEALED = FILLED | {"sure": "1"}


def only_the_address(person: ExportedSubscriber | None) -> bool:
    return person is not None and person == ExportedSubscriber(0, person.address, {}, "", "")


def at(house: House, *words: Any) -> str:
    return "/".join(["", "o", house.organization.slug, "exports", *map(str, words), ""])


@pytest.fixture
def vera(here: House) -> Client:
    recipient_keys.know(here.organization, [str(KEY.to_public())], now=NOW)
    return signed_in(here.people["admin"])


def newest() -> Export:
    return Export.objects.select_related("organization").latest("pk")


def test_an_admin_asks_the_worker_makes_it_and_it_is_fetched_once(here: House, vera: Client) -> None:
    asked = vera.post(at(here), FILLED)
    assert asked.status_code == 200 and b"Export 2 subscribers?" in asked.content
    assert newest().pk == here.export.pk
    answer = vera.post(at(here), SEALED)
    row = newest()
    assert answer.headers["Location"] == at(here, row.pk) and row.state == "asked" and not row.plain
    assert b"Starting" in vera.get(at(here, row.pk)).content
    assert vera.get(at(here, row.pk) + "progress").status_code == 200
    actions.run(row.pk, now=lambda: NOW)
    assert vera.get(at(here, row.pk) + "progress").headers["HX-Refresh"] == "true"
    assert b"Your export is ready" in vera.get(f"/o/{here.organization.slug}/").content
    file = vera.post(at(here, row.pk) + "fetch")
    data = b"".join(file.streaming_content)  # type: ignore[attr-defined]
    assert len(data) == int(file.headers["Content-Length"])
    assert file.headers["Content-Disposition"].endswith('.zip.age"')
    assert "keys.json" in zipfile.ZipFile(io.BytesIO(pyrage.decrypt(data, [KEY]))).namelist()
    assert vera.post(at(here, row.pk) + "fetch").status_code == 302
    assert newest().state == "fetched"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipients": ""}, b"Enter the age key to encrypt the file to"),
        ({"recipients": "age1nokey"}, "isn’t an age key. Create one".encode()),
        ({"recipients": str(KEY)}, b"secret key"),
        ({"seal": "plain", "reason": " "}, b"Give a reason for an unencrypted file"),
        ({"format": "doc"}, b"Fix 1 problem"),
        ({"list": "999999"}, b"Fix 1 problem"),
        ({"tag": "volunteer"}, b"The Samizdat format always includes everyone"),
    ],
)
def test_a_wish_that_cannot_be_is_one_sentence_and_makes_nothing(
    here: House, vera: Client, change: dict[str, str], words: bytes
) -> None:
    before = Export.objects.count()
    if change.get("tag"):
        change = {"tag": str(queries.tags(here.organization)[0][0])}
    answer = vera.post(at(here), {**SEALED, **change})
    assert answer.status_code == 422 and words in answer.content
    assert Export.objects.count() == before


def _table(here: House, vera: Client, asked: str, **more: Any) -> tuple[str, list[str]]:
    """What the form of this address asks before it makes a table, and the addresses in the table."""
    page = vera.get(at(here) + asked).content.decode()
    end = page.index("Continue")
    form = page[page.rindex("<form", 0, end) : end]
    hidden: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', form):
        hidden.setdefault(name, []).append(value)
    answers = {name: value for name, value in SEALED.items() if name != "list"} | {"format": "csv"} | hidden | more
    sure = vera.post(at(here), {**answers, "sure": ""}).content.decode()
    vera.post(at(here), answers)
    row = actions.run(newest().pk, now=lambda: NOW)
    data = pyrage.decrypt(b"".join(actions.fetch(row, now=lambda: NOW, by=None)), [KEY])
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        rows = list(csv.DictReader(io.StringIO(box.read("subscribers.csv").decode("utf-8-sig"))))
    planted = told_of(row).planted.address
    assert planted in [one["Email address"] for one in rows]
    assert row.counts == {"subscribers": len(rows) - 1}
    return sure, sorted({one["Email address"] for one in rows} - {planted})


def test_those_who_fit_a_filter_leave_and_nobody_else(here: House, vera: Client) -> None:
    sure, found = _table(here, vera, "?whom=all&status=unsubscribed")
    assert "Export 1 subscriber?" in sure and "Status: Unsubscribed" in sure
    assert found == ["boris@lantern.example"]
    assert b"Status: Unsubscribed" in vera.get(at(here, newest().pk)).content
    gone = vera.get(at(here) + "?whom=all&tag=999999")
    assert gone.status_code == 302, "a filter that means nothing any more would mean everybody"


def test_those_who_were_ticked_leave_and_nobody_else(here: House, vera: Client) -> None:
    sure, found = _table(here, vera, f"?whom=ticked&n={here.ada.number}")
    assert "Export 1 subscriber?" in sure and "selected subscribers" in sure
    assert found == ["ada@lantern.example"]


def test_the_form_has_a_tag_and_a_segment(here: House, vera: Client) -> None:
    tag = {name: id for id, name in queries.tags(here.organization)}["volunteer"]
    sure, found = _table(here, vera, "", tag=str(tag), segment=str(here.segment))
    assert "Segment: Here; Tag: volunteer" in sure and "Export 1 subscriber?" in sure
    assert found == ["ada@lantern.example"]


def admin_since(here: House, name: str, days: int) -> Client:
    """An admin who became one so many days ago."""
    person = add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    give_role(person, here.organization, "admin", by=None, now=timezone.now() - timedelta(days=days))
    return signed_in(person)


PLAIN = SEALED | {"format": "xlsx", "seal": "plain", "reason": "The auditor asks for it."}


def test_a_plain_one_is_made_once_another_admin_agrees(here: House, vera: Client) -> None:
    zoya, fresh, home = admin_since(here, "Zoya", 3), admin_since(here, "Fresh", 0), f"/o/{here.organization.slug}/"
    assert b"A second admin must approve before" in vera.post(at(here), {**PLAIN, "sure": ""}).content
    vera.post(at(here), PLAIN)
    held = at(here, newest().pk) + "review"
    assert newest().state == "held" and newest().pk not in actions.waiting(timezone.now())
    assert b"A second admin must approve" in vera.get(home).content
    assert b"An unencrypted export of your subscribers is waiting for your approval" in zoya.get(home).content
    for nobody in (vera, fresh):
        assert b"Approve export" not in nobody.get(held).content
        nobody.post(held, {"answer": "agree"})
        assert newest().state == "held"
    assert b"The auditor asks for it." in zoya.get(held).content
    zoya.post(held, {"answer": "agree"})
    assert actions.run(newest().pk, now=timezone.now).state == "ready"
    page = vera.get(at(here, newest().pk)).content
    assert b"Approved by" in page and b"Zoya" in page
    assert b"An unencrypted export of your subscribers was created" not in zoya.get(home).content
    assert b"An unencrypted export of your subscribers was created" in fresh.get(home).content


def test_an_organization_has_only_so_many_exports_that_wait(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker looks at each of them in every round, and one session asks for as many as it likes."""
    monkeypatch.setattr(actions, "MOST_HELD", 2)
    admin_since(here, "Zoya", 3)
    pages = [vera.post(at(here), PLAIN, follow=True).content.decode() for _ in range(3)]
    refused = "2 exports are already pending. Approve or stop some of them, then try again."
    assert [refused in page for page in pages] == [False, False, True]
    assert "The auditor asks for it." in pages[2], "nothing that was typed is lost"
    assert Export.objects.filter(state="held").count() == 2
    vera.post(at(here, newest().pk) + "review", {"answer": "stop"})
    vera.post(at(here), PLAIN)
    assert Export.objects.filter(state="held").count() == 2


def _held_segment(here: House, vera: Client, zoya: Client) -> Segment:
    """A plain export of a segment that has one subscriber in it is asked for."""
    tag = audience.tags_for(here.organization, ["board"])["board"]
    audience.add_tags(here.ada, ["board"], now=NOW, by=None)
    row = audience.add_segment(here.organization, "The board", TagCondition(tag), now=NOW, by=None)
    vera.post(at(here), PLAIN | {"format": "csv", "segment": str(row.pk)})
    page = zoya.get(at(here, newest().pk) + "review").content.decode()
    assert re.search(r"<dt>Subscribers in it</dt>\s*<dd>1</dd>", page) and "Approve export" in page
    return row


def test_nobody_waits_to_write_while_an_export_is_looked_through(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite one transaction writes at a time: whom a segment means and a long log are looked at before it."""
    zoya, depths, own = admin_since(here, "Zoya", 3), [], len(connection.atomic_blocks)
    ids, is_whole = MemberReader.ids, walked_log.is_whole

    def look(reader: MemberReader) -> Any:
        depths.append(len(connection.atomic_blocks))
        return ids(reader)

    def walk(organization: Any, since: int, about: int, seconds: float = inf) -> bool | None:
        depths.extend([len(connection.atomic_blocks)] if seconds > 0.5 else [])
        return is_whole(organization, since, about, seconds)

    monkeypatch.setattr(MemberReader, "ids", look)
    monkeypatch.setattr(walked_log, "is_whole", walk)
    _held_segment(here, vera, zoya)
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    assert actions.run(newest().pk, now=timezone.now).state == "ready"
    file = vera.post(at(here, newest().pk) + "fetch")
    assert b"".join(file.streaming_content)  # type: ignore[attr-defined]
    assert len(depths) >= 4
    assert max(depths) == own


def test_a_segment_that_takes_too_long_is_not_exported_and_says_what_to_do(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bound_selection, "LONGEST", -1.0)
    tag = audience.tags_for(here.organization, ["board"])["board"]
    row = audience.add_segment(here.organization, "The board", TagCondition(tag), now=NOW, by=None)
    last = newest().pk
    page = vera.post(at(here), PLAIN | {"format": "csv", "segment": str(row.pk)}).content.decode()
    assert "Use fewer conditions, or export a list." in page
    assert newest().pk == last


def test_what_a_field_says_is_not_asked_of_one_subscriber_after_the_other_by_tags(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment by a field and the tag of one subscriber: each of these numbers is an answer about one person."""
    audience_limits.forget()
    monkeypatch.setattr(audience_limits.dbclock, "ticks", lambda: 1000.0)
    asks = FieldCondition(here.field, "is", "Riga")
    row = audience.add_segment(here.organization, "City", asks, now=NOW, by=None)
    tags = audience.tags_for(here.organization, [f"t{n}" for n in range(audience_limits.AT_ONCE + 1)])
    wish = PLAIN | {"format": "csv", "segment": str(row.pk), "sure": ""}
    answers = [vera.post(at(here), wish | {"tag": str(tag)}).status_code for tag in tags.values()]
    assert {*answers[: audience_limits.AT_ONCE]} == {200}
    assert answers[-1] == 429


def test_a_file_whose_log_is_still_being_walked_is_there_a_minute_later(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    vera.post(at(here), SEALED)
    actions.run(newest().pk, now=timezone.now)
    with monkeypatch.context() as patch:
        patch.setattr(permits, "is_ours_in_whole_log", lambda *_of, **_options: None)
        page = vera.post(at(here, newest().pk) + "fetch", follow=True).content.decode()
        assert "still being checked against the activity log" in page
    assert vera.post(at(here, newest().pk) + "fetch").status_code == 200


def _more_readers(here: House) -> list[str]:
    people = [f"more{n}@lantern.example" for n in range(8)]
    for address in people:
        reader = audience.add_subscriber(here.organization, address, here.list, consent="yes", now=timezone.now())
        audience.add_tags(reader, ["board"], now=NOW, by=None)
    return people


@pytest.mark.parametrize("times", [1, 2], ids=["as many others", "the same ones, who may not be the same tomorrow"])
def test_whoever_agreed_to_an_export_of_the_board_did_not_agree_to_one_of_everybody(
    here: House, vera: Client, times: int
) -> None:
    zoya = admin_since(here, "Zoya", 3)
    row = _held_segment(here, vera, zoya)
    known, held = lookup.opened(keyring.keys(here.organization), row), at(here, newest().pk) + "review"
    tree = known.tree
    for _turn in range(times):
        tree = segment.Not(tree)
    audience.change_segment(row, known.name, tree, version=known.version, now=NOW, by=None)
    assert b"Approve export" not in zoya.get(held).content
    page = zoya.post(held, {"answer": "agree"}, follow=True).content.decode()
    assert "The subscribers in this export have changed since it was requested" in page and newest().state == "held"
    zoya.post(held, {"answer": "stop"})
    assert newest().state == "over"


def test_other_people_behind_the_same_tag_are_not_those_another_admin_agreed_to(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    _held_segment(here, vera, zoya)
    boris = Subscriber.objects.filter(organization=here.organization).exclude(pk=here.ada.pk).get()
    SubscriberTag.objects.filter(subscriber=here.ada).delete()
    audience.add_tags(boris, ["board"], now=NOW, by=None)
    page = zoya.post(at(here, newest().pk) + "review", {"answer": "agree"}, follow=True).content.decode()
    assert "The subscribers in this export have changed since it was requested" in page and newest().state == "held"


def test_who_is_not_in_it_any_more_keeps_no_export_from_an_approval(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    _held_segment(here, vera, zoya)
    SubscriberTag.objects.filter(subscriber=here.ada).delete()
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    assert actions.run(newest().pk, now=timezone.now).state == "ready" and told_of(newest()).bound is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_many_who_come_into_an_export_around_its_approval_are_not_in_a_file(
    here: House, vera: Client, when: str
) -> None:
    zoya = admin_since(here, "Zoya", 3)
    _held_segment(here, vera, zoya)
    held = at(here, newest().pk) + "review"
    if when == "before":
        _more_readers(here)
        zoya.post(held, {"answer": "agree"})
        assert newest().state == "held"
        return
    zoya.post(held, {"answer": "agree"})
    _more_readers(here)
    assert actions.run(newest().pk, now=timezone.now).state == "failed"
    assert "Request it again" in vera.get(at(here, newest().pk)).content.decode()


def test_an_export_that_found_no_room_has_its_heading_and_says_what_to_do(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    for state in ("ready", "failed"):
        vera.post(at(here), SEALED)
        assert actions.run(newest().pk, now=timezone.now).state == state
    page = vera.get(at(here, newest().pk)).content.decode()
    assert page.count("Download or delete one, then try again.") == 1
    heading = page[page.index("<h1>") : page.index("</h1>")]
    assert "We couldn’t create the file" in heading and "note" not in heading


def test_a_list_that_grows_a_little_while_it_waits_is_exported_all_the_same(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), PLAIN | {"list": str(here.list.pk)})
    audience.add_subscriber(here.organization, "new@lantern.example", here.list, consent="yes", now=timezone.now())
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    assert actions.run(newest().pk, now=timezone.now).state == "ready"


def test_a_plain_file_is_downloaded_by_nobody_but_who_asked_for_it(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), PLAIN)
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    actions.run(newest().pk, now=timezone.now)
    page = at(here, newest().pk)
    assert b"Only the person who requested it can download it" in zoya.get(page).content
    refused = zoya.post(page + "fetch", follow=True).content
    assert b"This file is no longer available" not in refused and newest().state == "ready"
    assert b"".join(vera.post(page + "fetch").streaming_content) and newest().state == "fetched"  # type: ignore[attr-defined]


def test_what_looks_ahead_of_a_person_approves_no_export(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), PLAIN)
    assert zoya.head(at(here, newest().pk) + "review").status_code == 200
    assert newest().state == "held"


def test_whose_mailbox_refuses_to_be_told_of_a_held_export_stands_on_its_page(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), STOLEN)
    approval.refuse(
        newest(), pending_changes.others(here.organization, here.people["admin"], timezone.now()), timezone.now()
    )
    for page in (at(here, newest().pk) + "review", f"/o/{here.organization.slug}/"):
        assert "Zoya couldn’t be notified: their mailbox rejects email.".encode() in vera.get(page).content
    assert zoya.get(at(here, newest().pk) + "review").status_code == 200
    assert (
        "couldn’t be notified: their mailbox rejects email".encode()
        not in vera.get(at(here, newest().pk) + "review").content
    ), "they have seen it"


def test_a_plain_one_of_the_only_admin_waits_for_a_day_by_two_clocks(here: House, vera: Client) -> None:
    assert (
        "There’s no other admin to approve it: the file is created after a day unless someone stops it".encode()
        in vera.post(at(here), {**PLAIN, "sure": ""}).content
    )
    vera.post(at(here), PLAIN)
    asked, day = newest().created, timedelta(days=1)
    approval.notice(newest(), here.people["admin"], asked, by_mail=True)
    approval.wait(asked + day * 30, timedelta(seconds=10))  # Somebody has set the machine's clock.
    assert newest().state == "held"
    approval.wait(asked + timedelta(hours=1), day)
    assert newest().state == "held"
    approval.wait(asked + day, timedelta(0))
    assert newest().pk in actions.waiting(asked + day)


def test_a_plain_one_that_nobody_agrees_to_is_over_after_a_week(here: House, vera: Client) -> None:
    admin_since(here, "Zoya", 3)
    vera.post(at(here), PLAIN)
    approval.wait(newest().created + timedelta(days=6), timedelta(days=6))
    assert newest().state == "held"
    approval.wait(newest().created + timedelta(days=8), timedelta(days=2))
    assert newest().state == "over" and only_the_address(told_of(newest()).planted)


def test_whoever_works_here_stops_a_plain_one_before_it_is_made(here: House, vera: Client) -> None:
    vera.post(at(here), PLAIN)
    clara, held = signed_in(here.people["editor"]), at(here, newest().pk) + "review"
    assert held.encode() in clara.get(f"/o/{here.organization.slug}/").content
    clara.post(held, {"answer": "stop"})
    assert newest().state == "over" and only_the_address(told_of(newest()).planted)


def test_a_plain_one_is_told_to_every_other_admin_until_they_have_seen_it(here: House, vera: Client) -> None:
    other = make_person("Zoya", "zoya@lantern.example", here.organization, "admin")
    zoya, home = signed_in(other), f"/o/{here.organization.slug}/"
    row = actions.ask(
        here.organization, ExportRequest("xlsx"), reason="The auditor asks for it.", now=timezone.now(), by=None
    )
    assert row.plain
    assert b"The auditor asks for it." in zoya.get(home).content
    assert b"Dismiss" in zoya.get(at(here, row.pk)).content
    # Of the command line nobody can say who it was.
    actions.direct(here.organization, ExportRequest("csv"), io.BytesIO(), reason="From the shell.", now=timezone.now)
    assert b"From the shell." in vera.get(home).content
    for export in Export.objects.all():
        zoya.post(at(here, export.pk) + "dismiss")
    assert b"An unencrypted export of your subscribers was created" not in zoya.get(home).content


def test_a_sealed_one_is_told_to_the_other_admins_too_with_its_key(here: House, vera: Client) -> None:
    zoya, home = admin_since(here, "Zoya", 3), f"/o/{here.organization.slug}/"
    Export.objects.filter(pk=here.export.pk).update(created=timezone.now())
    assert b"An encrypted export of your subscribers was created" in zoya.get(home).content
    assert AGE_KEY.encode() in zoya.get(home).content
    assert b"An encrypted export of your subscribers was created" not in vera.get(home).content
    assert b"whose key it is" in zoya.get(at(here, here.export.pk)).content
    zoya.post(at(here, here.export.pk) + "dismiss")
    assert b"An encrypted export of your subscribers was created" not in zoya.get(home).content


def test_the_editor_has_no_such_page_and_the_viewer_no_buttons(here: House) -> None:
    row = here.export
    assert signed_in(here.people["editor"]).get(at(here)).status_code == 403
    viewer = signed_in(here.people["viewer"])
    page = viewer.get(at(here))
    assert page.status_code == 200 and b"Create export" not in page.content
    assert viewer.post(at(here), SEALED).status_code == 403
    assert viewer.post(at(here, row.pk) + "fetch").status_code == 403


def test_a_planted_address_leads_to_its_export(here: House, vera: Client) -> None:
    planted = told_of(here.export).planted.address
    found = vera.post(at(here, "trace")[:-1], {"trace-address": planted})
    assert found.headers["Location"] == at(here, here.export.pk)
    zoya, home = admin_since(here, "Zoya", 3), f"/o/{here.organization.slug}/"
    assert b"Leak alert: a marker address from an export turned up" in zoya.get(home).content
    assert b"found and looked up here" in zoya.get(at(here, here.export.pk)).content
    zoya.post(at(here, here.export.pk) + "dismiss")
    assert b"Leak alert: a marker address from an export turned up" not in zoya.get(home).content
    assert (
        "This isn’t a marker address from any of your exports".encode()
        in vera.post(at(here, "trace")[:-1], {"trace-address": "x@y.example"}).content
    )
    assert planted.encode() not in vera.get(at(here, here.export.pk)).content


def test_what_is_not_wanted_any_more_is_forgotten(here: House, vera: Client) -> None:
    actions.run(here.export.pk, now=lambda: NOW)
    vera.post(at(here, here.export.pk) + "delete")
    assert newest().state == "over" and not here.export.pieces.exists()


# -- sealed to a key that nobody knows

THIEF = pyrage.x25519.Identity.generate()
STOLEN = SEALED | {"recipients": f"{THIEF.to_public()}\n"}


def test_a_sealed_export_to_a_thiefs_own_key_needs_another_admin(here: House, vera: Client) -> None:
    zoya, home = admin_since(here, "Zoya", 3), f"/o/{here.organization.slug}/"
    assert "This key hasn’t been approved yet".encode() in vera.post(at(here), {**STOLEN, "sure": ""}).content
    vera.post(at(here), STOLEN)
    row, held = newest(), at(here, newest().pk) + "review"
    assert row.state == "held" and row.pk not in actions.waiting(timezone.now())
    assert str(THIEF.to_public()).encode() in zoya.get(held).content
    assert b"An export to a new key is waiting for your approval" in zoya.get(home).content
    vera.post(held, {"answer": "agree"})
    assert newest().state == "held"
    zoya.post(held, {"answer": "stop"})
    assert newest().state == "over"
    approval.wait(row.created + timedelta(days=2), timedelta(days=2))
    assert newest().state == "over"
    vera.post(at(here), STOLEN)
    assert newest().state == "held", "a key that was stopped is not known"


def test_a_key_that_another_admin_approved_needs_nobody_from_then_on(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), STOLEN)
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    assert newest().state == "asked"
    vera.post(at(here), STOLEN)
    assert newest().state == "asked" and newest().agreed_by is None
    page = vera.get(at(here)).content.decode()
    assert "Known keys" in page
    known = {key: row.pk for row, key in recipient_keys.known(here.organization)}
    vera.post(at(here, "keys", known[str(THIEF.to_public())]) + "forget")
    vera.post(at(here), STOLEN)
    assert newest().state == "held"


def test_the_only_admin_takes_the_list_to_a_new_key_after_a_day_by_two_clocks(here: House, vera: Client) -> None:
    vera.post(at(here), STOLEN)
    asked, day = newest().created, timedelta(days=1)
    approval.notice(newest(), here.people["admin"], asked, by_mail=True)
    approval.wait(asked + day * 30, timedelta(seconds=10))
    assert newest().state == "held"
    approval.wait(asked + timedelta(hours=1), day)
    assert newest().state == "held"
    approval.wait(asked + day, timedelta(0))
    assert newest().state == "asked"
    assert recipient_keys.are_known(here.organization, [str(THIEF.to_public())])


def test_a_new_key_that_nobody_minds_is_known_after_a_day_also_where_there_are_others(
    here: House, vera: Client
) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), STOLEN)
    approval.wait(newest().created + timedelta(days=9), timedelta(days=9))
    assert newest().state == "held", "no mail told another admin, and none of them looked"
    zoya.get(f"/o/{here.organization.slug}/")
    seen = newest().noticed
    approval.wait(seen + timedelta(days=1), timedelta(days=1))
    assert newest().state == "asked"


@pytest.mark.parametrize("wanted", [PLAIN, STOLEN])
def test_the_held_export_of_a_locked_admin_is_over(here: House, vera: Client, wanted: dict[str, Any]) -> None:
    vera.post(at(here), wanted)
    locking.lock(here.people["admin"], here.organization, by=None, now=timezone.now())
    approval.wait(timezone.now(), timedelta(0))
    assert newest().state == "over"


def test_a_yes_to_an_export_of_a_few_does_not_make_its_key_known_unless_it_says_so(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    tag = next(number for number, name in queries.tags(here.organization) if name == "volunteer")
    few = STOLEN | {"format": "csv", "tag": str(tag)}
    vera.post(at(here), few)
    zoya.post(_held(here), {"answer": "agree"})
    vera.post(at(here), STOLEN)
    assert newest().state == "held", "everybody, to the key of whom a few were agreed to"
    zoya.post(_held(here), {"answer": "stop"})
    vera.post(at(here), few)
    assert newest().state == "held"
    zoya.post(_held(here), {"answer": "agree", "knows-key": "1"})
    vera.post(at(here), STOLEN)
    assert newest().state == "asked"


def _held(here: House) -> str:
    return at(here, newest().pk) + "review"


def test_what_the_command_line_sealed_to_is_known_at_the_desk(here: House, vera: Client) -> None:
    wish = ExportRequest("csv", (str(THIEF.to_public()),))
    actions.direct(here.organization, wish, io.BytesIO(), now=timezone.now)
    vera.post(at(here), STOLEN)
    assert newest().state == "asked"


def test_a_new_key_beside_a_known_one_is_a_new_key(here: House, vera: Client) -> None:
    vera.post(at(here), SEALED | {"recipients": f"{KEY.to_public()}\n{THIEF.to_public()}\n"})
    assert newest().state == "held"


BY_PASSPHRASE = SEALED | {"seal": "passphrase", "recipients": ""}


def _shown(page: str) -> str:
    return re.findall(r'id="passphrase">([^<]+)<', page)[0]


def test_a_file_by_a_passphrase_waits_as_one_to_a_new_key_and_opens_by_what_was_shown_once(
    here: House, vera: Client, caplog: pytest.LogCaptureFixture
) -> None:
    zoya = admin_since(here, "Zoya", 3)
    asked = vera.post(at(here), BY_PASSPHRASE | {"sure": ""}).content.decode()
    assert "The passphrase is shown once, on the next page." in asked and "until another admin" not in asked
    answer = vera.post(at(here), BY_PASSPHRASE)
    words, row = _shown(answer.content.decode()), newest()
    assert len(words.replace("-", "")) == 25 and answer.headers["Cache-Control"] == "no-store"
    assert (row.state, row.plain) == ("held", False)
    assert "Export with a passphrase is waiting" in zoya.get(at(here, row.pk) + "review").content.decode()
    assert "An export with a passphrase is waiting" in zoya.get(f"/o/{here.organization.slug}/").content.decode()
    zoya.post(at(here, row.pk) + "review", {"answer": "agree", "knows-key": "1"})
    assert actions.run(row.pk, now=timezone.now).state == "ready"
    assert "run this and enter the passphrase" in vera.get(at(here, row.pk)).content.decode()
    data = b"".join(vera.post(at(here, row.pk) + "fetch").streaming_content)  # type: ignore[attr-defined]
    assert len(data) == newest().bytes
    assert "keys.json" in zipfile.ZipFile(io.BytesIO(pyrage.passphrase.decrypt(data, words))).namelist()
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(data, words[:-1] + ("2" if words[-1] != "2" else "3"))
    # Neither pages, nor the log, nor the database have it; nor what opens the file without it.
    assert words not in caplog.text and told_of(newest()).passphrase_seal is None
    pages = (at(here), at(here, row.pk), f"/o/{here.organization.slug}/")
    assert not any(words in vera.get(page).content.decode() for page in pages)
    events = Event.objects.filter(organization=here.organization, about=row.pk)
    assert events and not any(words in str(detail_of(event)) for event in events)
    vera.post(at(here), BY_PASSPHRASE)
    assert newest().state == "held", "no passphrase is ever known"


def test_a_file_by_a_passphrase_that_is_stopped_or_fails_leaves_nothing_that_opens_it(
    here: House, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), BY_PASSPHRASE)
    vera.post(at(here, newest().pk) + "review", {"answer": "stop"})
    assert (newest().state, told_of(newest()).passphrase_seal) == ("over", None)
    vera.post(at(here), BY_PASSPHRASE)
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    monkeypatch.setenv("SAMIZDAT_STORAGE", "0")
    assert actions.run(newest().pk, now=timezone.now).state == "failed"
    assert told_of(newest()).passphrase_seal is None


def test_the_only_admin_waits_for_a_day_with_a_file_by_a_passphrase(here: House, vera: Client) -> None:
    vera.post(at(here), BY_PASSPHRASE)
    row, day = newest(), timedelta(days=1)
    approval.notice(row, here.people["admin"], row.created, by_mail=True)
    approval.wait(row.created + timedelta(hours=23), timedelta(hours=23))
    assert newest().state == "held"
    approval.wait(row.created + day, timedelta(hours=1))
    assert newest().state == "asked"


def test_another_admin_sees_that_routes_and_keys_are_in_an_export(here: House, vera: Client) -> None:
    zoya = admin_since(here, "Zoya", 3)
    vera.post(at(here), SEALED)
    assert newest().state == "asked", "the key is known"
    vera.post(at(here), {**SEALED, "setup": "on"})
    assert newest().state == "held"
    page = zoya.get(at(here, newest().pk) + "review").content.decode()
    assert "Anyone who can open it can also send in your organization’s name" in page
    assert "Routes, sending domains, mailboxes, team" in page
    zoya.post(at(here, newest().pk) + "review", {"answer": "agree"})
    assert newest().state == "asked" and told_of(newest()).wish.setup
