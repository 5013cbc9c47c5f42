"""The first page: what needs somebody, the promises in their order, and the first steps of a new house."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse

from samizdat.audience import queries
from samizdat.delivery import actions as delivery
from tests.conftest import NOW
from tests.web.conftest import House, make_person, signed_in

Desk = Callable[[str], Client]


def _home(organization: Any) -> str:
    return reverse("home", args=[organization.slug])


def test_a_new_house_teaches_its_first_steps(lantern: Any) -> None:
    vera = make_person("Vera", "vera@lantern.example", lantern, "admin")
    page = signed_in(vera).get(_home(lantern)).content.decode()
    steps = [
        "Make a list",
        "Bring your readers in",
        "Add a route",
        "Say where your public pages are",
        "Write the first letter",
    ]
    places = [page.index(f"<h3>{step}") for step in steps]
    assert places == sorted(places)


def test_every_empty_page_teaches_one_step(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    for name in ("campaigns", "subscribers", "lists", "routes"):
        page = client.get(reverse(name, args=[lantern.slug])).content.decode()
        assert 'class="empty"' in page, name
    assert "Name the one they come into" in client.get(reverse("imports", args=[lantern.slug])).content.decode()
    assert "There is no list yet" in client.get(reverse("new-campaign", args=[lantern.slug])).content.decode()


def test_the_promises_keep_their_order(here: House, desk: Desk) -> None:
    page = desk("viewer").get(_home(here.organization)).content.decode()
    names = ["Yours", "Through", "Sealed", "Elsewhere within the hour", "Just"]
    places = [page.index(f">{name}</b>") for name in names]
    assert places == sorted(places)
    subscribed = queries.count(here.organization, status="subscribed")
    assert subscribed < queries.count(here.organization), "Boris left, and is none of those who get letters"
    assert re.search(rf"\b{subscribed} subscriptions? in force", page)


def test_what_is_paused_or_waits_needs_somebody(here: House, desk: Desk) -> None:
    client = desk("editor")
    assert "“The winter list” is paused" not in client.get(_home(here.organization)).content.decode()
    delivery.pause(here.sent, now=NOW)
    page = client.get(_home(here.organization)).content.decode()
    assert "“The winter list” is paused" in page
    assert "thing needs somebody" in page or "things need somebody" in page


def test_a_fenced_house_says_so_first(here: House, desk: Desk) -> None:
    delivery.pause(here.sent, now=NOW)
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    page = desk("admin").get(_home(here.organization)).content.decode()
    assert page.index("Sending is on hold") < page.index("is paused")
    send = desk("admin").get(reverse("send", args=[here.organization.slug, here.campaign.pk])).content.decode()
    assert "btn final" not in send


def test_what_a_copy_would_send_is_shown_to_all_and_released_by_an_admin(here: House, desk: Desk) -> None:
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    page = reverse("fence", args=[here.organization.slug])
    assert page in desk("editor").get(reverse("campaigns", args=[here.organization.slug])).content.decode()
    seen = desk("editor").get(page).content.decode()
    assert "would be sent" in seen and "Send from here" not in seen
    assert desk("editor").post(page).status_code == 403
    assert "Send from here" in desk("admin").get(page).content.decode()
    desk("admin").post(page)
    here.organization.refresh_from_db()
    assert not here.organization.sending_locked
    assert desk("admin").get(page).headers["Location"] == _home(here.organization)


def test_no_page_of_a_copy_says_that_a_campaign_goes_out(here: House, desk: Desk) -> None:
    from samizdat import dbclock
    from samizdat.delivery.models import Retry

    slug, now = here.organization.slug, dbclock.now()
    delivery.release(here.campaign, now=now, at=now + timedelta(days=2))
    Retry.objects.create(edition=here.sent.edition, number=here.ada.number, tries=1, due=now, first=now)
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    client = desk("editor")
    lead = _lead(client, here.organization)
    assert "Sending is on hold, so no campaign goes out." in lead
    assert "going out" not in lead and "goes on" not in lead
    report = client.get(reverse("report", args=[slug, here.sent.pk])).content.decode()
    assert "On hold" in report and "Going out" not in report and "are tried again" not in report
    planned = client.get(reverse("report", args=[slug, here.campaign.pk])).content.decode()
    assert "but sending is on hold" in planned and "goes on" not in planned
    waits = client.get(reverse("fence", args=[slug])).content.decode()
    assert "due " in waits and "since " in waits and "Since" not in waits


def test_a_database_that_went_back_in_time_is_said_at_home_with_its_counts(here: House, desk: Desk) -> None:
    from samizdat import dbclock
    from samizdat.events.actions import record

    record(
        "installation.rewound", here.organization, now=dbclock.now(), detail={"booked": 1200, "unsure": 3, "lost": 0}
    )
    page = desk("admin").get(_home(here.organization)).content.decode()
    assert "The database went back in time" in page and "1,200 answers were booked again" in page


def test_a_first_list_leads_on_to_the_import(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    answer = client.post(reverse("lists", args=[lantern.slug]), {"name": "Thursday", "then": "import"})
    assert answer.headers["Location"] == reverse("imports", args=[lantern.slug])


def _lead(client: Client, organization: Any) -> str:
    page = client.get(_home(organization)).content.decode()
    return page.split('<p class="lead">', 1)[1].split("</p>", 1)[0]


def test_a_letter_under_way_is_said_to_be_going_out(here: House, desk: Desk) -> None:
    lead = _lead(desk("editor"), here.organization)
    assert "“The winter list” has been going out since Wed 25 Nov, 14:00." in lead
    assert "The next letter goes on" not in lead


def test_a_letter_in_its_hold_is_the_next_one(here: House, desk: Desk) -> None:
    delivery.cancel(here.sent, now=NOW)
    delivery.release(here.campaign, now=NOW, hold_minutes=5)
    assert "The next letter goes on Wed 25 Nov, 14:05." in _lead(desk("editor"), here.organization)


def test_a_dead_route_and_a_letter_that_waits_are_said_first(here: House, desk: Desk) -> None:
    from samizdat.core.mail.outcome import RouteVerdict

    client = desk("editor")
    delivery.add_route(here.organization, "second", "smtp+plain://127.0.0.1:1", now=NOW)
    verdict = RouteVerdict("dead", "suspended", {"host": "mail.example", "answer": "550 account closed"})
    delivery.condemn(here.route.pk, verdict, NOW)
    assert _lead(client, here.organization).startswith("Route “own-server” rests; mail goes by the next one.")
    delivery.pause_route(here.organization.routes.get(name="second"), now=NOW)
    assert _lead(client, here.organization).startswith("No route lives, so nothing can leave.")
    here.sent.state, here.sent.reason = "waiting", "no_route"
    here.sent.save(update_fields=["state", "reason"])
    assert _lead(client, here.organization).startswith("“The winter list” waits, for no route lives.")


def test_lost_answers_ask_until_somebody_decides(here: House, desk: Desk) -> None:
    from samizdat.campaigns.models import Campaign

    finished = {"state": "finished", "unsure": 1, "pending": 0, "unsure_policy": "hold"}
    Campaign.objects.filter(pk=here.sent.pk).update(**finished)
    asked = "1 answer to “The winter list” was lost"
    assert asked in desk("editor").get(_home(here.organization)).content.decode()
    delivery.settle(here.sent, "hold", now=NOW)
    assert asked not in desk("editor").get(_home(here.organization)).content.decode()


def test_a_letter_that_was_taken_back_is_none_of_the_last_ones(here: House, desk: Desk) -> None:
    delivery.cancel(here.sent, now=NOW)
    assert "The last letters" not in desk("editor").get(_home(here.organization)).content.decode()


def test_a_status_that_its_records_do_not_say_is_a_flaw_until_it_is_put_right(here: House, desk: Desk) -> None:
    from samizdat.audience import consistency

    consistency.tell(here.organization, 2000, 3, 0, NOW)
    flaw = "The status of 3 subscribers is not what the consent records say"
    page = reverse("differ", args=[here.organization.slug])
    assert flaw in (home := desk("viewer").get(_home(here.organization)).content.decode()) and page in home
    assert desk("editor").post(page).status_code == 403
    assert "Do not send before it is put right." in desk("editor").get(page).content.decode()
    told = desk("admin").post(page, follow=True).content.decode()
    assert "It is being put right" in told and "Put right by the records" not in told
    consistency.mend_all(here.organization, NOW)
    assert flaw not in desk("admin").get(_home(here.organization)).content.decode()
    assert "Every status is what its records say." in desk("admin").get(page).content.decode()
