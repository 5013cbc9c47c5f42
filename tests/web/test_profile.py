"""What somebody does with their own account: sessions, address, mails about work."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.accounts import address_change, notice_choices, sealed_people, sessions
from samizdat.accounts.actions import set_password
from samizdat.accounts.backend import owner
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import AddressChange, Person, Session
from samizdat.events.models import Event
from samizdat.worker.mail import address_mail
from tests.conftest import PASSWORD
from tests.web.conftest import House, make_person, signed_in

NEW = "clara.new@lantern.example"


@pytest.fixture
def clara(here: House) -> Client:
    return signed_in(here.people["editor"])


def _page(client: Client) -> str:
    return client.get("/profile").content.decode()


def _rows(client: Client) -> list[str]:
    return re.findall(r"<tr>(.*?)</tr>", _page(client).partition("Your sessions")[2].partition("<tbody>")[2], re.DOTALL)


def test_somebody_sees_their_sessions_and_signs_one_out(here: House, clara: Client) -> None:
    other, third = signed_in(here.people["editor"]), signed_in(here.people["editor"])
    rows = _rows(clara)
    assert len(rows) == 3 and sum("this browser" in row for row in rows) == 1
    [mark] = {
        session.mark
        for session in sessions.of_person(here.people["editor"], str(other.session.session_key))
        if session.is_current
    }
    clara.post("/profile/sessions", {"session": mark})
    assert other.get("/profile").status_code == 302 and third.get("/profile").status_code == 200
    assert Event.objects.filter(kind="person.sessions_ended", about=here.people["editor"].pk).count() == 1


def test_sign_out_everywhere_else_ends_all_sessions_but_this(here: House, clara: Client) -> None:
    others = [signed_in(here.people["editor"]) for _browser in range(2)]
    vera = signed_in(here.people["admin"])
    clara.post("/profile/sessions")
    assert [client.get("/profile").status_code for client in (*others, clara, vera)] == [302, 302, 200, 200]


def test_nobody_ends_the_session_of_somebody_else(here: House, clara: Client) -> None:
    vera = signed_in(here.people["admin"])
    [session] = sessions.of_person(here.people["admin"], "")
    clara.post("/profile/sessions", {"session": session.mark})
    assert vera.get("/profile").status_code == 200


def test_the_day_of_last_use_is_kept_sealed_and_no_finer(
    here: House, clara: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC) + timedelta(hours=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    clara.get("/profile")
    [session] = sessions.of_person(here.people["editor"], "")
    assert session.used == later.date()
    text = sessions._open(Session.objects.get(person=here.people["editor"]))
    assert {*text} == {"data", "began", "until", "used"} and len(text["used"]) == len("2026-11-25")


def _asks(client: Client, email: str = NEW, password: str = PASSWORD) -> Any:
    return client.post("/profile/address", {"a-email": email, "a-old": password})


def _token() -> str:
    return address_change.token_of(AddressChange.objects.get())


def test_a_new_address_counts_once_its_link_is_opened(here: House, clara: Client) -> None:
    person = here.people["editor"]
    assert _asks(clara).status_code == 302
    person.refresh_from_db()
    assert sealed_people.email_of(person) == "clara@lantern.example", "not before"
    link = f"/profile/address/{_token()}"
    assert NEW in clara.get(link).content.decode()
    answer = clara.post(link, follow=True)
    assert "Address changed. Sign in with the new one." in answer.content.decode()
    now = timezone.now()
    assert owner(sealed_people.index_of(NEW), PASSWORD, now) == person
    assert owner(sealed_people.index_of("clara@lantern.example"), PASSWORD, now) is None
    assert Event.objects.filter(kind="person.address_changed", organization=here.organization, by=person).exists()
    assert not Session.objects.filter(person=person).exists()


def test_a_new_address_needs_the_password_and_the_persons_own_session(here: House, clara: Client) -> None:
    assert "Wrong password." in _asks(clara, password="wrong wrong wrong wrong").content.decode()
    assert not AddressChange.objects.exists()
    _asks(clara)
    link = f"/profile/address/{_token()}"
    assert signed_in(here.people["admin"]).post(link).status_code == 422
    assert Client().get(link).status_code == 302
    assert clara.post("/profile/address/" + "0" * 64).status_code == 422
    assert sealed_people.email_of(Person.objects.get(pk=here.people["editor"].pk)) == "clara@lantern.example"


def test_a_new_password_ends_the_request_for_a_new_address(here: House, clara: Client) -> None:
    _asks(clara)
    person = Person.objects.get(pk=here.people["editor"].pk)
    set_password(person, "another horse battery staple")
    with pytest.raises(AccountError, match="your password was changed"):
        address_change.confirm(person, _token(), now=timezone.now())


def test_a_link_to_a_new_address_is_good_for_a_day(here: House, clara: Client) -> None:
    _asks(clara)
    with pytest.raises(AccountError, match="older than a day"):
        address_change.confirm(here.people["editor"], _token(), now=timezone.now() + timedelta(hours=25))


def test_the_address_of_a_teammate_cannot_be_taken(here: House, clara: Client) -> None:
    assert "A teammate with this address already exists" in _asks(clara, "vera@lantern.example").content.decode()
    assert "This is your address already." in _asks(clara, "clara@lantern.example").content.decode()
    _asks(clara)
    make_person("Nina", NEW, here.organization, "viewer")
    with pytest.raises(AccountError, match="A teammate with this address already exists"):
        address_change.confirm(here.people["editor"], _token(), now=timezone.now())


def test_an_address_with_an_account_of_the_same_password_is_not_taken(here: House, there: House, clara: Client) -> None:
    """Nobody could tell whose sign-in it is; and only who has the mailbox learns that."""
    stranger = make_person("Nina", "nina@bell.example", there.organization, "viewer")
    assert _asks(clara, "nina@bell.example").status_code == 302
    with pytest.raises(AccountError, match="has the same password"):
        address_change.confirm(here.people["editor"], _token(), now=timezone.now())
    set_password(stranger, "another horse battery staple")
    address_change.confirm(here.people["editor"], _token(), now=timezone.now())


def test_a_second_request_waits_ten_minutes(here: House, clara: Client) -> None:
    _asks(clara)
    assert "Wait ten minutes" in _asks(clara, "clara.third@lantern.example").content.decode()


def test_a_request_that_somebody_wrote_into_the_database_changes_nothing(here: House, clara: Client) -> None:
    _asks(signed_in(here.people["admin"]), "vera.new@lantern.example")
    sealed = AddressChange.objects.get().details_sealed
    AddressChange.objects.create(person=here.people["editor"], details_sealed=sealed)
    row = AddressChange.objects.get(person=here.people["editor"])
    with pytest.raises(AccountError):
        address_change.confirm(here.people["editor"], address_change.token_of(row), now=timezone.now())


def test_the_link_goes_to_the_new_address_and_a_notice_to_the_present_one_once(
    here: House, clara: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_mail, "_later", {})
    _asks(clara)
    now, number = timezone.now(), here.organization.pk
    assert address_mail.waiting(now) == {number}
    assert address_mail.take(now, number) == 2
    assert address_mail.take(now, number) == 0 and address_mail.waiting(now) == set()
    found = _mails(here.letters)
    assert f"/profile/address/{_token()}" in found[NEW].replace("=\n", "").replace("=\r\n", "")
    assert "change your password now" in found["clara@lantern.example"] and NEW not in found["clara@lantern.example"]
    assert address_mail.waiting(now + timedelta(days=2)) == set() and not AddressChange.objects.exists()


def _mails(folder: Path) -> dict[str, str]:
    texts = [path.read_text() for path in sorted(folder.rglob("*.eml"))]
    return {m[1]: text for text in texts if (m := re.search(r"^To: <(.*)>", text, re.MULTILINE))}


def test_somebody_switches_mails_about_work_off(here: House, clara: Client) -> None:
    person = here.people["editor"]
    wanted = {f"n-{topic}": "on" for topic in notice_choices.TOPICS if topic != "finished"}
    clara.post("/profile/emails", wanted)
    person.refresh_from_db()
    assert notice_choices.unwanted(person) == {"finished"}
    boxes = {
        match[1]: "checked" in match[0]
        for match in re.finditer(r'<input type="checkbox" name="n-(\w+)".*?>', _page(clara))
    }
    assert boxes == {topic: topic != "finished" for topic in notice_choices.TOPICS}
