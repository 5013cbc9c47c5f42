"""Whoever writes the database and has no keys deletes a no; the nightly comparison puts it back and says so."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import add_person
from samizdat.audience import actions as audience
from samizdat.audience import consistency, suppression_check, suppression_log
from samizdat.audience.actions import preferences, suppressions
from samizdat.audience.models import MONTHLY, Subscriber, Subscription, Suppression
from samizdat.audience.queries import reasons_of, subscriber_at
from samizdat.core import consent
from samizdat.events import queries
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import SENTENCES
from samizdat.events.models import Event
from tests.conftest import NOW, PASSWORD, TODAY
from tests.events_read import events_read

pytestmark = pytest.mark.django_db

MAY = 1


@pytest.fixture
def ada(lantern: Any, letter: Any) -> Subscriber:
    return audience.add_subscriber(lantern, "ada@example.org", letter, consent="By form.", now=NOW)


def compare(organization: Any) -> list[dict[str, Any]]:
    """What was said of the suppression list."""
    consistency.mend_all(organization, NOW)
    events = queries.newest(organization, kinds=[suppression_check.ALTERED])
    return [{name: many for name, many in detail_of(event).items() if many} for event in events]


@pytest.mark.parametrize("reason", ["complaint", "manual", "bounce"])
def test_a_suppression_that_was_deleted_is_put_back_and_said(lantern: Any, ada: Subscriber, reason: str) -> None:
    audience.suppress(lantern, reason, subscriber=ada, now=NOW)
    stopped = Subscription.objects.get(subscriber=ada).mail_verdict
    assert compare(lantern) == []
    before = Suppression.objects.values_list("email_index", "index_version", "reason", "day").get()
    Suppression.objects.all().delete()
    Subscription.objects.update(mail_verdict=MAY)
    assert compare(lantern) == [{"missing": 1}]
    assert Suppression.objects.values_list("email_index", "index_version", "reason", "day").get() == before
    assert Subscription.objects.get(subscriber=ada).mail_verdict == stopped != MAY
    assert len(compare(lantern)) == 1


def test_who_objected_as_a_stranger_or_was_erased_is_not_brought_back_by_a_deleted_row(
    lantern: Any, letter: Any, ada: Subscriber
) -> None:
    audience.erase(lantern, subscriber=ada, now=NOW)
    audience.object_to_mail(lantern, address="boris@example.org", now=NOW)
    suppressions.suppress_many(lantern, "cleo@example.org\ndora@example.org", "manual", now=NOW)
    Suppression.objects.all().delete()
    assert compare(lantern) == [{"missing": 4}]
    boris = audience.add_subscriber(lantern, "boris@example.org", letter, consent="By form.", now=NOW)
    assert Subscription.objects.get(subscriber=boris).mail_verdict != MAY


def test_what_was_lifted_stays_off_the_list(lantern: Any, letter: Any, ada: Subscriber) -> None:
    audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    audience.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    audience.lift(lantern, "manual", subscriber=ada, now=NOW)
    audience.confirm(ada, letter, now=NOW)
    assert compare(lantern) == [] and not Suppression.objects.exists()
    audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    Suppression.objects.all().delete()
    assert compare(lantern) == [{"missing": 1}]


def test_a_removal_that_nobody_wrote_takes_nothing_off_the_list(lantern: Any, ada: Subscriber) -> None:
    audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    forged = Event.objects.get(kind="suppressions.written")
    forged.pk, forged.kind, forged.position, forged.link = None, "suppressions.deleted", None, None
    forged.save(force_insert=True)
    Suppression.objects.all().delete()
    assert compare(lantern) == [{"missing": 1}]


def test_a_row_that_nobody_wrote_stays_and_is_said_once(lantern: Any, ada: Subscriber) -> None:
    Suppression.objects.create(organization=lantern, email_index=ada.email_index, reason="manual", day=NOW.date())
    assert compare(lantern) == [{"unknown": 1}]
    assert len(compare(lantern)) == 1 and Suppression.objects.count() == 1


def test_a_pause_that_was_emptied_is_put_back_until_its_day(lantern: Any, letter: Any, ada: Subscriber) -> None:
    until = NOW.date() + timedelta(days=60)
    preferences.prefer_all(ada, [letter], preferences.PreferenceChoice(preferences.PAUSE, until), now=NOW)
    assert compare(lantern) == []
    Subscription.objects.update(mail_verdict=MAY, paused=None)
    assert compare(lantern) == [{"pauses": 1}]
    row = Subscription.objects.get(subscriber=ada)
    assert (row.paused, row.mail_verdict) == (until, consent.REASONS.index("paused"))
    preferences.prefer_all(ada, [letter], preferences.PreferenceChoice("all"), now=NOW)
    assert len(compare(lantern)) == 1, "who ended it themselves has ended it"


def test_who_chose_one_email_a_month_gets_no_more_because_the_database_says_so(
    lantern: Any, letter: Any, ada: Subscriber
) -> None:
    preferences.prefer_all(ada, [letter], preferences.PreferenceChoice("monthly"), now=NOW - timedelta(days=900))
    assert compare(lantern) == []
    Subscription.objects.update(frequency=0)
    assert compare(lantern) == [{"monthly": 1}]
    assert Subscription.objects.get(subscriber=ada).frequency == MONTHLY
    preferences.prefer_all(ada, [letter], preferences.PreferenceChoice("all"), now=NOW)
    assert len(compare(lantern)) == 1, "who wants all of them again has said so"


def test_what_the_log_says_of_it_is_sealed_and_tells_the_day_alone(lantern: Any, ada: Subscriber) -> None:
    audience.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    event = Event.objects.get(kind="suppressions.written")
    assert bytes(ada.email_index) not in bytes(event.detail) and bytes(ada.email_index).hex() in str(detail_of(event))
    assert event.at.time().isoformat() == "00:00:00"
    marked = abs(event.about or 0).to_bytes(16).lstrip(b"\0")
    assert marked[:3] not in bytes(ada.email_index), "by what it is about nobody finds the index"


def test_a_no_is_written_once_more_where_so_much_was_written_that_day_that_nobody_looks_through_it(
    lantern: Any, ada: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_log, "LOOKED", 4)
    day = NOW.date().isoformat()
    suppressions.suppress_many(lantern, "ada@example.org\nboris@example.org\n", "manual", now=NOW)
    for number in range(5):
        suppression_log.write(lantern, [(bytes([number]) * 16, 1, "erased", day)], NOW)
    assert not audience.suppress(lantern, "manual", subscriber=ada, now=NOW), "those of others one by one hide nothing"
    for number in range(5):
        suppression_log.write(lantern, [(bytes([number, place]) * 8, 1, "erased", day) for place in range(2)], NOW)
    assert [audience.suppress(lantern, "manual", subscriber=ada, now=NOW) for _ in range(2)] == [True, False]
    assert compare(lantern) == []


def test_what_was_written_among_many_and_lifted_again_is_known_of_the_day(lantern: Any, ada: Subscriber) -> None:
    text = "ada@example.org\nboris@example.org\n"
    assert suppressions.suppress_many(lantern, text, "manual", now=NOW).added == 2
    assert not audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    audience.lift(lantern, "manual", subscriber=ada, now=NOW)
    Suppression.objects.create(organization=lantern, email_index=ada.email_index, reason="manual", day=NOW.date())
    assert audience.suppress(lantern, "manual", subscriber=ada, now=NOW), "another program put it there"
    assert suppressions.suppress_many(lantern, text, "manual", now=NOW).known == 2


def test_a_press_reads_no_long_history_while_nobody_else_can_write(
    lantern: Any, letter: Any, ada: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many events as they like are written by visitors and by neighbors, and each press kept all others waiting."""
    monkeypatch.setattr(suppression_log, "LOOKED", 10)
    audience.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    day, own = NOW.date().isoformat(), [kind for kind in SENTENCES if kind.startswith("subscriber.")]
    for number in range(60):
        index = bytes([number]) * 16
        suppression_log.write(lantern, [(index, 1, "erased", day)], NOW)
        suppression_log.write(lantern, [(bytes([number, place]) * 8, 1, "erased", day) for place in range(2)], NOW)
        preferences.prefer_all(ada, [letter], preferences.PreferenceChoice(language=("de", "fr")[number % 2]), now=NOW)
        for kind in own if number < 40 else ():
            if kind != preferences.choice_log.CHOSEN:
                record(kind, lantern, about=ada.id, now=NOW)
    until = NOW.date() + timedelta(days=60)
    presses: dict[str, Callable[[], object]] = {
        "suppress": lambda: audience.suppress(lantern, "manual", subscriber=ada, now=NOW),
        "suppress again": lambda: audience.suppress(lantern, "manual", subscriber=ada, now=NOW),
        "suppress an address": lambda: audience.suppress(lantern, "manual", address="ada@example.org", now=NOW),
        "paste": lambda: suppressions.suppress_many(lantern, "ada@example.org", "manual", now=NOW),
        "lift": lambda: audience.lift(lantern, "manual", subscriber=ada, now=NOW),
        "object": lambda: audience.object_to_mail(lantern, subscriber=ada, now=NOW),
        "object again": lambda: audience.object_to_mail(lantern, address="ada@example.org", now=NOW),
        "correct": lambda: audience.correct_address(ada, "ada@new.example", now=NOW),
        "pause": lambda: preferences.prefer_all(
            ada, [letter], preferences.PreferenceChoice("pause", until), now=NOW, sent_at=NOW
        ),
        "confirm": lambda: audience.confirm(ada, letter, now=NOW),
        "leave": lambda: audience.unsubscribe_from(ada, [letter], way="form", now=NOW, sent_at=NOW),
        "leave everything": lambda: audience.unsubscribe_from_all(ada, now=NOW),
        "come back": lambda: audience.undo_unsubscribe(ada, letter, now=NOW),
        "erase": lambda: audience.erase(lantern, subscriber=ada, now=NOW),
    }
    many = {}
    for name, press in presses.items():
        with events_read(only_locked=True) as read:
            press()
        many[name] = len(read)
    assert {name: count for name, count in many.items() if count > 30} == {}


