"""Health says which account elsewhere refuses us, and which copy of one has not run."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from samizdat import plugins
from samizdat.health import reports, standing_copies
from samizdat.portability.account_copies import actions, copying
from samizdat.portability.account_copies.records import progress_of
from samizdat.portability.models import AccountCopy
from tests.conftest import NOW
from tests.fakes.mailchimp_account import CLOSE, KEY, FakeAccount, MailchimpServer

type Seen = tuple[str, str, str]


@pytest.fixture
def fake() -> Iterator[MailchimpServer]:
    with MailchimpServer(FakeAccount()) as server:
        yield server


@pytest.fixture
def row(lantern: Any, fake: MailchimpServer) -> AccountCopy:
    return actions.add(lantern, "mailchimp", KEY, now=NOW, endpoint=fake.endpoint)


def copied(row: AccountCopy) -> None:
    copying.run(row.pk, now=lambda: NOW, sleep=lambda _seconds: None, tries=1)


def seen(organization: Any, now: datetime = NOW) -> Seen:
    (each,) = standing_copies.of_organization(organization, now)
    return each.code, each.state, each.sentence


def test_without_a_copy_nothing_is_said(lantern: Any) -> None:
    assert not list(standing_copies.of_organization(lantern, NOW))


def test_a_copy_is_fine_until_it_missed_two_nights(lantern: Any, row: AccountCopy) -> None:
    assert seen(lantern)[:2] == ("copy.first", "good")
    late = NOW + timedelta(days=2, minutes=1)
    code, state, sentence = seen(lantern, late)
    assert (code, state) == ("copy.late", "amber") and "never been copied whole" in sentence
    copied(row)
    assert seen(lantern)[:2] == ("copy.fresh", "good")
    code, state, sentence = seen(lantern, late)
    assert (code, state) == ("copy.late", "amber") and f"samizdat standing-copy run {row.pk}" in sentence


def test_what_keeps_it_from_being_copied_is_said(lantern: Any, row: AccountCopy, fake: MailchimpServer) -> None:
    fake.on(503, "/", times=99)
    with pytest.raises(plugins.ServiceRefused):
        copied(row)
    assert "has a problem of its own" in seen(lantern, NOW + timedelta(days=3))[2]


def test_a_refusal_is_red_at_once_and_is_over_when_we_are_let_in(
    lantern: Any, row: AccountCopy, fake: MailchimpServer
) -> None:
    copied(row)
    fake.on(CLOSE)
    with pytest.raises(plugins.ServiceRefused):
        copied(row)
    code, state, sentence = seen(lantern)
    assert (code, state) == ("copy.refused", "red") and code in reports.TOLD_ELSEWHERE, "admins got an email of it"
    assert "has closed or blocked this account" in sentence and f"standing-copy restore {row.pk}" in sentence
    fake.account.open_again()
    actions.look(AccountCopy.objects.get(), now=lambda: NOW)
    assert progress_of(AccountCopy.objects.get()).refused is None and seen(lantern)[0] == "copy.fresh"


def test_a_record_that_does_not_open_hides_nothing_else(lantern: Any, row: AccountCopy) -> None:
    AccountCopy.objects.update(settings_sealed=b"\4" + bytes(60))
    code, state, sentence = seen(lantern)
    assert (code, state) == ("copy.broken", "red") and f"samizdat standing-copy remove {row.pk}" in sentence
