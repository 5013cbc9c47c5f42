"""Release at the desk: the checklist stops, the number is typed, the hold holds; the report adds up."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from samizdat import formatting
from samizdat.accounts import pending_changes
from samizdat.audience import actions as audience
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import translations
from samizdat.campaigns.drafts import comments as commenting
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.drafts.revisions import entries
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.ledger import JournalNews, unpack_numbers
from samizdat.delivery import actions as delivery
from samizdat.delivery.actions import remote_checks, sender_checks
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.models import Chunk, MinuteTotal, RemoteCheck, Route
from samizdat.delivery.sending_gate import look as real_look
from samizdat.web.campaigns.forms.campaigns import ReleaseForm, in_zone
from samizdat.web.delivery.views import reports
from samizdat.web.delivery.views.reports import _speeds
from tests.conftest import NOW
from tests.dns_server import NameServer
from tests.web.conftest import House
from tests.web.controls import Controls

Desk = Callable[[str], Client]
RIGA = ZoneInfo("Europe/Riga")


@pytest.fixture(autouse=True)
def quiet_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No name server is asked; what was asked is kept."""
    from samizdat.campaigns.sender_domain_check import DnsRecord
    from samizdat.delivery import sending_gate

    asked: list[str] = []

    def look(_organization: object, _settings: object, sender: str, _ask: object = None) -> list[DnsRecord]:
        asked.append(sender.partition("@")[2])
        return [DnsRecord("SPF", "stop", f"{asked[-1]} has no SPF record.")]

    monkeypatch.setattr(sending_gate, "look", look)
    return asked


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.mark.usefixtures("no_worker")
def test_the_page_does_not_wait_for_name_servers(here: House, desk: Desk, quiet_names: list[str]) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    page = client.get(address).content.decode()
    assert quiet_names == []
    assert 'hx-trigger="load, submit"' in page
    cards = _to(here, "domain", here.campaign.pk)
    client.post(cards, headers={"HX-Request": "true"})
    assert "Checking DNS" in client.get(address).content.decode(), "nobody has answered yet"
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert "lantern.example has no SPF record." in client.get(cards).content.decode()
    assert "lantern.example has no SPF record." in client.get(address).content.decode()


