"""Deliverability: what bounced, came back, was complained about and answered, over a time and by where it went."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from samizdat.campaigns.models import Campaign, Edition
from samizdat.cli import bootstrap
from samizdat.cli.__main__ import samizdat
from samizdat.core.bounce.report import KINDS, Kind
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import State
from samizdat.core.totals import hidden
from samizdat.delivery.models import Delivery, ProviderTotal, RouteTotal
from samizdat.incoming import deliverability
from samizdat.incoming.deliverability import SPANS, Deliverability
from samizdat.incoming.models import MailReport
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign
from tests.web.test_release import Desk, _to, quiet_names  # noqa: F401 - a fixture

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def sent(
    here: House,
    subject: str,
    accepted: Mapping[str, int],
    *,
    at: datetime = NOW,
    refused: int = 0,
    left: int = 0,
    domain: str = "lantern.example",
) -> Edition:
    """A campaign that these mailbox providers accepted; all that bounced is of the first of them."""
    campaign = make_campaign(here, subject)
    total = sum(accepted.values())
    books = {"frozen": total + refused, "accepted": total, "refused": refused, "unsubscribes": left}
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", released=at, **books)
    edition = Edition.objects.create(
        campaign=campaign, organization=here.organization, compiled_sealed=b"", details_sealed=b"", link_key=1,
        message_id_domain=domain, created=at,
    )  # fmt: skip
    RouteTotal.objects.create(edition=edition, route=here.route, accepted=total, refused=refused)
    for place, (provider, count) in enumerate(accepted.items()):
        known = {"edition": edition, "provider": PROVIDERS.index(provider)}
        ProviderTotal.objects.create(**known, state=State.ACCEPTED, count=count)
        if refused and not place:
            ProviderTotal.objects.create(**known, state=State.REFUSED, count=refused)
    return edition


def came_in(here: House, edition: Edition, kind: Kind, numbers: range | list[int]) -> None:
    first = MailReport.objects.count()
    MailReport.objects.bulk_create(
        MailReport(
            organization=here.organization, mail=first + place, position=0, edition=edition, number=number,
            kind=KINDS.index(kind), day=NOW.date(),
        )
        for place, number in enumerate(numbers)
    )  # fmt: skip


def seen(here: House, days: int = SPANS[0]) -> Deliverability:
    until = NOW.date()
    return deliverability.deliverability(here.organization, deliverability.since(days, until), until)


@pytest.fixture
def two_campaigns(here: House) -> tuple[Edition, Edition]:
    """Not counted: what `here` has of its own."""
    Campaign.objects.filter(organization=here.organization).update(released=None)
    flood = sent(here, "Flood", {"gmail": 3000, "mailru": 1000}, refused=40, left=60)
    frost = sent(here, "Frost", {"gmail": 500}, at=NOW - 20 * DAY, left=25, domain="courtdiary.example")
    ada = here.ada.number
    came_in(here, flood, "hard", [ada, *range(10_000, 10_030)])
    came_in(here, flood, "complaint", range(10_000, 10_005))
    came_in(here, frost, "complaint", range(20_000, 20_021))
    Delivery.objects.create(edition=flood, number=ada, state=State.ACCEPTED, answer=0, route=here.route, day=NOW.date())
    return flood, frost


@pytest.mark.django_db
def test_the_sums_of_all_tables_are_the_same(here: House, two_campaigns: tuple[Edition, Edition]) -> None:
    report = seen(here)
    totals = report.totals
    assert totals == {
        "accepted": 4500, "bounced": 40, "hard": 31, "complaint": 26, "unsubscribed": 85,
    }  # fmt: skip
    for groups in (report.by_period(30), report.by_domain):
        assert sum(groups.values(), Counter()) == totals
    del totals["unsubscribed"]
    for groups in (report.by_provider, report.by_route):
        assert sum(groups.values(), Counter()) == totals
    assert [row.figures["accepted"] for row in report.campaigns] == [4000, 500]
    assert report.by_provider["gmail"]["accepted"] == 3500
    assert report.by_provider["other"]["hard"] == report.by_route[here.route.name]["hard"] == 1
    assert report.by_provider[""]["hard"] == report.by_route[""]["hard"] == 30, "whoever was erased since"


@pytest.mark.django_db
def test_only_campaigns_of_the_time_count_by_the_day_of_their_release(
    here: House, two_campaigns: tuple[Edition, Edition]
) -> None:
    sent(here, "Last year", {"gmail": 700}, at=NOW - 200 * DAY)
    assert [seen(here, days).totals["accepted"] for days in SPANS] == [4500, 4500, 5200]
    assert [*seen(here).by_period(30)] == sorted(seen(here).by_period(30), reverse=True)
    assert all(day.weekday() == 0 for day in seen(here).by_period(30))
    assert all(day.day == 1 for day in seen(here, 365).by_period(365))


@pytest.mark.django_db
def test_whoever_complained_twice_about_a_campaign_counts_once(
    here: House, two_campaigns: tuple[Edition, Edition]
) -> None:
    came_in(here, two_campaigns[1], "complaint", range(20_000, 20_021))
    assert seen(here).totals["complaint"] == 26


@pytest.mark.django_db
def test_nobody_sees_another_organizations_numbers(
    here: House, there: House, two_campaigns: tuple[Edition, Edition]
) -> None:
    Campaign.objects.filter(organization=there.organization).update(released=None)
    assert seen(there).campaigns == [] and seen(there).by_provider == {}


def test_no_small_number_can_be_worked_out_of_a_sum() -> None:
    assert hidden([500, 5, 300, 0]) == {1, 2}, "500 and the sum tell that the other two are 305"
    assert hidden([5, 3, 300]) == {0, 1, 2}, "8 would be told by 300 and the sum"
    assert hidden([15, 12, 300]) == {0, 1}
    assert hidden([0, 300]) == hidden([]) == frozenset()
    assert hidden([4, 0]) == {0}, "the sum itself isn’t shown"


@pytest.mark.django_db
def test_the_page_shows_figures_by_time_provider_domain_route_and_campaign(
    here: House, desk: Desk, two_campaigns: tuple[Edition, Edition]
) -> None:
    page = desk("viewer").get(_to(here, "deliverability"))
    tables = {table.id: table for table in page.context["tables"]}
    assert [*tables] == ["time", "provider", "domain", "route", "campaign"]
    text = " ".join(page.content.decode().split())
    assert "4,500" in text and "courtdiary<wbr>.example" in text and here.route.name in text
    [flood, frost] = tables["campaign"].rows
    assert (flood.name, flood.href) == ("Flood", two_campaigns[0].campaign_id)
    complaints = [cell for row in (flood, frost) for cell in row.cells if cell.head == "complaints"]
    assert [cell.text for cell in complaints] == ["< 20", "hidden"]
    assert [cell.state for cell in complaints] == ["care", "stop"], "5 of 4,000 and 21 of 500"
    assert complaints[0].note == "0.1% or more"
    assert [cell.note for cell in tables["campaign"].total if cell.head == "complaints"] == ["0.57%"]


@pytest.mark.django_db
def test_gmail_reports_no_complaints(here: House, desk: Desk, two_campaigns: tuple[Edition, Edition]) -> None:
    page = desk("admin").get(_to(here, "deliverability"))
    [provider] = [table for table in page.context["tables"] if table.id == "provider"]
    gmail = next(row for row in provider.rows if row.name == "Gmail")
    assert [cell.text for cell in gmail.cells if cell.head == "complaints"] == ["not reported"]


@pytest.mark.django_db
def test_where_nothing_was_sent_the_page_says_what_it_will_show(here: House, desk: Desk) -> None:
    Campaign.objects.filter(organization=here.organization).update(released=None)
    text = desk("editor").get(_to(here, "deliverability") + "?days=90").content.decode()
    assert "No campaigns sent in this time" in text and "Once a campaign is sent" in text


@pytest.mark.django_db
def test_campaigns_beyond_the_newest_are_a_row_together(here: House, desk: Desk) -> None:
    Campaign.objects.filter(organization=here.organization).update(released=None)
    for place in range(27):
        sent(here, f"Letter {place}", {"gmail": 100}, at=NOW - place * DAY)
    page = desk("viewer").get(_to(here, "deliverability"))
    rows = page.context["tables"][-1].rows
    assert (len(rows), rows[-1].name, rows[-1].cells[0].text) == (26, "Earlier campaigns", "200")


@pytest.mark.django_db
def test_the_report_of_a_campaign_leads_here(here: House, desk: Desk) -> None:
    text = desk("editor").get(_to(here, "report", here.sent.pk)).content.decode()
    assert f'href="{_to(here, "deliverability")}"' in text


@pytest.mark.django_db
def test_the_command_prints_the_same_figures(
    here: House, two_campaigns: tuple[Edition, Edition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "now", lambda: NOW)
    monkeypatch.setattr(bootstrap, "open_house", lambda: None)
    monkeypatch.setattr(bootstrap, "organization", lambda: here.organization)
    printed = CliRunner().invoke(samizdat, ["report", "--json"], catch_exceptions=False)
    document = json.loads(printed.output)
    assert document["total"]["complaint"] == {"count": 26, "few": False}
    assert [row["complaint"] for row in document["by_campaign"]] == [
        {"count": None, "few": True}, {"count": None, "few": False},
    ]  # fmt: skip
    assert [row["accepted"]["count"] for row in document["by_domain"]] == [4000, 500]
    lines = CliRunner().invoke(samizdat, ["report"], catch_exceptions=False).output
    assert "courtdiary.example" in lines and "<20" in lines and "hidden" in lines
