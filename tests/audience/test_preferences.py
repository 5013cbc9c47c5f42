"""What a reader decides about their own letters, in the house."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from samizdat.audience import actions, choice_log, consistency, queries, suppression_check
from samizdat.audience.actions import preferences
from samizdat.audience.actions.forms import FormFacts, make_form
from samizdat.audience.actions.preferences import PreferenceChoice
from samizdat.audience.models import Subscription
from samizdat.core import consent
from samizdat.delivery import sql as delivery_sql
from samizdat.events.models import Event
from tests.conftest import NOW, TODAY
from tests.events_read import events_read

pytestmark = pytest.mark.django_db

UNTIL = TODAY + timedelta(days=30)


@pytest.fixture
def thursday(lantern: Any) -> Any:
    return actions.new_list(lantern, "Thursday", now=NOW)


@pytest.fixture
def ada(lantern: Any, thursday: Any) -> Any:
    return actions.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)


def may(subscriber: Any, list_: Any) -> str:
    return consent.REASONS[Subscription.objects.get(subscriber=subscriber, list=list_).mail_verdict]


def reasons(subscriber: Any) -> list[str]:
    return [standing.verdict.reason for standing in queries.card(subscriber, NOW).lists]


def test_whoever_pauses_gets_nothing_until_that_day_and_the_desk_says_why(
    lantern: Any, ada: Any, thursday: Any
) -> None:
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL), now=NOW)
    assert (may(ada, thursday), reasons(ada)) == ("paused", ["paused"])
    assert queries.card(ada, NOW).lists[0].verdict.record.day == UNTIL  # type: ignore[union-attr]
    assert delivery_sql.release_page(lantern.id, thursday.id, None, 0, 10, False) == []
    assert queries.count(lantern, thursday, "subscribed") == 1, "they are subscribed all the same"
    assert consistency.check_projections(lantern, NOW).wrong == []
    assert preferences.end_pauses(NOW + timedelta(days=29)) == 0
    assert preferences.end_pauses(NOW + timedelta(days=30)) == 1
    assert may(ada, thursday) == "yes"


def test_who_presses_all_day_writes_so_many_events_and_their_pause_still_counts(
    ada: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each press of a link is an event, and whoever has one presses it as often as they like."""
    monkeypatch.setattr(choice_log, "CHOICES", 4)
    chosen = Event.objects.filter(kind=choice_log.CHOSEN)
    for _ in range(5):
        for language in ("en", "de"):
            preferences.prefer_all(ada, [thursday], PreferenceChoice("all", language=language), now=NOW)
    assert chosen.count() == 4
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL, language="fr"), now=NOW)
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL - timedelta(days=1)), now=NOW)
    preferences.prefer_all(ada, [thursday], PreferenceChoice("all"), now=NOW)
    ada.refresh_from_db()
    assert (may(ada, thursday), ada.language, chosen.count()) == ("paused", "de", 5)
    preferences.prefer_all(ada, [thursday], PreferenceChoice("all"), now=NOW + timedelta(days=1))
    assert may(ada, thursday) == "yes", "another day"


