"""A whole account at the desk: reviewed, named what stays out, brought in by the worker."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat import dbclock
from samizdat.accounts import pending_changes
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports import held
from samizdat.audience.models import Import
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.portability.account import upload
from tests.conftest import NOW
from tests.importers.accounts import ACCOUNT, written
from tests.web.conftest import House

type Desk = Callable[[str], Client]

pytestmark = pytest.mark.django_db


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.fixture
def uploaded(here: House, desk: Desk, tmp_path: Path) -> tuple[Client, Import]:
    client = desk("admin")
    data = written(tmp_path / "account.zip", ACCOUNT).read_bytes()
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("account.zip", data, "application/zip")]})
    return client, upload.inspect(Import.objects.order_by("-pk")[0].pk, now=dbclock.now)


def test_the_review_names_what_comes_and_what_stays_out_before_anything_is_written(
    here: House, uploaded: tuple[Client, Import]
) -> None:
    client, row = uploaded
    page = client.get(_to(here, "import", row.pk)).content.decode()
    for words in (
        "News",
        "1 sent campaign",
        "1 draft",
        "1 template",
        "1 image",
        "report.pdf",
        "Lost letter",
        "who opened",
    ):
        assert words in page, words
    assert "ada@post.example" not in page
    assert not Campaign.objects.filter(state="finished", list__organization=here.organization, frozen=0).exists()


def test_an_admin_imports_it_into_lists_of_their_choice(here: House, uploaded: tuple[Client, Import]) -> None:
    client, row = uploaded
    answers = {"list-777": "Court diary", "appeals": "1", "appeals-words": "Ask me for money too."}
    client.post(_to(here, "import", row.pk), answers)
    row.refresh_from_db()
    assert row.state == "waiting"
    # Nobody counts its rows as a whole: none are shown.
    Import.objects.filter(pk=row.pk).update(state="running")
    assert "0 of about 0" not in client.get(_to(here, "import", row.pk)).content.decode()
    Import.objects.filter(pk=row.pk).update(state="waiting")
    upload.run(row.pk, now=dbclock.now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Import finished" in page and "1 sent campaign" in page
    # What stays out is named here too, and each audience leads to what became of its subscribers.
    assert "report.pdf" in page and "Court diary" in page
    of_people = Import.objects.filter(organization=here.organization, source="mailchimp")
    assert of_people.count() == 2
    for number in of_people.values_list("pk", flat=True):
        assert f'href="{_to(here, "import", number)}"' in page
    list_ = queries.list_named(here.organization, "Court diary")
    assert queries.count(here.organization, list_, "subscribed") == 1
    sent = Campaign.objects.get(organization=here.organization, state="finished", list=list_)
    report = client.get(_to(here, "report", sent.pk)).content.decode()
    assert "Sent by Mailchimp" in report and "1,108" in report and "19 May 2019" in report
    assert "digest" not in report and "Every recipient accounted for" not in report
    assert client.get(_to(here, "imports")).content.decode().count("account.zip") == 1, "its parts are not listed"
    assert not row.pieces.exists()


def test_a_form_that_is_refused_keeps_what_was_typed(here: House, uploaded: tuple[Client, Import]) -> None:
    client, row = uploaded
    typed = {
        "list-777": "Court diary",
        "basis": "Signed up on paper.",
        "listed": "1",
        "appeals-words": "And for money.",
    }
    answer = client.post(_to(here, "import", row.pk), typed)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Tick “The consent also covered fundraising appeals”" in page
    assert 'value="Court diary"' in page and ">Signed up on paper.</textarea>" in page
    assert ">And for money.</textarea>" in page
    assert re.search(r'id="listed"[^>]*checked', page) and not re.search(r'id="appeals"[^>]*checked', page)
    assert Import.objects.get(pk=row.pk).state == "found"


def test_only_an_admin_starts_it(here: House, desk: Desk, uploaded: tuple[Client, Import]) -> None:
    _client, row = uploaded
    page = desk("editor").post(_to(here, "import", row.pk), {}, follow=True).content.decode()
    assert "Only an admin can import a whole account" in page
    assert Import.objects.get(pk=row.pk).state == "found"


def test_one_that_was_stopped_goes_on_and_doubles_nothing(here: House, uploaded: tuple[Client, Import]) -> None:
    client, row = uploaded
    before = Picture.objects.count(), Template.objects.count(), Campaign.objects.count()
    client.post(_to(here, "import", row.pk), {})
    asked = iter([False] * 5 + [True] * 20)
    upload.run(row.pk, now=dbclock.now, stop=lambda: next(asked))
    assert Import.objects.get(pk=row.pk).state == "stopped"
    client.post(_to(here, "resume-import", row.pk))
    upload.run(row.pk, now=dbclock.now)
    row.refresh_from_db()
    assert row.state == "finished"
    after = Picture.objects.count(), Template.objects.count(), Campaign.objects.count()
    assert after == (before[0] + 1, before[1] + 1, before[2] + 2)


def test_half_an_upload_is_a_sentence(here: House, desk: Desk, tmp_path: Path) -> None:
    client = desk("admin")
    data = written(tmp_path / "account.zip", ACCOUNT).read_bytes()
    data = data.replace(b"PK\x03\x04", b"PK\x00\x00", 6)
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("account.zip", data, "application/zip")]})
    row = upload.inspect(Import.objects.order_by("-pk")[0].pk, now=dbclock.now)
    page: Any = client.get(_to(here, "import", row.pk)).content.decode()
    assert row.state == "failed" and "is damaged" in page


def _of_many(tmp_path: Path, addresses: list[str]) -> bytes:
    """An account from which the first half left one audience, and the second half another one."""
    head, half = "Email Address,First Name,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME\n", len(addresses) // 2
    lines = [f"{address},,2020-01-01 10:00:00,,2026-10-01 10:00:00\n" for address in addresses]
    files = {
        **ACCOUNT,
        "12345/lists/unsubscribed/members_777_News.csv": head + "".join(lines[:half]),
        "12345/lists/unsubscribed/members_778_Alarm.csv": head + "".join(lines[half:]),
    }
    return written(tmp_path / "account.zip", files).read_bytes()


def test_one_that_removes_many_waits_once_for_another_admin_and_goes_on(
    here: House, desk: Desk, tmp_path: Path
) -> None:
    client, addresses = desk("admin"), [f"reader{n}@post.example" for n in range(50)]
    for address in addresses:
        audience.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    before = queries.count(here.organization, here.list, "subscribed")
    file = SimpleUploadedFile("account.zip", _of_many(tmp_path, addresses), "application/zip")
    client.post(_to(here, "upload"), {"files": [file]})
    row = upload.inspect(Import.objects.order_by("-pk")[0].pk, now=dbclock.now)
    name = queries.name_of(here.list)
    client.post(_to(here, "import", row.pk), {"list-777": name, "list-778": name, "listed": "1"})
    assert upload.run(row.pk, now=dbclock.now).state == "held"
    assert queries.count(here.organization, here.list, "subscribed") == before, "nobody left"
    assert "Finish your import" not in client.get(_to(here, "home")).content.decode()
    [change] = pending_changes.waiting(here.organization)
    assert pending_changes.details_of(change, held.RemovalDetails).n == 50, "of all audiences at once"
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Waiting for an admin" in page and "continues when another admin approves it" in page
    sentence = pending_changes.sentence_of(change)
    assert sentence == "50 subscribers are removed from lists by the import of a whole account"
    pending_changes.approve(change, now=dbclock.now(), by=None)
    assert row.pk in imports.resumable(dbclock.now())
    assert upload.run(row.pk, now=dbclock.now).state == "finished"
    assert queries.count(here.organization, here.list, "subscribed") == before - 50 + 1
    sent = Campaign.objects.get(organization=here.organization, state="finished", list=here.list, frozen=0)
    assert not sent.archive_hidden, "what was asked for is kept while it waits"
    assert not Import.objects.filter(organization=here.organization, state__in=("held", "stopped")).exists()


def test_one_that_nobody_approves_can_go_on_and_waits_again(here: House, desk: Desk, tmp_path: Path) -> None:
    client, addresses = desk("admin"), [f"reader{n}@post.example" for n in range(50)]
    for address in addresses:
        audience.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    file = SimpleUploadedFile("account.zip", _of_many(tmp_path, addresses), "application/zip")
    client.post(_to(here, "upload"), {"files": [file]})
    row = upload.inspect(Import.objects.order_by("-pk")[0].pk, now=dbclock.now)
    name = queries.name_of(here.list)
    client.post(_to(here, "import", row.pk), {"list-777": name, "list-778": name})
    upload.run(row.pk, now=dbclock.now)
    client.post(_to(here, "cancel-import", row.pk))
    row.refresh_from_db()
    assert row.state == "stopped" and not pending_changes.waiting(here.organization).exists()
    assert "Continue" in client.get(_to(here, "import", row.pk)).content.decode()
    client.post(_to(here, "resume-import", row.pk))
    assert upload.run(row.pk, now=dbclock.now).state == "held"
    assert pending_changes.waiting(here.organization).count() == 1
