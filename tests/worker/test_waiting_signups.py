"""A sign-up is a row of its own until its mailbox confirms it: a copy of the database doesn't tell who subscribes."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import data_quality, queries, waiting
from samizdat.audience.actions import forms, fundraising_consent, mail_quota, signup_alarm
from samizdat.audience.consistency import changed_records, check_projections
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import ConsentRecord, DataQualityIssue, List, MailQuota, Subscriber, Subscription
from samizdat.core.crypto import tokens
from samizdat.delivery.actions import add_route, rate_budgets
from samizdat.delivery.models import Route, RoutePace
from samizdat.events import chain
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.worker.inbox import signups, unsubscribes
from tests.conftest import NOW, TODAY
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import say, status
from tests.worker.test_signups import mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@evil.example"
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def ada(lantern: Organization, thursday: List) -> Subscriber:
    return audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW - timedelta(days=200))


def _sign_up(lantern: Organization, list_: List, address: str, **words: Any) -> None:
    said = {"address": address, "list": str(list_.id), "language": "en", "wording": "One story.", **words}
    say(lantern, "signup", at=NOW.isoformat(), **said)
    signups.take(NOW)


def _press(lantern: Organization, list_: List, address: str, now: Any = NOW) -> None:
    """The link in the mail that asks."""
    keys, row = keyring.keys(lantern), waiting.at(lantern, address)
    assert keys.link is not None
    assert row is not None
    token = tokens.make(keys.link, "confirm", forms.dated(list_.id, TODAY), row.number)
    say(lantern, "confirm", token=token, at=now.isoformat())
    unsubscribes.take(now)


def _rows() -> Counter[str]:
    models = [model for model in apps.get_models() if not model._meta.label.startswith(("publicdb", "sessions"))]
    return Counter({model._meta.label: model._default_manager.using("default").count() for model in models})


def _friday(lantern: Organization) -> List:
    list_ = audience.new_list(
        lantern, "the Friday Letter", now=NOW, details=ListDetails(from_email="letter@lantern.example")
    )
    audience.give_form(list_, "friday", now=NOW)
    return list_


def test_a_sign_up_leaves_the_same_rows_whether_or_not_somebody_has_the_address(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    gone = audience.add_subscriber(lantern, "gone@example.org", thursday, consent="said so", now=NOW)
    audience.unsubscribe(gone, thursday, now=NOW)
    audience.suppress(lantern, "complaint", address="angry@example.org", now=NOW)
    audience.suppress(lantern, "manual", address="barred@example.org", now=NOW)
    traces = {}
    for address in (EVE, ADA, "gone@example.org", "angry@example.org", "barred@example.org", BOB):
        before, last = _rows(), ConsentRecord.objects.latest("id").id
        _sign_up(lantern, thursday, address)
        who = ConsentRecord.objects.filter(id__gt=last).values_list("subscriber", flat=True)
        assert ada.id not in who
        assert gone.id not in who
        traces[address] = _rows() - before
    assert len({frozenset(trace.items()) for trace in traces.values()}) == 1
    assert {mail["To"] for mail in mails(out)} == {EVE, BOB, "gone@example.org", "angry@example.org"}


def test_no_spelling_of_an_address_tells_whether_somebody_has_it(
    lantern: Organization, thursday: List, out: Path
) -> None:
    audience.add_subscriber(lantern, "ada@gmail.com", thursday, consent="said so", now=NOW)
    traces = {}
    for name in ("ada", "bob"):
        before, traces[name] = _rows(), []
        for spelled in (f"{name}+1", f"{name}+2", name, f"{name}+3", f"{name}+4"):
            _sign_up(lantern, thursday, f"{spelled}@gmail.com")
            traces[name].append(_rows() - before)
    assert traces["ada"] == traces["bob"]
    assert traces["bob"][-1]["audience.SignUp"] == mail_quota.A_DAY


def test_a_sign_up_for_a_second_list_tells_nothing_of_who_gets_the_first(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    friday, traces = _friday(lantern), {}
    for address in (ADA, BOB):
        before = _rows()
        for list_ in (thursday, thursday, friday):
            _sign_up(lantern, list_, address)
        traces[address] = _rows() - before
    assert traces[ADA] == traces[BOB]
    assert {mail["To"] for mail in mails(out)} == {ADA, BOB}


def test_what_a_route_has_used_tells_of_no_sign_up_whether_it_was_mailed(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    Route.objects.update(limits="100/h,500/d")
    audience.suppress(lantern, "manual", address="barred@example.org", now=NOW)
    used = {}
    for address in (EVE, ADA, "barred@example.org"):
        RoutePace.objects.all().delete()
        _sign_up(lantern, thursday, address)
        used[address] = RoutePace.objects.get().spent
    assert {*used.values()} == {used[EVE]}
    assert [mail["To"] for mail in mails(out)] == [EVE]


@pytest.mark.parametrize("address", [EVE, ADA, "barred@example.org"])
def test_a_mailbox_that_asks_for_patience_uses_no_more_of_a_route_than_nobody(
    lantern: Organization, thursday: List, ada: Subscriber, address: str
) -> None:
    audience.suppress(lantern, "manual", address="barred@example.org", now=NOW)
    with ScriptedServer() as gone:
        add_route(lantern, "main", gone.url, now=NOW)
    with ScriptedServer() as server:
        server.on("rcpt", "450 4.2.0 Greylisted, try again later", times=1)
        add_route(lantern, "spare", server.url, now=NOW)
        Route.objects.update(limits="100/h,500/d")
        _sign_up(lantern, thursday, address)
        signups.memory.tries.clear()  # Some seconds later.
        signups.take(NOW + timedelta(seconds=10))
        assert len(server.messages) == (address == EVE)
    used = [rate_budgets.used(route, NOW)[0].used for route in Route.objects.order_by("id")]
    assert sorted(used) == [0, 1]


def test_no_mark_of_a_mail_is_the_same_on_two_days(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    """Else a copy of the second day tells of which sign-ups a mail went out on both."""
    audience.suppress(lantern, "complaint", address="angry@example.org", now=NOW)
    for address in (EVE, ADA, "angry@example.org"):
        for at in (NOW, NOW + timedelta(days=1)):
            say(lantern, "signup", at=at.isoformat(), address=address, list=str(thursday.id), wording="One story.")
            signups.take(at)
    marks = list(MailQuota.objects.values_list("mark", flat=True))
    assert len({bytes(mark) for mark in marks}) == len(marks)


@pytest.mark.parametrize(("address", "appeals"), [(EVE, ""), (ADA, ""), (ADA, "Ask me."), ("barred@example.org", "")])
def test_an_alarm_of_many_sign_ups_comes_with_the_same_one_whoever_it_is_of(
    lantern: Organization,
    thursday: List,
    ada: Subscriber,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    appeals: str,
) -> None:
    """An alarm is an event, and how many events there are stands in the open."""
    monkeypatch.setattr(signup_alarm, "FEW", 2)
    monkeypatch.setattr(signup_alarm, "EVERY", 1)
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    audience.suppress(lantern, "manual", address="barred@example.org", now=NOW)
    _sign_up(lantern, thursday, BOB)
    assert signup_alarm.alarms(lantern, NOW) == []
    _sign_up(lantern, thursday, address, appeals=appeals)
    assert len(signup_alarm.alarms(lantern, NOW)) == 1


def test_a_sign_up_for_another_list_does_not_name_the_row_of_a_subscriber(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    friday, last = _friday(lantern), ConsentRecord.objects.latest("id").id
    _sign_up(lantern, friday, ADA)
    assert {*ConsentRecord.objects.filter(id__gt=last).values_list("subscriber", flat=True)} != {ada.id}
    assert not Event.objects.filter(about=ada.id, kind="subscriber.confirmation_requested").exists()
    assert [mail["To"] for mail in mails(out)] == [ADA]


def test_who_subscribes_gets_another_list_once_their_mailbox_says_so(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    friday = _friday(lantern)
    _sign_up(lantern, friday, ADA)
    assert not Subscription.objects.filter(subscriber=ada, list=friday).exists()
    _press(lantern, friday, ADA)
    assert (status(ada, thursday), status(ada, friday)) == ("subscribed", "subscribed")
    assert waiting.at(lantern, ADA) is None
    assert check_projections(lantern, NOW).wrong == []
    chain.append()
    assert chain.verify(lantern, {"audience_consentrecord": changed_records}).whole


def test_who_is_new_is_the_row_that_waited(lantern: Organization, thursday: List, out: Path) -> None:
    _sign_up(lantern, thursday, BOB)
    row = waiting.at(lantern, BOB)
    assert row is not None
    assert status(row, thursday) == "pending"
    _press(lantern, thursday, BOB)
    assert queries.subscriber_at(lantern, BOB) == row
    assert status(row, thursday) == "subscribed"
    assert waiting.at(lantern, BOB) is None
    assert Subscriber.objects.filter(organization=lantern).count() == 1


def test_an_old_link_brings_nobody_back_who_left_since(lantern: Organization, thursday: List, out: Path) -> None:
    """They asked, got letters at another address that became this one, and left: then they press the first mail."""
    _sign_up(lantern, thursday, BOB)
    later = NOW + AN_HOUR
    audience.add_subscriber(lantern, "robert@example.org", thursday, consent="said so", now=later)
    robert = queries.subscriber_at(lantern, "robert@example.org")
    assert robert is not None
    audience.correct_address(robert, BOB, now=later)
    audience.unsubscribe(robert, thursday, now=later + AN_HOUR)
    _press(lantern, thursday, BOB, later + 2 * AN_HOUR)
    assert status(robert, thursday) == "unsubscribed"


def test_who_left_and_signs_up_again_comes_back(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    audience.unsubscribe(ada, thursday, now=NOW - AN_HOUR)
    _sign_up(lantern, thursday, ADA)
    assert status(ada, thursday) == "unsubscribed"
    _press(lantern, thursday, ADA, NOW + AN_HOUR)
    assert status(ada, thursday) == "subscribed"


def test_a_teammate_who_adds_them_finds_the_sign_up_and_makes_no_second_row(
    lantern: Organization, thursday: List, out: Path
) -> None:
    _sign_up(lantern, thursday, BOB)
    row = waiting.at(lantern, BOB)
    assert audience.add_subscriber(lantern, BOB, thursday, consent="said so", now=NOW + AN_HOUR) == row
    assert status(row, thursday) == "subscribed"
    assert Subscriber.objects.filter(organization=lantern).count() == 1


@pytest.mark.parametrize("which", ["subscriber", "sign-up", "address"])
def test_erasing_takes_the_subscriber_and_the_sign_up_of_an_address(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path, which: str
) -> None:
    _sign_up(lantern, _friday(lantern), ADA)
    row = waiting.at(lantern, ADA)
    assert row is not None
    whom = {"subscriber": {"subscriber": ada}, "sign-up": {"subscriber": row}, "address": {"address": ADA}}[which]
    audience.erase(lantern, now=NOW, **whom)
    assert not Subscriber.objects.filter(organization=lantern).exists()
    assert not ConsentRecord.objects.filter(organization=lantern).exclude(sealed=b"").exists()


def test_nobody_is_shown_as_a_double_of_their_own_sign_up(
    lantern: Organization, thursday: List, ada: Subscriber, out: Path
) -> None:
    _sign_up(lantern, thursday, "a.da+x@gmail.com")
    _sign_up(lantern, thursday, "ada@gmial.com")
    assert data_quality.scan(NOW, 60)
    assert not DataQualityIssue.objects.exists()


def test_what_waits_is_marked_under_its_seal(lantern: Organization, thursday: List, ada: Subscriber, out: Path) -> None:
    """Whoever writes the database can't make a sign-up of somebody the subscriber, by giving it another index."""
    _sign_up(lantern, thursday, ADA)
    row = waiting.at(lantern, ADA)
    assert row is not None
    index = bytes(ada.email_index)
    Subscriber.objects.filter(id=ada.id).update(email_index=bytes(16))
    Subscriber.objects.filter(id=row.id).update(email_index=index)
    assert queries.subscriber_at(lantern, ADA) is None
    audience.put_indexes_right(lantern, check_projections(lantern, NOW).misindexed, now=NOW)
    assert queries.subscriber_at(lantern, ADA) == ada
