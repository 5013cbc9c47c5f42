"""Every address x every role x own and foreign (threat model, T18), and what every answer carries (T3, T20)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from samizdat.audience import read_limits
from samizdat.audience.models import TYPO, DataQualityIssue
from tests.conftest import NOW, TODAY
from tests.web.conftest import House, make_campaign, signed_in
from tests.web.controls import Controls

ROLES = ("admin", "editor", "viewer")
# Every page by each of them; which database it is makes no difference to a role.
BY_ROLE = [role if role == "admin" else pytest.param(role, marks=pytest.mark.once) for role in ROLES]


def _patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from _patterns(entry)
        else:
            yield entry


PATTERNS = list(_patterns())


def _of_organization(pattern: URLPattern) -> bool:
    door = pattern.callback.door  # type: ignore[attr-defined]
    return not door["open"] and pattern.name not in OWN


# A person's own pages: no organization in the address.
OWN = {"start", "organizations", "profile", "password", "keyboard", "choose-notices"}
OWN |= {"change-address", "confirm-address", "end-sessions"}
# Of whoever has the link of a letter: tests/web/test_preview.py.
MAILCHIMP = ("mailchimp-account", "mailchimp")
BY_LINK = {"shared-campaign", "shared-frame"}
INSIDE = [pattern for pattern in PATTERNS if _of_organization(pattern)]


def _names(pattern: URLPattern) -> list[str]:
    return list(pattern.pattern.converters)


def _address(pattern: URLPattern, ids: dict[str, Any]) -> str:
    names = [*([] if pattern.name in OWN else ["organization"]), *_names(pattern)]
    return reverse(pattern.name or "", kwargs={name: ids[name] for name in names})


def _name(pattern: URLPattern) -> str:
    return pattern.name or ""


@pytest.mark.parametrize("pattern", PATTERNS, ids=_name)
def test_every_address_says_who_may_come_in(pattern: URLPattern) -> None:
    door = pattern.callback.door  # type: ignore[attr-defined]
    assert door["open"] or door["see"] or door["do"]


def test_only_these_pages_are_open_to_strangers() -> None:
    unlocked = {pattern.name for pattern in PATTERNS if pattern.callback.door["open"]}  # type: ignore[attr-defined]
    assert unlocked == {
        "sign-in",
        "sign-out",
        "language",
        "setup",
        "invitation",
        "shown-picture",
        "api",
        *MAILCHIMP,
        *BY_LINK,
    }


def test_a_stranger_is_sent_to_the_sign_in_page_and_changes_nothing(here: House, client: Client) -> None:
    _sends_away(client, here.ids())


@pytest.mark.once
def test_a_locked_account_is_a_strangers_in_a_browser_that_was_signed_in(here: House) -> None:
    client = signed_in(here.people["admin"])
    type(here.people["admin"]).objects.filter(pk=here.people["admin"].pk).update(is_active=False)
    _sends_away(client, here.ids())


def _sends_away(client: Client, ids: dict[str, Any]) -> None:
    """From every page but those that are open to anybody."""
    for pattern in PATTERNS:
        if not pattern.callback.door["open"]:  # type: ignore[attr-defined]
            address = _address(pattern, ids)
            seen = client.get(address)
            assert (seen.status_code, seen.headers.get("Location", "").split("?")[0]) == (302, "/sign-in"), address
            assert client.post(address).status_code == 403, address


@pytest.mark.once
def test_a_removed_teammate_finds_no_page_in_a_browser_that_was_signed_in(here: House) -> None:
    client, ours = signed_in(here.people["admin"]), here.ids()
    here.organization.memberships.filter(person=here.people["admin"]).delete()
    for pattern in INSIDE:
        address = _address(pattern, ours)
        assert (client.get(address).status_code, client.post(address).status_code) == (404, 404), address


@pytest.mark.once
def test_the_admin_of_another_organization_who_may_only_look_here_does_nothing_here(here: House) -> None:
    from samizdat.accounts.models import Membership, Organization

    elsewhere = Organization.objects.create(uid=bytes(16), name="Harbour Bell", slug="harbour-bell", created=TODAY)
    Membership.objects.create(person=here.people["viewer"], organization=elsewhere, role="admin", created=TODAY)
    client, ours = signed_in(here.people["viewer"]), here.ids()
    for pattern in INSIDE:
        address = _address(pattern, ours)
        assert client.post(address).status_code in (403, 405), address


@pytest.mark.parametrize("role", BY_ROLE)
def test_what_a_role_may_see_it_sees_and_the_rest_says_no(here: House, role: str) -> None:
    client, ours = signed_in(here.people[role]), here.ids()
    for pattern in INSIDE:
        address, door = _address(pattern, ours), pattern.callback.door  # type: ignore[attr-defined]
        answer = client.get(address)
        if not door["see"]:
            assert answer.status_code == 405, address
        elif role in door["see"]:
            assert answer.status_code in (200, 302), (address, answer.status_code)
        else:
            assert answer.status_code == 403, address
        _is_clean(answer, address)


@pytest.mark.parametrize("role", ROLES)
def test_no_post_of_a_role_that_may_not_is_answered(here: House, role: str) -> None:
    client, ours = signed_in(here.people[role]), here.ids()
    for pattern in INSIDE:
        door = pattern.callback.door  # type: ignore[attr-defined]
        if role not in door["do"]:
            address = _address(pattern, ours)
            assert client.post(address).status_code in (403, 405), address


def test_a_viewer_may_do_nothing_at_all() -> None:
    assert not [pattern.name for pattern in INSIDE if "viewer" in pattern.callback.door["do"]]  # type: ignore[attr-defined]


def _addresses_in(answer: Any) -> bool:
    if answer.streaming:
        return b"@lantern.example" in b"".join(answer.streaming_content)
    page = answer.content.decode(errors="replace").replace("<wbr>", "").replace("&#64;", "@")
    return any(f"{local}@lantern.example" in page for local in ("ada", "boris"))


def test_no_page_shows_a_viewer_the_address_of_a_subscriber(here: House) -> None:
    client, ours = signed_in(here.people["viewer"]), here.ids()
    for pattern in INSIDE:
        if "viewer" in pattern.callback.door["see"]:  # type: ignore[attr-defined]
            assert not _addresses_in(client.get(_address(pattern, ours))), pattern.name


WRITTEN = "private: olga@post.example, ada(at)reader.example, +371 2612 3456"


def _written_in(answer: Any) -> list[str]:
    page = b"".join(answer.streaming_content) if answer.streaming else answer.content
    text = page.decode(errors="replace").replace("<wbr>", "").replace("&#64;", "@")
    return [part for part in ("olga", "reader.example", "2612", "3456") if re.search(rf"\b{part}\b", text)]


def test_no_page_shows_a_viewer_an_address_or_phone_number_that_somebody_wrote_elsewhere(here: House) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from samizdat.audience import actions
    from samizdat.audience.models import Import

    actions.change_values(here.ada, {"CITY": WRITTEN}, notes=WRITTEN, now=NOW)
    actions.add_tags(here.ada, [WRITTEN], now=NOW)
    other = actions.new_list(here.organization, "Friends", now=NOW)
    here.ada = actions.add_subscriber(here.organization, "ada@lantern.example", other, consent=WRITTEN, now=NOW)
    rows = f'Email Address,City\nada@lantern.example,"{WRITTEN}"\n'.encode()
    upload = SimpleUploadedFile("subscribed_members_export_1a2b.csv", rows, "text/csv")
    editor, viewer = (signed_in(here.people[role]) for role in ("editor", "viewer"))
    editor.post(reverse("upload", args=[here.organization.slug]), {"files": [upload]})
    here.import_run = actions.inspect(Import.objects.latest("pk").pk, now=lambda: NOW)
    ours, told, shown = here.ids(), {}, set()
    for pattern in INSIDE:
        if "viewer" in pattern.callback.door["see"]:  # type: ignore[attr-defined]
            address = _address(pattern, ours)
            told[pattern.name] = _written_in(viewer.get(address))
            shown |= {pattern.name} if _written_in(editor.get(address)) else set()
    assert not {name: parts for name, parts in told.items() if parts}
    assert {"subscriber", "subscribers", "import", "tags"} <= shown, "whoever writes sees it"


# Made at once for a whole list, by a press that is told to all admins; or of what somebody brought in themselves.
IN_BULK = {"fetch-export", "rejected"}
FOR_EACH = "Dear *|FNAME|*, you are *|EMAIL|*.\n"


class Shown:
    """Which pages show the address of a subscriber, and which of them were paid for. What pages ask of a request is
    written down while they answer, and asked again with the number of a subscriber in it."""

    def __init__(self, client: Client, number: int, patch: pytest.MonkeyPatch) -> None:
        self.client, self.number = client, number
        self.shown: set[str] = set()
        self.unpaid: set[str] = set()
        # By name, as in any form of any page.
        self.typed: dict[str, Any] = {"format": "markdown", "body": FOR_EACH}
        self._asked: set[str] = set()
        get = QueryDict.__getitem__
        patch.setattr(QueryDict, "__getitem__", lambda told, name: (self._asked.add(name), get(told, name))[1])

    def look(self, name: str, method: str, address: str) -> None:
        answer = self._ask(name, method, address, {})
        if method == "get" and not answer.streaming:
            for form in Controls(answer.content.decode(errors="replace")).forms:
                self.typed = form.sent | self.typed
        told = self._told(method)
        if told:  # What a page asks for once it was given that.
            self._ask(name, method, address, told)
        for one in sorted(self._asked - {"csrfmiddlewaretoken", "keep_typed"}):
            self._ask(name, method, address, told | {one: self.number})

    def _told(self, method: str) -> dict[str, Any]:
        return {one: self.typed[one] for one in self._asked & self.typed.keys() if method == "post"}

    def _ask(self, name: str, method: str, address: str, told: dict[str, Any]) -> Any:
        read_limits.forget()
        self._asked = set()
        with transaction.atomic():
            answer = getattr(self.client, method)(address, told)
            transaction.set_rollback(True)
        if _addresses_in(answer):
            self.shown.add(name)
            # Nothing is counted of somebody who has opened nobody.
            self.unpaid |= set() if read_limits._held else {name}
        return answer


@pytest.mark.parametrize("role", ["admin", pytest.param("editor", marks=pytest.mark.once)])
def test_whoever_leafs_through_addresses_is_stopped_on_every_page_that_shows_one(
    here: House, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.campaign = make_campaign(here, "For each", FOR_EACH)
    DataQualityIssue.objects.create(organization=here.organization, subscriber_id=here.ada.pk, kind=TYPO, mark=b"")
    ours, crawl = here.ids(), Shown(signed_in(here.people[role]), here.ada.number, monkeypatch)
    for method, do in (("get", "see"), ("post", "do")):
        for pattern in INSIDE:
            if role in pattern.callback.door[do]:  # type: ignore[attr-defined]
                crawl.look(pattern.name or "", method, _address(pattern, ours))
    assert {"subscriber", "subscriber-privacy", "edit-subscriber", "subscriber-data", "data-quality"} <= crawl.shown
    previews = {"preview-frame", "preview", "preview-unsaved"}
    assert previews | {"campaign", "sidebar"} <= crawl.shown, "letters made out for someone"
    assert crawl.unpaid <= IN_BULK


def test_no_form_that_is_stopped_for_the_pace_loses_what_was_typed(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every form of every page is filled in and sent while no subscriber may be opened any more."""
    here.campaign = make_campaign(here, "For each", FOR_EACH)
    client, ours, stopped, lost = signed_in(here.people["admin"]), here.ids(), set(), set()
    for pattern in INSIDE:
        read_limits.forget()
        page = _address(pattern, ours)
        answer = client.get(page, {"as": here.ada.number})
        if answer.status_code != 200 or answer.streaming:
            continue
        for form in Controls(answer.content.decode(errors="replace")).forms:
            to = form.action.partition("?")[0] or page
            if form.method == "post" and to.startswith("/o/"):
                told = {name: _typed_into(form, name) for name in form.sent if name != "csrfmiddlewaretoken"}
                again = _stopped(client, to, told, monkeypatch)
                stopped |= {pattern.name} if again is not None else set()
                lost |= {(pattern.name, name) for name in told if not _stands(again, told, name)}
    asked = {"edit-subscriber", "erase", "subscriber-privacy", "subscribers", "suppressions"}
    assert asked <= stopped, asked - stopped
    assert not lost


