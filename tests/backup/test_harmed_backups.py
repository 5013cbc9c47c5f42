"""Files of a backup that were cut, changed or mixed by whoever keeps them: nothing of it is ever read as something
else, and one sentence says which file it is."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samizdat.audience import actions as audience
from samizdat.audience.models import List
from samizdat.backup import recipients, sets, tails
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.tail_reading import TailState
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup import layout
from samizdat.core.backup.rows import Row, naming_key
from tests.backup.conftest import MemoryPlace
from tests.conftest import NOW

Copied = Callable[..., WrittenCopy]
LATER = NOW + timedelta(seconds=5)
# What lies at a place.
KINDS = ("pieces", "sets", "tails", "base")


@pytest.fixture
def letter(transactional_db: Any, lantern: Any) -> List:
    return audience.new_list(lantern, "Letter", now=NOW)


def join(letter: List, address: str) -> None:
    audience.add_subscriber(letter.organization, address, letter, consent="at the fair", now=NOW)


def all_of(place: MemoryPlace, keys: BackupKeys) -> tuple[dict[str, list[Row]], int]:
    """What a restore reads: the rows of all tables, and how many files of the tail. Errors: BackupRefused."""
    identities, key = recipients.identities(keys.identity), naming_key(keys.names, [keys.recipient])
    copy, _unusable = sets.newest_whole(place, identities, keys.installation)
    rows = {
        entry.name: [
            row for piece in entry.pieces for row in sets.content_of(place, piece, entry.name, identities, key).rows
        ]
        for entry in copy.manifest.tables
    }
    found = tails.find(place, copy, identities)
    assert len(list(tails.moments(place, copy, found, identities, "default"))) == len(found.paths)
    return rows, len(found.paths)


def files_of(place: MemoryPlace, kind: str) -> list[str]:
    if kind == "base":
        return [name for name in place.files if name == layout.base_path(next(iter(sets.paths(place))))]
    return [name for name in place.files if name.startswith(f"{kind}/") and (kind != "tails" or layout.tail_name(name))]


@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_of_any_file_can_be_changed_and_none_be_cut(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List, kind: str
) -> None:
    join(letter, "ada@post.example")
    written, tail = copied(), PlaceTail()
    for number in range(2):
        join(letter, f"reader{number}@post.example")
        assert tail.write(place, LATER) == 1
    whole, paths = all_of(place, keys), sorted(files_of(place, kind))
    assert paths and whole[1] == 2

    @settings(max_examples=120, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.data())
    def harm(data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(paths))
        before = place.files[path]
        at = data.draw(st.integers(0, len(before) - 1))
        bit = data.draw(st.sampled_from([None, *range(8)]))
        place.files[path] = before[:at] + (b"" if bit is None else bytes([before[at] ^ 1 << bit]) + before[at + 1 :])
        harmed = dict(place.files)
        try:
            judge(path)
            assert place.files == harmed, "nothing is written over"
        finally:
            place.files[path] = before

    def judge(path: str) -> None:
        if kind == "base":
            with pytest.raises(BackupRefused, match=layout.base_path(written.copy.path)):
                tails.read_base(place, keys, written.copy.path, TailState)
        elif kind == "tails":
            rows, count = all_of(place, keys)
            assert rows == whole[0] and count == paths.index(path)
            found = tails.find(place, written.copy, recipients.identities(keys.identity))
            assert path in found.broken and found.broken.endswith(".")
        else:
            with pytest.raises(BackupRefused) as refused:
                all_of(place, keys)
            assert refused.value.code in ("damaged", "missing_pieces", "other_key")
            assert path in str(refused.value) and str(refused.value).endswith(".")

    harm()
    assert all_of(place, keys) == whole


def test_parts_of_two_copies_are_none(copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List) -> None:
    """The manifest of one with the pieces of another, as after copying half of a folder twice."""
    old = copied()
    pieces_of_old = {name: data for name, data in place.files.items() if name.startswith("pieces/")}
    join(letter, "ada@post.example")
    new = copied(now=NOW + timedelta(days=1))
    manifest = {new.copy.path: place.files[new.copy.path]}
    place.files = {**pieces_of_old, **manifest}
    with pytest.raises(BackupRefused) as refused:
        all_of(place, keys)
    assert refused.value.code == "missing_pieces" and new.copy.path in str(refused.value)
    assert "of" in str(refused.value) and "older backup with --copy" in str(refused.value)
    assert old.copy.path not in place.files


def test_of_two_installations_at_one_place_each_finds_its_own(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List
) -> None:
    mine = copied()
    others = {name: random.Random(7).randbytes(len(data)) for name, data in place.files.items()}
    later = layout.set_path(datetime(2026, 11, 26, tzinfo=UTC), "00" * 32)
    place.files[later] = others[mine.copy.path]
    copy, unusable = sets.newest_whole(place, recipients.identities(keys.identity), keys.installation)
    assert copy.path == mine.copy.path
    assert [(each.path, each.code) for each in unusable] == [(later, "damaged")]


def test_a_place_that_loses_a_piece_while_a_copy_is_written_gets_no_manifest(
    copied: Copied, place: MemoryPlace, letter: List
) -> None:
    first, write = copied(), place.write
    lost = [layout.piece_path(piece.name) for piece in first.copy.manifest.pieces]
    join(letter, "ada@post.example")

    def lose(name: str, data: bytes) -> None:
        for path in lost:
            place.delete(path)
        write(name, data)

    place.write = lose  # type: ignore[method-assign]
    with pytest.raises(BackupRefused) as refused:
        copied(now=NOW + timedelta(days=1))
    assert refused.value.code == "lost_pieces"
    assert sets.paths(place) == [first.copy.path]
    # The next one writes it once more.
    place.write = write  # type: ignore[method-assign]
    second = copied(now=NOW + timedelta(days=1))
    assert not sets.missing_pieces(second.copy.manifest, sets.piece_sizes(place))
    assert sets.paths(place)[0] == second.copy.path


def test_a_place_that_loses_pieces_between_a_kill_and_the_next_try_gets_them_again(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List
) -> None:
    write = place.write

    def stop(name: str, data: bytes) -> None:
        if len(place.writes) == 4:
            raise KeyboardInterrupt
        write(name, data)

    place.write = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        copied()
    place.write = write  # type: ignore[method-assign]
    for name in place.writes[:2]:
        place.delete(name)
    written = copied()
    assert not sets.missing_pieces(written.copy.manifest, sets.piece_sizes(place))
    assert all_of(place, keys)[0]["accounts_organization"]


def test_where_the_clock_is_behind_a_newer_copy_is_named_and_not_passed_over_in_silence(
    copied: Copied, place: MemoryPlace, keys: BackupKeys
) -> None:
    now = datetime.now(UTC)
    old, today = copied(now=now - timedelta(days=2)), copied(now=now + timedelta(days=2))
    copy, unusable = sets.newest_whole(place, recipients.identities(keys.identity), keys.installation)
    assert copy.path == old.copy.path
    assert [(each.path, each.code) for each in unusable] == [(today.copy.path, "future")]
    assert f"--copy {today.copy.path}" in unusable[0].sentence
    # Whoever names it gets it.
    copy, unusable = sets.newest_whole(place, recipients.identities(keys.identity), keys.installation, today.copy.path)
    assert (copy.path, unusable) == (today.copy.path, [])


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_a_day_off_loses_nothing_of_a_tail(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List, hours: int
) -> None:
    """It jumps between a backup and what follows it, and back for the next backup."""
    now, off = datetime.now(UTC), timedelta(hours=hours)
    first, tail = copied(now=now - timedelta(minutes=10)), PlaceTail()
    join(letter, "ada@post.example")
    assert tail.write(place, now + off) == 1
    assert all_of(place, keys)[1] == 1
    identities = recipients.identities(keys.identity)
    assert tails.find(place, first.copy, identities).broken == ""
    join(letter, "boris@post.example")
    second = copied(now=now + off)
    join(letter, "clara@post.example")
    assert tail.write(place, now) == 1
    # Whichever counts as the newest, it has everybody with its tail.
    copy, _unusable = sets.newest_whole(place, identities, keys.installation)
    found = tails.find(place, copy, identities)
    changed = {
        change.table
        for changes, _last in tails.moments(place, copy, found, identities, "default")
        for change in changes
    }
    assert "audience_subscriber" in changed and copy.path == max(first.copy.path, second.copy.path)
