"""The demo's year is written by the product itself, under a clock that was put back, and its servers fail."""

import smtplib
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.cli.demo import history, letters
from samizdat.cli.demo.catcher import Caught, MailCatcher, catching, has_no_mailbox, loses_answer
from samizdat.cli.demo.export import make_mailchimp_export
from samizdat.cli.demo.parameters import DOMAINS, MARK
from tests.ports import free_port

ADA = "ada1@kiosk.example"
PLAIN = b"Subject: News\r\n\r\nDear Ada,\r\n.hidden line\r\n"


@pytest.fixture
def catcher() -> Iterator[MailCatcher]:
    made = MailCatcher(free_port(), Caught())
    with catching(made):
        yield made


def deliver(catcher: MailCatcher, to: str, data: bytes = PLAIN) -> int:
    """The code of the answer; 0 where none came."""
    with smtplib.SMTP("127.0.0.1", catcher.port, timeout=30) as client:
        try:
            client.sendmail("news@lantern.example", [to], data)
        except smtplib.SMTPServerDisconnected:
            return 0
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[to][0]
        except smtplib.SMTPResponseException as answer:
            return answer.smtp_code
    return 250


def test_a_caught_email_is_what_was_sent(catcher: MailCatcher) -> None:
    assert deliver(catcher, ADA) == 250
    (letter,) = catcher.caught.letters()
    assert (letter.sender, letter.recipient) == ("news@lantern.example", ADA)
    assert letter.message().get_content().splitlines() == ["Dear Ada,", ".hidden line"]


def test_a_suspended_account_sends_nothing_more(catcher: MailCatcher) -> None:
    catcher.accepts = 1
    assert [deliver(catcher, ADA) for _ in range(3)] == [250, 550, 550]
    assert catcher.caught.accepted == 1


def test_an_address_loses_its_mailbox_within_the_year(catcher: MailCatcher) -> None:
    gone = next(f"a{number}@kiosk.example" for number in range(5000) if has_no_mailbox(f"a{number}@x.example", 3))
    assert deliver(catcher, gone) in (250, 550)
    catcher.month = 3
    assert deliver(catcher, gone) == 550
    assert deliver(catcher, "clara@northern-lantern.example") == 250, "who has no number is invented by nobody"
    number = gone.partition("@")[0]
    assert deliver(catcher, f"bounces+{number}@northern-lantern.example") == 250, "a code is no number of an address"


def test_the_answer_to_some_emails_is_lost(catcher: MailCatcher) -> None:
    lost = next(f"a{number}@kiosk.example" for number in range(5000) if loses_answer(f"a{number}@x.example"))
    assert deliver(catcher, lost) == 250
    catcher.loses = True
    assert deliver(catcher, lost) == 0
    assert catcher.caught.accepted == 1


def test_every_address_that_may_be_mailed_is_one_that_nobody_can_have(tmp_path: Path) -> None:
    export = tmp_path / "export.zip"
    make_mailchimp_export(export, 60, domains=DOMAINS, mark=MARK)
    with zipfile.ZipFile(export) as box:
        files = [box.read(name).decode().splitlines()[1:] for name in box.namelist()]
    exported = [line.partition(",")[0] for lines in files for line in lines if "@" in line.partition(",")[0]]
    invented = [history._invented(number)[0] for number in range(500)]
    assert len(exported) == 60
    for address in (*exported, *invented):
        local, _at, domain = address.partition("@")
        assert local.endswith("=example"), address
        assert domain in DOMAINS