def _typed_into(form: Any, name: str) -> Any:
    words = dict.fromkeys(("email", "text", "search"), "nobody@reader.example") | {"textarea": "Typed just now."}
    return words.get(form.typed.get(name, ""), form.sent[name])


def _stopped(client: Client, address: str, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Any] | None:
    """The forms of the page that says so; None where it was answered in another way."""
    with monkeypatch.context() as patch, transaction.atomic():
        patch.setattr(read_limits, "_take", lambda _who, many, _at: 90 if many else 0)
        patch.setattr(read_limits, "_show", lambda _who, numbers, _at, **_how: (90, set(numbers)))
        answer = client.post(address, told)
        transaction.set_rollback(True)
    return Controls(answer.content.decode()).forms if answer.status_code == 429 else None


def _stands(forms: list[Any] | None, told: dict[str, Any], name: str) -> bool:
    if forms is None or name == "keep_typed":
        return True
    values = told[name] if isinstance(told[name], list) else [told[name]]
    return any(str(value).strip() in str(form.sent.get(name, "")) for form in forms for value in values or [""])


# What one stolen password of an editor must not open: people, keys, ways out, the list as a file.
ADMINS_ALONE = {
    "exports", "fetch-export", "trace-address", "team", "member", "remove-member", "withdraw-invitation", "settings",
    "routes", "edit-route", "remove-route", "sending-domain", "activate-keys", "rotate-keys", "remove-domain",
    "allow-domain", "spare-domain", "switch-domain",
    "breaches", "rescue-cases", "rescue-case", "rescue-sent", "rescue-answered", "rescue-evidence",
    "rescue-evidence-file", "rescue-public", "rescue-petition",
    "finish-rescue-case",
    "list-retention", "remove-field", "decide-change", "sign-out-member", "forget-key",
    "lock-member", "unlock-member", "mailboxes", "edit-mailbox", "test-mailbox", "remove-mailbox",
    "pause-mailbox", "resume-mailbox",
    "seeds", "test-seed", "remove-seed", "backups", "add-backup-place", "edit-backup-place", "remove-backup-place",
    "back-up-now", "test-backup", "api-keys", "revoke-api-key",
    "event-webhooks", "event-webhook", "test-event-webhook", "enable-event-webhook", "remove-event-webhook",
}  # fmt: skip


