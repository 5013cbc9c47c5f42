"""A public process that was taken signs up an address, and looks at what it may read: is it subscribed?"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.actions import fundraising_consent
from samizdat.audience.list_details import ListDetails
from samizdat.publicdb.models import Intake, TokenState
from samizdat.worker.inbox import signups
from samizdat.worker.schedule import expire_signups
from tests.conftest import NOW
from tests.worker.conftest import say
from tests.worker.test_signups import mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

# By name: what they are here before. Cleo is nobody yet.
PEOPLE = ("boris", "cleo", "olga", "vera", "nina")


@pytest.fixture
def people(lantern: Any, thursday: Any) -> None:
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    known = {
        name: audience.add_subscriber(lantern, f"{name}@example.org", thursday, consent="said so", now=NOW)
        for name in PEOPLE
        if name != "cleo"
    }
    audience.object_to_mail(lantern, subscriber=known["olga"], now=NOW)
    audience.suppress(lantern, "manual", subscriber=known["vera"], now=NOW)
    audience.unsubscribe(known["nina"], thursday, now=NOW, way="form")


def states() -> dict[bytes, str]:
    return {bytes(row.token_hash): row.state for row in TokenState.objects.all()}


def hand_in(lantern: Any, list_: Any, name: str, at: datetime, now: datetime, **words: str) -> None:
    more = {"language": "en", "wording": "One story.", "at": at.isoformat(), **words}
    say(lantern, "signup", address=f"{name}@example.org", list=str(list_.id), **more)
    signups.take(now)
    assert not Intake.objects.exists()


def seen(lantern: Any, list_: Any, name: str, at: datetime, now: datetime, **words: str) -> list[str]:
    """What appears or changes in the states of links."""
    before = states()
    hand_in(lantern, list_, name, at, now, **words)
    return [state for token, state in states().items() if before.get(token) != state]


TICK = {"appeals": "Ask me."}
TRIES: dict[str, list[tuple[int, int, dict[str, str]]]] = {  # (typed on that day, taken up on that day, words)
    "once": [(0, 0, {})],
    "with the box for appeals": [(0, 0, TICK)],
    "again, with the box": [(0, 0, {}), (0, 0, TICK), (0, 0, {})],
    "a day later as of the day before": [(0, 0, {}), (0, 1, TICK)],
    "with days that are made up": [(-1, 0, TICK), (0, 0, {}), (0, 1, TICK), (1, 1, {}), (-5, 1, {}), (-20, 1, TICK)],
}


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("tries", TRIES.values(), ids=TRIES)
def test_a_public_process_that_was_taken_learns_by_signing_them_up_of_nobody_whether_they_subscribe(
    lantern: Any, thursday: Any, out: Path, tries: list[tuple[int, int, dict[str, str]]]
) -> None:
    answers: dict[str, list[list[str]]] = {name: [] for name in PEOPLE}
    for name, answer in answers.items():
        for typed, taken, words in tries:
            days = NOW + timedelta(days=typed), NOW + timedelta(days=taken)
            answer.append(seen(lantern, thursday, name, *days, **words))
    assert [*answers["cleo"][0]] == ["pending-asks" if tries[0][2] else "pending"]
    assert answers == dict.fromkeys(PEOPLE, answers["cleo"])
    assert "cleo@example.org" in [mail["To"] for mail in mails(out)]


@pytest.mark.usefixtures("people")
def test_who_has_several_spellings_of_an_address_signed_up_learns_nothing_of_another(
    lantern: Any, thursday: Any, out: Path
) -> None:
    for name in ("boris", "cleo"):
        for spelling in range(3):
            assert seen(lantern, thursday, f"{name}+{spelling}", NOW, NOW) == ["pending"]
        assert seen(lantern, thursday, name, NOW, NOW) == []


@pytest.mark.usefixtures("people")
def test_who_gets_another_list_is_mailed_about_a_second_one_without_a_second_state(
    lantern: Any, thursday: Any, out: Path
) -> None:
    friday = audience.new_list(
        lantern, "the Friday Letter", now=NOW, details=ListDetails(from_email="letter@lantern.example")
    )
    audience.give_form(friday, "friday", now=NOW)
    for name in ("boris", "cleo"):
        assert [len(seen(lantern, list_, name, NOW, NOW)) for list_ in (thursday, friday)] == [1, 0]
    assert sorted(mail["To"] for mail in mails(out)) == ["boris@example.org", "cleo@example.org"]


@pytest.mark.usefixtures("people")
def test_nothing_changes_when_a_sign_up_is_forgotten(lantern: Any, thursday: Any, out: Path) -> None:
    for name in PEOPLE:
        hand_in(lantern, thursday, name, NOW, NOW, **TICK)
    before, late = states(), NOW + timedelta(days=10)
    assert len(before) == len(PEOPLE)
    assert expire_signups.forget(late) > 0
    assert states() == before


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", PEOPLE)
def test_whether_the_next_sign_up_of_the_hour_waits_tells_of_nobody_whether_they_subscribe(
    lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SAMIZDAT_CONFIRMATIONS", "1")
    hand_in(lantern, thursday, name, NOW, NOW)
    before = states()
    say(lantern, "signup", address="stranger@example.org", list=str(thursday.id), language="en", at=NOW.isoformat())
    signups.take(NOW)
    assert (Intake.objects.exists(), states() == before) == (True, True), name
