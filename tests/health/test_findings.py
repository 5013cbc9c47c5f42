"""Each finding has one code, which the handbook explains, and states that scripts can rely on."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as lazy

from samizdat import dbclock
from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places, backup_progress
from samizdat.delivery.backup_places import CopyDetails, PlaceDetails, PlaceState
from samizdat.delivery.models import BackupPlace
from samizdat.health import machine, recovery
from samizdat.health.findings import Finding
from samizdat.health.looks import FAILED, found_by
from samizdat.vault import keyring, shares

ROOT = Path(__file__).parent.parent.parent
STATES = {"good", "amber", "red"}


def calls() -> Iterator[ast.Call]:
    for path in (ROOT / "samizdat/health").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                yield node


def codes() -> set[str]:
    return {_code(call) for call in calls()}


def _code(call: ast.Call) -> str:
    """Of one constant alone it stands there by its name."""
    first = call.args[0]
    return FAILED if isinstance(first, ast.Name) else str(ast.literal_eval(first))


def explained() -> dict[str, str]:
    """Code -> what stands in the column of states; "good" of those under "All is well"."""
    found: dict[str, str] = {}
    for line in (ROOT / "docs/health.md").read_text("utf-8").splitlines():
        cells = line.split("|")
        if line.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`([a-z]+\.[a-z-]+)`", cells[1]), cells[2].strip())
        elif line.startswith("All is well:"):
            found |= dict.fromkeys(re.findall(r"`([a-z]+\.[a-z-]+)`", line), "good")
    return found


def test_the_handbook_explains_each_finding_and_no_other() -> None:
    assert set(explained()) == codes()


def test_the_handbook_says_how_urgent_each_finding_is() -> None:
    said = explained()
    for call in calls():
        code, state = _code(call), call.args[1]
        states = {node.value for node in ast.walk(state) if isinstance(node, ast.Constant) and node.value in STATES}
        assert states <= set(said[code].split(", ")), (code, states)


def test_a_sentence_has_holes_for_values_so_that_it_can_be_translated() -> None:
    for call in calls():
        assert not any(isinstance(text, ast.JoinedStr) for text in call.args[2:4]), _code(call)


def test_a_finding_is_told_in_the_language_of_whoever_reads_it_with_its_commands_marked() -> None:
    values = {"count": "3", "command": "samizdat log check", "why": lambda: gettext("Undo")}
    found = Finding("keys.open", "red", lazy("backups"), lazy("Why: %(why)s. Run: %(command)s"), values)
    with override("ru"):
        assert found.wording() == (
            "резервные копии",
            "Why: Отменить. Run: `samizdat log check`",
            ["samizdat log check"],
        )
        assert (found.subject, found.sentence) == ("backups", "Why: Undo. Run: samizdat log check")


def test_a_look_that_breaks_is_a_finding_without_what_it_was_working_on_and_the_others_go_on() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("disk.room", "good", "disk", "Room.")
        raise ValueError("ada@example.org")

    found = list(found_by([broken, lambda: [Finding("memory.room", "good", "memory", "Room.")]]))
    assert [each.code for each in found] == ["disk.room", FAILED, "memory.room"]
    assert "ValueError in test_findings.py" in found[1].sentence and "ada" not in found[1].sentence


def test_a_topic_is_the_beginning_of_a_code() -> None:
    assert Finding("keys.open", "good", "key file", "It opens.").topic == "keys"


@pytest.mark.parametrize(("kilobytes", "state"), [(100_000, "amber"), (4_000_000, "good")])
def test_little_memory_is_worth_a_look(tmp_path: Path, kilobytes: int, state: str) -> None:
    facts = tmp_path / "meminfo"
    facts.write_text(f"MemTotal:        8000000 kB\nMemAvailable:    {kilobytes} kB\nHugePages_Total:       0\n")
    (found,) = machine.memory(facts)
    assert found.state == state
    assert list(machine.memory(tmp_path / "nothing")) == []


@pytest.mark.parametrize(("limit", "state"), [("0", "good"), ("unlimited", "amber")])
def test_a_serve_that_may_leave_its_memory_on_the_disk_is_named(tmp_path: Path, limit: str, state: str) -> None:
    (tmp_path / "limits").write_text(f"Max core file size        {limit}                    {limit}       bytes\n")
    (found,) = machine.core_dumps(tmp_path)
    assert found.state == state
    assert (state == "good") is ("LimitCORE=0" not in found.sentence)


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_shares_that_nobody_has_tried_for_a_year_are_named() -> None:
    now = dbclock.asked()
    details, _words = shares.make(bytes(range(32)), 2, 3, (now - timedelta(days=400)).date(), [])
    with transaction.atomic():
        shares.remember_new(details, keyring.open_source())
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state) == ("keys.shares-unpracticed", "amber")
    assert "samizdat keys practice" in found.sentence and "never practiced" in found.sentence
    shares.remember_practice(details.identifier, now.date(), keyring.open_source())
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state) == ("keys.shares", "good")


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_a_backup_place_that_fails_or_is_late_or_was_changed_is_named() -> None:
    now = dbclock.asked()
    kept = backup_places.add(PlaceDetails("folder:///srv/copies", now - timedelta(days=5)))

    def state() -> tuple[str, str]:
        (found,) = recovery.places(now)
        assert "/srv/copies" not in found.sentence, "where it is stays sealed"
        return found.code, found.state

    assert state() == ("backup.place-late", "amber")
    assert [found.state for found in recovery.places(now + timedelta(days=4))] == ["red"]
    # What was written while the clock ran ahead is no new backup for ever.
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", now + timedelta(days=300), "full", 1, 1))
    assert state() == ("backup.place-late", "amber")
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", now - timedelta(days=1), FULL, 10, 1))
    assert state() == ("backup.place", "good")
    backup_places.set_state(kept.number, PlaceState(failures=2, error="The server doesn't answer."))
    assert state() == ("backup.place-fails", "amber")
    assert [found.state for found in recovery.places(now + timedelta(hours=13))] == ["red"]
    backup_places.set_state(kept.number, PlaceState(undeleted=3))
    assert state() == ("backup.place-undeleted", "amber")
    BackupPlace.objects.update(wrapped=bytes(60))
    assert state() == ("backup.place-broken", "red")


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_changes_that_do_not_reach_a_place_are_named() -> None:
    now = dbclock.asked()
    kept = backup_places.add(PlaceDetails("file:///srv/copies", now))

    def state(after: timedelta = timedelta(0)) -> list[tuple[str, str]]:
        return [(found.code, found.state) for found in recovery.places(now + after)][1:]

    assert state() == [], "there is no backup yet"
    backup_progress.note_tail(kept.number, now)
    assert state() == [("backup.tail", "good")]
    backup_progress.note_tail_failing(kept.number, now)
    assert state() == [("backup.tail", "good")], "a place may be away for a moment"
    assert state(timedelta(minutes=11)) == [("backup.tail-fails", "amber")]
    assert state(timedelta(hours=7)) == [("backup.tail-fails", "red")]
