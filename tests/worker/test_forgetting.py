"""Sign-ups that nobody confirmed are forgotten after their week, and only those."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import checking, queries
from samizdat.audience.actions import forgetting as pages
from samizdat.audience.actions import forms
from samizdat.audience.models import ConsentRecord, ListTotal, Subscriber, SubscriberTag, Subscription, TagTotal
from samizdat.core import link
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.gate.queries import token_state
from samizdat.vault import house
from samizdat.worker import after, clock, forgetting, tasks
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=9)


@pytest.fixture(autouse=True)
def _nothing_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_going", forgetting.Daily())


def ask(lantern: Any, list_: Any, name: str, days: int = 0) -> Any:
    at = NOW + timedelta(days=days)
    return audience.sign_up(lantern, f"{name}@example.org", list_, wording="One story.", now=at)


def pending(list_: Any) -> int:
    return ListTotal.objects.get(list=list_, status=0).count


def test_who_never_confirmed_is_forgotten_with_all_that_was_sealed(lantern: Any, thursday: Any) -> None:
    ada = ask(lantern, thursday, "ada")
    audience.add_tags(ada, ["fair"], now=NOW)
    assert forgetting.forget(LATER) == 1
    assert not Subscriber.objects.exists() and not Subscription.objects.exists() and not SubscriberTag.objects.exists()
    assert pending(thursday) == 0 and not TagTotal.objects.exclude(count=0).exists()
    (kept,) = ConsentRecord.objects.all()
    assert bytes(kept.blob) == b"" and bytes(kept.digest)
    assert Event.objects.get(kind="subscriber.forgotten").about == ada.id
    assert queries.suppression_of(lantern, "ada@example.org") is None


def test_a_week_is_waited_and_a_day_more(lantern: Any, thursday: Any) -> None:
    ask(lantern, thursday, "ada")
    assert forgetting.forget(NOW + timedelta(days=8)) == 0
    assert pending(thursday) == 1


def test_who_asked_again_waits_anew(lantern: Any, thursday: Any) -> None:
    ask(lantern, thursday, "ada")
    ask(lantern, thursday, "ada", days=6)
    assert forgetting.forget(LATER) == 0
    assert forgetting.forget(LATER + timedelta(days=6)) == 1


def test_who_confirmed_or_left_stays(lantern: Any, thursday: Any) -> None:
    ada, boris = ask(lantern, thursday, "ada"), ask(lantern, thursday, "boris")
    audience.confirm(ada, thursday, now=NOW)
    audience.unsubscribe(boris, thursday, now=NOW)
    ask(lantern, thursday, "boris")
    assert forgetting.forget(LATER) == 0
    assert Subscriber.objects.count() == 2


def test_of_somebody_known_otherwise_the_sign_up_alone_is_forgotten(lantern: Any, thursday: Any) -> None:
    friday = audience.new_list(lantern, "the Friday Letter", now=NOW)
    ada = audience.add_subscriber(
        lantern, "ada@example.org", friday, consent="said so", now=NOW, values={"CITY": "Riga"}
    )
    ask(lantern, thursday, "ada")
    assert forgetting.forget(LATER) == 1
    assert [row.list_id for row in Subscription.objects.all()] == [friday.id]
    assert queries.values_of(ada)["CITY"] == "Riga" and pending(thursday) == 0
    blobs = {row.list_id: bytes(row.blob) for row in ConsentRecord.objects.all()}
    assert blobs[thursday.id] == b"" and blobs[friday.id]
    assert checking.check_projections(lantern, LATER).wrong == []


def test_pending_ones_of_an_import_stay(lantern: Any, thursday: Any, tmp_path: Any) -> None:
    file = tmp_path / "waiting.csv"
    file.write_text("email,status\nada@example.org,pending\n")
    audience.direct(lantern, thursday, [str(file)], now=lambda: NOW)
    assert pending(thursday) == 1
    assert forgetting.forget(LATER + timedelta(days=90)) == 0


def test_many_are_forgotten_in_pages_and_a_stop_leaves_the_rest(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    for number in range(5):
        ask(lantern, thursday, f"reader{number}")
    monkeypatch.setattr(tasks.stopping, "is_set", iter([False, True]).__next__)
    assert forgetting.forget(LATER) == 2
    monkeypatch.setattr(tasks.stopping, "is_set", lambda: False)
    assert forgetting.forget(LATER) == 3
    assert forgetting.forget(LATER) == 0
    assert forgetting.forget in clock.SLOW.values()


@pytest.mark.django_db(transaction=True)
def test_her_link_says_afterwards_that_it_is_too_late(lantern: Any, thursday: Any) -> None:
    ada = ask(lantern, thursday, "ada")
    token = link.make(house.keys(lantern).link, "confirm", forms.dated(thursday.id, TODAY), ada.number)
    gate.set_token_state(token, "pending")
    forgetting.forget(LATER)
    after.follow(LATER)
    assert token_state(token) == "forgotten"
    assert not Event.objects.filter(kind="subscriber.forgotten", handled=False).exists()
    again = ask(lantern, thursday, "ada", days=10)
    assert again.number != ada.number
