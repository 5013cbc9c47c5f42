"""Help, and the tour: seven steps through the pages themselves, for every role and for an empty installation."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from samizdat.web import handbook, tour
from tests.conftest import NOW
from tests.web.conftest import House, make_person, signed_in

Desk = Callable[[str], Client]
COUNT = len(tour.STEPS)


def step_page(client: Client, organization: Any, step: int) -> tuple[str, str]:
    """Where the step leads, and what the page there says."""
    answer = client.get(reverse("tour-step", args=[organization.slug, step]))
    assert answer.status_code == 302
    page = client.get(answer["Location"])
    assert page.status_code == 200, answer["Location"]
    return answer["Location"], page.content.decode()


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_every_role_gets_through_all_seven_steps(here: House, desk: Desk, role: str) -> None:
    client, places = desk(role), []
    for step in range(1, COUNT + 1):
        place, page = step_page(client, here.organization, step)
        places.append(place)
        assert f"Tour, step {step} of 7" in page
        assert str(tour.STEPS[step - 1].title) in page
        assert (reverse("tour-step", args=[here.organization.slug, step + 1]) in page) == (step < COUNT)
        assert (reverse("tour-step", args=[here.organization.slug, step - 1]) in page) == (step > 1)
        assert "End tour" in page
    assert len(set(places)) == COUNT


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_an_empty_installation_has_the_tour_as_well(lantern: Any, role: str) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, role))
    for step in range(1, COUNT + 1):
        assert f"Tour, step {step} of 7" in step_page(client, lantern, step)[1]


def test_the_tour_is_left_by_going_anywhere_else(here: House, desk: Desk) -> None:
    client = desk("admin")
    place, page = step_page(client, here.organization, 1)
    assert "Tour, step" not in client.get(place.partition("?")[0]).content.decode()
    assert reverse("help", args=[here.organization.slug]) in page


@pytest.mark.parametrize("text", ["0", "8", "-1", "x", "9" * 40, "٣"])
def test_an_address_that_names_no_step_shows_no_tour(here: House, desk: Desk, text: str) -> None:
    page = desk("admin").get(reverse("home", args=[here.organization.slug]), {"tour": text})
    assert page.status_code == 200
    assert "Tour, step" not in page.content.decode()


def test_there_is_no_eighth_step(here: House, desk: Desk) -> None:
    for step in (0, COUNT + 1):
        assert desk("admin").get(reverse("tour-step", args=[here.organization.slug, step])).status_code == 404


def test_help_is_in_the_menu_and_offers_the_tour_and_the_handbook(here: House, desk: Desk) -> None:
    client, there = desk("viewer"), reverse("help", args=[here.organization.slug])
    assert f'href="{there}"' in client.get(reverse("home", args=[here.organization.slug])).content.decode()
    page = client.get(there).content.decode()
    assert page.index("Start tour") < page.index("Unsubscribed stays unsubscribed") < page.index("Handbook")
    for name in re.findall(r'/handbook/([\w-]+)"', page):
        assert name in handbook.pages()
    assert '/handbook/small-server"' in page, "who runs the server reads it here, too"


def test_no_table_of_the_handbook_has_a_heading_without_words() -> None:
    assert [name for name in handbook.pages() if "<th></th>" in handbook.read(name).body] == []


def test_the_report_of_the_tour_is_one_in_which_a_route_took_over(here: House, desk: Desk) -> None:
    from samizdat.campaigns.models import Campaign, Edition
    from samizdat.delivery.models import Route, RouteTotal

    def sent(*accepted: int) -> Campaign:
        campaign = Campaign.objects.create(
            organization=here.organization, list=here.list, draft_sealed=b"", state="finished", language="en",
            created=NOW, changed=NOW, released=timezone.now(),
        )  # fmt: skip
        edition = Edition.objects.create(
            campaign=campaign, organization=here.organization, created=NOW, compiled_sealed=b"", details_sealed=b"",
            link_key=1, message_id_domain="lantern.example",
        )  # fmt: skip
        for number, many in enumerate(accepted):
            route, _made = Route.objects.get_or_create(
                organization=here.organization, name=f"tour-{number}", defaults={"settings_sealed": b"", "changed": NOW}
            )
            RouteTotal.objects.create(edition=edition, route=route, accepted=many)
        return campaign

    taken_over = sent(650, 1050)
    sent(1700, 0)
    answer = desk("admin").get(reverse("tour-step", args=[here.organization.slug, 4]))
    assert answer["Location"] == reverse("report", args=[here.organization.slug, taken_over.pk]) + "?tour=4"


def test_the_tour_shows_the_consent_of_somebody_who_unsubscribed(here: House, desk: Desk) -> None:
    from samizdat.audience.actions import unsubscribe

    # Later than anybody else.
    unsubscribe(here.ada, here.list, now=timezone.now() + timedelta(days=2))
    place, page = step_page(desk("viewer"), here.organization, 5)
    assert place == reverse("subscriber", args=[here.organization.slug, here.ada.number]) + "?tour=5"
    assert "Unsubscribed stays unsubscribed" in page


def test_the_tour_speaks_russian() -> None:
    with override("ru"):
        texts = [str(text) for step in tour.STEPS for text in (step.title, step.text)]
    assert all(re.search("[А-Яа-я]", text) for text in texts)