def test_an_editor_touches_no_people_keys_and_routes_and_takes_no_list_along() -> None:
    doors = {pattern.name: pattern.callback.door for pattern in INSIDE}  # type: ignore[attr-defined]
    assert doors.keys() >= ADMINS_ALONE
    assert not [name for name in ADMINS_ALONE if "editor" in doors[name]["do"]]


@pytest.mark.parametrize("role", BY_ROLE)
def test_a_foreign_organization_looks_like_none(here: House, there: House, role: str) -> None:
    client = signed_in(here.people[role])
    theirs = there.ids()
    nobodys = theirs | {"organization": "nobody"}
    for pattern in INSIDE:
        foreign, none = _address(pattern, theirs), _address(pattern, nobodys)
        seen, missing = client.get(foreign), client.get(none)
        assert (seen.status_code, missing.status_code) == (404, 404), foreign
        assert seen.content == missing.content, foreign
        assert client.post(foreign).status_code == 404, foreign


def test_a_row_of_another_organization_is_not_found_under_ones_own_name(here: House, there: House) -> None:
    client = signed_in(here.people["admin"])
    # Numbers of subscribers are each organization's own, so the same number is another person here.
    theirs = there.ids() | {"organization": here.organization.slug, "number": 999_999_999}
    for pattern in INSIDE:
        if set(_names(pattern)) - {"kind", "page", "step"}:  # The handbook and the tour are everybody's.
            address, door = _address(pattern, theirs), pattern.callback.door  # type: ignore[attr-defined]
            if door["see"]:
                assert client.get(address).status_code == 404, address
            if door["do"]:
                assert client.post(address).status_code == 404, address


