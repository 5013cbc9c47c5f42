"""Other people's servers are asked by the worker: the desk waits for none of them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts.actions import give_role, remove_person
from samizdat.campaigns.checks import broken_links
from samizdat.delivery import actions
from samizdat.delivery.actions import domains, remote_checks
from samizdat.delivery.actions import routes as route_actions
from samizdat.delivery.models import RemoteCheck, Route
from tests.conftest import NOW
from tests.smtp_server import STALL, ScriptedServer
from tests.web.conftest import House, signed_in

pytestmark = pytest.mark.usefixtures("no_worker")
Desk = Callable[[str], Client]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def relay(here: House, server: ScriptedServer) -> Route:
    return actions.add_route(here.organization, "relay", server.url, now=NOW)


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def test_the_desk_waits_for_no_relay_and_says_later_what_it_answered(
    here: House, desk: Desk, relay: Route, server: ScriptedServer
) -> None:
    client = desk("admin")
    there = client.post(_to(here, "test-route", relay.pk)).headers["Location"]
    assert server.connected == 0
    waiting = client.get(there)
    assert waiting.status_code == 200 and waiting.headers["Refresh"] == "2"
    assert "No response yet" in waiting.content.decode()
    assert remote_checks.waiting() == {here.organization.pk}
    assert remote_checks.answer_all(here.organization.pk, timezone.now) == 1
    assert server.connected == 1 and not remote_checks.waiting()
    page = client.get(there, follow=True)
    assert page.redirect_chain == [(_to(here, "routes"), 302)]
    assert "relay: The route is working." in page.content.decode()


def test_a_relay_that_answers_a_little_and_never_enough_is_given_up(
    here: House, desk: Desk, relay: Route, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_actions, "ALTOGETHER", 0.3)
    server.on("banner", STALL)
    client = desk("admin")
    for words in ({}, {"probe-to": "vera@lantern.example"}):
        there = client.post(_to(here, "test-route", relay.pk), words).headers["Location"]
        remote_checks.answer_all(here.organization.pk, timezone.now)
        assert "isn’t responding in time" in client.get(there, follow=True).content.decode()


def test_nobody_but_who_asked_sees_the_answer(here: House, there: House, desk: Desk, relay: Route) -> None:
    page = desk("admin").post(_to(here, "test-route", relay.pk)).headers["Location"]
    remote_checks.answer_all(here.organization.pk, timezone.now)
    clara = desk("editor")
    assert clara.get(page).headers["Location"] == _to(here, "routes")
    assert "The route is working" not in clara.get(_to(here, "home")).content.decode()
    asked = RemoteCheck.objects.get()
    other = reverse("remote-check", args=[there.organization.slug, asked.pk])
    assert signed_in(there.people["admin"]).get(other).status_code == 404


@pytest.mark.parametrize("written", ["by", "kind", "about", "asked"])
def test_a_question_that_somebody_changed_in_the_database_is_not_asked(
    here: House, desk: Desk, relay: Route, server: ScriptedServer, written: str
) -> None:
    other = actions.add_route(here.organization, "other", server.url, now=NOW)
    page = desk("admin").post(_to(here, "test-route", relay.pk)).headers["Location"]
    asked = RemoteCheck.objects.get().asked
    facts = {"by": here.people["viewer"], "kind": "records", "about": other.pk, "asked": asked + timedelta(seconds=9)}
    give_role(here.people["viewer"], here.organization, "admin", by=None, now=NOW)
    RemoteCheck.objects.update(**{written: facts[written]})
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert server.connected == 0
    RemoteCheck.objects.update(by=here.people["admin"], kind="probe", about=relay.pk, asked=asked)
    assert "edited directly in the database" in desk("admin").get(page, follow=True).content.decode()


def test_an_answer_that_never_comes_is_said_and_not_waited_for(here: House, desk: Desk, relay: Route) -> None:
    client = desk("admin")
    page = client.post(_to(here, "test-route", relay.pk)).headers["Location"]
    RemoteCheck.objects.update(asked=timezone.now() - remote_checks.PATIENCE - timedelta(seconds=1))
    assert "No answer." in client.get(page, follow=True).content.decode()
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert RemoteCheck.objects.get().done is None, "too late to be told"
    remote_checks.forget(timezone.now() + remote_checks.KEPT)
    assert not RemoteCheck.objects.exists()


def test_one_organization_asks_ten_servers_at_a_time(here: House, desk: Desk, relay: Route) -> None:
    client = desk("admin")
    for _ in range(remote_checks.MOST):
        client.post(_to(here, "test-route", relay.pk))
    page = client.post(_to(here, "test-route", relay.pk), follow=True).content.decode()
    assert "Several servers are already being checked" in page
    assert RemoteCheck.objects.count() == remote_checks.MOST


def test_a_question_is_answered_once(here: House, relay: Route, server: ScriptedServer) -> None:
    asked = remote_checks.ask(
        here.organization, "probe", relay.pk, now=timezone.now(), by=here.people["admin"], then="/"
    )
    assert remote_checks.answer(asked.pk, timezone.now()) and not remote_checks.answer(asked.pk, timezone.now())
    assert server.connected == 1


def test_records_are_looked_up_by_the_worker(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = here.key.domain
    looked: list[Any] = []
    look = domains.look

    def looking(row: Any, **how: Any) -> Any:
        looked.append(row)
        return look(row, look_up=lambda _name: [], **how)

    monkeypatch.setattr(domains, "look", looking)
    client = desk("admin")
    page = client.post(_to(here, "check-records", row.pk)).headers["Location"]
    assert not looked
    remote_checks.answer_all(here.organization.pk, timezone.now)
    shown = client.get(page, follow=True)
    assert len(looked) == 1 and shown.redirect_chain[-1][0] == _to(here, "sending-domain", row.pk)


def test_links_are_asked_by_the_worker_and_the_checks_say_so(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(broken_links, "ask", lambda campaign, *_args: asked.append(campaign.pk) or {})
    client, page = desk("editor"), _to(here, "checks", here.campaign.pk)
    said = client.post(page, {"do": "links"}, headers={"HX-Request": "true"}).content.decode()
    assert "Checking links" in said and not asked
    client.post(page, {"do": "links"})
    assert RemoteCheck.objects.count() == 1
    assert "Checking links" in client.get(_to(here, "campaign", here.campaign.pk)).content.decode()
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert asked == [here.campaign.pk]
    after = client.post(page, headers={"HX-Request": "true"}).content.decode()
    assert "Checking links" not in after and not RemoteCheck.objects.exists()


def test_a_test_email_leaves_by_the_worker(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.post(_to(here, "test-campaign", here.campaign.pk), {"test-to": "clara@lantern.example"}).headers[
        "Location"
    ]
    assert "/remote-checks/" in page
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert "Test sent to clara@lantern.example." in client.get(page, follow=True).content.decode()


def _test_asked_by(here: House, who: str) -> RemoteCheck:
    words: dict[str, Any] = {"letters": [[here.campaign.pk, 0]], "to": ["ed@evil.example"], "reader": 0, "then": "/"}
    asked = remote_checks.ask(
        here.organization, "test", here.campaign.pk, now=timezone.now(), by=here.people[who], **words
    )
    return RemoteCheck.objects.get(pk=asked.pk)


def test_a_test_that_was_sent_is_not_sent_again_when_its_question_is_put_back_into_the_database(
    here: House, relay: Route, server: ScriptedServer
) -> None:
    Route.objects.exclude(pk=relay.pk).delete()
    question = _test_asked_by(here, "editor")
    for sent in (True, False):
        assert remote_checks.answer(question.pk, timezone.now()) is sent
        assert len(server.messages) == 1
        question.save()  # As it was when it was asked.


@pytest.mark.parametrize("role", ["", "viewer"])
def test_who_may_not_write_any_more_gets_no_test_that_they_asked_for(
    here: House, relay: Route, server: ScriptedServer, role: str
) -> None:
    Route.objects.exclude(pk=relay.pk).delete()
    question, clara = _test_asked_by(here, "editor"), here.people["editor"]
    if role:
        give_role(clara, here.organization, role, by=None, now=timezone.now())
    else:
        remove_person(clara, here.organization, by=None, now=timezone.now())
    assert not remote_checks.answer(question.pk, timezone.now())
    assert not server.messages


def test_an_editor_who_was_an_admin_hears_no_more_from_a_relay(
    here: House, relay: Route, server: ScriptedServer
) -> None:
    zoya = here.people["editor"]
    asked = remote_checks.ask(here.organization, "probe", relay.pk, now=timezone.now(), by=zoya, then="/")
    assert not remote_checks.answer(asked.pk, timezone.now())
    assert server.connected == 0
