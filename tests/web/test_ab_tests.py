"""A test of versions at the desk: planned in plain words, watched, decided, taken back."""

from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from msgspec.structs import asdict

from samizdat.audience import actions as audience
from samizdat.campaigns import ab_test
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Variant
from samizdat.delivery import actions as delivery
from samizdat.delivery.actions.ab_test import TestGroup
from samizdat.delivery.models import Delivery
from samizdat.web.campaigns import ab_tests
from tests.conftest import NOW
from tests.web.conftest import CONSENT, House, make_campaign
from tests.web.test_release import Desk, _to, quiet_names  # noqa: F401 - a fixture


def _plan(here: House, hours: int = 5, **more: str) -> dict[str, str]:
    at = (timezone.now() + timedelta(hours=hours)).astimezone(ZoneInfo(here.organization.timezone))
    told = {"share": "50", "way": "hand", "day": at.date().isoformat(), "time": f"{at:%H:%M}"}
    return told | {"b-subject": "What the sea took"} | more


def _readers(here: House, many: int) -> None:
    for number in range(many):
        audience.add_subscriber(
            here.organization, f"reader{number}@lantern.example", here.list, consent=CONSENT, now=NOW
        )


def test_a_test_is_planned_released_watched_and_decided(here: House, desk: Desk) -> None:
    _readers(here, 7)
    client, number = desk("editor"), here.campaign.pk
    assert "A/B test" in client.get(_to(here, "send", number)).content.decode()
    assert client.post(_to(here, "versions", number), _plan(here)).status_code == 302
    client.post(_to(here, "test-campaign", number), {"test-to": "friend@post.example"})
    texts = [file.read_text() for file in here.letters.rglob("*.eml")]
    assert sum("What the sea took" in text for text in texts) == 1 and len(texts) == 2
    page = client.get(_to(here, "send", number)).content.decode()
    assert "50 percent get one of 2 versions; the rest get theirs when your team decides." in page
    assert 'value="What the sea took"' in client.get(_to(here, "versions", number)).content.decode()
    client.post(_to(here, "send", number), {"when": "now"})
    Campaign.objects.filter(pk=number).update(state="sending")
    page = client.get(_to(here, "report", number)).content.decode()
    assert "What the sea took" in page and "Send version B to the rest" in page
    told = client.get(_to(here, "report", number)).context["contest"]
    assert [row["frozen"] for row in told["rows"]] == [2, 2, 4] and told["frozen"] == 8
    assert "not enough data" in page
    client.post(_to(here, "count-replies", number), {"version": "B", "replies": "12"})
    assert Variant.objects.get(campaign=number, variant_no=1).replies == 12
    client.post(_to(here, "choose-version", number), {"version": "B"})
    page = client.get(_to(here, "report", number)).content.decode()
    assert "gets version B" in page and "Send version B to the rest" not in page
    assert client.post(_to(here, "choose-version", number), {"version": "AB"}).status_code == 404


