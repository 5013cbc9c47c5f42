"""Segments at the desk."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions as audience
from samizdat.audience.models import Segment
from samizdat.campaigns.models import Campaign
from samizdat.core import segment
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def at(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organisation.slug, *args])


@pytest.fixture
def volunteers(here: House) -> Segment:
    tag = segment.Tag(audience.tags_for(here.organisation, ["volunteer"])["volunteer"])
    return audience.add_segment(here.organisation, "Volunteers", tag, now=NOW)


@pytest.fixture
def strangers(here: House, volunteers: Segment) -> Segment:
    tag = segment.Tag(audience.tags_for(here.organisation, ["volunteer"])["volunteer"])
    return audience.add_segment(here.organisation, "Strangers", segment.Not(tag), now=NOW)


def letter(here: House, **more: Any) -> dict[str, Any]:
    return {
        "version": 1, "subject": "What the river took", "from_name": "Lantern", "from_email": "letter@lantern.example",
        "list": here.list.pk, "language": "en", "format": "markdown", "body": "The water came at four.", **more,
    }  # fmt: skip


# -- in a campaign --


def test_a_letter_is_narrowed_to_a_segment_and_the_page_adds_up(here: House, desk: Desk, strangers: Segment) -> None:
    client, address = desk("editor"), at(here, "campaign", here.campaign.pk)
    assert "everybody on the list</option><option value=" not in client.get(address).content.decode()
    client.post(address, letter(here, segment=strangers.pk))
    assert Campaign.objects.get(pk=here.campaign.pk).segment == strangers
    page = client.get(at(here, "send", here.campaign.pk)).content.decode()
    assert "not in the segment" in page and "It reaches nobody" in page
    assert "Everybody who does not have the tag “volunteer”." in page


def test_a_removed_segment_stays_chosen_until_somebody_chooses_anew(
    here: House, desk: Desk, volunteers: Segment
) -> None:
    client, address = desk("editor"), at(here, "campaign", here.campaign.pk)
    client.post(address, letter(here, segment=volunteers.pk))
    audience.remove_segment(volunteers, now=NOW)
    assert "a segment that was removed" in client.get(address).content.decode()
    client.post(address, letter(here, segment=volunteers.pk, version=2))  # as the form has it
    assert Campaign.objects.get(pk=here.campaign.pk).segment == volunteers
    page = client.get(at(here, "send", here.campaign.pk)).content.decode()
    assert "The segment was removed. Choose another one, or none." in page
    refused = client.post(at(here, "send", here.campaign.pk), {"when": "now"})
    assert refused.status_code == 422 and Campaign.objects.get(pk=here.campaign.pk).state == "draft"


def test_a_segment_of_another_organisation_cannot_be_chosen(here: House, there: House, desk: Desk) -> None:
    foreign = audience.add_segment(there.organisation, "Theirs", segment.EVERYBODY, now=NOW)
    address = at(here, "campaign", here.campaign.pk)
    assert desk("editor").post(address, letter(here, segment=foreign.pk)).status_code == 422
