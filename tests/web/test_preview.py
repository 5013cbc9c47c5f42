"""Seeing a letter before it goes, tests to several at once, and a link for somebody without an account."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.audience import read_limits
from samizdat.campaigns import seed_list
from samizdat.campaigns.actions import save
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.events.models import Event
from samizdat.web.asgi import LETTER
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign

pytestmark = pytest.mark.django_db

Desk = Callable[[str], Client]
BODY = """# The river

Dear {{ FNAME | default: "friend" }} of {{ CITY | default: "somewhere" }},

{% if CITY == "Riga" %}We meet in Riga.{% else %}We meet later.{% endif %}

[The report](https://a.example/r)
"""


def _to(here: House, name: str, *args: Any) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _text(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_letter_is_made_out_to_a_reader_to_somebody_with_everything_or_with_nothing(here: House, desk: Desk) -> None:
    client, letter = desk("editor"), make_campaign(here, "River", BODY)
    page = _to(here, "preview-page", letter.pk)

    def said(who: str) -> str:
        return _text(client.get(page, {"view": "text", "as": who}))

    assert "Dear friend of somewhere" in said("") and "We meet later." in said("")
    assert "Dear Maria of Riga" in said("all") and "We meet in Riga." in said("all")
    assert "Dear Ada of somewhere" in said(f"No. {here.ada.number:,}")
    assert "No subscriber has this address or number" in said("4711")
    frame = client.get(_to(here, "preview-frame", letter.pk, "inverted"), {"as": "all"})
    assert "Dear Maria" in _text(frame) and "invert(1)" in _text(frame)
    assert "Dear friend" in _text(desk("viewer").get(page, {"view": "text", "as": str(here.ada.number)}))
    assert client.get(_to(here, "preview-frame", letter.pk, "loud")).status_code == 404


def test_the_reading_order_and_the_weight_are_told(here: House, desk: Desk) -> None:
    letter = make_campaign(here, "River")
    body = '<h1>The river</h1><p>Dear friend</p><a href="https://a.example">The report</a><img src="/m/map.png">'
    draft = draft_of(letter).with_(format="html", body=body)
    save(letter, draft, version=letter.version, by=here.people["editor"], now=NOW)
    page = _text(desk("viewer").get(_to(here, "preview-page", letter.pk), {"view": "aloud"}))
    order = [page.index(said) for said in ("heading 1", "The river", "Dear friend", "The report", "map.png")]
    assert order == sorted(order)
    assert "1 image has no alt text." in page
    assert " kB of 102 kB (Gmail’s limit)" in page


def test_tests_go_to_everybody_who_is_ticked_once(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.delivery.actions import remote_checks
    from samizdat.delivery.actions.testing import TestResult

    sent: list[str] = []

    def send(_campaign: Any, to: list[str], **_more: Any) -> list[TestResult]:
        sent.extend(to)
        return [TestResult(address, address != "full@a.example", "The mailbox is full.") for address in to]

    monkeypatch.setattr(remote_checks, "send_test", send)
    client, dmitri = desk("editor"), here.people["viewer"]
    client.post(_to(here, "save-seeds", here.campaign.pk), {"seeds": "one@a.example\nfull@a.example\n"})
    ticked = {"to": ["me", str(dmitri.pk), "seeds", "99999"], "others": "ONE@a.example\ntwo@a.example"}
    answer = client.post(_to(here, "send-tests", here.campaign.pk), ticked, follow=True)
    assert 'class="toasts' in answer.content.decode().partition('id="tests"')[2], "where the button was pressed"
    page = _text(answer)
    assert sent == [f"{who}@lantern.example" for who in ("clara", "dmitri")] + [
        "ONE@a.example",
        "full@a.example",
        "two@a.example",
    ]
    assert "4 tests sent." in page and "full@a.example: The mailbox is full." in page
    assert "Select at least one recipient." in _text(
        client.post(_to(here, "send-tests", here.campaign.pk), follow=True)
    )
    wrong = client.post(_to(here, "save-seeds", here.campaign.pk), {"seeds": "a@x.example\nno"}, follow=True)
    assert "a@x.example\nno</textarea>" in wrong.content.decode().replace("\r", ""), "what was typed is still there"
    assert "Line 2" in _text(wrong) and len(seed_list.seeds(here.organization)) == 2


def test_a_test_with_a_readers_own_values_goes_to_those_who_may_see_them(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send-tests", here.campaign.pk)
    asked = {"to": ["me"], "as": str(here.ada.number)}
    assert "A test with a subscriber’s own data goes only to you and to teammates who write campaigns" in _text(
        client.post(address, asked | {"to": ["me", str(here.people["viewer"].pk)]}, follow=True)
    )
    assert not [*here.letters.rglob("*.eml")]
    client.post(address, asked | {"to": ["me", str(here.people["admin"].pk)]})
    sent = [path.read_text() for path in here.letters.rglob("*.eml")]
    assert len(sent) == 2 and all("To: Ada <" in letter and "ada@" not in letter for letter in sent)


def test_somebody_outside_reads_and_answers_without_a_cookie_until_the_link_is_withdrawn(
    here: House, desk: Desk
) -> None:
    editor, outside = desk("editor"), Client(enforce_csrf_checks=True)
    page = _text(editor.post(_to(here, "share", here.campaign.pk), {"note": "For Olga"}))
    address = page.split('id="link">http://testserver', 1)[1].split("<", 1)[0]
    read = outside.get(address)
    assert "What the river took" in _text(read)
    assert read.headers["Referrer-Policy"] == "no-referrer"
    assert read.headers["X-Robots-Tag"].startswith("noindex")
    frame = outside.get(reverse("shared-frame", args=[address.rsplit("/", 1)[1], "light"]))
    assert "the water came at four" in _text(frame) and "sandbox" in frame.headers["Content-Security-Policy"]
    mark = _text(read).split('name="mark" value="', 1)[1].split('"', 1)[0]
    yes = {"mark": mark, "name": "Olga", "text": "Good.", "answer": "yes"}
    assert "Answer sent" in _text(outside.post(address, yes, follow=True))
    assert outside.post(address, {"mark": mark, "text": " ", "answer": "words"}).status_code == 422
    shown = _text(editor.get(_to(here, "preview-page", here.campaign.pk)))
    assert "Olga" in shown and "approves" in shown and "Good." in shown
    assert "Good." in _text(editor.get(_to(here, "campaign", here.campaign.pk))), "beside the text as well"
    letter = here.campaign
    save(letter, draft_of(letter).with_(body="New"), version=letter.version, by=here.people["editor"], now=NOW)
    assert "approved an earlier version" in _text(editor.get(_to(here, "preview-page", letter.pk)))
    late = outside.post(address, yes)
    assert late.status_code == 409 and 'value="Olga"' in _text(late)
    assert not outside.cookies
    [link] = [one for one in share_links.links(letter, timezone.now()) if one.note == "For Olga"]
    editor.post(_to(here, "end-share", letter.pk, link.number))
    gone = outside.get(address)
    assert gone.status_code == 404 and "This link has expired" in _text(gone)
    assert gone.headers["Referrer-Policy"] == "no-referrer"


def test_a_letter_is_seen_as_a_subscriber_by_their_address_which_stands_in_no_link(here: House, desk: Desk) -> None:
    address = reverse("preview-as", args=[here.organization.slug, here.campaign.pk])
    answer = desk("editor").post(address, {"as": " ADA@lantern.example ", "view": "desk"})
    assert answer.headers["Location"].endswith(f"/preview?view=desk&as={here.ada.number}")
    assert Event.objects.filter(kind="subscribers.searched").count() == 1
    for asked in ("nobody@lantern.example", "@", "Ada", "%", "🌻@x", "9" * 400):
        there = desk("editor").post(address, {"as": asked, "view": "desk"}).headers["Location"]
        assert there.endswith("as=nobody"), asked
    there = desk("editor").post(address, {"as": f"No. {here.ada.number:,}", "page": "campaign"}).headers["Location"]
    assert there.endswith(f"/{here.campaign.pk}/?as={here.ada.number}")


def test_addresses_are_not_tried_out_in_the_preview_faster_than_anybody_reads(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: 1000.0)
    address = reverse("preview-as", args=[here.organization.slug, here.campaign.pk])
    read_limits.forget()
    tried = [desk("editor").post(address, {"as": f"nobody{n}@reader.example"}).status_code for n in range(60)]
    assert tried == [302] * read_limits.AT_ONCE + [429] * (60 - read_limits.AT_ONCE)
    assert desk("viewer").post(address, {"as": "ada@lantern.example"}).status_code == 403


def test_readers_of_a_letter_that_a_link_shows_take_turns_in_its_organization(here: House) -> None:
    letter = make_campaign(here, "River", BODY)
    token = share_links.share(letter, "For Pavel", now=timezone.now(), by=None)
    answer = Client().get(f"/shared/{token}")
    assert answer.status_code == 200 and answer.wsgi_request.environ[LETTER] == here.organization.pk
    assert LETTER not in Client().get("/shared/made-up").wsgi_request.environ