@pytest.fixture
def names(here: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """lantern.example with a policy, a sender that SPF allows, and a mailbox for what comes back."""
    delivery.add_route(here.organization, "relay", "smtp://127.0.0.1:2525", now=NOW)
    monkeypatch.setattr("socket.gethostname", lambda: "mail.lantern.example")
    monkeypatch.setattr("samizdat.delivery.sending_gate.look", real_look)
    with NameServer() as server:
        server.records |= {"lantern.example": ["v=spf1 mx -all"], "_dmarc.lantern.example": ["v=DMARC1; p=none"]}
        server.hosts[("lantern.example", "MX")] = ["10 mail.lantern.example."]
        server.hosts[("mail.lantern.example", "A")] = ["192.0.2.25"]
        monkeypatch.setenv("SAMIZDAT_DNS", server.place)
        yield server


@pytest.mark.usefixtures("no_worker")
def test_a_press_asks_no_name_server_and_goes_by_what_was_answered_lately(
    here: House, desk: Desk, names: NameServer
) -> None:
    client, address, letter = desk("editor"), _to(here, "send", here.campaign.pk), here.campaign
    page = client.post(address, {"when": "now"}).content.decode()
    letter.refresh_from_db()
    assert (letter.state, names.asked) == ("draft", 0)
    assert "We’re checking the DNS records of lantern.example first." in page
    waiting = _to(here, "domain", letter.pk) + "?pressed=1"
    assert "every 2s" in client.get(waiting).content.decode()
    remote_checks.answer_all(here.organization.pk, timezone.now)
    assert "Press the button again." in client.get(waiting).content.decode()
    asked = names.asked
    client.post(address, {"when": "now"})
    letter.refresh_from_db()
    assert (letter.state, names.asked) == ("held", asked)


@pytest.mark.usefixtures("no_worker")
def test_an_answer_of_ten_minutes_ago_is_asked_again(here: House, desk: Desk, names: NameServer) -> None:
    client, address, letter = desk("editor"), _to(here, "send", here.campaign.pk), here.campaign
    client.post(address, {"when": "now"})
    remote_checks.answer_all(here.organization.pk, lambda: timezone.now() - sender_checks.FRESH)
    RemoteCheck.objects.update(done=timezone.now())  # As whoever writes the database can.
    assert "first." in client.post(address, {"when": "now"}).content.decode()
    letter.refresh_from_db()
    assert letter.state == "draft"


@pytest.mark.usefixtures("no_worker")
def test_each_missing_record_stands_apart_with_what_to_copy_and_where_to_go(
    here: House, desk: Desk, names: NameServer
) -> None:
    del names.records["_dmarc.lantern.example"]
    cards = _to(here, "domain", here.campaign.pk)
    desk("editor").post(cards, headers={"HX-Request": "true"})
    remote_checks.answer_all(here.organization.pk, timezone.now)
    page = desk("admin").get(cards).content.decode()
    assert re.search(r'<code class="typed" id="pn\d">_dmarc.lantern.example</code>', page)
    assert re.search(r'<code class="typed" id="pv\d">v=DMARC1; p=none', page)
    assert f'href="{_to(here, "domains")}"' in page and "Give these records to an admin." not in page
    assert "Give these records to an admin." in desk("editor").get(cards).content.decode()


@pytest.mark.usefixtures("no_worker")
def test_a_missing_record_stops_the_press_until_it_is_there(here: House, desk: Desk, names: NameServer) -> None:
    client, address, letter = desk("editor"), _to(here, "send", here.campaign.pk), here.campaign
    policy = names.records.pop("_dmarc.lantern.example")
    client.post(address, {"when": "now"})
    remote_checks.answer_all(here.organization.pk, timezone.now)
    answer = client.post(address, {"when": "now"})
    assert answer.status_code == 422 and "Add TXT _dmarc.lantern.example" in answer.content.decode()
    names.records["_dmarc.lantern.example"] = policy
    client.post(_to(here, "domain", letter.pk))
    remote_checks.answer_all(here.organization.pk, timezone.now)
    client.post(address, {"when": "now"})
    letter.refresh_from_db()
    assert letter.state == "held"


@pytest.mark.usefixtures("no_worker")
def test_where_no_worker_answers_the_engine_asks_itself(here: House, desk: Desk, names: NameServer) -> None:
    client, address, letter = desk("editor"), _to(here, "send", here.campaign.pk), here.campaign
    client.post(address, {"when": "now"})
    RemoteCheck.objects.update(asked=timezone.now() - remote_checks.PATIENCE - timedelta(seconds=1))
    client.post(address, {"when": "now"})
    letter.refresh_from_db()
    assert letter.state == "held" and names.asked


def test_release_holds_for_five_minutes_and_goes_to_the_report(here: House, desk: Desk) -> None:
    before = timezone.now()
    answer = desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now"})
    assert answer.headers["Location"] == _to(here, "report", here.campaign.pk)
    here.campaign.refresh_from_db()
    assert here.campaign.state == "held"
    assert here.campaign.frozen == 1  # Ada; Boris has left.
    assert timedelta(minutes=4) < here.campaign.not_before - before < timedelta(minutes=6)


@pytest.mark.parametrize("what", ["another language", "everybody"])
def test_released_is_what_the_page_showed_and_not_what_somebody_made_of_it_since(
    here: House, desk: Desk, what: str
) -> None:
    client, address, letter = desk("editor"), _to(here, "send", here.campaign.pk), here.campaign
    tag = audience.tags_for(here.organization, ["board"])["board"]
    Campaign.objects.filter(pk=letter.pk).update(tag=tag)
    shown = re.search(r'name="seen" value="([0-9a-f]+)"', client.get(address).content.decode())
    assert shown is not None
    if what == "everybody":
        Campaign.objects.filter(pk=letter.pk).update(tag=None)
    else:
        translations.add(letter, "ru", by=None, now=timezone.now())
    answer = client.post(address, {"when": "now", "seen": shown[1]})
    letter.refresh_from_db()
    assert (answer.status_code, letter.state) == (422, "draft")


@pytest.mark.parametrize("chosen", ["resend", "hold"])
def test_what_becomes_of_lost_answers_is_chosen_in_plain_words(here: House, desk: Desk, chosen: str) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    assert "Someone may get it twice." in client.get(address).content.decode()
    client.post(address, {"when": "now", "unsure": chosen})
    here.campaign.refresh_from_db()
    assert (here.campaign.state, here.campaign.unsure_policy) == ("held", chosen)


def test_it_is_scheduled_in_the_readers_own_zone(here: House, desk: Desk) -> None:
    day = (timezone.now() + timedelta(days=3)).astimezone(RIGA).date()
    answers = {"when": "later", "day": day.isoformat(), "time": "10:00"}
    desk("editor").post(_to(here, "send", here.campaign.pk), answers)
    here.campaign.refresh_from_db()
    assert here.campaign.state == "scheduled"
    assert here.campaign.not_before == datetime.combine(day, time(10), RIGA)


def _filled_in(client: Client, address: str) -> dict[str, str]:
    """What the form of the page has before anybody types."""
    form = client.get(address).context["form"]
    day, at = form["day"].value(), form["time"].value()
    return {"day": f"{day:%Y-%m-%d}", "time": f"{at:%H:%M}", "suggested": form["suggested"].value()}


def test_one_press_schedules_for_tomorrow_at_nine_in_the_readers_zone(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    client.post(address, _filled_in(client, address) | {"when": "later"})
    here.campaign.refresh_from_db()
    tomorrow = (timezone.now().astimezone(RIGA) + timedelta(days=1)).date()
    assert (here.campaign.state, here.campaign.not_before) == ("scheduled", datetime.combine(tomorrow, time(9), RIGA))


def test_the_time_that_was_filled_in_keeps_nobody_from_sending_now(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    filled = _filled_in(client, address)
    assert client.post(address, filled | {"when": "now", "time": "11:11"}).status_code == 422, "somebody typed that"
    client.post(address, filled | {"when": "now"})
    here.campaign.refresh_from_db()
    assert here.campaign.state == "held"


def test_a_cancelled_schedule_keeps_its_day_and_time_in_the_form(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    day = (timezone.now() + timedelta(days=5)).astimezone(RIGA).date()
    client.post(address, {"when": "later", "day": day.isoformat(), "time": "17:45"})
    report, listed = (client.get(_to(here, *page)) for page in (("report", here.campaign.pk), ("campaigns",)))
    assert "Cancel schedule" in report.content.decode() and "Undo send" not in report.content.decode()
    assert f'action="{_to(here, "undo-send", here.campaign.pk)}"' in listed.content.decode()
    assert "Schedule cancelled." in client.post(_to(here, "undo-send", here.campaign.pk), follow=True).content.decode()
    page = client.get(address)
    form = page.context["form"]
    assert (form["when"].value(), form["day"].value(), form["time"].value()) == ("later", day, time(17, 45))
    assert "17:45" in page.content.decode().split('id="press"')[1].split("</span>")[0]


def test_the_next_schedule_is_filled_in_with_the_time_of_day_of_the_last(here: House, desk: Desk) -> None:
    from samizdat.campaigns.drafts.copy import copy

    client, draft = desk("editor"), copy(here.campaign, by=here.people["editor"], now=timezone.now())
    day = (timezone.now() + timedelta(days=5)).astimezone(RIGA).date()
    client.post(_to(here, "send", here.campaign.pk), {"when": "later", "day": day.isoformat(), "time": "17:45"})
    assert _filled_in(client, _to(here, "send", draft.pk))["time"] == "17:45"


@pytest.mark.parametrize(
    ("language", "words"), [("en", "on Tue 1 Dec at 09:00"), ("ru", "во вторник 1 декабря в 09:00")]
)
def test_a_moment_in_a_sentence_has_its_prepositions(language: str, words: str) -> None:
    with translation.override(language):
        assert formatting.on(datetime(2026, 12, 1, 9, tzinfo=UTC)) == words


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"when": "later"}, "day"),
        ({"when": "later", "day": "2020-01-01", "time": "10:00"}, "time"),
        ({"when": "later", "day": "2099-01-01"}, "time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_beside_its_field(here: House, desk: Desk, answers: Any, field: str) -> None:
    answer = desk("editor").post(_to(here, "send", here.campaign.pk), answers)
    assert answer.status_code == 422
    assert f'id="f-{field}_error"' in answer.content.decode()
    here.campaign.refresh_from_db()
    assert here.campaign.state == "draft"


def test_an_hour_that_summer_time_leaps_over_does_not_exist() -> None:
    assert in_zone(date(2027, 3, 28), time(3, 30), RIGA) is None
    assert in_zone(date(2027, 3, 28), time(4, 30), RIGA) is not None


def test_above_a_thousand_the_number_has_to_be_typed() -> None:
    def asked(**answers: str) -> ReleaseForm:
        return ReleaseForm({"when": "now", **answers}, people=17_938, zone=RIGA, now=NOW)

    assert not asked().is_valid()
    assert not asked(number="17937").is_valid()
    assert asked(number="17 938").is_valid()
    assert asked(number="17,938").is_valid()
    assert ReleaseForm({"when": "now"}, people=1000, zone=RIGA, now=NOW).is_valid()


def test_who_does_not_get_it_stands_in_the_addition(here: House, desk: Desk) -> None:
    page = desk("viewer").get(_to(here, "send", here.campaign.pk))
    told = {row.word: row.count for row in page.context["rows"]}
    assert told["all subscribers"] - sum(told.values()) + told["all subscribers"] == 1
    assert told["unsubscribed"] == 1
    assert 'class="minus"' in page.content.decode()


def last_sunday(month: int) -> date:
    """Of this month of next year: when the clocks change in Riga."""
    day = date(timezone.now().year + 1, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def test_the_time_is_shown_in_the_readers_zone_and_in_the_editors_own(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "schedule", here.campaign.pk)
    back, forward = last_sunday(10), last_sunday(3)
    chosen = {"when": "later", "day": back.isoformat(), "time": "03:30"}
    assert "for you" not in client.get(address, chosen).content.decode()
    profile = {"language": "en", "theme": "auto", "timezone": "Asia/Tbilisi"}
    assert client.post(reverse("profile"), {**profile, "timezone": "Tbilisi"}).status_code == 422
    client.post(reverse("profile"), profile)
    part = client.get(address, chosen).content.decode()
    assert f"Sun {back.day} Oct, 03:30 (Riga)" in part and f"Sun {back.day} Oct, 04:30 (Tbilisi)" in part
    assert "The clocks go back then, so this time occurs twice" in part
    skipped = client.get(address, {"when": "later", "day": forward.isoformat(), "time": "03:30"}).content.decode()
    assert "Clocks go forward then, so this time doesn’t exist" in skipped


def test_when_the_last_email_leaves_is_estimated_where_a_limit_or_the_last_campaign_says_how_fast_it_goes(
    here: House, desk: Desk
) -> None:
    client, address = desk("editor"), _to(here, "schedule", here.campaign.pk)
    day = (timezone.now() + timedelta(days=3)).astimezone(RIGA).date()
    chosen = {"when": "later", "day": day.isoformat(), "time": "10:00", "people": "3600"}

    def said(**more: str) -> str:
        part = client.get(address, chosen | more).content.decode()
        return "".join(re.findall(r"The last email leaves at about ([^.]*)\.", part))

    assert said() == "", "nobody knows yet how fast this route is"
    delivery.release(here.campaign, now=timezone.now())
    edition = Campaign.objects.get(pk=here.campaign.pk).edition
    for minute, accepted in enumerate((3, 120, 120, 7)):
        MinuteTotal.objects.create(
            edition=edition, route=here.route, minute=NOW + timedelta(minutes=minute), accepted=accepted
        )
    assert said() == "10:30"
    Route.objects.filter(pk=here.route.pk).update(limits="60/m")
    assert said() == "11:00"
    assert said(wave="10", wave_hold="45") == "11:45"
    assert said(quiet="10:30-12:00") == "12:30"
    assert said(people="0") == ""


def test_the_button_says_what_pressing_it_does(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.get(_to(here, "send", here.campaign.pk)).content.decode()
    assert '<span class="if-now">Send now</span>' in page
    day = (timezone.now() + timedelta(days=3)).astimezone(RIGA).date()
    chosen = {"when": "later", "day": day.isoformat(), "time": "10:00", "wave": "10"}
    part = client.get(_to(here, "schedule", here.campaign.pk), chosen).content.decode()
    assert f'hx-swap-oob="true">Schedule for {day:%a} {day.day} {day:%b}, 10:00</span>' in part
    assert "until the first email is sent" in part and "first batch of 10%" in part


def test_what_passed_is_folded_to_a_count_and_what_is_wrong_is_not(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    page = client.get(address)
    assert "All sending routes are working" in [item.title for item in page.context["passed"]]
    assert f"{len(page.context['passed'])} checks passed" in page.content.decode()
    delivery.pause_route(here.route, now=NOW)
    page = client.get(address)
    assert page.context["items"][0].title == "No sending route is working"


def test_the_fields_of_the_time_are_sent_with_the_button_in_the_summary(here: House, desk: Desk) -> None:
    page = Controls(desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode())
    (form,) = [form for form in page.forms if "seen" in form.sent and "when" in form.sent]
    assert {"day", "time", "quiet", "wave", "wave_hold", "wave_stop", "unsure"} <= form.sent.keys()


@pytest.mark.once
@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "9999-12-31"])
def test_a_slip_in_the_year_is_a_sentence(here: House, desk: Desk, day: str) -> None:
    answer = desk("editor").get(_to(here, "schedule", here.campaign.pk), {"when": "later", "day": day, "time": "00:00"})
    assert "Check the year: it must be from" in answer.content.decode()


def test_the_number_to_type_is_that_of_the_time_which_was_chosen() -> None:
    later = {"when": "later", "day": "2026-12-01", "time": "10:00"}
    for number, right in (("1500", True), ("1200", False)):
        form = ReleaseForm({**later, "number": number}, people=1200, zone=RIGA, now=NOW, people_at=lambda at: 1500)
        assert form.is_valid() is right


def test_the_same_letter_to_the_same_list_within_a_day_asks_whether_it_is_meant(here: House, desk: Desk) -> None:
    from samizdat.campaigns.drafts.copy import copy

    client, now = desk("editor"), timezone.now()
    delivery.release(here.campaign, now=now, hold_minutes=5)
    again = copy(here.campaign, by=here.people["editor"], now=now)
    address = _to(here, "send", again.pk)
    assert "The same campaign was sent to this list" in client.get(address).content.decode()
    refused = client.post(address, {"when": "now"})
    assert refused.status_code == 422 and "Check the box to send it again." in refused.content.decode()
    delivery.cancel(here.campaign, now=now)  # Taken back before anybody got it.
    assert "The same campaign was sent" not in client.get(address).content.decode()
    Campaign.objects.filter(pk=here.campaign.pk).update(state="finished", accepted=1, cancelled=0)
    assert client.post(address, {"when": "now", "meant": "on"}).status_code == 302
    Campaign.objects.filter(pk=here.campaign.pk).update(released=now - timedelta(days=2))
    Campaign.objects.filter(pk=again.pk).update(released=now - timedelta(days=2))
    later = copy(here.campaign, by=here.people["editor"], now=now)
    assert "The same campaign was sent" not in client.get(_to(here, "send", later.pk)).content.decode()


def test_without_a_route_nothing_is_released(here: House, desk: Desk) -> None:
    delivery.pause_route(here.route, now=NOW)
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    page = client.get(address).content.decode()
    assert "No sending route is working" in page
    assert 'aria-disabled="true"' in page
    assert "btn final" not in page
    assert client.post(address, {"when": "now"}).status_code == 422
    here.campaign.refresh_from_db()
    assert here.campaign.state == "draft"


def test_release_is_the_only_red_button(here: House, desk: Desk) -> None:
    page = desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert page.count("btn final") == 1


def test_a_test_goes_to_one_address_and_into_no_count(here: House, desk: Desk) -> None:
    client = desk("editor")
    answer = client.post(_to(here, "test-campaign", here.campaign.pk), {"test-to": "friend@post.example"}, follow=True)
    assert "Test sent to" in answer.content.decode()
    assert list(here.letters.rglob("*.eml"))
    assert "Test sent" in client.get(_to(here, "send", here.campaign.pk)).content.decode()
    here.campaign.refresh_from_db()
    assert here.campaign.frozen == 0


def test_the_report_adds_up_and_is_swapped_whole(here: House, desk: Desk) -> None:
    client = desk("viewer")
    page = client.get(_to(here, "report", here.sent.pk)).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "recipients" in page.lower()
    part = client.get(_to(here, "live", here.sent.pk)).content.decode()
    assert part.startswith('<div class="stack loose" id="live"')
    assert "<html" not in part


@pytest.mark.parametrize(
    ("since", "speed"),
    [
        (timedelta(minutes=30), 60),  # The whole minutes 11:57 to 11:59; 12:00 has only begun.
        (timedelta(seconds=90), 80),  # It began in 11:58: 120 in a minute and a half.
        (timedelta(seconds=5), None),
    ],
)
def test_the_speed_is_taken_over_the_time_there_was(since: timedelta, speed: int | None) -> None:
    minutes = [(datetime(2026, 11, 25, 11, 58, tzinfo=UTC), "a", 60, 0), (NOW - timedelta(minutes=1), "a", 60, 0)]
    if since > timedelta(minutes=3):
        minutes.append((NOW - timedelta(minutes=3), "a", 60, 0))
    assert _speeds(minutes, NOW - since, NOW).get("a") == speed


def test_a_finished_letter_has_no_speed_any_more(here: House, desk: Desk) -> None:
    address = _to(here, "report", here.sent.pk)
    assert "Per minute" in desk("viewer").get(address).content.decode()
    delivery.cancel(here.sent, now=NOW)
    assert "Per minute" not in desk("viewer").get(address).content.decode()


def test_the_report_of_a_letter_that_is_over_names_no_route_it_did_not_go_by(here: House, desk: Desk) -> None:
    address = _to(here, "report", here.sent.pk)
    assert [name for name, _row, _speed in desk("viewer").get(address).context["routes"]] == ["own-server"]
    delivery.cancel(here.sent, now=NOW)
    page = desk("viewer").get(address)
    assert page.context["routes"] == [] and "Nothing was sent." in page.content.decode()


@pytest.mark.parametrize("place", ["report", "live"])
def test_the_report_says_how_many_left_by_this_letter_while_it_goes_and_afterwards(
    here: House, desk: Desk, place: str
) -> None:
    address = _to(here, place, here.sent.pk)
    assert _unsubscribed(desk("viewer").get(address)) == "0"
    Campaign.objects.filter(pk=here.sent.pk).update(unsubscribes=1234)
    assert _unsubscribed(desk("viewer").get(address)) == "1,234"
    delivery.cancel(here.sent, now=NOW)
    assert _unsubscribed(desk("viewer").get(address)) == "1,234"


def _unsubscribed(page: Any) -> str:
    match = re.search(r"<dt>Unsubscribed</dt>\s*<dd>([^<]*)</dd>", page.content.decode())
    return match[1] if match else ""


def test_settling_where_nothing_is_unsure_settles_nothing(here: House, desk: Desk) -> None:
    delivery.settle(here.sent, "hold", now=NOW)
    page = desk("editor").get(_to(here, "report", here.sent.pk)).content.decode()
    assert "Unknown outcomes resolved." not in page
    assert "Decision on unknown outcomes saved; there are none yet" in page
    Campaign.objects.filter(pk=here.sent.pk).update(pending=F("pending") - 1, unsure=1)
    delivery.settle(here.sent, "hold", now=NOW)
    assert "Unknown outcomes resolved." in desk("editor").get(_to(here, "report", here.sent.pk)).content.decode()


def test_lost_answers_are_settled_by_ticks_and_not_offered_where_it_is_over(here: House, desk: Desk) -> None:
    from samizdat.delivery.models import Delivery, Retry

    Delivery.objects.create(edition=here.sent.edition, number=here.ada.number, state=4, answer=0, day=NOW.date())
    Campaign.objects.filter(pk=here.sent.pk).update(pending=F("pending") - 1, unsure=1, state="finished")
    client, address, report = desk("editor"), _to(here, "unconfirmed", here.sent.pk), _to(here, "report", here.sent.pk)
    assert address in client.get(report).content.decode()
    page = client.get(address).content.decode()
    assert _to(here, "subscriber", here.ada.number) in page and "ada@" not in page
    assert 'name="n"' not in desk("viewer").get(address).content.decode()
    told = client.post(address, {"how": "resend", "n": [str(here.ada.number)]}, follow=True).content.decode()
    assert "1 email will be resent with the same Message-ID." in told
    assert Retry.objects.get(edition=here.sent.edition).number == here.ada.number
    Campaign.objects.filter(pk=here.sent.pk).update(state="cancelled")
    assert 'value="resend"' not in client.get(report).content.decode() + client.get(address).content.decode()


def test_pause_resume_and_stop(here: House, desk: Desk) -> None:
    client = desk("editor")
    client.post(_to(here, "pause", here.sent.pk))
    here.sent.refresh_from_db()
    assert here.sent.state == "paused"
    assert "Paused by someone on your team." in client.get(_to(here, "report", here.sent.pk)).content.decode()
    client.post(_to(here, "resume", here.sent.pk))
    here.sent.refresh_from_db()
    assert here.sent.state == "sending"
    assert client.post(_to(here, "stop", here.sent.pk), {"word": "no"}).status_code == 422
    client.post(_to(here, "stop", here.sent.pk), {"word": "STOP"})
    here.sent.refresh_from_db()
    assert here.sent.state == "cancelled"
    assert here.sent.cancelled == 1


def test_a_route_that_drops_us_is_told_beside_the_letter_and_nobody_is_blamed(here: House, desk: Desk) -> None:
    from samizdat.core.mail.outcome import RouteVerdict

    verdict = RouteVerdict("dead", "suspended", {"host": "mail.example", "answer": "550 account closed"})
    delivery.condemn(here.route.pk, verdict, NOW)
    address = _to(here, "report", here.sent.pk)
    page = desk("editor").get(address).content.decode()
    assert "own-server isn’t working" in page
    assert "550 account closed" in page
    assert "Nobody was marked as bounced." in page
    assert "Emails it didn’t accept go out by the next route" not in page
    assert _to(here, "routes") not in page
    delivery.add_route(here.organization, "second", "smtp+plain://127.0.0.1:1", now=NOW)
    page = desk("admin").get(address).content.decode()
    assert "Emails it didn’t accept go out by the next route" in page
    assert _to(here, "routes") in page


def test_a_stopped_letter_moves_until_nothing_is_owed_any_more(here: House, desk: Desk) -> None:
    address = _to(here, "report", here.sent.pk)
    Campaign.objects.filter(pk=here.sent.pk).update(state="cancelled")
    page = desk("editor").get(address).content.decode()
    assert 'hx-trigger="every 2s"' in page
    for button in ("b-pause", "b-stop", "b-back"):
        assert button not in page
    Campaign.objects.filter(pk=here.sent.pk).update(pending=0, cancelled=1)
    page = desk("editor").get(address).content.decode()
    assert 'hx-trigger="every 2s"' not in page
    assert "Back to draft" in page


def leave_to_one(letter: Campaign) -> None:
    """The sender has written down the first answer."""
    chunk = Chunk.objects.get(edition__campaign=letter)
    write([SendResult(letter.edition.pk, chunk.pk, unpack_numbers(bytes(chunk.numbers))[0], JournalNews.ACCEPTED)], NOW)
    letter.refresh_from_db()


def test_what_has_not_left_yet_is_taken_back_as_the_draft_that_it_was(here: House, desk: Desk) -> None:
    client, letter = desk("editor"), here.campaign
    comments, history = commenting.comments(letter), entries(letter)
    assert comments and history
    client.post(_to(here, "send", letter.pk), {"when": "now"})
    client.post(_to(here, "pause", letter.pk))
    assert "Undo send" in client.get(_to(here, "report", letter.pk)).content.decode()
    page = client.post(_to(here, "undo-send", letter.pk), follow=True)
    assert page.request["PATH_INFO"] == _to(here, "campaign", letter.pk)
    assert "It’s a draft again. Nobody has received it" in page.content.decode()
    letter.refresh_from_db()
    assert (letter.state, letter.frozen, letter.pending) == ("draft", 0, 0)
    assert client.get(_to(here, "live", letter.pk)).headers["HX-Refresh"] == "true"
    assert (commenting.comments(letter), entries(letter)) == (comments, history)
    client.post(_to(here, "undo-send", here.sent.pk))
    here.sent.refresh_from_db()
    assert here.sent.state == "sending"


def test_what_cannot_be_done_is_said_and_not_done(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "resume", here.sent.pk), follow=True)
    assert "You can only resume a paused campaign" in answer.content.decode()


def test_nobody_who_may_be_written_to_stops_the_release(here: House, desk: Desk) -> None:
    from samizdat.audience import actions as audience

    audience.unsubscribe(here.ada, here.list, now=NOW)
    page = desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert "No recipients" in page
    assert Campaign.objects.get(pk=here.campaign.pk).state == "draft"


@pytest.mark.parametrize(("chosen", "minutes"), [({}, 5), ({"undo": "5"}, 5), ({"undo": "30"}, 30), ({"undo": "0"}, 0)])
def test_what_is_sent_now_can_be_undone_for_as_long_as_was_chosen(
    here: House, desk: Desk, chosen: dict[str, str], minutes: int
) -> None:
    before = timezone.now()
    desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now", **chosen})
    here.campaign.refresh_from_db()
    assert here.campaign.state == ("held" if minutes else "sending")
    if minutes:
        waits = timedelta(minutes=minutes)
        assert here.campaign.not_before is not None
        assert before + waits <= here.campaign.not_before <= timezone.now() + waits


def test_the_summary_says_the_undo_window_that_is_chosen(here: House, desk: Desk) -> None:
    def summary(undo: str) -> str:
        answer = desk("editor").get(_to(here, "schedule", here.campaign.pk), {"when": "now", "undo": undo})
        return " ".join(answer.content.decode().split())

    assert "for 30 minutes" in summary("30") and "30-minute undo" in summary("30")
    assert "until the first email is sent </span>" in summary("0") and "no undo window" in summary("0")
    assert "for 5 minutes" in summary("9999999") and "5-minute undo" in summary("9999999")


def test_an_undo_window_that_is_not_offered_sends_nothing(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now", "undo": "-5"})
    here.campaign.refresh_from_db()
    assert (answer.status_code, here.campaign.state) == (422, "draft")


def test_the_report_says_which_machine_went_silent_and_only_an_admin_is_told_the_command(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now"})
    gone = {"worker": 12, "host": "mail2", "messages": 73, "silent": 130, "in_doubt_in": 470, "minutes": 8}
    monkeypatch.setattr(reports, "waits_for", lambda _campaign: [gone])
    address = _to(here, "live", here.campaign.pk)
    page = desk("editor").get(address).content.decode()
    assert "mail2 isn’t responding" in page and "Emails in progress there: 73" in page and "in 8 min" in page
    assert "worker forget" not in page
    assert "samizdat worker forget 12" in desk("admin").get(address).content.decode()


def test_a_first_wave_and_quiet_hours_are_chosen_on_the_send_page(here: House, desk: Desk) -> None:
    answers = {"when": "now", "quiet": "22:00 - 7:00", "wave": "10", "wave_hold": "45", "wave_stop": "2.5"}
    desk("editor").post(_to(here, "send", here.campaign.pk), answers)
    here.campaign.refresh_from_db()
    kept = here.campaign
    assert (kept.quiet_hours, kept.canary_percent, kept.canary_hold, kept.canary_stop) == ("22:00-07:00", 10, 45, 2.5)


def test_quiet_hours_of_the_organization_stand_in_the_form_and_are_taken_out_for_one_letter(
    here: House, desk: Desk
) -> None:
    desk("admin").post(_to(here, "settings"), _settings(here, quiet_hours="22:00-07:00"))
    here.organization.refresh_from_db()
    assert here.organization.quiet_hours == "22:00-07:00"
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    assert 'value="22:00-07:00"' in client.get(address).content.decode()
    client.post(address, {"when": "now", "quiet": ""})
    here.campaign.refresh_from_db()
    assert here.campaign.quiet_hours == "none"


def _settings(here: House, **more: str) -> dict[str, str]:
    from samizdat.web.settings.forms.team import SettingsForm

    return {name: str(getattr(here.organization, name)) for name in SettingsForm.base_fields} | more


@pytest.mark.parametrize(
    ("answers", "field"),
    [({"quiet": "at night"}, "quiet"), ({"wave": "100"}, "wave"), ({"quiet": "22:00-07:00 Mars"}, "quiet")],
)
def test_a_pace_that_cannot_be_is_refused_beside_its_field(
    here: House, desk: Desk, answers: dict[str, str], field: str
) -> None:
    answer = desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now", **answers})
    assert answer.status_code == 422 and field in answer.context["form"].errors
    here.campaign.refresh_from_db()
    assert here.campaign.state == "draft"


def test_hours_that_are_none_are_refused_in_the_settings(here: House, desk: Desk) -> None:
    answer = desk("admin").post(_to(here, "settings"), _settings(here, quiet_hours="night"))
    assert answer.status_code == 422
    assert "aren’t valid quiet hours" in answer.content.decode()


def test_the_address_of_the_desk_is_set_in_the_settings(here: House, desk: Desk) -> None:
    client = desk("admin")
    refused = client.post(_to(here, "settings"), _settings(here, desk_url="ftp://desk.lantern.example"))
    assert "isn’t a web address" in refused.content.decode()
    client.post(_to(here, "settings"), _settings(here, desk_url="https://desk.lantern.example/"))
    [waiting] = pending_changes.waiting(here.organization)
    pending_changes.approve(waiting, now=timezone.now(), by=None)
    here.organization.refresh_from_db()
    assert here.organization.desk_url == "https://desk.lantern.example"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_letter_that_waits_says_why_and_until_when(here: House, desk: Desk, language: str) -> None:
    with translation.override(language):  # A page leaves its language behind.
        here.people["editor"].language = language
        here.people["editor"].save()
        client = desk("editor")
        client.post(_to(here, "send", here.campaign.pk), {"when": "now", "wave": "10"})
        until = datetime(2027, 3, 1, 7, 0, tzinfo=UTC)
        for reason in ("quiet", "wave", "limit", "warm_up"):
            Campaign.objects.filter(pk=here.campaign.pk).update(state="waiting", reason=reason, waits_until=until)
            page = client.get(_to(here, "report", here.campaign.pk)).content.decode()
            assert "09:00" in page and "%(" not in page
            assert ('id="b-wave"' in page) is (reason == "wave")
            assert "09:00" in client.get(_to(here, "home")).content.decode()
        Campaign.objects.filter(pk=here.campaign.pk).update(reason="wave", canary_state="held")
        client.post(_to(here, "resume", here.campaign.pk))
        here.campaign.refresh_from_db()
        assert (here.campaign.state, here.campaign.canary_state) == ("sending", "passed")


def test_a_letter_without_a_subject_is_called_so_on_the_way_out(here: House, desk: Desk) -> None:
    letter = campaigns.create(here.organization, here.list, Draft("", body="Words."), by=None, now=NOW)
    for name in ("send", "versions", "delete-draft"):
        words = "<bdi>no subject</bdi>" if name == "send" else "“no subject”"
        assert words in desk("editor").get(_to(here, name, letter.pk)).content.decode(), name


def test_an_appeal_is_chosen_under_audience_and_says_whom_it_leaves_out(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "campaign", here.campaign.pk)
    shown = client.get(page).context["form"]
    answers = {field.html_name: field.value() or "" for field in shown} | {"purpose": "fundraising"}
    client.post(page, answers)
    here.campaign.refresh_from_db()
    assert here.campaign.is_appeal
    assert "Fixed: a campaign to part of the list isn’t added to the archive" in client.get(page).content.decode()
    send = _to(here, "send", here.campaign.pk)
    said = client.get(send).content.decode()
    assert "no consent to fundraising appeals" in said and "goes only to those who agreed to appeals" in said
    assert client.post(send, {"when": "now"}).status_code == 422  # Nobody has.
    audience.agree_to_appeals_of(here.ada, [here.list], wording="Ask me.", now=NOW)
    assert client.post(send, {"when": "now"}).status_code == 302
    here.campaign.refresh_from_db()
    assert here.campaign.frozen == 1
    assert "fundraising appeal" in client.get(_to(here, "campaigns")).content.decode()
    assert "fundraising appeal" in client.get(_to(here, "report", here.campaign.pk)).content.decode()
