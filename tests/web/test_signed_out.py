"""Whoever is signed out while she types, in a page without script, finds what she typed after signing in again."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.campaigns import commenting
from samizdat.campaigns.draft import draft_of
from samizdat.web import signed_out
from tests.conftest import PASSWORD
from tests.web.conftest import House, signed_in
from tests.web.test_sending import leave_to_one

Desk = Callable[[str], Client]
TYPED = 'The water came at "five" & <six>,\nin Vītebska.'


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organisation.slug, *args])


def _fields(page: str, action: str = "") -> dict[str, str]:
    """What the form of a page with this action sends, of its hidden fields."""
    form = page[page.index(f'method="post"{f' action="{action}"' if action else ""}') :]
    inputs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: html.unescape(value) for name, value in inputs}


def _typed(here: House, client: Client, **changes: Any) -> dict[str, Any]:
    """The form of the draft as its page has it, with something else typed."""
    address = _to(here, "campaign", here.campaign.pk)
    draft = draft_of(here.campaign)
    answers = {"from_name": draft.from_name, "from_email": draft.from_email, "subject": "What the river left"}
    answers |= {"list": here.list.pk, "language": "en", "format": draft.format, "body": TYPED, "then": "send"}
    return _fields(client.get(address).content.decode(), address) | answers | {"version": "1"} | changes


def _sign_in(client: Client, page: str, who: str = "clara") -> Any:
    told = {"email": f"{who}@lantern.example", "password": PASSWORD}
    return client.post("/sign-in", _fields(page, "/sign-in") | told)


def test_what_was_typed_is_offered_after_signing_in_and_saved_by_a_press(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    refused = client.post(address, typed)
    page = refused.content.decode()
    assert refused.status_code == 403 and "nothing is saved yet" in page and "Vītebska" not in page
    wrong = client.post("/sign-in", _fields(page, "/sign-in") | {"email": "clara@lantern.example", "password": "wrong"})
    offered = _sign_in(client, wrong.content.decode())
    assert "What you typed is still here" in offered.content.decode()
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).subject == "What the river took", "signing in by itself changes nothing"
    put = _fields(offered.content.decode(), address)
    assert "then" not in put, "the button that was pressed is not pressed again"
    assert client.post(address, put).headers["Location"] == address
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).body.replace("\r\n", "\n") == TYPED
    assert draft_of(here.campaign).subject == "What the river left"


def test_nobody_else_is_offered_it(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    page = client.post(address, typed).content.decode()
    other = _sign_in(client, page, "vera")
    assert other.status_code == 302
    shown = client.get(other.headers["Location"]).content.decode()
    assert "belongs to another account" in shown and "Vītebska" not in shown


def test_it_is_kept_for_a_day(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    page = client.post(address, typed).content.decode()
    later = timezone.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert _sign_in(client, page).headers["Location"] == address
    assert "older than a day" in client.get(address).content.decode()


def test_a_form_that_no_page_of_hers_made_is_not_held(here: House, desk: Desk) -> None:
    """Without the mark, with that of another address, or with that of somebody else who is signed in there."""
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    for to, sent in ((address, typed | {signed_out.MARK: "made up"}), (_to(here, "branding"), typed)):
        answer = client.post(to, sent)
        assert answer.status_code == 403 and "held" not in answer.content.decode()
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(here.people["admin"], "samizdat.accounts.backend.BlindIndexBackend")
    refused = checked.post(address, typed).content.decode()
    assert "out of date" in refused and "Vītebska" not in refused


def test_a_page_that_stood_open_while_she_signed_in_elsewhere_is_offered_too(here: House, desk: Desk) -> None:
    address = _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, desk("editor"))
    client = Client(enforce_csrf_checks=True)
    client.force_login(here.people["editor"], "samizdat.accounts.backend.BlindIndexBackend")
    offered = client.post(address, typed)
    assert offered.status_code == 403
    assert client.post(address, _fields(offered.content.decode(), address)).status_code == 302
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).subject == "What the river left"


@pytest.mark.once
def test_what_was_only_looked_at_is_saved_when_it_is_put_in(here: House) -> None:
    address, client = _to(here, "branding"), Client(enforce_csrf_checks=True)
    client.force_login(here.people["admin"], "samizdat.accounts.backend.BlindIndexBackend")
    mark = signed_out.mark(here.people["admin"], address, address)
    offered = client.post(address, {signed_out.MARK: mark, "link": "#003366", "look": "1"}).content.decode()
    assert _fields(offered, address).keys() == {"csrfmiddlewaretoken", signed_out.MARK, "link"}


def test_a_comment_is_offered_on_the_page_of_its_letter(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "comment", here.campaign.pk)
    marked = _fields(client.get(_to(here, "campaign", here.campaign.pk)).content.decode(), address)
    client.post("/sign-out")
    page = client.post(address, marked | {"text": "At five."}).content.decode()
    offered = _sign_in(client, page).content.decode()
    assert f'href="{_to(here, "campaign", here.campaign.pk)}"' in offered
    client.post(address, _fields(offered, address))
    assert [view.words.text for view in commenting.comments(here.campaign)][-1] == "At five."


@pytest.mark.once
def test_what_is_too_much_to_travel_is_said(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    monkeypatch.setattr(signed_out, "MOST", 100)
    assert "too much to take along" in client.post(address, typed).content.decode()


def test_notes_about_a_subscriber_are_offered_after_signing_in(here: House, desk: Desk) -> None:
    address = _to(here, "edit-subscriber", here.ada.number)
    page = desk("editor").get(address).content.decode()
    mark = re.search(rf'name="{signed_out.MARK}" value="([^"]*)"', page)[1]  # type: ignore[index]
    page = Client().post(address, {signed_out.MARK: html.unescape(mark), "notes": "Asked for large print."})
    assert page.status_code == 403
    offered = _sign_in(Client(), page.content.decode())
    assert "Asked for large print." in offered.content.decode()


@pytest.mark.once
def test_the_places_where_somebody_writes_carry_a_mark(here: House) -> None:
    leave_to_one(here.sent)  # Only what is on the web is corrected there.
    client = signed_in(here.people["admin"])
    for name, args in (
        ("correct-letter", [here.sent.pk]),
        ("branding", []),
        ("joining-form", [here.form]),
        ("breach", [here.breach]),
        ("breaches", []),
        ("edit-subscriber", [here.ada.number]),
        ("one-picture", [here.picture.slug]),
        ("lists", []),
        ("writing-rules", []),
    ):
        assert f'name="{signed_out.MARK}"' in client.get(_to(here, name, *args)).content.decode(), name
