"""The page that asks those without a proven sign-up, once each."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.accounts.actions import change_settings
from samizdat.audience.actions import ask_once
from samizdat.audience.models import Import
from samizdat.delivery import service_senders
from samizdat.events.models import Event
from samizdat.incoming.evidence import proposal
from tests.conftest import NOW
from tests.core.evidence import emails
from tests.web.conftest import House, signed_in
from tests.web.test_evidence import MESSAGES, proposed

FAKES = tuple(emails.mailchimp(f"{name}@old.example", proven=False) for name in ("eva", "fedor"))


@pytest.fixture
def editor(here: House) -> Client:
    return signed_in(here.people["editor"])


@pytest.fixture
def row(here: House, editor: Client) -> Import:
    """With one who wrote and two whose notice proves nothing."""
    waits = proposed(here, editor, *MESSAGES, *FAKES)
    return proposal.confirm(waits, now=lambda: NOW, with_left_out=True)


@pytest.fixture
def has_sender(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_senders, "sender_for", lambda _list: object())
    change_settings(here.organization, now=NOW, public_url="https://letters.old.example", by=None)


def address(here: House, row: Import) -> str:
    return reverse("ask-left-out", args=[here.organization.slug, row.list_id])


def asked() -> int:
    return Event.objects.filter(kind="subscriber.asked_again").count()


@pytest.mark.usefixtures("has_sender")
def test_so_many_are_asked_as_somebody_chooses_and_nobody_twice(here: House, editor: Client, row: Import) -> None:
    result = editor.get(reverse("import", args=[here.organization.slug, row.pk])).content.decode()
    assert address(here, row) in result
    before = asked()
    page = editor.get(address(here, row)).content.decode()
    assert "3 people haven’t been asked yet" in page
    page = editor.post(address(here, row), {"most": "2"}, follow=True).content.decode()
    assert "2 people will be asked by email." in page and "1 person hasn’t been asked yet" in page
    page = editor.post(address(here, row), {"most": "500"}, follow=True).content.decode()
    assert "1 person will be asked by email." in page and "Ask by email" not in page
    assert "Everyone has been asked" in page and "0 people" not in page
    assert "Nobody was asked." in editor.post(address(here, row), {"most": "1"}, follow=True).content.decode()
    assert asked() - before == 3
    result = editor.get(reverse("import", args=[here.organization.slug, row.pk])).content.decode()
    assert address(here, row) not in result


@pytest.mark.usefixtures("has_sender")
def test_nobody_is_asked_beyond_the_day(
    here: House, editor: Client, row: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("0", "501", "x", ""):
        assert editor.post(address(here, row), {"most": wrong}).status_code == 422
    monkeypatch.setattr(ask_once, "A_DAY", 1)
    monkeypatch.setattr("samizdat.web.imports.ask_once.A_DAY", 1)
    page = editor.post(address(here, row), {"most": "1"}, follow=True).content.decode()
    assert "Continue tomorrow." in page and "Ask by email" not in page


def test_without_a_sender_the_page_says_what_is_missing(
    here: House, editor: Client, row: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_senders, "sender_for", lambda _list: None)
    before = asked()
    page = editor.post(address(here, row), {"most": "2"}).content.decode()
    assert "no sender or no public address yet" in page and asked() == before


def test_a_page_with_nobody_to_ask_says_how_people_come_here(here: House, editor: Client) -> None:
    address = reverse("ask-left-out", args=[here.organization.slug, here.list.pk])
    page = editor.get(address).content.decode()
    assert "Nobody to ask" in page and "0 people" not in page
    assert reverse("old-mailboxes", args=[here.organization.slug]) in page


def test_viewers_and_other_organizations_ask_nobody(here: House, row: Import) -> None:
    viewer: Any = signed_in(here.people["viewer"])
    assert viewer.get(address(here, row)).status_code == 403
    assert viewer.post(address(here, row), {"most": "1"}).status_code == 403
    missing = reverse("ask-left-out", args=[here.organization.slug, 1 << 40])
    assert signed_in(here.people["editor"]).get(missing).status_code == 404
