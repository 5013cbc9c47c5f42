"""Those who stand on a rebuilt list without a proven yes are asked once, and nobody who said no."""

from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.actions.ask_once import ask_once
from samizdat.audience.models import Subscriber
from samizdat.events.models import Event
from samizdat.incoming.evidence.proposal import ASK_TAG
from samizdat.worker.inbox import unsubscribes
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW
from tests.worker.conftest import say, status
from tests.worker.test_confirmation_reminders import TOMORROW
from tests.worker.test_signups import mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]


def _follow(now: Any = NOW) -> None:
    while event_handlers.follow(now):
        pass


def _left_out(lantern: Any, thursday: Any, tmp_path: Path, *names: str, tag: str = ASK_TAG) -> list[Subscriber]:
    from samizdat.audience import queries
    from samizdat.audience.imports import actions as imports

    file = tmp_path / "people.csv"
    rows = "".join(f"{name}@example.org,nonsubscribed,{tag}\n" for name in names)
    file.write_text(f"Email,Status,Tags\n{rows}")
    imports.direct(lantern, thursday, [file], now=lambda: NOW, answers=((), ("nonsubscribed=nonsubscribed",)))
    people = [queries.subscriber_at(lantern, f"{name}@example.org") for name in names]
    assert None not in people
    return [person for person in people if person is not None]


def test_who_is_asked_gets_one_email_and_only_their_own_yes_counts(
    lantern: Any, thursday: Any, out: Path, tmp_path: Path
) -> None:
    ada, boris = _left_out(lantern, thursday, tmp_path, "ada", "boris")
    assert ask_once(thursday, ASK_TAG, 10, now=NOW) == (2, 0, 0, 2)
    _follow()
    mail = next(mail for mail in mails(out) if mail["To"] == "ada@example.org")
    text = str(mail.get_content())
    assert "We had to rebuild our list" in text and "Someone entered" not in text
    assert status(ada, thursday) == "pending"
    token = text.split("https://lantern.example/c/")[1].split()[0]
    say(lantern, "confirm", token=token)
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(boris, thursday)) == ("subscribed", "pending")
    assert ask_once(thursday, ASK_TAG, 10, now=TOMORROW) == (0, 0, 0, 0)
    _follow(TOMORROW)
    assert len(mails(out)) == 2


def test_nobody_is_asked_who_said_no(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    ada, boris, eva = _left_out(lantern, thursday, tmp_path, "ada", "boris", "eva")
    audience.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    audience.unsubscribe(boris, thursday, now=NOW)
    asked = ask_once(thursday, ASK_TAG, 10, now=NOW)
    assert asked.asked == 1
    assert [event.about for event in Event.objects.filter(kind="subscriber.asked_again")] == [eva.id]


def test_others_without_consent_are_not_asked(lantern: Any, thursday: Any, tmp_path: Path) -> None:
    _left_out(lantern, thursday, tmp_path, "ada", tag="buyers")
    assert ask_once(thursday, ASK_TAG, 10, now=NOW).asked == 0


def test_so_many_in_a_run_and_in_a_day(
    lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.actions.ask_once.A_DAY", 3)
    monkeypatch.setattr("samizdat.audience.actions.ask_once.PAGE", 1)
    _left_out(lantern, thursday, tmp_path, *(f"r{number}" for number in range(5)))
    assert ask_once(thursday, ASK_TAG, 2, now=NOW) == (2, 0, 3, 2)
    assert ask_once(thursday, ASK_TAG, 2, now=NOW) == (1, 0, 2, 3)
    assert ask_once(thursday, ASK_TAG, 2, now=NOW) == (0, 0, 2, 3)
    assert ask_once(thursday, ASK_TAG, 9, now=TOMORROW) == (2, 0, 0, 2)