def test_clicks_decide_where_the_letter_counts_them(here: House, desk: Desk) -> None:
    client = desk("editor")
    campaign = make_campaign(
        here, "River", "[Read](https://paper.example/river) and [more](https://paper.example/more)"
    )
    assert "Most clicks" not in client.get(_to(here, "versions", campaign.pk)).content.decode()
    client.post(
        _to(here, "campaign", campaign.pk),
        {
            **{name: value for name, value in asdict(draft_of(campaign)).items() if name != "pictures"},
            "version": "1",
            "list": str(here.list.pk),
            "language": "en",
            "links": "counted",
        },
    )
    campaign.refresh_from_db()
    assert draft_of(campaign).links == "counted"
    page = client.get(_to(here, "versions", campaign.pk)).content.decode()
    assert "Most clicks" in page and "https://paper.example/more" in page
    told = {"way": "clicks", "link": "https://paper.example/more"}
    assert client.post(_to(here, "versions", campaign.pk), _plan(here, **told)).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.ab_metric, ab_test.link_of(campaign)) == ("clicks", "https://paper.example/more")
    assert b"paper.example" not in bytes(campaign.test_link_sealed)


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"b-subject": ""}, "f-b-subject_error"),
        ({"share": "99"}, "f-share_error"),
        ({"day": "2020-01-01"}, "f-time_error"),
        ({"b-from_email": "x@elsewhere.example"}, "f-b-from_email_error"),
        ({"way": "clicks"}, "f-way_error"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(here: House, desk: Desk, answers: dict[str, str], field: str) -> None:
    answer = desk("editor").post(_to(here, "versions", here.campaign.pk), _plan(here, **answers))
    assert answer.status_code == 422 and f'id="{field}"' in answer.content.decode()
    assert not Variant.objects.exists()


def test_taken_back_it_has_its_test_still_and_a_text_in_use_is_not_thrown_away(here: House, desk: Desk) -> None:
    _readers(here, 7)
    other, client, number = make_campaign(here, "Another text"), desk("editor"), here.campaign.pk
    client.post(_to(here, "versions", number), _plan(here, **{"b-letter": str(other.pk), "b-subject": ""}))
    page = client.post(_to(here, "delete-draft", other.pk), {"word": "x"}, follow=True).content.decode()
    assert "Remove it from that test first." in page
    client.post(_to(here, "send", number), {"when": "now"})
    client.post(_to(here, "undo-send", number))
    draft = Campaign.objects.get(pk=number, state="draft")
    assert [one.change.letter for one in ab_test.versions(draft)] == [None, other] and draft.test_share == 50
    client.post(_to(here, "remove-versions", draft.pk))
    assert not ab_test.versions(draft)


def test_no_winner_of_one_that_is_not_on_its_way(here: House, desk: Desk) -> None:
    page = desk("editor").post(_to(here, "choose-version", here.sent.pk), {"version": "A"}, follow=True)
    assert "This version doesn’t exist." in page.content.decode()


def test_those_whom_it_did_not_reach_are_written_to_from_the_report(here: House, desk: Desk) -> None:
    client, sent = desk("editor"), here.sent
    _readers(here, 2)
    letter = delivery.release(make_campaign(here, "Once more"), now=NOW)
    edition, ada = letter.edition, here.ada.number
    Delivery.objects.create(edition=edition, number=ada, state=6, answer=0, day=NOW.date())
    Campaign.objects.filter(pk=letter.pk).update(state="cancelled", pending=0, cancelled=1, accepted=2)
    page = client.get(_to(here, "report", letter.pk)).content.decode()
    assert "Send to those who were missed" in page and "cancelled before it was sent to them" in page
    assert "Send to those who were missed" not in client.get(_to(here, "report", sent.pk)).content.decode()
    client.post(_to(here, "resend-unreached", letter.pk))
    draft = Campaign.objects.get(resend_of=letter)
    page = client.get(_to(here, "campaign", draft.pk)).content.decode()
    assert "Only to those the first campaign didn’t reach, if they still consent" in page and 'name="list"' not in page
    shown = client.get(_to(here, "send", draft.pk)).context["rows"]
    assert {row.word: row.count for row in shown}["the first email was accepted"] == 2
    refused = client.post(_to(here, "resend-unreached", sent.pk), follow=True).content.decode()
    assert "This campaign is still being sent." in refused


@pytest.mark.once
def test_how_many_left_by_a_version_is_not_said_where_a_small_number_could_be_worked_out(here: House) -> None:
    """Two versions of fifty people each: 25 left by the one, three by the other."""
    found = [TestGroup(None, 0, {})] + [
        TestGroup(SimpleNamespace(place=place, left=left), 50, {})  # type: ignore[arg-type]
        for place, left in ((0, 25), (1, 3))
    ]
    campaign = here.campaign
    campaign.unsubscribes = 28
    assert ab_tests._few_left(campaign, found)
    found[2].version.left = 0  # type: ignore[union-attr]
    assert ab_tests._few_left(campaign, found), "of the rest three left then, and the sum would say so"
    campaign.unsubscribes = 25
    assert not ab_tests._few_left(campaign, found)
