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
from samizdat.delivery.complaint_stop import RESUMED, STOPPED
from samizdat.delivery.models import Delivery, ProviderTotal, RouteTotal
from samizdat.events.actions import record
from samizdat.incoming import complaints, deliverability
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
    return deliverability.report(here.organization, days, until).seen


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
    for groups in (report.by_period(30), report.by_domain, report.by_provider, report.by_route):
        assert sum(groups.values(), Counter()) == totals
    assert [row.figures["accepted"] for row in report.campaigns] == [4000, 500]
    assert report.by_provider["gmail"]["accepted"] == 3500
    assert report.by_provider["other"]["hard"] == report.by_route[here.route.name]["hard"] == 1
    assert report.by_provider[""]["hard"] == report.by_route[""]["hard"] == 30, "whoever was erased since"


@pytest.mark.django_db
def test_unsubscribes_stand_at_the_provider_and_route_that_their_email_went_by(
    here: House, two_campaigns: tuple[Edition, Edition]
) -> None:
    flood, frost = two_campaigns
    RouteTotal.objects.filter(edition=flood).update(unsubscribed=60)
    mailru = PROVIDERS.index("mailru")
    ProviderTotal.objects.filter(edition=flood, provider=mailru, state=State.ACCEPTED).update(unsubscribed=40)
    by_provider, by_route = seen(here).by_provider, seen(here).by_route
    assert (by_provider["mailru"]["unsubscribed"], by_provider[""]["unsubscribed"]) == (40, 45)
    assert (by_route[here.route.name]["unsubscribed"], by_route[""]["unsubscribed"]) == (60, 25)


@pytest.mark.django_db
def test_who_is_back_by_another_address_leaves_the_sums_as_they_are(
    here: House, two_campaigns: tuple[Edition, Edition]
) -> None:
    """They unsubscribed at Mail.ru and came back at Gmail: the campaign counts 60, so its providers count no more."""
    gmail, mailru = PROVIDERS.index("gmail"), PROVIDERS.index("mailru")
    rows = ProviderTotal.objects.filter(edition=two_campaigns[0], state=State.ACCEPTED)
    rows.filter(provider=mailru).update(unsubscribed=87)
    rows.filter(provider=gmail).update(unsubscribed=-1)
    report = seen(here)
    assert report.by_provider["mailru"]["unsubscribed"] == 85
    assert sum(report.by_provider.values(), Counter()) == report.totals


def welcomed(here: House, days: Mapping[datetime, list[int]]) -> Edition:
    """A welcome email that these subscribers accepted, by day."""
    many = sum(map(len, days.values()))
    edition = sent(here, "Welcome", {}, at=NOW - 300 * DAY, left=30)
    Campaign.objects.filter(pk=edition.campaign_id).update(welcome=1, frozen=many, accepted=many)
    Delivery.objects.bulk_create(
        Delivery(edition=edition, number=number, state=State.ACCEPTED, answer=0, route=here.route, day=day.date())
        for day, numbers in days.items()
        for number in numbers
    )
    return edition


@pytest.mark.django_db
def test_welcome_emails_count_on_the_day_they_were_sent(here: House, two_campaigns: tuple[Edition, Edition]) -> None:
    ada = here.ada.number
    welcome = welcomed(here, {NOW: [ada, 11_000], NOW - 8 * DAY: [11_001], NOW - 60 * DAY: [*range(12_000, 12_050)]})
    came_in(here, welcome, "soft", [ada, 11_001, 12_000, 13_000])
    report = seen(here)
    assert [row.figures for row in report.welcome] == [{"accepted": 2, "soft": 1}, {"accepted": 1, "soft": 1}]
    assert report.totals["accepted"] == 4503 and report.totals["unsubscribed"] == 85
    for groups in (report.by_period(30), report.by_domain, report.by_provider, report.by_route, report.by_campaign()):
        assert sum(groups.values(), Counter()) == report.totals
    assert report.by_provider["other"]["accepted"] == 1 and report.by_provider[""]["accepted"] == 2
    assert report.by_route[here.route.name]["accepted"] == 4503
    assert seen(here, 90).totals["accepted"] == 4553
    shown = deliverability.report(here.organization, 30, NOW.date())
    [*_campaigns, (number, cells)] = shown.tables["campaign"]
    assert number == welcome.campaign_id and cells["unsubscribed"].elsewhere


@pytest.mark.django_db
def test_a_welcome_email_has_a_row_that_leads_to_its_report(here: House, desk: Desk) -> None:
    Campaign.objects.filter(organization=here.organization).update(released=None)
    welcome = welcomed(here, {NOW: [*range(11_000, 11_030)]})
    page = desk("viewer").get(_to(here, "deliverability"))
    [row] = page.context["tables"][-1].rows
    assert (row.name, row.href, row.note) == ("Welcome", welcome.campaign_id, "Welcome email")
    assert [cell.text for cell in row.cells if cell.head == "unsubscribed"] == ["in its report"]


@pytest.mark.django_db
def test_what_came_in_about_other_emails_is_in_no_table(
    here: House, desk: Desk, two_campaigns: tuple[Edition, Edition]
) -> None:
    MailReport.objects.bulk_create(
        MailReport(organization=here.organization, mail=900_000, position=place, kind=KINDS.index(kind), day=NOW.date())
        for place, kind in enumerate(["hard", "hard", "complaint", "none"])
    )
    assert seen(here).others == {"hard": 2, "complaint": 1} and seen(here).totals["hard"] == 31
    others = desk("viewer").get(_to(here, "deliverability")).context["others"]
    assert [cell.text for cell in others] == ["2", "< 20"], "few complaints are hidden here, too"


@pytest.mark.django_db
def test_the_chart_draws_no_share_that_the_table_hides(
    here: House, desk: Desk, two_campaigns: tuple[Edition, Edition]
) -> None:
    page = desk("viewer").get(_to(here, "deliverability"))
    chart = page.context["chart"]
    assert (len(chart.dots), len(chart.rects)) == (0, 2), "the other one would tell of it"
    assert [percent for *_where, percent in chart.limits] == ["0.1%", "0.3%"]
    came_in(here, two_campaigns[0], "complaint", range(30_000, 30_030))
    drawn = desk("viewer").get(_to(here, "deliverability")).context["chart"]
    assert (len(drawn.dots), drawn.rects) == (2, [])
    assert drawn.path.count("L") == 1 and drawn.dots[0][1] < drawn.dots[1][1], "4.2 % of 500 before 0.9 % of 4,000"


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
    assert [*tables] == ["period", "provider", "domain", "route", "campaign"]
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


@pytest.mark.django_db
def test_home_and_the_list_say_that_sending_is_stopped_and_where_it_is_resumed(here: House, desk: Desk) -> None:
    record(complaints.ALARM, here.organization, now=NOW, about=here.list.pk)
    warned = desk("editor").get(_to(here, "home")).content.decode()
    assert "Many complaints about" in warned and "0.1% of its emails" in warned
    record(STOPPED, here.organization, now=NOW, about=here.list.pk)
    report = f'href="{_to(here, "report", here.sent.pk)}"'
    Campaign.objects.exclude(pk=here.sent.pk).update(released=None)
    for page in (_to(here, "home"), _to(here, "list", here.list.pk)):
        text = desk("admin").get(page).content.decode()
        assert report in text and ("too many complaints" in text or "Reported as spam too often" in text)
    record(RESUMED, here.organization, now=NOW, about=here.list.pk)
    assert "too many complaints" not in desk("admin").get(_to(here, "home")).content.decode()
