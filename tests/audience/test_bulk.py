"""Bulk work: counted before, done in slices that survive a kill, undone without undoing what people did themselves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.audience import consent_writer, headcount, queries, sql
from samizdat.audience.actions import add_subscriber, bulk, new_list, sign_up, suppress, tags_for, unsubscribe
from samizdat.audience.actions.bulk import ERASE, MOVE, REMOVE, TAG, UNTAG, BulkPlan, BulkRefused
from samizdat.audience.actions.consent import settle_again, unsubscribe_from_all
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.filters import Filter
from samizdat.audience.models import (
    NONSUBSCRIBED,
    SUBSCRIBED,
    BulkAction,
    BulkActionPiece,
    ConsentRecord,
    Headcount,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
)
from samizdat.core import consent
from samizdat.core.mail.ledger import pack_numbers
from samizdat.events.models import Event
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db

WORDS = "Asked for it at the meeting in May."


@pytest.fixture
def people(lantern: Any, letter: Any, remembered: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Twelve readers; every third reads Russian. Slices of five."""
    monkeypatch.setattr(bulk, "SLICES", dict.fromkeys(bulk.SLICES, 5))

    def added() -> list[Any]:
        return [
            add_subscriber(
                lantern,
                f"r{place}@post.example",
                letter,
                consent="yes",
                now=NOW,
                language="ru" if place % 3 == 0 else "en",
            )
            for place in range(12)
        ]

    return remembered(added, lantern, letter)


def do(lantern: Any, plan: BulkPlan, at: Any = NOW) -> BulkAction:
    work = bulk.begin(lantern, plan, now=at)
    assert bulk.run(work.id, lambda: at)
    return BulkAction.objects.get(id=work.id)


def undo(work: BulkAction, at: Any = NOW) -> BulkAction:
    bulk.undo(work, now=at)
    assert bulk.run(work.id, lambda: at)
    return BulkAction.objects.get(id=work.id)


def carriers(tag: int) -> int:
    return SubscriberTag.objects.filter(tag=tag).count()


def statuses(person: Any) -> dict[str, str]:
    return {standing.name: standing.status for standing in queries.card(person, NOW).lists}


