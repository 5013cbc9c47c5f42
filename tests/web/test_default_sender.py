"""A new campaign begins with the sender of its list, of its organization, or of the last campaign."""

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from msgspec import to_builtins

from samizdat.accounts import actions as accounts
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import List
from samizdat.audience.queries import details_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.delivery import service_senders
from samizdat.portability.restore import setup
from samizdat.vault import keyring
from tests.conftest import NOW, TODAY
from tests.web.conftest import House, make_campaign

Desk = Callable[[str], Client]
LIST_SENDER = {
    "sender-name": "Ada’s column",
    "sender-email": "ada-column@lantern.example",
    "sender-reply_to": "replies@lantern.example",
}
OURS = {"sender-name": "Lantern", "sender-email": "office@lantern.example", "sender-reply_to": ""}


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _begun(here: House, client: Client, mailing_list: List) -> tuple[str, str, str]:
    """The sender of a new campaign."""
    client.post(_to(here, "new-campaign"), {"begin": "letter", "list": mailing_list.pk})
    draft = draft_of(Campaign.objects.select_related("organization").latest("pk"))
    return draft.from_name, draft.from_email, draft.reply_to


def test_the_list_comes_before_the_organization_and_that_before_the_last_campaign(here: House, desk: Desk) -> None:
    client, other = desk("admin"), audience.new_list(here.organization, "Friends", now=NOW)
    last = draft_of(make_campaign(here, "Spring"))
    assert _begun(here, client, here.list) == (last.from_name, last.from_email, last.reply_to)
    client.post(_to(here, "default-sender"), OURS)
    assert _begun(here, client, here.list) == ("Lantern", "office@lantern.example", "")
    client.post(_to(here, "list-sender", here.list.pk), LIST_SENDER)
    assert _begun(here, client, here.list) == tuple(LIST_SENDER.values())
    assert _begun(here, client, other) == ("Lantern", "office@lantern.example", "")


def test_a_default_without_a_name_has_the_organizations_and_an_empty_one_is_none(here: House, desk: Desk) -> None:
    client = desk("admin")
    client.post(_to(here, "list-sender", here.list.pk), {"sender-email": "Office@Lantern.example"})
    name = leading(here.organization).name
    assert _begun(here, client, here.list) == (name, "Office@lantern.example", "")
    client.post(_to(here, "list-sender", here.list.pk), {})
    client.post(_to(here, "default-sender"), OURS)
    assert _begun(here, client, here.list)[1] == "office@lantern.example"


def test_the_pages_show_what_is_kept_and_a_viewer_changes_none_of_it(here: House, desk: Desk) -> None:
    here.list.refresh_from_db()
    desk("editor").post(_to(here, "list-sender", here.list.pk), LIST_SENDER)
    desk("admin").post(_to(here, "default-sender"), OURS)
    for role in ("admin", "viewer"):
        assert "ada-column@lantern.example" in desk(role).get(_to(here, "list", here.list.pk)).content.decode()
        assert "office@lantern.example" in desk(role).get(_to(here, "settings")).content.decode()
    for role, name, args in (("viewer", "list-sender", [here.list.pk]), ("editor", "default-sender", [])):
        assert desk(role).post(_to(here, name, *args), {"sender-email": "x@lantern.example"}).status_code == 403
    here.organization.refresh_from_db()
    assert leading(here.organization).default_sender.email == "office@lantern.example"


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"sender-email": "letter@bell.example"}, "email", "used by another organization"),
        (
            {"sender-email": "a@lantern.example", "sender-reply_to": "a@news.bell.example"},
            "reply_to",
            "used by another organization",
        ),
        ({"sender-name": "www.bell.example", "sender-email": "a@lantern.example"}, "name", "can’t contain an address"),
        ({"sender-name": "Lantern"}, "email", "Enter a sender address"),
        ({"sender-email": "no address"}, "email", "the @ is missing"),
    ],
)
def test_what_no_sender_can_be_is_refused_and_stays_in_the_form(
    here: House, desk: Desk, typed: dict[str, str], field: str, sentence: str
) -> None:
    bell = accounts.found_organization("Harbour Bell", source=keyring.open_source(), today=TODAY)
    accounts.change_settings(bell, by=None, now=NOW, public_url="https://bell.example")
    for page in (_to(here, "default-sender"), _to(here, "list-sender", here.list.pk)):
        answer = desk("admin").post(page, typed)
        form = answer.context["sender"]
        assert answer.status_code == 422 and set(form.errors) == {field} and sentence in str(form.errors)
        assert {name: form[name.removeprefix("sender-")].value() for name in typed} == typed
    assert not leading(here.organization).default_sender.email
    assert not details_of(here.list).default_sender.email


def test_a_default_sender_is_never_who_asks_strangers_for_a_confirmation(here: House, desk: Desk) -> None:
    before = service_senders.sender_for(here.list)
    desk("editor").post(_to(here, "list-sender", here.list.pk), LIST_SENDER)
    here.list.refresh_from_db()
    assert details_of(here.list).default_sender.email and service_senders.sender_for(here.list) == before


def test_an_export_takes_the_default_of_a_list_along_but_none_that_a_form_here_would_refuse(here: House) -> None:
    bell = accounts.found_organization("Harbour Bell", source=keyring.open_source(), today=TODAY)
    accounts.change_settings(bell, by=None, now=NOW, public_url="https://bell.example")
    for email, taken in (("ada-column@lantern.example", "ada-column@lantern.example"), ("x@bell.example", "")):
        details = to_builtins(ListDetails(default_sender=DefaultSender("Ada", email)))
        entry = {"number": 7, "details": json.loads(json.dumps(details))}
        row = setup._new_list(here.organization, entry, f"Of {email}", NOW, None, set())
        assert details_of(row).default_sender.email == taken


def test_other_changes_of_a_list_and_of_the_settings_keep_the_default_sender(here: House, desk: Desk) -> None:
    client, stale = desk("admin"), details_of(here.list)
    client.post(_to(here, "list-sender", here.list.pk), LIST_SENDER)
    client.post(_to(here, "default-sender"), OURS)
    audience.change_list(here.list, stale, now=NOW)
    accounts.change_settings(here.organization, by=None, now=NOW, name="Southern Lantern")
    here.organization.refresh_from_db()
    assert details_of(here.list).default_sender.email == LIST_SENDER["sender-email"]
    assert leading(here.organization).default_sender.email == OURS["sender-email"]
