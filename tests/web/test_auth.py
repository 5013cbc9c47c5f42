"""Coming in: sign-in, throttle, invitation, set-up, profile."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts.actions import invite
from samizdat.accounts.models import Membership, Organization, Session
from samizdat.web.settings import first_run
from samizdat.web.settings.views import auth
from tests.conftest import NOW, PASSWORD
from tests.web.conftest import House, make_person, signed_in


@pytest.fixture
def vera(lantern: Any) -> Any:
    return make_person("Vera", "vera@lantern.example", lantern, "admin")


def _sign_in(client: Client, email: str, password: str, **more: str) -> Any:
    return client.post("/sign-in", {"email": email, "password": password, **more})


def test_the_right_password_opens_the_only_organization(vera: Any, lantern: Any, client: Client) -> None:
    answer = client.post("/sign-in", {"email": "Vera@lantern.example", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/o/{lantern.slug}/"
    assert "Vera" in answer.content.decode()


def test_a_wrong_password_says_what_to_do_and_not_which_of_both_is_wrong(vera: Any, client: Client) -> None:
    known = _sign_in(client, "vera@lantern.example", "wrong")
    unknown = _sign_in(client, "nobody@lantern.example", "wrong")
    assert known.status_code == unknown.status_code == 422
    sentence = "Wrong email or password"
    assert sentence in known.content.decode()
    assert sentence in unknown.content.decode()


def test_too_many_wrong_passwords_have_to_wait(vera: Any, client: Client) -> None:
    for _try in range(6):
        answer = _sign_in(client, "vera@lantern.example", "wrong")
    assert re.search(r"Wait (29|30) seconds, then try again", answer.content.decode())
    assert _sign_in(client, "vera@lantern.example", PASSWORD).status_code == 422


def test_a_browser_that_signed_in_before_is_not_kept_waiting_by_others(vera: Any, client: Client) -> None:
    _sign_in(client, "vera@lantern.example", PASSWORD)
    cookie = client.cookies["device"]
    assert cookie["httponly"]
    client.post("/sign-out")
    for _try in range(6):
        _sign_in(Client(), "vera@lantern.example", "wrong")
    assert _sign_in(client, "vera@lantern.example", PASSWORD).status_code == 302


def test_a_link_from_the_machine_lets_its_person_try_in_a_new_browser(vera: Any, client: Client) -> None:
    from samizdat.accounts import devices

    for _try in range(6):
        _sign_in(Client(), "vera@lantern.example", "wrong")
    told = devices.new(vera, timezone.now())
    page = client.get(f"/sign-in?device={told}").content.decode()
    assert f'name="device" value="{told}"' in page
    assert _sign_in(client, "vera@lantern.example", PASSWORD, device=told).status_code == 302


def test_in_a_crowd_the_page_says_when_to_try_again(vera: Any, client: Client, monkeypatch: Any) -> None:
    from samizdat.accounts import password_queues

    house = password_queues.PasswordQueues()
    monkeypatch.setattr("samizdat.accounts.backend.queues", house)
    with house.turn(known=False), house._places["stranger"]:
        answer = _sign_in(client, "vera@lantern.example", PASSWORD)
    assert answer.status_code == 422
    assert "Wait 1 second, then try again." in answer.content.decode()
    assert _sign_in(client, "vera@lantern.example", PASSWORD).status_code == 302


def test_a_stolen_session_may_not_guess_the_password_and_shuts_nobody_out(vera: Any) -> None:
    thief, owner = signed_in(vera), signed_in(vera)
    new = {"p-password": "another long pass phrase"}
    for _try in range(5):
        assert "Wrong password" in thief.post("/profile/password", {"p-old": "x", **new}).content.decode()
    answer = thief.post("/profile/password", {"p-old": PASSWORD, **new})
    assert answer.status_code == 422
    assert re.search(r"Wait (29|30) seconds, then try again", answer.content.decode())
    assert _sign_in(Client(), "vera@lantern.example", PASSWORD).status_code == 302
    assert owner.post("/profile/password", {"p-old": PASSWORD, **new}).status_code == 302


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "1 second,"), (59, "59 seconds,"), (60, "1 minute,"), (61, "2 minutes,"), (3600, "60 min")],
)
def test_the_wait_is_told_and_never_shorter_than_it_is(seconds: int, told: str) -> None:
    assert f"Wait {told}" in auth.wait(seconds)


def test_a_stranger_is_offered_no_link_but_those_they_may_follow(vera: Any, client: Client) -> None:
    assert re.findall(r"<a [^>]*href", client.get("/sign-in").content.decode()) == []
    for gone in ("/invitation/no-such-token", "/no-such-page"):
        page = client.get(gone).content.decode()
        assert re.findall(r'<a [^>]*href="([^"]*)"', page) == ["/sign-in"], gone


def test_signing_in_goes_on_to_the_page_that_was_asked_for_and_nowhere_else(vera: Any, client: Client) -> None:
    there = _sign_in(client, "vera@lantern.example", PASSWORD, next="/profile")
    assert there.headers["Location"] == "/profile"
    client.post("/sign-out")
    away = _sign_in(client, "vera@lantern.example", PASSWORD, next="https://evil.example/")
    assert away.headers["Location"] == "/"


def test_the_page_says_that_the_password_opens_everything(vera: Any, client: Client) -> None:
    assert "this password opens everything" in client.get("/sign-in").content.decode()


def test_signing_out_takes_a_post(vera: Any, client: Client) -> None:
    client.force_login(vera, "samizdat.accounts.backend.BlindIndexBackend")
    client.get("/sign-out")
    assert client.get("/profile").status_code == 200
    client.post("/sign-out")
    assert client.get("/profile").status_code == 302


def test_an_invitation_lets_one_person_in_once(vera: Any, lantern: Any, client: Client) -> None:
    address = reverse("invitation", args=[invite(lantern, "editor", note="For Clara", by=vera, now=timezone.now())])
    answers = {"name": "Clara", "email": "clara@lantern.example", "password": PASSWORD, "language": "en"}
    assert "Vera invites you" in client.get(address).content.decode()
    assert client.post(address, answers).headers["Location"] == f"/o/{lantern.slug}/"
    assert Membership.objects.get(organization=lantern, role="editor")
    assert Client().get(address).status_code == 404


def _what_is_seen(answer: Any) -> Any:
    """All that whoever opens an invitation learns, without what is drawn anew for each."""
    cookies = sorted((name, cookie["path"], cookie["max-age"]) for name, cookie in answer.cookies.items())
    return answer.status_code, answer.headers["Location"], sorted(answer.headers), cookies


def test_an_invitation_does_not_tell_whether_an_address_has_an_account(here: House, there: House) -> None:
    """Vera is of Northern Lantern, and an admin of Harbour Bell wants to find that out."""
    prober, seen = there.people["admin"], []
    for email in ("vera@lantern.example", "nobody@lantern.example"):
        token = invite(there.organization, "viewer", note="", by=prober, now=timezone.now())
        browser = Client()
        answers = {"name": "X", "email": email, "password": "words that are a guess", "language": "en"}
        come_in = browser.post(reverse("invitation", args=[token]), answers)
        again = _sign_in(Client(), email, "words that are a guess")
        wrong = _sign_in(Client(), email, "wrong")
        home = browser.get(come_in.headers["Location"])
        profile = re.sub(r'value="[^"]{20,}"', "", browser.get("/profile").content.decode())
        profile = profile.replace(email, "")
        seen.append((_what_is_seen(come_in), _what_is_seen(again), wrong.status_code, home.status_code, profile))
    assert seen[0] == seen[1]


def test_who_is_signed_in_joins_by_one_press_with_their_account(here: House, there: House) -> None:
    vera = here.people["admin"]
    token = invite(there.organization, "viewer", note="", by=there.people["admin"], now=timezone.now())
    link, client = reverse("invitation", args=[token]), Client()
    assert f"/sign-in?next={link}" in client.get(link).content.decode()
    back = _sign_in(client, "vera@lantern.example", PASSWORD, next=link)
    page = client.get(back.headers["Location"]).content.decode()
    assert "You’re signed in as vera@lantern.example." in page
    assert 'type="password"' not in page
    assert client.post(link).headers["Location"] == f"/o/{there.organization.slug}/"
    assert Membership.objects.filter(person=vera).count() == 2
    assert client.post(link).status_code == 404


def test_whoever_guesses_at_an_invitation_waits(here: House, there: House) -> None:
    for _try in range(5):
        _sign_in(Client(), "vera@lantern.example", "wrong")
    token = invite(there.organization, "viewer", note="", by=there.people["admin"], now=timezone.now())
    answers = {"name": "X", "email": "vera@lantern.example", "password": PASSWORD, "language": "en"}
    answer = Client().post(reverse("invitation", args=[token]), answers)
    assert answer.status_code == 422
    assert "Too many wrong passwords for this address." in answer.content.decode()


def test_a_short_password_is_refused_beside_its_field(vera: Any, lantern: Any, client: Client) -> None:
    token = invite(lantern, "viewer", note="", by=vera, now=timezone.now())
    answers = {"name": "D", "email": "d@lantern.example", "password": "short", "language": "en"}
    answer = client.post(reverse("invitation", args=[token]), answers)
    assert answer.status_code == 422
    assert 'id="f-password_error"' in answer.content.decode()
    assert "This password is shorter than 14 characters." in answer.content.decode()
    assert Membership.objects.count() == 1


def test_an_empty_house_is_set_up_by_whoever_has_the_code(db: Any, vault: Any, client: Client) -> None:
    assert client.get("/sign-in").headers["Location"] == "/setup"
    answers = {
        "code": "wrong",
        "organization": "Northern Lantern",
        "name": "Vera",
        "email": "vera@lantern.example",
        "password": PASSWORD,
        "language": "en",
    }
    assert client.post("/setup", answers).status_code == 422
    assert not Organization.objects.exists()
    answers["code"] = first_run.code()
    assert client.post("/setup", answers, follow=True).redirect_chain[-1][0] == "/o/northern-lantern/"
    assert client.get("/setup").headers["Location"] == "/sign-in"


def test_a_new_password_ends_every_other_session(vera: Any) -> None:
    one, other = signed_in(vera), signed_in(vera)
    answer = one.post("/profile/password", {"p-old": PASSWORD, "p-password": "another long pass phrase"})
    assert answer.status_code == 302
    assert one.get("/profile").status_code == 200
    assert other.get("/profile").status_code == 302
    assert Session.objects.count() == 1


def test_name_language_and_theme_are_each_persons_own(vera: Any) -> None:
    client = signed_in(vera)
    client.post("/profile", {"name": "Вера Ким", "language": "ru", "theme": "dark"})
    page = client.get("/profile").content.decode()
    assert "<h1>Вера Ким" in page or ">Вера Ким</h1>" in page
    assert 'lang="ru"' in page
    assert "Сохранено." in page
    assert 'data-theme="dark"' in page
    assert "js/keys.js" not in page


def test_who_never_chose_a_language_keeps_that_of_the_sign_in_page(vera: Any) -> None:
    vera.language = ""
    vera.save(update_fields=["language"])
    client = Client(headers={"accept-language": "ru"})
    assert "Войти" in client.get("/sign-in").content.decode()
    home = client.post("/sign-in", {"email": "vera@lantern.example", "password": PASSWORD}, follow=True)
    assert '<html lang="ru"' in home.content.decode()
    vera.refresh_from_db()
    assert vera.language == "ru"
    assert '<html lang="ru"' in client.get("/profile", headers={"accept-language": "en"}).content.decode()


@pytest.mark.parametrize(("others", "language"), [(0, "ru"), (1, "en")])
def test_the_organization_of_a_first_admin_writes_in_the_language_of_their_sign_in_page(
    vera: Any, lantern: Any, others: int, language: str
) -> None:
    for number in range(others):
        make_person("Oleg", f"oleg{number}@lantern.example", lantern, "editor")
    vera.language = ""
    vera.save(update_fields=["language"])
    Client(headers={"accept-language": "ru"}).post("/sign-in", {"email": "vera@lantern.example", "password": PASSWORD})
    lantern.refresh_from_db()
    assert lantern.language == language


def test_somebody_with_two_organizations_chooses(here: House, there: House) -> None:
    from samizdat.accounts.actions import give_role

    vera = here.people["admin"]
    give_role(vera, there.organization, "viewer", by=None, now=NOW)
    client = signed_in(vera)
    page = client.get("/", follow=True).content.decode()
    assert "Harbour Bell" in page
    assert "Northern Lantern" in page


def test_the_last_admin_can_not_be_removed(here: House) -> None:
    vera = here.people["admin"]
    client = signed_in(vera)
    answer = client.post(reverse("remove-member", args=[here.organization.slug, vera.pk]), follow=True)
    assert "You are the only admin" in answer.content.decode()
    assert Membership.objects.filter(person=vera).exists()


def test_a_removed_colleague_is_out_at_once(here: House) -> None:
    clara = signed_in(here.people["editor"])
    vera = signed_in(here.people["admin"])
    vera.post(reverse("remove-member", args=[here.organization.slug, here.people["editor"].pk]))
    assert clara.get(f"/o/{here.organization.slug}/").status_code == 302


def test_an_invitation_link_is_shown_once(here: House) -> None:
    client = signed_in(here.people["admin"])
    address = reverse("team", args=[here.organization.slug])
    made = client.post(address, {"role": "viewer", "note": "For Pavel"}).content.decode()
    assert "/invitation/" in made
    assert "/invitation/" not in client.get(address).content.decode()
