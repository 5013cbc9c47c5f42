"""A list rebuilt from mailboxes that somebody uploads."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat.audience.imports import actions
from samizdat.audience.imports.actions import read_plan, read_report
from samizdat.audience.models import Import, ImportPiece
from samizdat.incoming.evidence import proposal, uploaded
from tests.conftest import NOW
from tests.core.evidence import emails
from tests.web.conftest import House, signed_in

ADA, BORIS, VERA, BACK = (f"{name}@old.example" for name in ("ada", "boris", "vera", "back"))
MAILBOX = b"\n".join(
    b"From x@y.example Mon Jan  3 10:00:00 2022\n" + email
    for email in (
        emails.mailchimp(ADA),
        emails.left(BORIS),
        emails.wrote(VERA),
        emails.left(BACK),
        emails.mailchimp(BACK, day="Tue, 3 Jan 2023 10:00:00 +0000"),
    )
)
FORM = {"own": emails.OWN, "senders": ""}


@pytest.fixture
def editor(here: House) -> Client:
    return signed_in(here.people["editor"])


def _post(here: House, client: Client, content: bytes = MAILBOX, name: str = "old.mbox", **changed: str) -> Any:
    files = [SimpleUploadedFile(name, content)]
    return client.post(reverse("upload-mailboxes", args=[here.organization.slug]), {**FORM, **changed, "files": files})


def _read(here: House, client: Client, content: bytes = MAILBOX, **changed: str) -> Import:
    assert _post(here, client, content, **changed).status_code == 302
    return uploaded.inspect(Import.objects.latest("pk").pk, now=lambda: NOW)


def _page(here: House, client: Client, row: Import) -> str:
    return client.get(reverse("import", args=[here.organization.slug, row.pk])).content.decode()


def test_what_mailboxes_prove_waits_as_an_import_that_a_person_confirms(here: House, editor: Client) -> None:
    row = _read(here, editor)
    assert (row.state, row.source) == ("found", "evidence")
    report = read_report(row)
    assert (report.counts or {})["rows"] == 3
    assert [problem.code for problem in report.problems] == ["mailbox_came_back"]
    page = _page(here, editor, row)
    assert "What old mailboxes and tables prove" in page
    assert "Unsubscribed, then subscribed again: 1." in page
    assert [cells[:2] for cells in proposal.rows_of(row)] == [
        [ADA, "subscribed"], [BACK, "unsubscribed"], [BORIS, "unsubscribed"], [VERA, "wrote"],
    ]  # fmt: skip
    actions.start(row, now=NOW, by=None)
    done = actions.run_import(row.pk, now=lambda: NOW)
    assert (done.state, done.counts["subscribed"], done.counts["unsubscribed"]) == ("finished", 1, 2)
    assert not ImportPiece.objects.filter(import_run=row).exists()


def test_the_mailbox_lies_sealed_and_goes_once_it_is_read(here: House, editor: Client) -> None:
    _post(here, editor)
    row = Import.objects.latest("pk")
    assert (row.state, row.source, read_plan(row).names) == ("reading", "mailboxes", ["old.mbox"])
    assert b"@old.example" not in b"".join(bytes(piece.blob) for piece in row.pieces.all())
    uploaded.inspect(row.pk, now=lambda: NOW)
    assert [piece.file for piece in row.pieces.order_by("file")] == [0, 1]


@pytest.mark.parametrize(
    ("content", "changed", "code", "words"),
    [
        (b"Email\nada@old.example\n", {}, "mailbox_none", "old.mbox holds no emails"),
        (b"!BDN and so on", {}, "mailbox_outlook", "readpst"),
        (MAILBOX, {"own": "news@other.example"}, "mailbox_foreign", "Of 5 emails, 0 went"),
        (b"From x@y.example Mon Jan  3 10:00:00 2022\n" + emails.wrote(VERA), {}, "mailbox_nothing", "prove nothing"),
    ],
)
def test_what_proves_nothing_is_said_and_nothing_is_kept(
    here: House, editor: Client, content: bytes, changed: dict[str, str], code: str, words: str
) -> None:
    row = _read(here, editor, content, **changed)
    assert (row.state, row.problem) == ("failed", code)
    assert not ImportPiece.objects.filter(import_run=row).exists()
    assert read_report(row).failed.code == code
    page = _page(here, editor, row)
    assert words in page
    again = reverse("old-mailboxes", args=[here.organization.slug])
    assert f'class="btn tiny" href="{again}"' in page, "they choose again where they were"


def test_a_form_without_an_address_or_a_file_says_so(here: House, editor: Client) -> None:
    wrong = _post(here, editor, own="nobody")
    assert wrong.status_code == 422
    assert "“nobody” isn’t an address" in wrong.content.decode()
    assert _post(here, editor, own="@lantern.example news@post.example").status_code == 302
    bare = editor.post(reverse("upload-mailboxes", args=[here.organization.slug]), FORM)
    assert "Choose a file first" in bare.content.decode()


def test_the_page_of_imports_leads_there(here: House, editor: Client) -> None:
    page = editor.get(reverse("imports", args=[here.organization.slug])).content.decode()
    address = reverse("old-mailboxes", args=[here.organization.slug])
    assert address in page
    assert "Read files" in editor.get(address).content.decode()


def test_the_worker_reads_it(here: House, editor: Client) -> None:
    from samizdat.worker.queue import tasks

    _post(here, editor)
    row = Import.objects.latest("pk")
    tasks.inspect_import.func(row.pk)
    row.refresh_from_db()
    assert (row.state, row.source) == ("found", "evidence")


def test_tables_become_part_of_the_same_proposal(here: House, editor: Client) -> None:
    files = [
        SimpleUploadedFile("old.mbox", MAILBOX),
        SimpleUploadedFile("form.csv", f"2018-03-02 10:00;{VERA}\n2023-03-02 10:00;{BORIS}\n".encode()),
        SimpleUploadedFile("list 2019.csv", b"Email,Donation amount,Status\nlida@old.example,100,subscribed\n"),
    ]
    body = {**FORM, "form_signups": "on", "files": files}
    assert editor.post(reverse("upload-mailboxes", args=[here.organization.slug]), body).status_code == 302
    row = uploaded.inspect(Import.objects.latest("pk").pk, now=lambda: NOW)
    known = {address.address: address.status for address in proposal.evidence_of(row)}
    assert (known[VERA], known[BORIS], known["lida@old.example"]) == ("subscribed", "unsubscribed", "subscribed")
    page = _page(here, editor, row)
    assert "Donation amount" in page
    shown = editor.get(reverse("import-evidence", args=[here.organization.slug, row.pk])).content.decode()
    assert "signed up by the form" in shown and "form.csv" in shown


def test_mailboxes_need_an_address_of_the_group_and_tables_do_not(here: House, editor: Client) -> None:
    row = _read(here, editor, own="")
    assert (row.state, row.problem) == ("failed", "mailbox_own")
    assert "Name each of them" in _page(here, editor, row)