def test_a_correction_reads_few_of_the_suppressions_that_were_written_together(
    lantern: Any, ada: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_log, "LOOKED_BACK", 10)
    for number in range(60):
        suppressions.suppress_many(lantern, f"a{number}@example.org\nb{number}@example.org", "manual", now=NOW)
    suppressions.suppress_many(lantern, "ada@example.org\nboris@example.org", "manual", now=NOW)
    Suppression.objects.filter(email_index=ada.email_index).delete()
    with events_read() as read:
        audience.correct_address(ada, "ada@new.example", now=NOW)
    assert read.count(suppression_log.WRITTEN) == 10
    assert reasons_of(lantern, "ada@new.example") == ["manual"], "of the newest though its entry is away"


def test_a_correction_while_somebody_else_makes_one_keeps_what_was_decided_of_the_address_between(
    lantern: Any, ada: Subscriber
) -> None:
    seen = Subscriber.objects.get(id=ada.id)
    audience.suppress(lantern, "complaint", address="ada@between.example", now=NOW)
    audience.correct_address(ada, "ada@between.example", now=NOW)
    Suppression.objects.all().delete()
    assert audience.correct_address(seen, "ada@new.example", now=NOW)
    assert reasons_of(lantern, "ada@new.example") == ["complaint"]


def test_a_teammates_press_opens_no_day_of_removals_while_nobody_else_can_write(
    lantern: Any, letter: Any, ada: Subscriber
) -> None:
    """One session pastes addresses and puts typos right as often as it likes, and each press kept all others
    waiting."""
    clara = add_person("clara@lantern.example", password=PASSWORD, today=TODAY)
    boris = audience.add_subscriber(lantern, "boris@example.org", letter, consent="said so", now=NOW)
    left = audience.add_subscriber(lantern, "left@gmial.com", letter, consent="said so", now=NOW)
    audience.unsubscribe(left, letter, now=NOW)
    for number in range(40):
        suppressions.suppress_many(lantern, f"stranger{number}@example.org", "manual", now=NOW, by=clara)
        audience.correct_address(left, f"left@g{('mail', 'mial')[number % 2]}.com", now=NOW, by=clara)
    presses: dict[str, Callable[[], object]] = {
        "correct": lambda: audience.correct_address(ada, "ada@new.example", now=NOW, by=clara),
        "suppress": lambda: audience.suppress(lantern, "manual", subscriber=ada, now=NOW, by=clara),
        "object": lambda: audience.object_to_mail(lantern, subscriber=boris, now=NOW, by=clara),
    }
    many = {}
    for name, press in presses.items():
        with events_read(only_locked=True) as read:
            press()
        many[name] = len(read)
    assert {name: count for name, count in many.items() if count > 5} == {}


