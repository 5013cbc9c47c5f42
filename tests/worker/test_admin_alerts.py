"""What admins are mailed about."""

import email
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.accounts import memberships, pending_changes
from samizdat.accounts.models import PendingChange
from samizdat.audience import actions as audience
from samizdat.audience import removal_limit
from samizdat.audience.errors import TooManyRemovals
from samizdat.backup import kept_places
from samizdat.backup.restore_test import records
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import senders
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.outcome import Accepted, Deferred, Refused, Unsure
from samizdat.delivery import service_senders
from samizdat.delivery.actions import add_route, outside_tests, release, route_refusals
from samizdat.delivery.actions.key_service import UNREACHABLE
from samizdat.delivery.actions.route_changes import RouteDetails
from samizdat.delivery.errors import TooManyTests
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import FollowUp
from samizdat.portability import actions as exporting
from samizdat.portability import approval
from samizdat.portability.request import ExportRequest
from samizdat.worker.mail import service_mail
from samizdat.worker.schedule import admin_alerts, backups
from tests.conftest import NOW
from tests.web.conftest import make_person
from tests.worker.test_preferences import mails

pytestmark = pytest.mark.django_db


def test_every_admin_is_mailed_once_about_an_export_that_anybody_can_read(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    admins = [make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("clara", "eva")]
    make_person("dmitri", "dmitri@lantern.example", lantern, "editor")
    sealed = ExportRequest("csv", ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",))
    exporting.ask(lantern, sealed, now=NOW, by=admins[0])
    row = exporting.ask(lantern, ExportRequest("csv"), reason="we move", now=NOW, by=admins[0])
    assert admin_alerts.take(NOW) == 0, "there is no route yet"
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [2, 0]
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=2)) == 0
    found = mails(tmp_path)
    assert {*found} == {"clara@lantern.example", "eva@lantern.example"}
    text = " ".join(found["eva@lantern.example"].split())
    assert "unencrypted file" in text and "we move" not in text and "ada@" not in text
    assert row.state == "held"


