"""Whoever is signed out while they type, in a page without script, finds what they typed after signing in again."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from samizdat.campaigns.drafts import comments
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.web import resume_after_sign_in
from tests.conftest import PASSWORD
from tests.web.conftest import House, signed_in
from tests.web.test_browser import pages
from tests.web.test_release import leave_to_one

Desk = Callable[[str], Client]
TYPED = 'The water came at "five" & <six>,\nin Vītebska.'


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


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
    assert '<p class="note plain" tabindex="-1" autofocus>' in page
    wrong = client.post("/sign-in", _fields(page, "/sign-in") | {"email": "clara@lantern.example", "password": "wrong"})
    offered = _sign_in(client, wrong.content.decode())
    assert "Your text is still here" in offered.content.decode()
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


def test_a_form_that_no_page_of_theirs_made_is_not_held(here: House, desk: Desk) -> None:
    """Without the mark, with that of another address, or with that of somebody else who is signed in there."""
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    for to, sent in ((address, typed | {resume_after_sign_in.MARK: "made up"}), (_to(here, "branding"), typed)):
        answer = client.post(to, sent)
        assert answer.status_code == 403 and "held" not in answer.content.decode()
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(here.people["admin"], "samizdat.accounts.backend.BlindIndexBackend")
    refused = checked.post(address, typed).content.decode()
    assert "has expired" in refused and "Vītebska" not in refused


def test_a_page_that_stood_open_while_they_signed_in_elsewhere_is_offered_too(here: House, desk: Desk) -> None:
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
    mark = resume_after_sign_in.mark(here.people["admin"], address, address)
    offered = client.post(address, {resume_after_sign_in.MARK: mark, "link": "#003366", "look": "1"}).content.decode()
    assert _fields(offered, address).keys() == {"csrfmiddlewaretoken", resume_after_sign_in.MARK, "link"}


def test_a_comment_is_offered_on_the_page_of_its_letter(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "comment", here.campaign.pk)
    marked = _fields(client.get(_to(here, "campaign", here.campaign.pk)).content.decode(), address)
    client.post("/sign-out")
    page = client.post(address, marked | {"text": "At five."}).content.decode()
    offered = _sign_in(client, page).content.decode()
    assert f'href="{_to(here, "campaign", here.campaign.pk)}"' in offered
    client.post(address, _fields(offered, address))
    assert [view.words.text for view in comments.comments(here.campaign)][-1] == "At five."


@pytest.mark.once
def test_what_is_too_much_to_travel_is_said(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    typed = _typed(here, client)
    client.post("/sign-out")
    monkeypatch.setattr(resume_after_sign_in, "MOST", 100)
    assert (
        "You were signed out before you pressed the button, and the text is too long to keep here"
        in client.post(address, typed).content.decode()
    )


def test_notes_about_a_subscriber_are_offered_after_signing_in(here: House, desk: Desk) -> None:
    address = _to(here, "edit-subscriber", here.ada.number)
    page = desk("editor").get(address).content.decode()
    mark = re.search(rf'name="{resume_after_sign_in.MARK}" value="([^"]*)"', page)[1]  # type: ignore[index]
    page = Client().post(address, {resume_after_sign_in.MARK: html.unescape(mark), "notes": "Asked for large print."})
    assert page.status_code == 403
    offered = _sign_in(Client(), page.content.decode())
    assert "Asked for large print." in offered.content.decode()


class Forms(HTMLParser):
    """The forms of a page that are posted: (action, what a browser sends of them, names of the fields one types in)."""

    TYPED = frozenset({"text", "email", "url", "number", "search", "date", "time", "tel", "password"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self._open: tuple[str, dict[str, str], dict[str, str]] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = (told.get("action", "").partition("#")[0], {}, {}) if told.get("method") == "post" else None
            self.found += [self._open] if self._open else []
        elif self._open and tag in ("input", "textarea") and "name" in told and "disabled" not in told:
            kind = "text" if tag == "textarea" and "hidden" not in told else told.get("type", "text")
            if kind in self.TYPED:
                self._open[2][told["name"]] = kind
            elif kind == "hidden":
                self._open[1][told["name"]] = told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


# Forms that take no part, and why: nothing of them is worth to be kept, or it must not be.
NOT_KEPT = {
    "password": "passwords alone",
    "route-webhook": "a secret alone",
    "change-address": "one address beside a password",
    "preview-as": "one address that is looked for",
    "erase": "a word by which somebody is sure",
    "stop": "a word by which somebody is sure",
    "send": "the last press before a campaign goes out",
}


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_whatever_is_typed_into_any_form_is_offered_again_after_signing_in(here: House) -> None:
    """Every page of the desk and every form on it in which one can type. What is secret is not carried along."""
    leave_to_one(here.sent)  # Only what is on the web is corrected there.
    looked_at = [*pages(here), *(_to(here, *page) for page in (("correct-campaign", here.sent.pk), ("branding",)))]
    looked_at += [_to(here, *page) for page in (("signup-form", here.form), ("writing-rules",))]
    client, seen, unmarked = signed_in(here.people["admin"]), set[tuple[str, str]](), list[str]()
    for address in looked_at:
        page = client.get(address).content.decode()
        for action, hidden, fields in Forms(page).found:
            to = (action or address).partition("?")[0]
            name = resolve(to).url_name
            if not fields or name in NOT_KEPT or (name, str(sorted(fields))) in seen:
                continue
            seen.add((name, str(sorted(fields))))
            where = f"{address}: {name}, {sorted(fields)}"
            if resume_after_sign_in.MARK in hidden:
                _is_offered_again(to, hidden, fields, where)
            else:
                unmarked.append(where)
    assert unmarked == [] and len(seen) > 40, (unmarked, len(seen))


def _is_offered_again(to: str, hidden: dict[str, str], fields: dict[str, str], where: str) -> None:
    said = {name: f"Typed into {name}, Vītebska" for name in fields}
    refused = Client().post(to, hidden | said)
    page = refused.content.decode()
    assert refused.status_code == 403 and "Vītebska" not in page and 'name="held"' in page, where
    client = Client()
    offered = _sign_in(client, page, "vera").content.decode()
    put = Forms(offered).found[0]
    secret = {name for name, kind in fields.items() if kind == "password" or name == "private"}
    assert put[0] == to and {name: put[1].get(name) for name in said.keys() - secret} == {
        name: text for name, text in said.items() if name not in secret
    }, where
    assert not [name for name in secret if f"Typed into {name}," in offered], where
    back = re.search(r'class="btn quiet" href="([^"]+)"', offered)
    assert back and client.get(html.unescape(back[1])).status_code == 200, where


def test_a_preview_in_a_frame_stays_as_it_is_when_the_session_ends(here: House) -> None:
    """No page to sign in inside of the preview, and none that says no: nothing is answered."""
    for address in (
        _to(here, "preview", here.campaign.pk, "dark"),
        _to(here, "preview-unsaved", here.campaign.pk, "light"),
    ):
        ask = Client().post if "unsaved" in address else Client().get
        assert ask(address, headers={"Sec-Fetch-Dest": "iframe"}).status_code == 204
        assert ask(address).status_code in (302, 403)


def test_what_somebody_was_sure_of_is_asked_again(here: House, desk: Desk) -> None:
    """A file of everybody in plain, people erased for good, an import: none of it by the press after signing in."""
    from samizdat.audience.models import BulkAction
    from samizdat.portability.models import Export

    everybody = {"format": "csv", "seal": "plain", "reason": "We move, at last.", "sure": "1"}
    erasing = {"deed": "erase", "whom": "all", "counted": "99", "sure": "1", "word": "ERASE"}
    run = begun_import(here)
    before = (Export.objects.count(), BulkAction.objects.count())
    for name, args, typed in (
        ("exports", [], everybody),
        ("bulk", [], erasing),
        (
            "import",
            [run.pk],
            {"then": "start", "u-0": "1", "s-0": "subscribed", "list": str(here.list.pk), "basis": "At the fair."},
        ),
    ):
        address = _to(here, name, *args)
        marked = {resume_after_sign_in.MARK: resume_after_sign_in.mark(here.people["admin"], address, address)}
        page = Client().post(address, marked | typed).content.decode()
        client = Client()
        offered = _sign_in(client, page, "vera").content.decode()
        assert client.post(address, _fields(offered, address)).status_code in (200, 302), name
    assert (Export.objects.count(), BulkAction.objects.count()) == before
    run.refresh_from_db()
    assert run.state in ("reading", "found"), run.state


def begun_import(here: House) -> Any:
    """One that was looked at and waits for somebody to bring it in."""
    from samizdat.audience import actions

    run = actions.begin_upload(here.organization, here.list, now=timezone.now(), by=here.people["admin"])
    actions.add_piece(run, 0, 0, b"email\nolga@example.org\n")
    actions.finish_upload(run, ["list.csv"], now=timezone.now())
    return actions.inspect(run.pk, now=timezone.now)
