"""The worker copies accounts elsewhere by itself, and admins are mailed when one is closed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.delivery.actions import add_route
from samizdat.portability.account_copies import actions
from samizdat.portability.account_copies.records import progress_of
from samizdat.portability.models import AccountCopy
from samizdat.worker.mail import organization_rounds
from samizdat.worker.schedule import admin_alerts
from tests.fakes.mailchimp_account import KEY, FakeAccount, MailchimpServer
from tests.web.conftest import make_person
from tests.worker.conftest import until
from tests.worker.test_preferences import mails


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailchimpServer]:
    monkeypatch.setattr(actions, "ONCE_MORE", 0.0)
    with MailchimpServer(FakeAccount()) as server:
        yield server


def rounds() -> None:
    """One of each kind, at once."""
    for each in (organization_rounds.account_looks, organization_rounds.account_copies):
        each._due.clear()
        each.look(dbclock.now())
        until(lambda each=each: not each._running)


def test_what_is_due_is_copied_and_a_closed_account_is_mailed_to_admins_once(
    transactional_db: Any, lantern: Any, thursday: Any, fake: MailchimpServer, tmp_path: Path
) -> None:
    make_person("clara", "clara@lantern.example", lantern, "admin")
    audience.add_subscriber(lantern, "ada@reader.example", thursday, consent="So.", now=dbclock.asked())
    add_route(lantern, "folder", f"folder://{tmp_path}", now=dbclock.asked())
    actions.add(lantern, "mailchimp", KEY, now=dbclock.asked(), endpoint=fake.endpoint)
    rounds()
    copied = progress_of(AccountCopy.objects.get())
    assert copied.finished and copied.people == {fake.account.lists[0].id: copied.people[fake.account.lists[0].id]}
    admin_alerts._later.clear()
    before = admin_alerts.take(dbclock.asked())
    fake.account.close()
    rounds()
    assert progress_of(AccountCopy.objects.get()).refused
    admin_alerts._later.clear()
    assert (before, admin_alerts.take(dbclock.asked())) == (0, 1)
    text = " ".join(mails(tmp_path)["clara@lantern.example"].split())
    assert "no longer lets Samizdat copy the account" in text and "samizdat standing-copy restore" in text
    assert KEY not in text and "ada@" not in text
    rounds()
    admin_alerts._later.clear()
    assert admin_alerts.take(dbclock.asked() + timedelta(minutes=2)) == 0


def test_an_account_is_asked_often_enough_for_an_alarm_within_a_minute() -> None:
    longest = organization_rounds.AGAIN + 10.0 + 2 * actions.TIMEOUT / 2 + actions.ONCE_MORE
    assert organization_rounds.account_looks._again == organization_rounds.AGAIN and longest < 60