def test_a_press_too_many_looks_at_no_list(
    lantern: Any, ada: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link whose edition is not known here is of all of their lists, and can be pressed without end."""
    monkeypatch.setattr(choice_log, "CHOICES", 0)
    lists = [thursday, *(actions.new_list(lantern, name, now=NOW) for name in ("Friday", "Saturday", "Sunday"))]
    for list_ in lists[1:]:
        actions.add_subscriber(lantern, "ada@example.org", list_, consent="said so", now=NOW)
    asked = []
    for some in (lists[:1], lists):
        with CaptureQueriesContext(connection) as queries_of:
            preferences.prefer_all(ada, some, PreferenceChoice("all", language="de", topics=frozenset()), now=NOW)
        asked.append(len(queries_of))
    assert asked[0] == asked[1]


def test_topics_that_somebody_drops_after_a_day_of_presses_are_dropped_and_none_is_added(
    lantern: Any, ada: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice_log, "CHOICES", 0)
    tags = actions.tags_for(lantern, ["Books", "Trips"])
    make_form(lantern, FormFacts("F", "en", (thursday.id,), "I agree.", topics=(*tags.values(),)), now=NOW)
    actions.add_tags(ada, ["Trips"], now=NOW)
    choice = PreferenceChoice(topics=frozenset({tags["Books"]}), offered=frozenset(tags.values()))
    preferences.prefer_all(ada, [thursday], choice, now=NOW)
    assert queries.card(ada, NOW).tags == []


def test_a_choice_reads_no_history(lantern: Any, ada: Any, thursday: Any) -> None:
    """Of every list that they never chose anything of, it was all of it, while nobody else could write."""
    friday = actions.new_list(lantern, "Friday", now=NOW)
    actions.add_subscriber(lantern, "ada@example.org", friday, consent="said so", now=NOW)
    preferences.prefer_all(ada, [friday], PreferenceChoice("pause", UNTIL), now=NOW, sent_at=NOW)
    for number in range(100):
        at = NOW + timedelta(days=number // 50)
        preferences.prefer_all(ada, [thursday], PreferenceChoice(language=("de", "fr")[number % 2]), now=at, sent_at=at)
    with events_read() as read:
        preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL), now=at, sent_at=at)
        old = PreferenceChoice("all", language="en")
        preferences.prefer_all(ada, [friday], old, now=at, sent_at=NOW - timedelta(days=1))
    assert len(read) <= 20
    assert (may(ada, friday), may(ada, thursday)) == ("paused", "paused"), "what was said of a list long ago is known"


def test_a_pause_behind_a_choice_of_another_list_is_put_back(lantern: Any, ada: Any, thursday: Any) -> None:
    friday = actions.new_list(lantern, "Friday", now=NOW)
    actions.add_subscriber(lantern, "ada@example.org", friday, consent="said so", now=NOW)
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL), now=NOW)
    preferences.prefer_all(ada, [friday], PreferenceChoice("pause", UNTIL), now=NOW)
    preferences.prefer_all(ada, [friday], PreferenceChoice("all"), now=NOW)
    Subscription.objects.filter(subscriber=ada).update(paused=None, mail_verdict=consent.YES)
    suppression_check.look(lantern, NOW)
    assert (may(ada, thursday), may(ada, friday)) == ("paused", "yes")


@pytest.mark.parametrize("until", [TODAY, TODAY - timedelta(days=1), TODAY + timedelta(days=401), date.max])
def test_a_pause_is_no_way_to_silence_a_list_for_good(ada: Any, thursday: Any, until: date) -> None:
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", until), now=NOW)
    assert may(ada, thursday) == "yes"


def test_leaving_ends_what_a_pause_says_and_an_import_does_not_end_it(lantern: Any, ada: Any, thursday: Any) -> None:
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL), now=NOW)
    actions.unsubscribe(ada, thursday, now=NOW)
    assert may(ada, thursday) == "left"
    actions.undo_unsubscribe(ada, thursday, now=NOW)
    assert may(ada, thursday) == "paused"


def test_a_file_that_tells_of_another_yes_does_not_end_a_pause(
    lantern: Any, ada: Any, thursday: Any, tmp_path: Path
) -> None:
    preferences.prefer_all(ada, [thursday], PreferenceChoice("pause", UNTIL), now=NOW)
    path = tmp_path / "subscribed_members_export_1.csv"
    path.write_text("Email Address,OPTIN_TIME,CONFIRM_TIME\nada@example.org,2020-01-01 10:00:00,2020-01-02 10:00:00\n")
    assert actions.direct(lantern, thursday, [str(path)], now=lambda: NOW).counts["updated"] == 1
    assert may(ada, thursday) == "paused"


def test_a_reader_changes_only_topics_that_the_list_offers(lantern: Any, ada: Any, thursday: Any) -> None:
    tags = actions.tags_for(lantern, ["Books", "Trips", "VIP"])
    told = FormFacts("F", "en", (thursday.id,), "I agree.", topics=(tags["Books"], tags["Trips"], 999_999))
    make_form(lantern, told, now=NOW)
    actions.add_tags(ada, ["Trips", "VIP"], now=NOW)
    assert preferences.settings_of(ada, thursday, NOW).topics == [  # type: ignore[union-attr]
        (tags["Books"], "Books", False),
        (tags["Trips"], "Trips", True),
    ]
    chosen = frozenset({tags["Books"], tags["VIP"]})
    preferences.prefer_all(ada, [thursday], PreferenceChoice(topics=chosen), now=NOW)
    assert queries.card(ada, NOW).tags == ["Books", "Trips", "VIP"], "their page did not show Trips"
    preferences.prefer_all(ada, [thursday], PreferenceChoice(topics=chosen, offered=frozenset(tags.values())), now=NOW)
    assert queries.card(ada, NOW).tags == ["Books", "VIP"]


def test_what_a_reader_wishes_is_sealed_and_survives_other_changes(lantern: Any, ada: Any, thursday: Any) -> None:
    preferences.prefer_all(ada, [thursday], PreferenceChoice("monthly", wishes="dt", language="ru"), now=NOW)
    actions.change_values(ada, {"CITY": "Riga"}, now=NOW)
    ada.refresh_from_db()
    found = preferences.settings_of(ada, thursday, NOW)
    assert found is not None
    assert (found.often, found.wishes, found.language) == ("monthly", "td", "ru")


def test_a_new_mailbox_counts_once_it_has_said_yes(lantern: Any, ada: Any, thursday: Any) -> None:
    preferences.ask_to_move(ada, "Ada@New.example")
    assert queries.address_of(ada) == "ada@example.org"
    mark = preferences.mark_of(lantern, "ada@new.example")
    assert not preferences.move(ada, mark ^ 1, now=NOW), "the link of another address"
    assert preferences.move(ada, mark, now=NOW)
    moved = queries.subscriber_at(lantern, "ada@new.example")
    assert moved is not None and moved.id == ada.id
    assert may(moved, thursday) == "yes"
    assert queries.address_of(moved) == "Ada@new.example"
    assert queries.subscriber_at(lantern, "ada@example.org") is None
    assert queries.suppression_of(lantern, "ada@example.org") == "erased", "no file writes to the old one"
    assert not preferences.move(moved, mark, now=NOW), "replayed"


def test_a_mailbox_that_is_known_takes_the_lists_over(lantern: Any, ada: Any, thursday: Any) -> None:
    friday = actions.new_list(lantern, "Friday", now=NOW)
    other = actions.add_subscriber(lantern, "ada@new.example", friday, consent="said so", now=NOW)
    preferences.ask_to_move(ada, "ada@new.example")
    assert preferences.move(ada, preferences.mark_of(lantern, "ada@new.example"), now=NOW)
    assert (may(other, thursday), may(other, friday)) == ("yes", "yes")
    assert may(ada, thursday) == "suppressed:erased"
    assert consistency.check_projections(lantern, NOW).wrong == []


@pytest.mark.parametrize(("is_known", "stands"), [(False, "left"), (True, "never_agreed")])
def test_a_list_that_a_reader_left_does_not_come_along_to_a_new_mailbox_by_a_changed_status(
    lantern: Any, ada: Any, thursday: Any, is_known: bool, stands: str
) -> None:
    friday = actions.new_list(lantern, "Friday", now=NOW)
    actions.add_subscriber(lantern, "ada@example.org", friday, consent="said so", now=NOW)
    actions.unsubscribe(ada, friday, now=NOW, way="one-click")
    if is_known:
        actions.add_subscriber(lantern, "ada@new.example", thursday, consent="said so", now=NOW)
    preferences.ask_to_move(ada, "ada@new.example")
    Subscription.objects.filter(list=friday).update(status=1, mail_verdict=consent.YES)
    assert preferences.move(ada, preferences.mark_of(lantern, "ada@new.example"), now=NOW)
    moved = queries.subscriber_at(lantern, "ada@new.example")
    assert moved is not None and actions.verdict(moved, friday, NOW).reason == stands