def _is_clean(answer: Any, address: str) -> None:
    """A policy on every answer, and no trace of the code in any."""
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy, address
    assert "unsafe-inline" not in policy or "sandbox" in policy, address
    assert "unsafe-eval" not in policy, address
    assert answer.headers["Cache-Control"] == "no-store", address
    assert answer.headers["X-Content-Type-Options"] == "nosniff", address
    if not answer.streaming:
        assert b"Traceback" not in answer.content, address


def test_a_view_without_a_door_answers_nobody(here: House, settings: Any, rf: Any) -> None:
    from django.http import Http404, HttpResponse

    from samizdat.web.middleware import DeskMiddleware

    middleware = DeskMiddleware(lambda request: HttpResponse())
    request = rf.get("/")
    request.person = here.people["admin"]
    with pytest.raises(Http404):
        middleware.process_view(request, lambda request: HttpResponse("forgotten"), [], {})


def test_a_broken_page_says_one_sentence_and_shows_no_code(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.campaigns import queries

    def broken(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("secret of ada@lantern.example")

    monkeypatch.setattr(queries, "newest", broken)
    client = signed_in(here.people["admin"])
    client.raise_request_exception = False
    answer = client.get(reverse("campaigns", args=[here.organization.slug]))
    assert answer.status_code == 500
    assert b"secret" not in answer.content
    assert b"RuntimeError" not in answer.content


def test_the_desk_answers_only_to_its_own_name_once_it_has_one(here: House) -> None:
    here.organization.desk_url = "https://desk.lantern.example"
    here.organization.save(update_fields=["desk_url"])
    client = signed_in(here.people["admin"])
    assert client.get("/profile", headers={"host": "desk.lantern.example"}).status_code == 200
    assert client.get("/profile", headers={"host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/profile", headers={"host": "evil.example"}).status_code == 404


def test_one_groups_name_for_the_desk_shuts_no_other_out(here: House, there: House) -> None:
    there.organization.desk_url = "https://desk.bell.example"
    there.organization.save(update_fields=["desk_url"])
    client = signed_in(here.people["admin"])
    assert client.get("/profile", headers={"host": "desk.lantern.example"}).status_code == 200
