"""What a list keeps, and what becomes of the rest (issue: nothing lost that is needed, nothing kept that is not)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.errors import AddressErased
from samizdat.audience.models import UNSUBSCRIBED, ConsentRecord, Subscriber, Subscription, Suppression
from samizdat.core import consent
from samizdat.delivery import queries as delivery
from samizdat.delivery.models import Chunk, Delivery
from samizdat.events import chain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.privacy import actions, retention_rules
from samizdat.privacy.actions import retention
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Retention
from samizdat.worker.schedule import retention as retaining
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW
from tests.privacy.conftest import LONG_AGO, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def begun_anew() -> None:
    retaining._going.day = None


def test_who_left_long_ago_goes_whole_and_no_hand_brings_them_back(lantern: Any, letter: Any, ada: Any) -> None:
    audience.unsubscribe(ada, letter, now=NOW - timedelta(days=31))
    [bell] = people(lantern, letter, 1)
    audience.unsubscribe(bell, letter, now=NOW - timedelta(days=29))
    rules = actions.RetentionRules(left_days=30)
    assert actions.preview(letter, rules, NOW).people == 1
    assert retaining.keep_no_longer(NOW) == (0, 0)  # Nothing goes before somebody decided.
    actions.retain(letter, rules, now=NOW)
    retaining._going.day = None
    assert retaining.keep_no_longer(NOW) == (1, 0)
    assert [*Subscriber.objects.all()] == [bell]
    with pytest.raises(AddressErased):
        audience.add_subscriber(lantern, "ada@post.example", letter, consent="Again.", now=NOW)
    assert retaining.keep_no_longer(NOW) == (0, 0)
    assert retaining.keep_no_longer(NOW + timedelta(days=2)) == (1, 0)
    assert_projections_hold(lantern, NOW)
    chain.append()
    assert chain.verify(lantern).whole


@pytest.mark.parametrize("which", ["made up", "shortened", "statuses alone"])
def test_whoever_writes_the_database_has_nobody_erased_who_is_kept(
    lantern: Any, letter: Any, ada: Any, which: str
) -> None:
    audience.unsubscribe(ada, letter, now=NOW - timedelta(days=60))
    people(lantern, letter, 2)
    if which == "shortened":
        actions.retain(letter, actions.RetentionRules(left_days=90), now=LONG_AGO)
    if which == "statuses alone":
        actions.retain(letter, actions.RetentionRules(left_days=90, delivery_months=12), now=LONG_AGO)
    else:
        Retention.objects.update_or_create(list=letter, defaults={"left_days": 7, "changed": LONG_AGO})
    Subscription.objects.update(status=UNSUBSCRIBED, since=LONG_AGO)
    assert retaining.keep_no_longer(NOW) == (0, 0)
    assert Subscriber.objects.count() == 3 and not Suppression.objects.exists()


def test_nobody_goes_whose_other_list_is_one_that_the_database_says_they_left(
    lantern: Any, letter: Any, ada: Any
) -> None:
    other = audience.new_list(lantern, "Books", now=LONG_AGO)
    audience.add_subscriber(lantern, "ada@post.example", other, consent="Said so.", now=LONG_AGO)
    audience.unsubscribe(ada, letter, now=LONG_AGO)
    actions.retain(letter, actions.RetentionRules(left_days=30), now=LONG_AGO)
    Subscription.objects.filter(list=other).update(status=UNSUBSCRIBED, since=LONG_AGO)
    assert retaining.keep_no_longer(NOW) == (0, 0)
    assert Subscriber.objects.exists()


def test_a_no_that_somebody_wrote_has_nobody_erased(lantern: Any, letter: Any, ada: Any) -> None:
    """Nothing would be left by which to tell."""
    actions.retain(letter, actions.RetentionRules(left_days=30), now=NOW)
    [yes] = ConsentRecord.objects.filter(subscriber=ada)
    ConsentRecord.objects.create(
        organization=lantern, subscriber=ada, list=letter, kind=consent.KINDS.index("withdrawn"), channel=yes.channel,
        day=NOW.date() - timedelta(days=60), sealed=b"", digest=bytes(32),
    )  # fmt: skip
    Subscription.objects.update(status=consent.STATUSES.index("unsubscribed"), since=NOW.date() - timedelta(days=60))
    assert retaining.keep_no_longer(NOW) == (0, 0) and [*Subscriber.objects.all()] == [ada]


def test_many_go_in_slices_that_hold_the_database_a_moment_each(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = people(lantern, letter, 7)
    for one in crowd:
        audience.add_tags(one, ["Books"], now=LONG_AGO)
        audience.unsubscribe(one, letter, now=LONG_AGO)
    monkeypatch.setattr(retention, "PAGE", 3)
    actions.retain(letter, actions.RetentionRules(left_days=30), now=NOW)
    assert retaining.keep_no_longer(NOW) == (7, 0)
    assert not Subscriber.objects.exists()
    assert {*ConsentRecord.objects.values_list("sealed", flat=True)} == {b""}
    assert Suppression.objects.filter(reason="erased").count() == 7
    told = Event.objects.filter(kind="subscribers.erased").order_by("pk")
    assert [detail_of(event)["count"] for event in told] == [3, 3, 1]
    assert_projections_hold(lantern, NOW)
    chain.append()
    assert chain.verify(lantern).whole


def test_who_is_on_another_list_or_came_back_stays(lantern: Any, letter: Any, ada: Any) -> None:
    court = audience.new_list(lantern, "Court Diary", now=LONG_AGO)
    audience.add_subscriber(lantern, "ada@post.example", court, consent="Too.", now=LONG_AGO)
    audience.unsubscribe(ada, letter, now=LONG_AGO)
    [bell] = people(lantern, letter, 1)
    audience.unsubscribe(bell, letter, now=LONG_AGO)
    audience.undo_unsubscribe(bell, letter, now=NOW)
    actions.retain(letter, actions.RetentionRules(left_days=30), now=NOW)
    assert retaining.keep_no_longer(NOW) == (0, 0)
    assert Subscriber.objects.count() == 2


def test_old_deliveries_become_totals_and_the_books_still_add_up(
    lantern: Any, letter: Any, ada: Any, sent: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.delivery.actions.chunks.CHUNK", 2)
    people(lantern, letter, 4)
    old, fresh = sent(letter, refused=1), sent(letter, at=NOW)
    before = delivery.recount(old)
    going = actions.preview(letter, actions.RetentionRules(delivery_months=6), NOW)
    assert (going.campaigns, going.deliveries) == (1, 5)
    actions.retain(letter, actions.RetentionRules(delivery_months=6), now=NOW)

    chunks = iter([False, True])  # Stopped after one chunk, as by the end of a round.
    assert actions.retain_slice(letter, 0, NOW, lambda: next(chunks, True))[1] == 2
    assert delivery.recount(old) == before
    assert actions.preview(letter, actions.RetentionRules(delivery_months=6), NOW).deliveries == 3
    assert delivery.folded(old) is None

    assert retaining.keep_no_longer(NOW) == (0, 3)
    assert delivery.recount(old) == before
    assert (before.frozen, before.accepted, before.refused) == (5, 4, 1)
    assert delivery.folded(old) == NOW.date()
    assert not Chunk.objects.filter(edition__campaign=old).exists()
    assert delivery.delivery_of(old, ada.number) is None
    assert delivery.delivery_of(fresh, ada.number) is not None
    assert Delivery.objects.count() == 5
    assert delivery.report(old).books.accepted == 4
    assert queries.card(ada, NOW).lists[0].status == "subscribed"


def test_a_letter_with_doubtful_messages_is_not_folded_before_they_are_settled(
    lantern: Any, letter: Any, ada: Any, sent: Callable[..., Any]
) -> None:
    people(lantern, letter, 1)
    sent(letter, unsure=1)
    actions.retain(letter, actions.RetentionRules(delivery_months=1), now=NOW)
    assert actions.preview(letter, actions.RetentionRules(delivery_months=1), NOW).unsettled == 1
    assert retaining.keep_no_longer(NOW) == (0, 0)
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize(("days", "months"), [(0, None), (-3, None), (4000, None), (None, 0), (None, 121)])
def test_a_rule_beyond_reason_is_refused_in_one_sentence(letter: Any, days: int | None, months: int | None) -> None:
    with pytest.raises(PrivacyError):
        actions.retain(letter, actions.RetentionRules(days, months), now=NOW)
    assert actions.rules_of(letter) == actions.RetentionRules()


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [("2026-11-25", 1, "2026-10-25"), ("2026-03-31", 1, "2026-02-28"), ("2028-03-31", 1, "2028-02-29"),
     ("2026-01-15", 12, "2025-01-15"), ("2026-05-31", 3, "2026-02-28")],
)  # fmt: skip
def test_months_are_those_of_the_calendar(day: str, months: int, then: str) -> None:
    now = NOW.fromisoformat(f"{day}T12:00:00+00:00")
    assert retention_rules.months_before(now, months).date().isoformat() == then
