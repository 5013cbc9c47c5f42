"""Whoever takes the public process hands in no more than has room, and keeps nobody from leaving by it."""

import pytest
from django.db import connections

from samizdat.publicdb import actions, intake_limits
from samizdat.publicdb.intake_limits import LEAVE, InboxFull, Most, Room
from samizdat.publicdb.models import Intake, Site

pytestmark = pytest.mark.django_db(databases=["publicdb"])
LANTERN, HARBOUR = bytes(16), bytes([1]) * 16
FEW = Most(3, 1000)


class Hours:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def supervisor(hours: Hours, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(intake_limits, "OF_ONE", {LEAVE: FEW, "": FEW})
    monkeypatch.setattr(intake_limits, "OF_ALL", {LEAVE: Most(100, 10_000), "": Most(5, 10_000)})
    for uid in (LANTERN, HARBOUR):
        actions.publish_place(uid, host="", name="L", language="en", accent="#b3261e")
    return Room(hours)


def hand_in(supervisor: Room, kind: str, place: bytes = LANTERN, box: bytes = b"box") -> bool:
    try:
        supervisor.take(place, kind, len(box))
    except InboxFull:
        return False
    return actions.drop_in(Site(uid=place), box, kind)


def test_no_more_than_has_room_waits_and_who_leaves_has_room_of_their_own(supervisor: Room, hours: Hours) -> None:
    assert [hand_in(supervisor, "prefer") for _number in range(5)] == [True] * 3 + [False] * 2
    assert [hand_in(supervisor, "show") for _number in range(3)] == [True, True, False], "all kinds together"
    assert not hand_in(supervisor, "prefer", HARBOUR)
    assert hand_in(supervisor, "leave") and hand_in(supervisor, "leave", HARBOUR)
    Intake.objects.filter(kind="prefer").delete()  # The worker has taken them up.
    hours.now += intake_limits.COUNTED
    assert hand_in(supervisor, "prefer")


def test_long_boxes_fill_the_room_sooner(supervisor: Room) -> None:
    assert [hand_in(supervisor, "leave", box=b"x" * 400) for _number in range(3)] == [True, True, False]


def test_what_waited_before_a_start_counts(supervisor: Room, hours: Hours) -> None:
    assert all(hand_in(supervisor, "leave") for _number in range(3))
    assert not hand_in(Room(hours), "leave")


def test_who_hands_in_faster_than_readers_press_is_kept_back(
    supervisor: Room, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_limits, "OF_ONE", {LEAVE: Most(100, 1000, at_once=2, a_second=1), "": FEW})
    assert [hand_in(supervisor, "leave") for _number in range(3)] == [True, True, False]
    hours.now += 1
    assert hand_in(supervisor, "leave")


@pytest.mark.parametrize("kind", ["", "?", "leave\0" + "x" * 60_000, "leave ", "\ud800", "unknown"])
def test_nothing_is_taken_that_is_of_no_kind_of_ours(supervisor: Room, kind: str) -> None:
    assert not hand_in(supervisor, kind)


def test_nothing_is_remembered_of_organizations_that_are_not_here(supervisor: Room) -> None:
    assert not any(hand_in(supervisor, "leave", bytes([number]) * 16) for number in range(2, 50))
    assert not supervisor._counted


def test_a_log_that_somebody_keeps_from_beginning_anew_fills_no_disk(supervisor: Room, hours: Hours) -> None:
    size = intake_limits.MOST_LOG + 1
    supervisor = Room(hours, lambda: size)
    assert [hand_in(supervisor, kind) for kind in ("leave", "leave", "prefer")] == [True, False, False]
    hours.now += intake_limits.COUNTED
    assert [hand_in(supervisor, "leave") for _number in range(2)] == [True, False]
    size = intake_limits.MOST_LOG
    assert hand_in(supervisor, "leave")


@pytest.mark.skipif(connections["publicdb"].vendor != "sqlite", reason="PostgreSQL looks after its own")
@pytest.mark.django_db(databases=["publicdb"], transaction=True)
def test_the_size_of_the_log_is_that_of_its_file() -> None:
    actions.publish_place(LANTERN, host="", name="L", language="en", accent="#b3261e")
    assert intake_limits.log_size() > 0