def test_every_campaign_of_the_year_was_sent_on_a_thursday_and_the_last_one_days_ago() -> None:
    for day in range(28):
        now = datetime(2026, 11, 3, 23, 59, tzinfo=UTC) + timedelta(days=day)
        days = history.thursdays(now)
        assert {day.weekday() for day in days} == {3}
        assert timedelta(days=1, hours=15) <= now - days[-1] <= timedelta(days=9)
        assert history.first_day(now) < days[0]
        assert len(days) == history.CAMPAIGNS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One campaign of the year and the last one, to few people."""
    monkeypatch.setattr(letters, "YEAR", letters.YEAR[:1])
    monkeypatch.setattr(history, "IMPORTED", 80)
    monkeypatch.setattr(history, "SIGN_UPS", 2)
    monkeypatch.setattr(history, "PAPER", (5,))


def lived(organization: Any, first: datetime, days: list[datetime]) -> tuple[Any, list[MailCatcher]]:
    """The list after the small year, and its sending providers, still running."""
    from samizdat.accounts.actions import change_settings
    from samizdat.cli.demo import build

    providers = build.catchers(free_port(), Caught())
    for provider in providers:
        provider.port = free_port()
    with history.another_time(first):
        change_settings(organization, by=None, now=first, return_address="bounces@northern-lantern.example")
        list_ = build._list(organization)
        history.import_first(organization, list_)
        ports = {name: provider.port for name, provider in zip(build.ROUTES, providers, strict=True)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build, "ROUTES", ports)
            build._add_routes(organization, 0)
        for provider in providers:
            provider.start()
        build._live_a_year(organization, list_, providers, days)
    return list_, providers


@pytest.mark.once  # The demo runs on SQLite, whatever the environment says; PostgreSQL's clock can't be put back.
def test_the_year_is_genuine(transactional_db: Any, vault: Any, founding: Callable[[Any], Any], small: None) -> None:
    from samizdat.accounts.models import Person
    from samizdat.audience.actions import verdict
    from samizdat.audience.models import Subscriber
    from samizdat.audience.queries import count, subscriber_at
    from samizdat.campaigns.models import Campaign
    from samizdat.core.consent import Permission
    from samizdat.delivery.models import Clock
    from samizdat.delivery.queries import status
    from samizdat.events import chain
    from samizdat.events.models import Event
    from samizdat.incoming.conversations import queries as inbox

    now = datetime.now(UTC)
    first = now - timedelta(days=365)
    days = [now - timedelta(days=340), now - timedelta(days=5), now]
    organization = founding(vault)
    list_, providers = lived(organization, first, days)
    for provider in providers:
        provider.stop()

    campaigns = list(Campaign.objects.order_by("pk").select_related("organization"))
    assert [campaign.released.date() for campaign in campaigns] == [day.date() for day in days[:2]]
    for campaign in campaigns:
        sums: dict[str, Any] = status(campaign)
        kinds = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")
        assert (sums["state"], sum(sums[kind] for kind in kinds)) == ("finished", sums["frozen"])
    assert sum(campaign.accepted for campaign in campaigns) == providers[0].caught.accepted
    assert campaigns[0].unsubscribes == 3
    # 80 imported, 2 + 2 in the form, 5 on paper.
    assert count(organization, list=list_) == 89

    written = inbox.page(organization, "open", Person(), 1).rows
    assert [bool(one.known.number) for one in written] == [True, False, True, True, True, True]
    assert [one.known.wants_to_leave for one in written] == [False, False, True, True, False, False]

    joined = set(Subscriber.objects.filter(organization=organization).values_list("joined", flat=True))
    assert min(joined) == first.date(), "a year ago"
    # Of the first two who signed up, one may have left by the next campaign.
    newcomers = [subscriber_at(organization, history._invented(history.PEOPLE + place)[0]) for place in range(2)]
    days_joined = [newcomer.joined for newcomer in newcomers if newcomer]
    assert len(days_joined) == 2 and max(days_joined) < now.date() - timedelta(days=100)
    verdicts = [verdict(newcomer, list_, now) for newcomer in newcomers if newcomer]
    permissions = [one.record.day for one in verdicts if isinstance(one, Permission)]
    assert permissions and {*permissions} <= {*days_joined}, "their consent is as old as their sign-up"

    while chain.append():
        pass
    assert chain.verify(organization).whole
    begin = Event.objects.get(kind="list.created").pk
    times = list(Event.objects.filter(pk__gte=begin).order_by("pk").values_list("at", flat=True))
    log_days = [at.date() for at in times]
    assert log_days == sorted(log_days)
    assert not Clock.objects.exists(), "that a clock was put back is no news of this machine"
    assert abs(dbclock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.once
def test_the_second_provider_takes_over_when_the_first_suspends_the_account(
    transactional_db: Any, vault: Any, founding: Callable[[Any], Any], small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.campaigns.models import Campaign
    from samizdat.cli.demo import build
    from samizdat.delivery.engine.sender import run_campaign

    monkeypatch.setattr(build, "SUSPENDED_AFTER", 20)
    now = datetime.now(UTC)
    organization = founding(vault)
    list_, providers = lived(organization, now - timedelta(days=365), [now - timedelta(days=30), now])
    build._begin(organization, list_, providers)
    build.set_rate(organization, None)
    sums: Any = run_campaign(Campaign.objects.get(state="sending").pk, 120)
    for provider in providers:
        provider.stop()
    first, second = sums["by_route"].values()
    assert (first["state"], first["reason"]) == ("dead", "suspended")
    assert 20 <= first["accepted"] < 30
    assert second["accepted"] == sums["accepted"] - first["accepted"] > 0
    assert sums["deferred"] == sums["pending"] == 0
