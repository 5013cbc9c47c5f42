"""Whoever has not confirmed is asked once more, by a press of a teammate: by the same link, in bounds."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import confirmation_reminders, forms
from samizdat.audience.errors import AskedEnough, AskedToday, ListArchived, NothingWaits
from samizdat.audience.models import ConsentRecord, Subscriber
from samizdat.core.crypto import tokens
from samizdat.events.models import Event
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.worker.inbox import signups, unsubscribes
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW, TODAY
from tests.worker.conftest import say, status
from tests.worker.test_signups import ask, mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]
TOMORROW = NOW + timedelta(days=1)


def _follow(now: Any) -> None:
    while event_handlers.follow(now):
        pass


def _signed_up(lantern: Any, thursday: Any, address: str = "ada@example.org") -> Subscriber:
    ask(lantern, thursday, address)
    signups.take(NOW)
    ada = queries.subscriber_at(lantern, address)
    assert ada is not None and status(ada, thursday) == "pending"
    return ada


def _token(mail: Any) -> str:
    return str(mail.get_content()).split("https://lantern.example/c/")[1].split()[0]


def test_who_waits_for_confirmation_is_mailed_the_same_link_again_and_confirms_by_it(
    lantern: Any, thursday: Any, out: Path
) -> None:
    ada = _signed_up(lantern, thursday)
    records = ConsentRecord.objects.count()
    audience.ask_again(ada, thursday, now=TOMORROW)
    _follow(TOMORROW)
    first, second = mails(out)
    assert _token(first) == _token(second) and second["To"] == "ada@example.org"
    assert ConsentRecord.objects.count() == records, "their week goes on as it was"
    say(lantern, "confirm", token=_token(second), at=TOMORROW.isoformat())
    unsubscribes.take(TOMORROW)
    assert status(ada, thursday) == "subscribed"
    _follow(TOMORROW)
    assert len(mails(out)) == 2


def test_who_came_unconfirmed_by_a_file_is_asked_here(lantern: Any, thursday: Any, out: Path) -> None:
    ada = audience.sign_up(
        lantern, "ada@example.org", thursday, wording="w", way="import", now=NOW - timedelta(days=90)
    )
    audience.ask_again(ada, thursday, now=NOW)
    _follow(NOW)
    (mail,) = mails(out)
    number = tokens.read(keyring.keys(lantern).links, "confirm", _token(mail)).edition
    assert number == forms.dated(thursday.id, TODAY) and token_state(_token(mail)) == "pending"
    say(lantern, "confirm", token=_token(mail))
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "subscribed"


def test_a_mailbox_is_asked_once_a_day_and_a_team_asks_no_more_than_a_few(
    lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation_reminders, "A_DAY", 1)
    ada, boris = (_signed_up(lantern, thursday, f"{name}@example.org") for name in ("ada", "boris"))
    with pytest.raises(AskedToday):
        audience.ask_again(ada, thursday, now=NOW)
    audience.ask_again(ada, thursday, now=TOMORROW)
    with pytest.raises(AskedToday):
        audience.ask_again(ada, thursday, now=TOMORROW)
    with pytest.raises(AskedEnough):
        audience.ask_again(boris, thursday, now=TOMORROW)
    audience.ask_again(boris, thursday, now=TOMORROW + timedelta(days=1))
    assert Event.objects.filter(kind="subscriber.asked_again").count() == 2


def test_nobody_is_asked_who_said_no_or_never_asked(lantern: Any, thursday: Any) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    diary = audience.new_list(lantern, "Court Diary", now=NOW)
    with pytest.raises(NothingWaits):
        audience.ask_again(ada, diary, now=NOW)
    audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    with pytest.raises(NothingWaits):
        audience.ask_again(ada, thursday, now=NOW)
    audience.lift(lantern, "manual", subscriber=ada, now=NOW)
    with pytest.raises(NothingWaits):
        audience.ask_again(ada, thursday, now=NOW + timedelta(days=9))
    audience.unsubscribe(ada, thursday, now=NOW)
    with pytest.raises(NothingWaits):
        audience.ask_again(ada, thursday, now=NOW)
    assert not Event.objects.filter(kind="subscriber.asked_again").exists()


def test_who_says_no_before_the_mail_goes_is_not_mailed(lantern: Any, thursday: Any, out: Path) -> None:
    ada, boris = (_signed_up(lantern, thursday, f"{name}@example.org") for name in ("ada", "boris"))
    for person in (ada, boris):
        audience.ask_again(person, thursday, now=TOMORROW)
    audience.unsubscribe(ada, thursday, now=TOMORROW)
    audience.suppress(lantern, "objected", subscriber=boris, now=TOMORROW)
    _follow(TOMORROW)
    assert len(mails(out)) == 2, "those of their sign-ups"


def test_the_mail_says_that_they_asked_for_appeals_as_well(lantern: Any, thursday: Any, out: Path) -> None:
    words = "You may ask me for money."
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", appeals=words, now=NOW)
    audience.ask_again(ada, thursday, now=TOMORROW)
    _follow(TOMORROW)
    (mail,) = mails(out)
    assert words in mail.get_content() and token_state(_token(mail)) == "pending-asks"


def test_an_archived_list_asks_nobody(lantern: Any, thursday: Any) -> None:
    from samizdat.audience.actions.archive_lists import archive

    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    archive(thursday, now=NOW)
    with pytest.raises(ListArchived):
        audience.ask_again(ada, thursday, now=TOMORROW)
