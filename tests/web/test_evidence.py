"""The page of the evidence for each address, before a list rebuilt from mailboxes is imported."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat.audience.imports import actions
from samizdat.audience.models import Import
from samizdat.incoming.evidence import proposal, uploaded
from tests.conftest import NOW
from tests.core.evidence import emails
from tests.web.conftest import House, signed_in

ADA, BORIS, VERA, DEAD = (f"{name}@old.example" for name in ("ada", "boris", "vera", "dead"))
MESSAGES = (
    emails.mailchimp(ADA),
    emails.mailchimp(BORIS),
    emails.left(BORIS),
    emails.wrote(VERA),
    emails.mailchimp(DEAD),
    emails.bounce(DEAD),
)


@pytest.fixture
def editor(here: House) -> Client:
    return signed_in(here.people["editor"])


def proposed(here: House, client: Client, *messages: bytes) -> Import:
    mailbox = b"\n".join(b"From x@y.example Mon Jan  3 10:00:00 2022\n" + email for email in messages or MESSAGES)
    form = {"own": emails.OWN, "senders": "", "files": [SimpleUploadedFile("old.mbox", mailbox)]}
    assert client.post(reverse("upload-mailboxes", args=[here.organization.slug]), form).status_code == 302
    return uploaded.inspect(Import.objects.latest("pk").pk, now=lambda: NOW)


@pytest.fixture
def row(here: House, editor: Client) -> Import:
    return proposed(here, editor)


def address_of(here: House, row: Import) -> str:
    return reverse("import-evidence", args=[here.organization.slug, row.pk])


def statuses(row: Import) -> dict[str, str]:
    return {address.address: address.status for address in proposal.evidence_of(row)}


def sent(row: Import, **changed: str) -> dict[str, str]:
    """The form of the first page as it is sent when nothing is changed."""
    form = {"then": "save", "q": ""}
    for number, address in enumerate(proposal.evidence_of(row)):
        form |= {f"a-{number}": address.address, f"s-{number}": address.choice}
        form |= {f"o-{number}-{place}": "1" for place in range(len(address.entries))}
    return form | changed


def test_each_address_stands_with_its_emails(here: House, editor: Client, row: Import) -> None:
    page = editor.get(address_of(here, row)).content.decode()
    assert "ada@<wbr>old<wbr>.example" in page
    assert "Letter: New Subscriber" in page
    assert "wrote to you, which is no consent" in page
    assert page.count("disabled") == 1  # That Boris unsubscribed.
    overview = editor.get(reverse("import", args=[here.organization.slug, row.pk])).content.decode()
    assert address_of(here, row) in overview
    assert "Match columns" not in overview
    assert "People without a proven sign-up" in overview and "left-out.csv" not in overview


def test_a_status_and_an_address_narrow_it_down(here: House, editor: Client, row: Import) -> None:
    only = editor.get(address_of(here, row) + "?status=wrote").content.decode()
    assert "vera@" in only and "ada@" not in only
    matching = editor.post(address_of(here, row), {"q": "BORIS"}).content.decode()
    assert "boris@" in matching and "ada@" not in matching
    assert "No addresses match." in editor.post(address_of(here, row), {"q": "nobody"}).content.decode()


def test_pages_hold_twenty_five(here: House, editor: Client) -> None:
    row = proposed(here, editor, *(emails.mailchimp(f"r{number:02}@old.example") for number in range(30)))
    first = editor.get(address_of(here, row)).content.decode()
    second = editor.get(address_of(here, row) + "?status=&page=2").content.decode()
    assert "r24@" in first and "r25@" not in first and "page=2" in first
    assert "r25@" in second and "r29@" in second and "r24@" not in second
    assert "No addresses match." in editor.get(address_of(here, row) + "?page=99").content.decode()


def test_a_yes_that_is_taken_out_counts_no_more_and_can_be_put_back(here: House, editor: Client, row: Import) -> None:
    form = sent(row)
    place = next(number for number in range(9) if form.get(f"a-{number}") == ADA)
    without = {name: value for name, value in form.items() if name != f"o-{place}-0"}
    assert editor.post(address_of(here, row), without).status_code == 302
    row.refresh_from_db()
    assert statuses(row)[ADA] == "excluded"
    assert not actions.read_plan(row).is_shown
    whole = sent(row)
    assert editor.post(address_of(here, row), whole).status_code == 302
    assert statuses(row)[ADA] == "subscribed"


def test_who_left_stays_so_whatever_is_unticked(here: House, editor: Client, row: Import) -> None:
    form = {name: value for name, value in sent(row).items() if not name.startswith("o-")}
    form["s-0"], form["s-1"] = "excluded", "subscribed"
    page = editor.post(address_of(here, row), form, follow=True).content.decode()
    assert "Saved." in page
    assert statuses(row) == {ADA: "excluded", BORIS: "unsubscribed", VERA: "excluded", DEAD: "excluded"}


def test_a_bounce_that_means_something_else_can_be_taken_out(here: House, editor: Client, row: Import) -> None:
    proposal.decide(row, {DEAD: proposal.Decision(frozenset({0, 1}))})
    assert statuses(row)[DEAD] == "excluded"
    entries = next(address for address in proposal.evidence_of(row) if address.address == DEAD).entries
    bounce = next(place for place, entry in enumerate(entries) if entry.status == "cleaned")
    proposal.decide(row, {DEAD: proposal.Decision(frozenset({bounce}))})
    assert statuses(row)[DEAD] == "subscribed"


def test_nobody_is_lowered_into_nothing(here: House, editor: Client) -> None:
    row = proposed(here, editor, emails.mailchimp(ADA))
    page = editor.post(address_of(here, row), sent(row) | {"s-0": "excluded"}, follow=True).content.decode()
    assert "Then nobody would be imported" in page
    assert statuses(row) == {ADA: "subscribed"}


def test_what_was_decided_is_counted_again_and_imported(here: House, editor: Client, row: Import) -> None:
    proposal.decide(row, {ADA: proposal.Decision(choice="unsubscribed"), DEAD: proposal.Decision(choice="excluded")})
    start = {"then": "start", "list": str(row.list_id), "u-0": "1", "basis": ""}
    page = editor.post(reverse("import", args=[here.organization.slug, row.pk]), start, follow=True)
    assert "the numbers changed" in page.content.decode()
    actions.inspect(row.pk, now=lambda: NOW)
    row.refresh_from_db()
    done = proposal.confirm(row, now=lambda: NOW)
    assert (done.state, done.counts["subscribed"], done.counts["unsubscribed"]) == ("finished", 0, 2)
    assert editor.get(address_of(here, row)).status_code == 302


def test_no_form_says_that_those_who_only_wrote_are_subscribed(here: House, editor: Client, row: Import) -> None:
    """The columns of a proposal mean what they mean, whatever a form sends."""
    plan = actions.read_plan(row).plan
    assert plan is not None
    words = {
        f"w-{number}-{column.index}-{at}": "subscribed"
        for number, file in enumerate(plan.files)
        for column in file.columns
        for at in range(len(column.words))
    }
    assert words
    forged = words | {"u-0": "1", "u-1": "1", "s-1": "subscribed", "then": "again", "list": str(row.list_id)}
    editor.post(reverse("import", args=[here.organization.slug, row.pk]), forged)
    actions.inspect(row.pk, now=lambda: NOW)
    row.refresh_from_db()
    done = proposal.confirm(row, now=lambda: NOW)
    assert (done.counts["subscribed"], done.counts["rows"]) == (1, 4)


def test_viewers_and_others_see_none_of_it(here: House, row: Import) -> None:
    viewer: Any = signed_in(here.people["viewer"]).get(address_of(here, row))
    assert viewer.status_code == 403
    assert b"@old.example" not in viewer.content


def test_a_table_that_looks_like_a_proposal_is_none(here: House, editor: Client) -> None:
    table = b"Email address,Status,Agreed,Left,Bounced,Evidence,Record\nx@y.example,subscribed,,,,x,[]\n"
    files = [SimpleUploadedFile("evidence.csv", table)]
    editor.post(reverse("upload", args=[here.organization.slug]), {"files": files})
    row = actions.inspect(Import.objects.latest("pk").pk, now=lambda: NOW)
    assert row.source == "evidence"
    assert editor.get(address_of(here, row)).status_code == 302