def test_every_admin_is_mailed_once_when_a_mailbox_provider_refuses_a_campaign(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    audience.add_subscriber(lantern, "ada@post.example", thursday, consent="So.", now=NOW)
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="{{ FNAME }}")
    campaign = release(campaigns.create(lantern, thursday, draft, by=None, now=NOW), now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    admin_alerts._later.clear()
    for provider, name in (("gmail", "Gmail"), ("@small.example", "A mailbox provider")):
        route_refusals.put_off(campaign.edition.pk, provider, Refused(550, "go away", "message", "content"), 20, NOW)
        assert admin_alerts.take(NOW + timedelta(minutes=1)) == 1
        route_refusals.lift(campaign, now=NOW)
        admin_alerts._later.clear()
        assert admin_alerts.take(NOW + timedelta(minutes=1)) == 0
        text = " ".join(mails(tmp_path)["clara@lantern.example"].split())
        assert f"{name} is rejecting emails of campaign No. {campaign.pk}" in text
        assert "small.example" not in text and "go away" not in text


def test_every_admin_is_mailed_once_that_a_change_waits_and_not_which(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    from samizdat.accounts.actions import give_role

    vera, zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    clara = make_person("clara", "clara@lantern.example", lantern, "editor")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    assert give_role(clara, lantern, "admin", by=vera, now=NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [2, 0]
    found = mails(tmp_path)
    assert {*found} == {"vera@lantern.example", "zoya@lantern.example"}
    text = " ".join(found["zoya@lantern.example"].split())
    assert "requested a change that could be abused with one stolen password" in text and "clara" not in text.lower()


def test_a_change_is_told_by_a_route_that_whoever_asked_has_paused_and_its_day_begins_then(
    lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.accounts.actions import give_role
    from samizdat.delivery.actions import pause_route

    vera, _zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    for one in memberships.valid(organization=lantern):
        memberships.give(one.person, lantern, one.role, NOW - timedelta(days=3))
    clara = make_person("clara", "clara@lantern.example", lantern, "editor")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    route = add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    pause_route(route, now=NOW, by=vera)
    monkeypatch.setattr(service_mail, "LOCAL", ())  # The folder stands for a relay.
    later = NOW + timedelta(days=2)
    assert give_role(clara, lantern, "admin", by=vera, now=NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(later) for _round in range(2)] == [2, 0], "two days later it is tried as well"
    assert PendingChange.objects.get().noticed == later
    assert {*mails(tmp_path)} == {"vera@lantern.example", "zoya@lantern.example"}
    pending_changes.wait(later, timedelta(days=2))
    assert pending_changes.is_waiting(lantern, "role", clara.pk)


def test_a_full_mailbox_keeps_no_other_admin_from_being_told(
    lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.accounts.actions import give_role

    vera, _zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    clara = make_person("clara", "clara@lantern.example", lantern, "editor")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    assert give_role(clara, lantern, "admin", by=vera, now=NOW)
    mail = admin_alerts._mail

    def full(told: Any, sender: Any, person: Any, *rest: Any, **named: Any) -> Any:
        return (
            Deferred(452, "4.2.2 full", "recipient") if person == vera else mail(told, sender, person, *rest, **named)
        )

    monkeypatch.setattr(admin_alerts, "_mail", full)
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=1)) == 1
    assert {*mails(tmp_path)} == {"zoya@lantern.example"}


def test_an_alert_that_goes_twice_is_one_message_to_a_mailbox(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    """The worker is ended by a lock once a server took it, and before that is written down."""
    from samizdat.accounts.actions import give_role

    vera, _zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    clara = make_person("clara", "clara@lantern.example", lantern, "editor")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    assert give_role(clara, lantern, "admin", by=vera, now=NOW)
    for _again in range(2):
        admin_alerts._later.clear()
        assert admin_alerts.take(NOW + timedelta(minutes=1)) == 2
        FollowUp.objects.filter(name__startswith="mail to").delete()
    files = [email.message_from_bytes(path.read_bytes()) for path in tmp_path.rglob("*.eml")]
    assert len(files) == 4 and len({file["Message-ID"] for file in files}) == 2


def test_mails_to_the_team_come_from_an_address_that_no_draft_changes(lantern: Any, tmp_path: Path) -> None:
    from samizdat.accounts.actions import change_settings
    from samizdat.delivery.actions import domains

    make_person("vera", "vera@lantern.example", lantern, "admin")
    list_ = audience.new_list(lantern, "the Thursday Letter", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="x")
    letter = campaigns.create(lantern, list_, draft, by=None, now=NOW)
    assert service_senders.own_sender(lantern) is None
    audience.add_subscriber(lantern, "ada@lantern.example", list_, consent="form", now=NOW)
    release(letter, now=NOW)
    Campaign.objects.filter(pk=letter.pk).update(state="sending")
    campaigns.create(lantern, list_, replace(draft, from_email="refused@bank.example"), by=None, now=NOW)
    assert service_senders.own_sender(lantern) == ("Lantern", "letter@lantern.example"), "it went out, for all to see"
    domain = domains.add_domain(lantern, "lantern.example", now=NOW, algorithms=("ed25519",))
    assert service_senders.own_sender(lantern) == ("Lantern", "letter@lantern.example"), "it signs nothing yet"
    domains.say_published(domain.keys.get(), now=NOW)
    domains.activate_published(domain, now=NOW)
    assert service_senders.own_sender(lantern) == ("Northern Lantern", "samizdat@lantern.example")
    add_route(lantern, "relay", "smtp://post%40lantern.example:word@relay.example", now=NOW)
    assert service_senders.own_sender(lantern) == ("Northern Lantern", "post@lantern.example")
    change_settings(lantern, by=None, now=NOW, return_address="bounces@lantern.example")
    assert service_senders.own_sender(lantern) == ("Northern Lantern", "bounces@lantern.example")


def test_a_notice_is_from_the_address_where_bounces_go_and_not_from_the_newest_draft(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    from samizdat.accounts.actions import change_settings
    from samizdat.delivery.actions import pause_route

    vera = make_person("vera", "vera@lantern.example", lantern, "admin")
    change_settings(lantern, by=None, now=NOW, return_address="bounces@lantern.example")
    route = add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    draft = Draft(subject="News", from_name="Bank", from_email="safe@bank.example", body="x")
    campaigns.create(lantern, thursday, draft, by=None, now=NOW)
    pause_route(route, now=NOW, by=vera)
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=1)) == 1
    (letter,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert b"<bounces@lantern.example>" in letter.read_bytes() and b"bank.example" not in letter.read_bytes()


def test_a_mail_that_asks_to_confirm_comes_from_the_newest_campaign_that_went_out_and_from_no_draft(
    lantern: Any,
) -> None:
    list_ = audience.new_list(lantern, "the Thursday Letter", now=NOW)
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="x")
    sent = campaigns.create(lantern, list_, draft, by=None, now=NOW)
    assert senders.sender_of(list_) is None, "a name that somebody typed goes to no stranger"
    Campaign.objects.filter(pk=sent.pk).update(state="sending")
    assert senders.sender_of(list_) is None, "nobody released it, whatever the database says"
    Campaign.objects.filter(pk=sent.pk).update(state="draft")
    audience.add_subscriber(lantern, "ada@lantern.example", list_, consent="form", now=NOW)
    release(sent, now=NOW)
    Campaign.objects.filter(pk=sent.pk).update(state="sending")
    campaigns.create(lantern, list_, replace(draft, from_email="refused@bank.example"), by=None, now=NOW)
    assert senders.sender_of(list_) == ("Lantern", "letter@lantern.example")


class Week:
    """Three admins, of whom Vera asks for a change, and what servers of mailboxes answer; looked at twice a day."""

    def __init__(self, house: Any, list_: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from samizdat.accounts.actions import give_role

        self.house, self.answers, self.at = house, {}, NOW
        self.tried: list[str] = []
        self.vera, self.anna = (make_person(n, f"{n}@lantern.example", house, "admin") for n in ("vera", "anna"))
        self.clara = make_person("clara", "clara@lantern.example", house, "editor")
        audience.add_subscriber(house, "ada@reader.example", list_, consent="So.", now=NOW)
        add_route(house, "folder", f"folder://{folder}", now=NOW)
        for one in memberships.valid(organization=house):
            memberships.give(one.person, house, one.role, NOW - timedelta(days=3))
        assert give_role(self.clara, house, "admin", by=self.vera, now=NOW)
        monkeypatch.setattr(service_mail, "LOCAL", ())  # The folder stands for a relay.
        monkeypatch.setattr(service_mail.ReadyMail, "carry", lambda mail: self._carry(mail))

    async def _carry(self, mail: service_mail.ReadyMail) -> Any:
        [(_route, _transport, message)] = mail.hops
        self.tried.append(message.recipient.partition("@")[0])
        return self.answers.get(self.tried[-1], Accepted())

    def pass_(self, wall: timedelta, ticks: timedelta | None = None) -> bool:
        """Whether the change waits after it. ticks: by the clock that nobody can set, where it says something else."""
        for _look in range(steps := max(1, wall // timedelta(hours=12))):
            self.at += wall / steps
            admin_alerts._later.clear()
            admin_alerts.take(self.at)
            pending_changes.wait(self.at, (wall if ticks is None else ticks) / steps)
        return pending_changes.is_waiting(self.house, "role", self.clara.pk)


@pytest.fixture
def week(lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Week:
    return Week(lantern, thursday, tmp_path, monkeypatch)


GONE, FULL = Refused(550, "5.1.1 no such user", "recipient", "unknown"), Deferred(452, "4.2.2 full", "recipient")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize("answer", [GONE, FULL, Unsure("silence")])
def test_an_admin_whose_mailbox_refuses_for_a_week_keeps_no_change_waiting_for_ever(week: Week, answer: Any) -> None:
    week.answers["anna"] = answer
    assert week.pass_(8 * DAY), "a week, and then the day"
    row = PendingChange.objects.get()
    assert row.noticed is None and pending_changes.is_refused(row, week.at)
    assert not week.pass_(DAY)
    assert week.tried.count("anna") > 8, "they were tried all the time"


@pytest.mark.parametrize(("wall", "ticks"), [(10 * DAY, DAY), (DAY, 10 * DAY)])
def test_no_clock_shortens_the_week_of_an_admin_whose_mailbox_refuses(
    week: Week, wall: timedelta, ticks: timedelta
) -> None:
    week.answers["anna"] = GONE
    assert week.pass_(wall, ticks)


def test_a_notice_to_any_other_admin_begins_the_day_at_once_and_the_days_before_count_for_nothing(week: Week) -> None:
    week.answers["anna"] = GONE
    assert week.pass_(6 * DAY)
    week.answers.clear()
    assert week.pass_(6 * HOUR)
    assert PendingChange.objects.get().noticed == week.at
    assert week.pass_(10 * DAY, DAY - 7 * HOUR), "the clock was set"
    assert not week.pass_(HOUR)


def test_while_no_mail_reaches_the_server_of_a_mailbox_its_week_stands_still(week: Week) -> None:
    week.answers["anna"] = GONE
    assert week.pass_(DAY)
    week.answers |= dict.fromkeys(("anna", "vera"), Deferred(0, "", "route"))
    assert week.pass_(10 * DAY), "whoever asked may have removed the route"
    assert not pending_changes.is_refused(PendingChange.objects.get(), week.at)
    week.answers["anna"] = GONE
    assert week.pass_(5 * DAY)
    assert not week.pass_(3 * DAY)


def test_who_is_refused_is_left_alone_for_hours_and_is_nobody_who_was_told(week: Week) -> None:
    week.answers["anna"] = GONE
    admin_alerts._later.clear()
    admin_alerts.take(NOW + HOUR)
    for mark in [mark for mark in admin_alerts._later if len(mark) == 2]:
        del admin_alerts._later[mark]
    admin_alerts.take(NOW + 2 * HOUR)
    assert week.tried.count("anna") == 1
    assert not FollowUp.objects.filter(name=admin_alerts.mark_of(week.anna)).exists()


def test_a_refusal_that_was_written_into_the_database_begins_no_week(week: Week) -> None:
    PendingChange.objects.update(refused=NOW - 9 * DAY, tried=NOW)
    pending_changes.wait(NOW, 9 * DAY)
    pending_changes.refuse(PendingChange.objects.get(), [week.anna], NOW)
    assert PendingChange.objects.get().state == "failed"
    assert not memberships.valid(person=week.clara, role="admin")


def test_an_export_to_a_new_key_waits_no_longer_than_a_change_for_an_admin_whose_mailbox_refuses(week: Week) -> None:
    sealed = ExportRequest("csv", ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",))
    row = exporting.ask(week.house, sealed, now=NOW, by=week.vera)
    week.answers["anna"] = GONE
    for hours, state in ((8 * 24, "held"), (24, "asked")):
        for _look in range(hours // 12):
            week.at += 12 * HOUR
            admin_alerts._later.clear()
            admin_alerts.take(week.at)
            approval.wait(week.at, 12 * HOUR)
        row.refresh_from_db()
        assert row.state == state


def test_a_folder_swallows_no_notice_and_counts_as_nobody_who_was_told(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    from samizdat.accounts.actions import give_role

    vera, _zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    clara = make_person("clara", "clara@lantern.example", lantern, "editor")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    relay = add_route(lantern, "relay", "smtp://127.0.0.1:9", now=NOW)
    assert give_role(clara, lantern, "admin", by=vera, now=NOW)
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=1)) == 0, "it waits for the relay"
    assert not mails(tmp_path)
    relay.delete()
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=2)) == 2, "there is nothing but the folder"
    assert PendingChange.objects.get().noticed is None


def test_every_admin_is_mailed_that_a_colleague_paused_a_route(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    from samizdat.delivery.actions import pause_route

    vera, _zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    route = add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    pause_route(route, now=NOW, by=vera)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [2, 0]
    assert "Someone paused or removed a sending route of" in " ".join(mails(tmp_path)["zoya@lantern.example"].split())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (backups.LATE, "samizdat doctor"),
        (records.FAILED, "samizdat backup test"),
        (kept_places.ADDED, "backup"),
        (kept_places.REMOVED, "backup"),
        (UNREACHABLE, "key service"),
        ("event_webhook.disabled", "Switch on again"),
    ],
)
def test_every_admin_is_mailed_what_happened_to_no_row_of_its_own(
    lantern: Any, thursday: Any, tmp_path: Path, kind: EventKind, words: str
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    record(kind, lantern, now=NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    assert words in " ".join(mails(tmp_path)["clara@lantern.example"].split())


def test_a_percent_sign_in_the_address_of_the_desk_keeps_no_admin_from_being_told(lantern: Any, thursday: Any) -> None:
    from samizdat.accounts.actions import change_settings

    change_settings(lantern, by=None, now=NOW, desk_url="https://desk.example/%zz")
    lantern.refresh_from_db()
    texts = [
        admin_alerts._export_text(lantern, True),
        admin_alerts._change_text(lantern, True),
        admin_alerts._reading_text(lantern),
        admin_alerts._lock_text(lantern),
        admin_alerts._route_text(lantern),
    ]
    for text in texts:
        assert lantern.name in text and "https://desk.example/%zz/" in text and "%(name)s" not in text


def test_every_admin_is_mailed_once_that_somebody_leafs_through_the_list(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    from samizdat.audience import read_limits

    make_person("vera", "vera@lantern.example", lantern, "admin")
    dmitri = make_person("dmitri", "dmitri@lantern.example", lantern, "viewer")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    read_limits.forget()
    for _card in range(40):
        read_limits.open_some(lantern, dmitri, 1, NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["vera@lantern.example"].split())
    assert "than anyone could read" in text and "dmitri" not in text


def test_every_admin_is_mailed_once_that_somebody_sends_many_tests_to_strangers(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    make_person("vera", "vera@lantern.example", lantern, "admin")
    dmitri = make_person("dmitri", "dmitri@lantern.example", lantern, "editor")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    strangers = [f"stranger{n}@post.example" for n in range(outside_tests.OUTSIDE_A_DAY + 1)]
    with pytest.raises(TooManyTests):
        outside_tests.check(lantern, 1, strangers, now=NOW, by=dmitri)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["vera@lantern.example"].split())
    assert (
        "tried to send more test emails to outside addresses than the daily limit allows" in text
        and "dmitri" not in text
    )


def test_every_admin_is_mailed_once_that_somebody_takes_many_people_off_lists(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    make_person("vera", "vera@lantern.example", lantern, "admin")
    dmitri = make_person("dmitri", "dmitri@lantern.example", lantern, "editor")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    people = [
        audience.add_subscriber(lantern, f"r{n}@reader.example", thursday, consent="So.", now=NOW)
        for n in range(removal_limit.ALONE_A_DAY + 1)
    ]
    for person in people[:-1]:
        audience.unsubscribe(person, thursday, now=NOW, by=dmitri)
    with pytest.raises(TooManyRemovals):
        audience.unsubscribe(people[-1], thursday, now=NOW, by=dmitri)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["vera@lantern.example"].split())
    assert (
        "tried to remove more people from lists than your team can in a day without approval" in text
        and "dmitri" not in text
    )


def test_every_admin_is_mailed_about_an_export_to_a_new_key(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    vera = make_person("vera", "vera@lantern.example", lantern, "admin")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=NOW)
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    sealed = ExportRequest("csv", ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",))
    assert exporting.ask(lantern, sealed, now=NOW, by=vera).state == "held"
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=1)) == 1
    assert "encrypted with a passphrase or to a key that hasn’t been approved yet" in " ".join(
        mails(tmp_path)["vera@lantern.example"].split()
    )


def test_every_admin_is_mailed_once_that_an_account_was_locked_the_locked_one_too(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    from samizdat.accounts import locking

    vera, zoya = (make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya"))
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    locking.lock(zoya, lantern, by=None, now=NOW)
    admin_alerts._later.clear()
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [2, 0]
    found = mails(tmp_path)
    assert {*found} == {"vera@lantern.example", "zoya@lantern.example"}
    text = " ".join(found["vera@lantern.example"].split())
    assert "Someone locked an account of the" in text and "zoya" not in text


def test_a_change_that_needed_no_approval_is_mailed_as_settled(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    vera = make_person("vera", "vera@lantern.example", lantern, "admin")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    details = RouteDetails("second", "smtp://relay.example", None)
    pending_changes.ask(lantern, "route", details, about=1, now=NOW, by=vera)
    pending_changes.settle_about(lantern, "route", 1, now=NOW, by=vera)
    admin_alerts._later.clear()
    assert admin_alerts.take(NOW + timedelta(minutes=1)) == 1
    text = " ".join(mails(tmp_path)["vera@lantern.example"].split())
    assert "It’s no longer pending" in text and "approves" not in text and "second" not in text


def test_every_admin_is_mailed_once_that_too_many_mailboxes_are_called_nonexistent(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="{{ FNAME }}")
    campaign = campaigns.create(lantern, thursday, draft, by=None, now=NOW)
    admin_alerts._later.clear()
    detail = {"provider": "@small.example", "count": 30, "answered": 90}
    record("campaign.bounces_held", lantern, now=NOW, about=campaign.pk, detail=detail)
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["clara@lantern.example"].split())
    assert f"unusually many recipients of campaign No. {campaign.pk}" in text and "nobody there was suppressed" in text
    assert "small.example" not in text


def test_every_admin_is_mailed_once_that_copies_to_seed_mailboxes_do_not_arrive(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    route = add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="{{ FNAME }}")
    campaign = campaigns.create(lantern, thursday, draft, by=None, now=NOW)
    admin_alerts._later.clear()
    detail = {"route": route.pk, "copies": 3, "spam": 1, "missing": 2}
    record("campaign.not_arriving", lantern, now=NOW, about=campaign.pk, detail=detail)
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["clara@lantern.example"].split())
    assert "sending route “folder”: of 3 copies to your seed mailboxes, 1 went to spam and 2 didn’t arrive" in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [("list.complaints_alarm", "If it goes on"), ("list.complaints_stopped", "Sending to this list stopped")],
)
def test_every_admin_is_mailed_that_many_reported_a_list_as_spam(
    lantern: Any, thursday: Any, tmp_path: Path, kind: EventKind, words: str
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    admin_alerts._later.clear()
    record(kind, lantern, now=NOW, about=thursday.pk, detail={"provider": "gmail", "complaints": 5, "delivered": 900})
    assert [admin_alerts.take(NOW + timedelta(minutes=1)) for _round in range(2)] == [1, 0]
    text = " ".join(mails(tmp_path)["clara@lantern.example"].split())
    assert words in text and "gmail" not in text and "900" not in text
