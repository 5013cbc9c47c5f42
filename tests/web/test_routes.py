"""Ways out at the desk: added, tried, paused, woken, removed; a password is never shown again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from samizdat import plugins
from samizdat.accounts import sealed_settings
from samizdat.campaigns.models import Campaign
from samizdat.cli.routes import route_add
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery import actions, queries
from samizdat.delivery.models import Route
from samizdat.web.delivery.forms.routes import UNITS, RouteForm, choices, field_of
from samizdat.web.handbook import anchor
from tests.conftest import NOW
from tests.http_server import Reply, ScriptedApi
from tests.smtp_server import ScriptedServer
from tests.web.conftest import House

Desk = Callable[[str], Client]
SECRET = "a very secret pass word"


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.mark.parametrize(
    ("answers", "url"),
    [
        ({"scheme": "smtp", "where": "mail.example:587", "user": "me@x"}, "smtp://me%40x@mail.example:587"),
        ({"scheme": "smtps", "where": "mail.example:465"}, "smtps://mail.example:465"),
        ({"scheme": "mailgun", "region": "us", "where": "lantern.example"}, "mailgun://lantern.example?region=us"),
        (
            {"scheme": "mailgun", "region": "eu", "where": "lantern.example", "user": "api"},
            "mailgun://lantern.example?region=eu",
        ),
    ],
)
def test_the_form_makes_an_address_without_a_password(answers: dict[str, Any], url: str) -> None:
    form = RouteForm({"name": "r", "priority": "10", "password": SECRET, **answers})
    assert form.is_valid(), form.errors
    assert form.url() == url


@pytest.mark.parametrize(("scheme", "plug"), sorted(plugins.transports().items()))
def test_every_way_out_can_be_chosen_with_what_it_asks_or_names_the_command(
    here: House, desk: Desk, scheme: str, plug: type[plugins.BaseTransport]
) -> None:
    client, page = desk("admin"), _to(here, "routes")
    shown = client.get(page, {"scheme": scheme})
    form, offered = shown.context["form"], {name: label for _group, rows in choices() for name, label in rows}
    if plug.no_path:
        assert scheme not in offered
        refused = client.post(page, {"scheme": scheme, "name": "r", "priority": "1", "where": "x"})
        assert f"samizdat route add NAME {plug.kinds[0].example}" in refused.content.decode()
        return
    assert offered[scheme] and form["scheme"].value() == scheme
    assert [field.name for field in form.asked] == [field_of(ask) for ask in plug.at_desk()]
    assert all(field.label in shown.content.decode() for field in form.asked)
    everywhere = {"scheme", "sender", "name", "priority", "connections", *UNITS, "warm_up", "signs"}
    assert set(form.fields) == everywhere | {field_of(ask) for ask in plug.at_desk()}


@pytest.mark.parametrize("provider", plugins.route_providers().values(), ids=lambda provider: provider.name)
def test_a_chosen_provider_fills_in_what_it_knows_and_leads_to_its_part_of_the_handbook(
    here: House, desk: Desk, provider: plugins.RouteProvider
) -> None:
    client, page = desk("admin"), _to(here, "routes")
    typed = {"scheme": provider.name, "choose": "1", "name": "", "where": "", "per_hour": "700", "priority": "3"}
    shown = client.post(page, typed)
    form = shown.context["form"]
    assert shown.status_code == 200 and not form.errors, "nothing is refused that nobody has filled in yet"
    assert form["name"].value() == provider.label
    assert (form["per_hour"].value(), form["priority"].value()) == ("700", "3"), "what was typed stays"
    assert form["signs"].value() == ("us" if provider.signs else "provider")
    assert (form["where"].value() or "") == provider.where
    link = f"{_to(here, 'handbook', 'sending-providers')}#{anchor(provider.label)}"
    text = shown.content.decode()
    assert escape(provider.help) in text and link in text
    assert f'<h2 id="{anchor(provider.label)}">' in client.get(link.partition("#")[0]).content.decode()
    assert provider.example in (route_add.help or "")


def test_providers_stand_in_the_language_of_the_page(here: House, desk: Desk) -> None:
    vera = here.people["admin"]
    vera.language = "ru"
    vera.save(update_fields=["language"])
    page = desk("admin").get(_to(here, "routes")).content.decode()
    assert "SendGrid по HTTPS" in page and "over HTTPS" not in page


def test_another_server_has_nothing_that_the_provider_before_had_filled_in(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "routes")
    filled = client.post(page, {"scheme": "sendgrid", "choose": "1"}).context["form"]
    names = ("name", "where", "user", "signs")
    assert [filled[name].value() for name in names] == ["SendGrid", "smtp.sendgrid.net:587", "apikey", "us"]
    typed = {name: filled[name].value() for name in names} | {"signs": "provider"}
    own = client.post(page, {"scheme": "smtps", "choose": "1", **typed}).context["form"]
    assert [own[name].value() or "" for name in names] == ["Mail server", "", "", "us"]


def test_a_route_is_added_by_its_provider_with_limits_as_numbers(here: House, desk: Desk) -> None:
    answers = {"scheme": "brevo", "name": "Brevo", "where": "smtp-relay.brevo.com:587", "user": "me@lantern.example"}
    numbers = {"priority": "2", "per_second": "2.5", "per_hour": "5000", "per_day": "20000", "connections": "7"}
    desk("admin").post(_to(here, "routes"), {**answers, **numbers, "password": SECRET, "signs": "us"})
    route = Route.objects.select_related("organization").get(name="Brevo")
    way = queries.way_of(route)
    assert (route.limits, route.connections) == ("2.5/s,5000/h,20000/d", 7)
    assert (way.settings.scheme, way.where, way.settings.password) == ("smtp", "smtp-relay.brevo.com:587", SECRET)
    edited = desk("admin").get(_to(here, "edit-route", route.pk)).context["form"]
    assert edited["scheme"].value() == "brevo" and edited["connections"].value() == 7
    assert [edited[name].value() for name in UNITS] == ["2.5", "", "5000", "20000"]


def test_after_an_error_all_that_was_typed_stands_there_and_the_password_is_asked_for_again(
    here: House, desk: Desk
) -> None:
    typed = {"scheme": "brevo", "name": "Brevo", "where": "no host", "user": "me", "priority": "4", "per_day": "900"}
    answer = desk("admin").post(_to(here, "routes"), typed | {"password": SECRET})
    form, text = answer.context["form"], answer.content.decode()
    assert answer.status_code == 422 and SECRET not in text
    assert {name: form[name].value() for name in typed} == typed
    assert "Enter “Password” again: this page never shows it." in text


@pytest.mark.parametrize(("scheme", "plug"), sorted(plugins.transports().items()))
def test_the_command_tells_every_way_out_and_its_options(scheme: str, plug: type[plugins.BaseTransport]) -> None:
    page = route_add.help or ""
    assert all(kind.example in page for kind in plug.kinds if kind.scheme == scheme)
    assert all(f"{plug.name}?{option}= " in page for option in plug.known_options)


def test_a_kind_that_was_chosen_without_its_own_fields_is_asked_for_them(here: House, desk: Desk) -> None:
    answers = {"scheme": "mailgun", "name": "gun", "where": "lantern.example", "priority": "20", "password": SECRET}
    answer = desk("admin").post(_to(here, "routes"), answers)
    assert answer.status_code == 422 and set(answer.context["form"].errors) == {"region", "password"}
    assert 'name="region"' in answer.content.decode()


@pytest.mark.usefixtures("unguarded")
def test_a_route_is_saved_tried_and_keeps_its_password_to_itself(here: House, desk: Desk) -> None:
    client = desk("admin")
    answers = {
        "scheme": "smtp+plain",
        "name": "second",
        "where": "127.0.0.1:1",
        "user": "lantern",
        "priority": "20",
        "password": SECRET,
        "per_minute": "300",
    }
    answer = client.post(_to(here, "routes"), answers, follow=True)
    page = answer.content.decode()
    assert "second" in page
    assert "5 per second" in page
    assert SECRET not in page
    assert "Route second is saved but not working. We’ll retry automatically" in page
    assert "Fix the problem, then press Test" not in page
    assert {route.name: route.state for route in queries.routes(here.organization)} == {
        "own-server": "live",
        "second": "dead",
    }


def test_a_route_that_cannot_be_is_refused_with_a_sentence(here: House, desk: Desk) -> None:
    answers = {"scheme": "smtp", "name": "bad", "where": "no host at all", "priority": "20", "per_second": "fast"}
    answer = desk("admin").post(_to(here, "routes"), answers)
    assert answer.status_code == 422
    assert Route.objects.filter(organization=here.organization).count() == 1


def test_a_folder_of_the_server_is_neither_offered_nor_taken(here: House, desk: Desk) -> None:
    client = desk("admin")
    assert 'value="folder"' not in client.get(_to(here, "routes")).content.decode()
    answers = {"scheme": "folder", "name": "files", "where": "/srv/letters", "priority": "20"}
    answer = client.post(_to(here, "routes"), answers)
    assert answer.status_code == 422
    assert "samizdat route add NAME folder:///dir" in answer.content.decode()
    assert Route.objects.filter(organization=here.organization).count() == 1


@pytest.mark.parametrize("where", ["mail.example:587/?ca=/etc/shadow", "mail.example/etc", "me:secret@mail.example:25"])
def test_beside_host_and_port_nothing_is_taken(where: str) -> None:
    form = RouteForm({"scheme": "smtp", "name": "r", "priority": "10", "where": where})
    assert "where" in form.errors
    assert "only host and port" in form.errors["where"][0]


def test_pause_wake_test_and_remove(here: House, desk: Desk) -> None:
    client = desk("admin")
    client.post(_to(here, "pause-route", here.route.pk))
    here.route.refresh_from_db()
    assert here.route.state == "paused"
    client.post(_to(here, "resume-route", here.route.pk))
    here.route.refresh_from_db()
    assert here.route.state == "live"
    assert "own-server:" in client.post(_to(here, "test-route", here.route.pk), follow=True).content.decode()
    client.post(_to(here, "remove-route", here.route.pk))
    assert queries.routes(here.organization) == []


SERVER = {"scheme": "smtp+plain", "name": "relay", "where": "127.0.0.1:1", "user": "lantern", "priority": "20"}


@pytest.fixture
def relay(here: House) -> Any:
    from samizdat.delivery.actions import add_route
    from tests.conftest import NOW

    url = "smtp+plain://lantern@127.0.0.1:1?timeout=9"
    return add_route(here.organization, "relay", url, now=NOW, priority=20, rate="300/m", password=SECRET)


def test_a_route_is_edited_in_the_form_it_was_added_with(here: House, desk: Desk, relay: Any) -> None:
    client, page = desk("admin"), _to(here, "edit-route", relay.pk)
    assert page in client.get(_to(here, "routes")).content.decode()
    shown = client.get(page).content.decode()
    assert 'value="127.0.0.1:1"' in shown and 'name="per_second" value="5"' in shown and "timeout=9" in shown
    assert SECRET not in shown
    answer = client.post(page, {**SERVER, "name": "second relay", "password": ""}, follow=True)
    told = answer.content.decode()
    assert "Route second relay updated. Name: relay → second relay; Limit: 5/s → none." in told
    way = queries.way_of(Route.objects.get(pk=relay.pk))
    assert (way.settings.password, way.options, way.rate) == (SECRET, "timeout=9", None)


def test_a_route_that_is_edited_into_nonsense_stays_what_it_was(here: House, desk: Desk, relay: Any) -> None:
    client, page = desk("admin"), _to(here, "edit-route", relay.pk)
    taken = client.post(page, {**SERVER, "name": "own-server", "per_minute": "300"})
    assert taken.status_code == 422 and 'href="#f-name"' in taken.content.decode()
    elsewhere = client.post(page, {**SERVER, "where": "elsewhere.example:25", "per_minute": "300"})
    assert elsewhere.status_code == 422 and 'href="#f-password"' in elsewhere.content.decode()
    assert queries.way_of(Route.objects.get(pk=relay.pk)).where == "127.0.0.1:1"


def test_of_a_folder_name_turn_and_limit_are_edited_and_not_where_it_leads(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "edit-route", here.route.pk)
    before = queries.way_of(here.route).shown
    assert "f-where" not in client.get(page).content.decode()
    answers = {"name": "paper", "priority": "3", "per_second": "10", "scheme": "smtp", "where": "other.example:25"}
    told = client.post(page, answers, follow=True).content.decode()
    assert "Route paper updated." in told
    after = queries.way_of(Route.objects.get(pk=here.route.pk))
    assert (after.name, after.priority, after.shown) == ("paper", 3, before)


def test_saving_what_is_there_says_so_and_tests_nothing(here: House, desk: Desk, relay: Any) -> None:
    page = _to(here, "edit-route", relay.pk)
    told = desk("admin").post(page, {**SERVER, "per_second": "5"}, follow=True).content.decode()
    assert "relay already has these settings" in told and "can’t be reached" not in told


def test_a_test_from_the_page_of_a_route_comes_back_to_it(here: House, desk: Desk) -> None:
    answer = desk("admin").post(_to(here, "test-route", here.route.pk), {"then": "edit"}, follow=True)
    assert answer.redirect_chain[-1][0] == _to(here, "edit-route", here.route.pk)


@pytest.mark.parametrize("to", ["", "no address", "one@lantern.example, two@lantern.example"])
def test_a_test_letter_to_no_address_says_that_none_was_sent(here: House, desk: Desk, to: str) -> None:
    answer = desk("admin").post(_to(here, "test-route", here.route.pk), {"probe-to": to}, follow=True)
    told = answer.content.decode()
    assert "No email sent: that isn’t a single address." in told and "The route is working" not in told


def test_a_test_that_fails_condemns_the_route_and_the_page_says_why(here: House, desk: Desk, relay: Any) -> None:
    told = desk("admin").post(_to(here, "test-route", relay.pk), follow=True).content.decode()
    assert "relay: 127.0.0.1" in told and "relay isn’t working" in told
    relay.refresh_from_db()
    assert (relay.state, relay.reason) == ("dead", "no_connection")


def test_a_test_letter_that_cannot_leave_is_told_in_the_language_of_the_page(
    here: House, desk: Desk, relay: Any
) -> None:
    vera = here.people["admin"]
    vera.language = "ru"
    vera.save(update_fields=["language"])
    answers = {"probe-to": "vera@lantern.example"}
    told = desk("admin").post(_to(here, "test-route", relay.pk), answers, follow=True).content.decode()
    assert "нет связи" in told
    assert "can’t be reached" not in told


def test_a_paused_route_that_answers_stays_paused_and_the_page_says_so(here: House, desk: Desk) -> None:
    client = desk("admin")
    client.post(_to(here, "pause-route", here.route.pk))
    told = client.post(_to(here, "test-route", here.route.pk), follow=True).content.decode()
    assert "own-server is still paused" in told


def test_a_route_that_is_asked_again_is_not_called_well(here: House, desk: Desk, relay: Any) -> None:
    Route.objects.filter(pk=relay.pk).update(state="live", reason="no_connection")
    assert "Retrying" in desk("admin").get(_to(here, "routes")).content.decode()


@pytest.mark.usefixtures("unguarded")
def test_mailgun_is_added_with_its_key_and_changed_without_it(here: House, desk: Desk) -> None:
    client = desk("admin")
    answers = {
        "name": "gun",
        "where": "lantern.example",
        "priority": "20",
        "password": SECRET,
        "signs": "us",
    }
    with ScriptedApi() as api:
        api.on(Reply(400, {"message": "to parameter is missing"}))
        route = actions.add_route(
            here.organization, "gun", f"mailgun://KEY@lantern.example?endpoint={api.endpoint}", now=NOW
        )
        page = client.post(
            _to(here, "edit-route", route.pk), answers | {"scheme": "mailgun", "region": "eu"}, follow=True
        )
        assert SECRET not in page.content.decode()
        way = queries.way_of(Route.objects.select_related("organization").get(pk=route.pk))
        assert (way.settings.password, way.settings.options["region"]) == (SECRET, "eu")
        client.post(_to(here, "edit-route", route.pk), answers | {"scheme": "mailgun", "region": "us", "password": ""})
        way = queries.way_of(Route.objects.select_related("organization").get(pk=route.pk))
        assert (way.settings.password, way.settings.options["region"]) == (SECRET, "us")
        assert way.settings.options["endpoint"] == api.endpoint
        assert SECRET not in way.shown and "KEY" not in way.shown
        refused = client.post(
            _to(here, "edit-route", route.pk),
            answers | {"scheme": "mailgun", "region": "us", "password": "", "where": "other.example"},
        )
        assert refused.status_code in (302, 422)
        page = client.get(_to(here, "edit-route", route.pk)).content.decode()
        assert SECRET not in page


def test_mailgun_without_a_key_is_refused_with_a_sentence(here: House, desk: Desk) -> None:
    answers = {
        "scheme": "mailgun",
        "region": "us",
        "name": "gun",
        "where": "lantern.example",
        "priority": "20",
    }
    answer = desk("admin").post(_to(here, "routes"), answers)
    assert answer.status_code == 422
    assert "The route has no key" in answer.content.decode()


def test_a_command_of_the_server_is_neither_offered_nor_taken(here: House, desk: Desk) -> None:
    client = desk("admin")
    assert 'value="sendmail"' not in client.get(_to(here, "routes")).content.decode()
    answers = {"scheme": "sendmail", "name": "local", "where": "/bin/rm", "priority": "20"}
    answer = client.post(_to(here, "routes"), answers)
    assert answer.status_code == 422
    assert "samizdat route add NAME" in answer.content.decode()
    assert Route.objects.filter(organization=here.organization).count() == 1


def test_a_condemned_route_says_who_has_to_act_and_has_a_test_beside_it(here: House, desk: Desk) -> None:
    for reason, who in (
        ("suspended", "provider’s support"),
        ("key", "Contact: the person who manages your account at the provider"),
        ("tls", ""),
    ):
        actions.condemn(here.route.pk, RouteVerdict("dead", reason, {"host": "mail.example"}), NOW)
        page = desk("admin").get(_to(here, "routes")).content.decode()
        note = page[page.index('class="note stop"') : page.index("</section>", page.index('class="note stop"'))]
        assert who in note
        # Nobody has to ask themselves.
        assert "Contact: an admin" not in note
        asked = "Contact: an admin" in desk("viewer").get(_to(here, "routes")).content.decode()
        assert asked is (reason == "tls")
        assert _to(here, "test-route", here.route.pk) in note
        assert _to(here, "test-route", here.route.pk) not in desk("editor").get(_to(here, "home")).content.decode()


def test_a_condemned_route_says_why_in_plain_words(here: House, desk: Desk) -> None:
    from samizdat.core.mail.outcome import RouteVerdict
    from samizdat.delivery.actions import condemn
    from tests.conftest import NOW

    condemn(
        here.route.pk, RouteVerdict("dead", "suspended", {"host": "mail.example", "answer": "550 account closed"}), NOW
    )
    page = desk("admin").get(_to(here, "routes")).content.decode()
    assert "own-server isn’t working" in page
    assert "550 account closed" in page
    assert "Route “own-server” isn’t working" in desk("editor").get(_to(here, "home")).content.decode()


def test_a_domain_that_is_not_accepted_stands_on_the_pages_and_is_tried_again(here: House, desk: Desk) -> None:
    route, domain = here.route, here.sent.edition.message_id_domain
    verdict = RouteVerdict("config", "sender", {"host": "mail.example", "answer": "550 5.7.1 not verified"})
    actions.condemn(route.pk, verdict, NOW, [domain])
    page = desk("admin").get(_to(here, "routes")).content.decode()
    assert f"own-server can’t send from {domain}" in page and "550 5.7.1 not verified" in page
    assert "Contact: the person who manages your account at the provider" in page
    clara = desk("editor")
    assert f"“own-server” can’t send from {domain}" in clara.get(_to(here, "home")).content.decode()
    Campaign.objects.filter(pk=here.sent.pk).update(state="waiting", reason="barred")
    report = clara.get(_to(here, "report", here.sent.pk)).content.decode()
    assert f"No route can send from {domain}. mail.example doesn’t accept this sender" in report
    assert clara.post(_to(here, "try-again", route.pk), {"domain": domain}).status_code == 403
    vera = desk("admin")
    said = vera.post(_to(here, "try-again", route.pk), {"domain": domain}, follow=True).content.decode()
    assert f"We’re trying to send from {domain} by own-server again." in said and "can’t send from" not in said
    assert vera.post(_to(here, "try-again", route.pk), {"domain": domain}).status_code == 302


def test_a_mailbox_provider_that_refuses_us_stands_on_home_and_report_with_what_is_missing(
    here: House, desk: Desk
) -> None:
    from samizdat.core.mail.outcome import classify
    from samizdat.delivery.actions import route_refusals

    Campaign.objects.filter(pk=here.sent.pk).update(state="sending")
    said = classify("final", 550, "5.7.40 The sender's domain does not have a DMARC record")
    route_refusals.put_off(here.sent.edition.pk, "gmail", said, 20, NOW)  # type: ignore[arg-type]
    missing = (
        "Gmail rejects our emails, 20 in the same words (550 5.7.40 The sender&#x27;s domain does not have a DMARC"
    )
    clara = desk("editor")
    assert missing in clara.get(_to(here, "home")).content.decode()
    page = clara.get(_to(here, "report", here.sent.pk)).content.decode()
    assert missing in page and "An admin has to publish the record shown under Domains." in page
    assert "Gmail rejects our emails: emails to it are waiting." in page
    route_refusals.put_off(here.sent.edition.pk, "yahoo", said, 21, NOW)  # type: ignore[arg-type]
    page = clara.get(_to(here, "report", here.sent.pk)).content.decode()
    assert page.count("<p>Gmail rejects our emails, 20") == page.count("<p>Yahoo rejects our emails, 21") == 1
    assert "Yahoo rejects our emails: emails to it are waiting." in page
    Campaign.objects.filter(pk=here.sent.pk).update(state="waiting", reason="provider")
    page = clara.get(_to(here, "report", here.sent.pk)).content.decode()
    assert page.count(missing) == 1 and "Waiting: rejected by a mailbox provider" in page
    page = clara.post(_to(here, "resume", here.sent.pk), follow=True).content.decode()
    assert missing not in page and queries.provider_refusals(here.sent) == []


def test_the_checklist_says_that_no_route_takes_the_domain(here: House, desk: Desk) -> None:
    from samizdat.campaigns.drafts.draft import draft_of

    domain = draft_of(here.campaign).from_email.partition("@")[2]
    actions.condemn(here.route.pk, RouteVerdict("config", "sender"), NOW, [domain])
    page = desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert f"No route can send from {domain}" in page


def test_an_editor_does_not_see_the_routes(here: House, desk: Desk) -> None:
    client = desk("editor")
    assert client.get(_to(here, "routes")).status_code == 403
    assert _to(here, "routes") not in client.get(_to(here, "home")).content.decode()


def test_limits_warm_up_and_slowed_providers_stand_on_the_page(here: House, desk: Desk) -> None:
    from samizdat.delivery.actions import add_route, domains, rate_budgets
    from samizdat.delivery.models import ProviderPace

    url = "smtp+plain://127.0.0.1:1"
    route = add_route(here.organization, "fresh", url, now=NOW, rate="10/s,5000/h", warm_up="50,100")
    now = timezone.now()
    rate_budgets.draw(route.pk, rate_budgets.allowance_of(route), 3, 0, now)
    ProviderPace.objects.create(route=route, provider=1, rate=1.0, full=2.0, at=now.timestamp())
    domain = domains.add_domain(here.organization, "fresh.example", now=now, algorithms=())
    domains.warm_up(domain, "40,80", now=now)
    page = desk("admin").get(_to(here, "routes")).content.decode()
    assert "10 per second, 5,000 per hour" in page
    assert "fresh.example: warming up, 0 of 40 today" in page
    assert "per hour: 3 of 5,000 used" in page
    assert "slowed down for Gmail" in page
    answers = {"name": "fresh", "priority": "10", "per_day": "0.5", "warm_up": "many"}
    answer = desk("admin").post(_to(here, "edit-route", route.pk), answers)
    assert answer.status_code == 422 and {"per_day", "warm_up"} <= set(answer.context["form"].errors)


def test_a_letter_that_waits_for_a_slowed_down_route_says_until_when(here: House, desk: Desk) -> None:
    actions.condemn(here.route.pk, RouteVerdict("throttled", "rate", {}, 600), timezone.now())
    viewer = desk("viewer")
    report = viewer.get(_to(here, "report", here.sent.pk)).content.decode()
    assert "Waiting for route own-server until " in report
    assert "Next try: " in viewer.get(_to(here, "routes")).content.decode()


@pytest.mark.usefixtures("unguarded")
def test_an_admin_reaches_nothing_inside_and_whoever_runs_the_server_may_allow_it(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    with ScriptedServer() as server:
        where = server.url.removeprefix("smtp+plain://")
        answers = {"scheme": "smtp+plain", "name": "second", "where": where, "priority": "20"}
        told = desk("admin").post(_to(here, "routes"), answers, follow=True).content.decode()
        assert "inside this server" in told and server.connected == 0
        monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.1")
        desk("admin").post(_to(here, "routes"), answers)
        made = Route.objects.get(organization=here.organization, name="second")
        assert made.state == "live" and server.connected > 0


@pytest.mark.usefixtures("unguarded")
def test_a_refused_address_inside_leaves_no_route_and_comes_back_as_it_was_typed_with_what_to_run(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    client, before = desk("admin"), Route.objects.count()
    chosen = client.get(_to(here, "routes"), {"scheme": "smtp+plain"}).content.decode()
    assert "SAMIZDAT_INNER_NETWORKS=&quot;127.0.0.1&quot; ./run serve" in chosen, "said before anything is refused"
    answers = {"scheme": "smtp", "name": "Office server", "where": "127.0.0.2:25", "user": "a", "priority": "20"}
    answer = client.post(_to(here, "routes"), answers | {"password": SECRET}, follow=True)
    shown = answer.content.decode()
    form = answer.context["form"]
    assert Route.objects.count() == before and Route.objects.filter(state="dead").count() == 0
    assert (form["name"].value(), form["where"].value()) == ("Office server", "127.0.0.2:25")
    assert "SAMIZDAT_INNER_NETWORKS=&quot;127.0.0.2&quot; ./run serve" in shown and SECRET not in shown
    assert "./run route add &#x27;Office server&#x27; smtp+plain://a@127.0.0.2:25" in shown
    again = client.get(answer.request["PATH_INFO"]).content.decode()
    assert "Office server" in again, "loaded again, it is the same page"


@pytest.mark.parametrize(
    ("where", "url"),
    [
        ("", "smtp+plain://127.0.0.1:25"),
        ("127.0.0.1:8411", "smtp+plain://127.0.0.1:8411"),
        ("localhost:2525", "smtp+plain://localhost:2525"),
        ("127.0.0.1", "smtp+plain://127.0.0.1"),
        ("[::1]:25", "&#x27;smtp+plain://[::1]:25&#x27;"),
        ("10.0.5.2:25", "smtp://10.0.5.2:25"),
        ("127.example.org:25", "smtp://127.example.org:25"),
    ],
)
def test_the_command_for_a_server_inside_has_what_was_typed_and_no_tls_to_this_machine_alone(
    here: House, desk: Desk, where: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    shown = desk("admin").post(_to(here, "routes"), {"scheme": "smtp", "choose": "1", "where": where})
    assert f"./run route add &#x27;Mail server&#x27; {url}</code>" in shown.content.decode()


def test_a_route_has_a_name_before_anybody_types_one(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "routes")
    assert client.get(page, {"scheme": "smtp"}).context["form"]["name"].value() == "Mail server"
    actions.add_route(here.organization, "Brevo", "smtp+plain://127.0.0.1:1", now=NOW)
    typed = {"scheme": "brevo", "choose": "1", "name": "Mail server", "where": "", "priority": "3"}
    assert client.post(page, typed).context["form"]["name"].value() == "Brevo 2"


@pytest.mark.usefixtures("unguarded")
def test_the_sender_address_is_asked_once_with_the_first_route(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "routes")
    with ScriptedServer() as server:
        answers = {"scheme": "smtp+plain", "name": "second", "where": server.url[13:], "priority": "20"}
        wrong = client.post(page, answers | {"sender": "news@samizdat@example.org"})
        assert wrong.status_code == 422 and not Route.objects.filter(name="second").exists()
        client.post(page, answers | {"sender": "news@example.org"})
    here.organization.refresh_from_db()
    assert sealed_settings.leading(here.organization).default_sender.email == "news@example.org"
    assert "sender" not in client.get(page).context["form"].fields


@pytest.mark.usefixtures("unguarded")
def test_a_route_that_was_added_on_the_server_leads_inside_until_an_admin_leads_it_elsewhere(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    with ScriptedServer() as server, ScriptedServer() as other:
        made = actions.add_route(here.organization, "second", server.url, now=NOW)
        page = _to(here, "edit-route", made.pk)
        answers = {"scheme": "smtp+plain", "name": "postfix", "where": server.url[13:], "priority": "20"}
        desk("admin").post(page, answers)
        assert queries.way_of(Route.objects.get(pk=made.pk)).name == "postfix" and server.connected > 0
        desk("admin").post(page, answers | {"where": other.url[13:]})
        made.refresh_from_db()
        assert made.reason == "inside" and other.connected == 0
        actions.change_route(made, url=other.url, now=NOW)
        assert actions.probe_route(made, now=NOW).ok, "whoever runs the server has said so"