def test_what_another_was_writing_meanwhile_is_no_difference(lantern: Any, ada: Subscriber) -> None:
    logged = suppression_check.LoggedNos()
    assert logged.go_on(lantern, NOW)
    audience.suppress(lantern, "manual", subscriber=ada, now=NOW)
    record("list.changed", lantern, now=NOW)
    assert suppression_check.put_right(lantern, logged, NOW) == 0


def test_who_was_erased_is_not_brought_back_by_a_file_while_their_entry_is_away(
    lantern: Any, letter: Any, ada: Subscriber, tmp_path: Path
) -> None:
    """It is in the customer database's file each week, and the row would be put back after the campaign."""
    audience.erase(lantern, subscriber=ada, now=NOW)
    file = tmp_path / "crm.csv"
    file.write_text("Email\nada@example.org\nboris@example.org\n")
    Suppression.objects.all().delete()
    audience.direct(lantern, letter, [str(file)], now=lambda: NOW, status="subscribed")
    assert [subscriber_at(lantern, f"{name}@example.org") is not None for name in ("ada", "boris")] == [False, True]
    assert [event.kind for event in queries.newest(lantern, kinds=[suppression_check.ALTERED])] != []


def test_a_long_list_is_compared_a_portion_at_a_time_and_all_of_it_comes_back(
    lantern: Any, letter: Any, ada: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_check, "AT_ONCE", 3)
    text = "\n".join(f"reader{number}@example.org" for number in range(12))
    suppressions.suppress_many(lantern, text, "manual", now=NOW)
    suppressions.lift(lantern, "manual", address="reader3@example.org", now=NOW)
    until = (NOW + timedelta(days=30)).date()
    preferences.prefer_all(ada, [letter], preferences.PreferenceChoice(preferences.PAUSE, until), now=NOW)
    before = {*Suppression.objects.values_list("email_index", "index_version", "reason", "day")}
    portions = [*suppression_check.logged_now(lantern, NOW)]
    assert max(len(logged.entries) + len(logged.pauses) for logged in portions) <= 3
    assert sum(len(logged.entries) for logged in portions) == len(before) == 11
    Suppression.objects.all().delete()
    Subscription.objects.update(paused=None)
    said = compare(lantern)
    assert sum(event.get("missing", 0) for event in said) == 11
    assert sum(event.get("pauses", 0) for event in said) == 1
    assert {*Suppression.objects.values_list("email_index", "index_version", "reason", "day")} == before
    assert len(compare(lantern)) == len(said)