@pytest.mark.parametrize("action", [REMOVE, ERASE])
def test_people_with_many_records_are_changed_in_smaller_slices(
    lantern: Any, letter: Any, people: list[Any], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """A file may bring a thousand records about each of 500: one transaction would hold the database for 8 seconds."""
    monkeypatch.setattr(bulk, "SLICE_RECORDS", 2)
    held: list[int] = []
    hold = sql.hold_subscribers
    monkeypatch.setattr(sql, "hold_subscribers", lambda of, ids: held.append(len(ids)) or hold(of, ids))
    work = do(lantern, BulkPlan(action, Filter(), list=letter.id))
    assert (work.state, work.changed, held) == ("finished", 12, [2] * 6)
    assert_projections_hold(lantern, NOW)
    if action == REMOVE:
        assert undo(work).undone == 12
        assert_projections_hold(lantern, NOW)


def test_a_tag_is_given_to_all_who_fit_and_taken_back(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    plan = BulkPlan(TAG, Filter(language="en"), tag=tag)
    assert bulk.count(lantern, plan) == (8, 8)
    first = do(lantern, BulkPlan(TAG, Filter(numbers=(people[1].number, people[2].number)), tag=tag))
    assert (first.expected, first.changed, carriers(tag)) == (2, 2, 2)
    assert bulk.count(lantern, plan) == (8, 6)
    work = do(lantern, plan)
    assert (work.state, work.expected, work.changed, carriers(tag)) == ("finished", 6, 6, 8)
    assert_projections_hold(lantern, NOW)
    assert undo(work).undone == 6 and carriers(tag) == 2
    assert_projections_hold(lantern, NOW)
    assert not BulkActionPiece.objects.filter(work=work).exists()
    assert [*Event.objects.filter(about=work.id).order_by("id").values_list("kind", flat=True)] == [
        "bulk.started", "bulk.finished", "bulk.undo_started", "bulk.undone",
    ]  # fmt: skip


def test_a_tag_is_taken_from_all_who_carry_it(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    do(lantern, BulkPlan(TAG, Filter(), tag=tag))
    work = do(lantern, BulkPlan(UNTAG, Filter(tag=tag, language="ru"), tag=tag))
    assert (work.changed, carriers(tag)) == (4, 8)
    assert undo(work).undone == 4 and carriers(tag) == 12
    assert_projections_hold(lantern, NOW)


def test_whoever_is_taken_off_a_list_left_it_and_comes_back_by_the_undo(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    unsubscribe(people[0], letter, now=NOW)
    work = do(lantern, BulkPlan(REMOVE, Filter(list=letter.id), list=letter.id, words="The list is closed."))
    assert work.changed == 11 and {statuses(one)["The Thursday Letter"] for one in people} == {"unsubscribed"}
    assert queries.card(people[1], NOW).timeline[0].reason == "The list is closed."
    assert_projections_hold(lantern, NOW)
    # One of them presses the link in an old letter meanwhile, another is suppressed, a third erased.
    unsubscribe(people[1], letter, now=NOW, way="one-click")
    suppress(lantern, "complaint", subscriber=people[2], now=NOW)
    done = undo(work)
    assert done.undone == 10
    assert statuses(people[1])["The Thursday Letter"] == statuses(people[0])["The Thursday Letter"] == "unsubscribed"
    assert statuses(people[3])["The Thursday Letter"] == "subscribed"
    assert_projections_hold(lantern, NOW)


def test_who_told_a_teammate_no_after_a_bulk_removal_is_not_brought_back_by_its_undo(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    work = do(lantern, BulkPlan(REMOVE, Filter(list=letter.id), list=letter.id))
    unsubscribe(people[0], letter, now=NOW)
    unsubscribe(people[0], letter, now=NOW)
    unsubscribe_from_all(people[1], now=NOW)
    assert len([entry for entry in queries.card(people[0], NOW).timeline if entry.kind == "withdrawn"]) == 2
    undo(work)
    here = [statuses(person)["The Thursday Letter"] for person in people]
    assert here == ["unsubscribed"] * 2 + ["subscribed"] * 10
    assert_projections_hold(lantern, NOW)


def test_whose_no_was_made_something_else_for_the_moment_is_not_brought_back_by_an_undo(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    work = do(lantern, BulkPlan(REMOVE, Filter(list=letter.id), list=letter.id))
    unsubscribe(people[0], letter, way="one-click", now=NOW)
    no = ConsentRecord.objects.filter(subscriber=people[0]).latest("id")
    ConsentRecord.objects.filter(id=no.id).update(kind=consent.KINDS.index("asked"))
    undo(work)
    ConsentRecord.objects.filter(id=no.id).update(kind=no.kind)
    here = [statuses(person)["The Thursday Letter"] for person in people]
    assert here == ["unsubscribed"] + ["subscribed"] * 11
    assert_projections_hold(lantern, NOW)


def test_whoever_is_taken_off_by_a_clock_that_was_set_back_is_off(lantern: Any, letter: Any, people: list[Any]) -> None:
    do(lantern, BulkPlan(REMOVE, Filter(numbers=(people[1].number,)), list=letter.id), NOW - timedelta(days=3))
    assert statuses(people[1])["The Thursday Letter"] == "unsubscribed"
    assert_projections_hold(lantern, NOW)


def test_a_move_takes_along_who_agreed_and_nobody_who_left_the_other_list(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    other = new_list(lantern, "Court Diary", now=NOW)
    for one in people[:2]:
        add_subscriber(lantern, queries.address_of(one), other, consent="yes", now=NOW)
    unsubscribe(people[0], other, now=NOW, way="form")
    unsubscribe(people[5], letter, now=NOW)
    consent_writer.write(people[6], [ConsentFactRow("asked", "import", other)], NOW)
    plan = BulkPlan(MOVE, Filter(), list=letter.id, to=other.id, words=WORDS)
    assert bulk.count(lantern, plan) == (12, 10)
    work = do(lantern, plan)
    assert work.changed == 10
    assert statuses(people[0]) == {"The Thursday Letter": "subscribed", "Court Diary": "unsubscribed"}
    assert statuses(people[3]) == {"The Thursday Letter": "unsubscribed", "Court Diary": "subscribed"}
    assert statuses(people[5]) == {"The Thursday Letter": "unsubscribed"}
    assert any(entry.wording == WORDS for entry in queries.card(people[3], NOW).timeline)
    assert_projections_hold(lantern, NOW)
    unsubscribe(people[4], other, now=NOW, way="form")
    undo(work)
    # Where they had no place before they have none again; who asked for that list before waits as before.
    assert statuses(people[3]) == {"The Thursday Letter": "subscribed"}
    assert statuses(people[6]) == {"The Thursday Letter": "subscribed", "Court Diary": "pending"}
    assert queries.count(lantern, other) == 4 and queries.count(lantern, other, "nonsubscribed") == 0
    assert queries.card(people[3], NOW).timeline[0].kind == "undone"
    # They left it themselves: they are not brought back to where they were.
    assert statuses(people[4]) == {"The Thursday Letter": "unsubscribed", "Court Diary": "unsubscribed"}
    assert statuses(people[1]) == {"The Thursday Letter": "subscribed", "Court Diary": "subscribed"}
    assert_projections_hold(lantern, NOW)
    # So they can be moved again, and asked for by a file or by themselves.
    assert bulk.count(lantern, plan)[1] == 9


def test_erasing_many_keeps_a_mark_of_each_and_cannot_be_undone(lantern: Any, letter: Any, people: list[Any]) -> None:
    work = do(lantern, BulkPlan(ERASE, Filter(language="ru")))
    assert (work.changed, Subscriber.objects.count()) == (4, 8)
    assert Suppression.objects.filter(reason="erased").count() == 4
    assert Event.objects.filter(kind="subscriber.erased").count() == 4
    with pytest.raises(BulkRefused):
        bulk.undo(work, now=NOW)
    assert_projections_hold(lantern, NOW)


def test_readers_are_counted_as_they_come_and_go_and_the_sum_stays_small(
    lantern: Any, letter: Any, people: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    do(lantern, BulkPlan(ERASE, Filter(language="ru")))
    monkeypatch.setattr(headcount, "ROWS", 3)
    headcount.fold(NOW)
    assert list(Headcount.objects.values_list("organization", "delta")) == [(lantern.id, 8)]
    add_subscriber(lantern, "late@post.example", letter, consent="yes", now=NOW)
    headcount.fold(NOW)
    assert queries.count(lantern) == Subscriber.objects.count() == 9


def test_a_killed_work_goes_on_where_it_was(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = bulk.begin(lantern, BulkPlan(TAG, Filter(), tag=tag), now=NOW)
    assert not bulk.run(work.id, lambda: NOW, seconds=0)
    assert carriers(tag) == 5 and bulk.open_works() == [work.id]
    assert bulk.run(work.id, lambda: NOW) and carriers(tag) == 12
    bulk.undo(BulkAction.objects.get(id=work.id), now=NOW)
    assert not bulk.run(work.id, lambda: NOW, seconds=0) and carriers(tag) == 10
    assert bulk.run(work.id, lambda: NOW) and carriers(tag) == 0 and bulk.open_works() == []


def test_a_slice_that_another_process_did_is_not_done_again(
    lantern: Any, letter: Any, people: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = bulk.begin(lantern, BulkPlan(TAG, Filter(), tag=tag), now=NOW)
    late = BulkAction.objects.select_related("organization").get(id=work.id)
    bulk.run(work.id, lambda: NOW, seconds=0)
    bulk._slice(late, NOW)
    assert BulkAction.objects.get(id=work.id).processed == 5


def test_a_stopped_work_keeps_what_it_did_and_can_be_undone(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = bulk.begin(lantern, BulkPlan(TAG, Filter(), tag=tag), now=NOW)
    bulk.run(work.id, lambda: NOW, seconds=0)
    assert bulk.stop(work, now=NOW) and bulk.run(work.id, lambda: NOW) and carriers(tag) == 5
    undo(BulkAction.objects.get(id=work.id))
    assert carriers(tag) == 0


def test_after_a_day_nobody_undoes_it_and_nobody_knows_whom_it_changed(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = do(lantern, BulkPlan(TAG, Filter(), tag=tag))
    late = NOW + timedelta(days=1, minutes=1)
    with pytest.raises(BulkRefused, match=r"\.$"):
        bulk.undo(work, now=late)
    assert bulk.forget_pieces(NOW) == 0 and bulk.forget_pieces(late) == 3


def test_who_left_is_not_brought_back_by_whoever_writes_the_database(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    unsubscribe(people[0], letter, way="desk", now=NOW)
    numbers = tuple(person.number for person in people[1:3])
    work = do(lantern, BulkPlan(REMOVE, Filter(numbers=numbers), list=letter.id, words=WORDS))
    late = NOW + timedelta(days=3)
    everybody = pack_numbers([person.number for person in people])
    rows = BulkAction.objects.filter(id=work.id)
    for at, place in ((late, 1), (NOW, 2)):
        BulkActionPiece.objects.filter(work=work, place=place).delete()
        BulkActionPiece.objects.create(work=work, place=place, changed=everybody)
        rows.update(state="undoing", begun=at)
        assert bulk.run(work.id, lambda at=at: at)  # type: ignore[misc]
        assert not any(statuses(person)["The Thursday Letter"] == "subscribed" for person in people[:3])
        assert rows.get().state == "stopped"
    rows.update(state="finished", begun=late)
    with pytest.raises(BulkRefused):
        bulk.undo(rows.get(), now=late)


def test_a_piece_that_somebody_wrote_brings_nobody_back_when_a_work_is_undone(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    unsubscribe(people[0], letter, way="desk", now=NOW)
    numbers = tuple(person.number for person in people[1:3])
    work = do(lantern, BulkPlan(REMOVE, Filter(numbers=numbers), list=letter.id, words=WORDS))
    everybody = pack_numbers([person.number for person in people])
    BulkActionPiece.objects.create(work=work, place=2, changed=everybody)
    assert undo(work).undone == 2
    assert statuses(people[0])["The Thursday Letter"] == "unsubscribed"


def test_a_changed_status_brings_nobody_to_a_list_that_they_left(lantern: Any, letter: Any, people: list[Any]) -> None:
    other = new_list(lantern, "Court Diary", now=NOW)
    for one in people[:2]:
        add_subscriber(lantern, queries.address_of(one), other, consent="yes", now=NOW)
    unsubscribe(people[0], other, now=NOW, way="one-click")
    unsubscribe(people[1], letter, now=NOW, way="one-click")
    sign_up(lantern, "asked@post.example", letter, wording="yes", now=NOW)
    asked = queries.subscriber_at(lantern, "asked@post.example")
    Subscription.objects.update(status=SUBSCRIBED, mail_verdict=consent.YES)
    Subscription.objects.filter(subscriber=people[0], list=other).update(status=NONSUBSCRIBED)
    plan = BulkPlan(MOVE, Filter(), list=letter.id, to=other.id, words=WORDS)
    work = do(lantern, plan)
    assert work.changed == 10
    assert not [one for one in (people[0], people[1], asked) if told(one, WORDS)]
    # Nor does taking the move back bring anybody to where they were who left the other list meanwhile.
    unsubscribe(people[4], other, now=NOW, way="form")
    Subscription.objects.filter(subscriber=people[4]).update(status=SUBSCRIBED, mail_verdict=consent.YES)
    assert undo(work).undone == 9
    assert settled(lantern, people[4]) == {"The Thursday Letter": "unsubscribed", "Court Diary": "unsubscribed"}


def told(person: Any, words: str) -> bool:
    return any(words in (entry.wording, entry.reason) for entry in queries.card(person, NOW).timeline)


def settled(lantern: Any, person: Any) -> dict[str, str]:
    settle_again(lantern, [person.number], now=NOW)
    return statuses(person)


def test_taking_back_a_removal_brings_nobody_back_who_had_left_before(
    lantern: Any, letter: Any, people: list[Any]
) -> None:
    unsubscribe(people[0], letter, now=NOW, way="one-click")
    Subscription.objects.update(status=SUBSCRIBED, mail_verdict=consent.YES)
    work = do(lantern, BulkPlan(REMOVE, Filter(), list=letter.id, words=WORDS))
    assert work.changed == 11 and undo(work).undone == 11
    assert settled(lantern, people[0]) == {"The Thursday Letter": "unsubscribed"}


def test_a_work_is_what_was_asked_for_and_not_done_again(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = bulk.begin(lantern, BulkPlan(TAG, Filter(), tag=tag), now=NOW)
    rows = BulkAction.objects.filter(id=work.id)
    before = rows.values("state", "plan_sealed", "cursor").get()
    rows.update(action=ERASE)
    assert bulk.run(work.id, lambda: NOW) and Subscriber.objects.count() == 12 and carriers(tag) == 0
    assert rows.get().state == "stopped"
    rows.update(action=TAG, **before)
    assert bulk.run(work.id, lambda: NOW) and carriers(tag) == 0, "the log says that it was stopped"


@pytest.mark.parametrize("column", ["expected", "processed", "cursor"])
def test_no_more_are_erased_than_were_agreed_to_whatever_stands_in_the_row(
    lantern: Any, letter: Any, people: list[Any], column: str
) -> None:
    work = bulk.begin(lantern, BulkPlan(ERASE, Filter(language="en")), now=NOW)
    assert not bulk.run(work.id, lambda: NOW, seconds=0)
    left, row = Subscriber.objects.count(), BulkAction.objects.get(id=work.id)
    wrong = {"expected": row.expected + 9, "processed": 0, "cursor": (row.cursor or 0) + 9}[column]
    BulkAction.objects.filter(id=work.id).update(**{column: wrong})
    assert bulk.run(work.id, lambda: NOW) and Subscriber.objects.count() == left
    assert BulkAction.objects.get(id=work.id).state == "stopped"


def test_an_undo_that_a_day_could_begin_is_through_after_another(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    work = do(lantern, BulkPlan(TAG, Filter(), tag=tag))
    bulk.undo(work, now=NOW)
    assert bulk.run(work.id, lambda: NOW + timedelta(days=2)) and carriers(tag) == 12


def test_what_cannot_be_is_refused_before_anything_is_written(lantern: Any, letter: Any, people: list[Any]) -> None:
    tag = tags_for(lantern, ["spring"])["spring"]
    for plan in (
        BulkPlan(UNTAG, Filter(), tag=tag),
        BulkPlan(MOVE, Filter(), list=letter.id, to=letter.id, words=WORDS),
        BulkPlan(MOVE, Filter(), list=letter.id, to=new_list(lantern, "Other", now=NOW).id, words=" "),
        BulkPlan(TAG, Filter(numbers=(999_999,)), tag=tag),
    ):
        with pytest.raises(BulkRefused, match=r"\.$"):
            bulk.begin(lantern, plan, now=NOW)
    assert not BulkAction.objects.exists()


def test_a_list_or_a_tag_of_another_organization_is_none(
    lantern: Any, letter: Any, people: list[Any], vault: Any
) -> None:
    bell = found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    theirs, tag = new_list(bell, "Theirs", now=NOW), tags_for(bell, ["spring"])["spring"]
    for plan in (
        BulkPlan(TAG, Filter(), tag=tag),
        BulkPlan(REMOVE, Filter(), list=theirs.id),
        BulkPlan(MOVE, Filter(), list=letter.id, to=theirs.id, words=WORDS),
    ):
        with pytest.raises(BulkRefused, match="No subscribers would change"):
            bulk.begin(lantern, plan, now=NOW)


def test_the_plan_is_sealed(lantern: Any, letter: Any, people: list[Any]) -> None:
    do(lantern, BulkPlan(REMOVE, Filter(list=letter.id), list=letter.id, words="A word of theirs"))
    assert "A word" not in repr(BulkAction.objects.values().get())


def test_a_change_of_thousands_says_how_many_as_every_page_writes_it() -> None:
    from django.utils import translation

    from samizdat.accounts.models import PendingChange
    from samizdat.audience.actions.bulk import BulkDetails
    from samizdat.audience.pending_change_kinds import _say_erase

    assert (
        _say_erase(PendingChange(), BulkDetails(1679, None, None))
        == "Personal data of 1,679 subscribers is erased for good"
    )
    with translation.override("ru"):
        assert "1\N{NO-BREAK SPACE}679" in _say_erase(PendingChange(), BulkDetails(1679, None, None))
