"""The calendar: each letter on its day in the readers' zone, nothing that nobody got, and a month without letters."""

from datetime import UTC, datetime

import pytest

from samizdat.campaigns.models import Campaign
from tests.web.conftest import House
from tests.web.test_release import Desk, _to


def _due(campaign: Campaign, moment: datetime, **more: object) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(not_before=moment, **more)


def test_a_letter_stands_on_the_day_that_its_readers_have(here: House, desk: Desk) -> None:
    _due(here.sent, datetime(2026, 10, 31, 23, 30, tzinfo=UTC), state="scheduled")  # In Riga it is November already.
    page = desk("viewer").get(_to(here, "calendar") + "?month=2026-11")
    days = {day.day.isoformat(): [row.subject for row, _names in day.letters] for day in page.context["days"]}
    assert days["2026-11-01"] == ["The winter list"] and sum(map(len, days.values())) == 1
    assert len(days) % 7 == 0 and next(iter(days)) == "2026-10-26"
    text = page.content.decode()
    assert "November 2026" in text and "?month=2026-10" in text and "?month=2026-12" in text
    assert _to(here, "report", here.sent.pk) in text and "The Thursday Letter" in text
    assert not any(day.letters for day in desk("viewer").get(page.wsgi_request.path + "?month=2026-10").context["days"])


def test_drafts_and_what_was_taken_back_have_no_day_and_an_empty_month_says_why(here: House, desk: Desk) -> None:
    _due(here.sent, datetime(2026, 11, 5, tzinfo=UTC), state="cancelled", cancelled=1, pending=0, accepted=0)
    page = desk("viewer").get(_to(here, "calendar") + "?month=2026-11").content.decode()
    assert "No campaigns this month" in page and "The winter list" not in page and "What the river took" not in page


def test_a_draft_stands_on_the_day_that_it_is_planned_for_and_is_moved_without_script(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "calendar")
    told = {"letter": here.campaign.pk, "day": "2031-05-08", "month": "2031-04"}
    planned = client.post(_to(here, "plan-day"), told)
    assert planned.headers["Location"] == f"{address}?month=2031-05"
    page = client.get(planned.headers["Location"])
    days = {day.day.isoformat(): [row.subject for row, _names in day.drafts] for day in page.context["days"]}
    assert days["2031-05-08"] == ["What the river took"] and sum(map(len, days.values())) == 1
    assert f"?month=2031-05&amp;plan={here.campaign.pk}#plan" in page.content.decode()
    assert "Planned for" in client.get(_to(here, "campaign", here.campaign.pk)).content.decode()
    client.post(_to(here, "plan-day"), told | {"day": "2031-06-01"})
    assert desk("viewer").get(address, {"month": "2031-06"}).context["count"] == 1
    client.post(_to(here, "plan-day"), told | {"take": "off"})
    here.campaign.refresh_from_db()
    assert here.campaign.planned is None


def test_a_day_that_is_none_or_has_passed_is_refused_with_a_sentence(here: House, desk: Desk) -> None:
    client = desk("editor")
    for letter, day, why in (
        (here.campaign, "2020-01-01", "That day is in the past"),
        (here.campaign, "3000-01-01", "Check the year: it must be from"),
        (here.campaign, "", "required"),
        (here.sent, "2031-05-08", "Only drafts can have a planned date"),
    ):
        answer = client.post(_to(here, "plan-day"), {"letter": letter.pk, "day": day}, follow=True)
        assert why in answer.content.decode(), why
    assert not Campaign.objects.exclude(planned=None).exists()


@pytest.mark.parametrize("asked", ["", "2026-13", "1999-01", "x", "2026-1", "२०२६-११"])
def test_an_odd_month_is_this_one_and_the_years_have_an_end(here: House, desk: Desk, asked: str) -> None:
    client, address = desk("viewer"), _to(here, "calendar")
    assert client.get(address, {"month": asked}).context["is_now"]
    assert client.get(address, {"month": "2000-01"}).context["before"] is None
    assert client.get(address, {"month": "2099-12"}).context["after"] is None
