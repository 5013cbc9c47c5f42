"""Which of two copies may send: the record at a backup place, as bytes and as a rule."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.backup import epoch
from samizdat.core.backup.epoch import Epoch, EpochBroken

KEY = bytes(32)
SINCE = datetime(2026, 12, 2, 14, 3, 11, tzinfo=UTC)
OWN = Epoch(3, b"original", SINCE)

# docs/key-formats.md, whose example this is.
RECORD = b"""samizdat epoch 1
number 3
who 6f726967696e616c
since 2026-12-02T14:03:11Z
mac 36ec6hssxi5jlouiasirjugn5mf7vum3td4mygjp4z2umndq3tbq
"""


def test_a_record_is_the_one_of_the_handbook_and_is_read_back() -> None:
    assert epoch.written(OWN, KEY) == RECORD
    assert epoch.read(RECORD, KEY) == OWN
    assert OWN.name == "epoch/00000003-6f726967696e616c"


def test_a_record_goes_through_dns_unchanged() -> None:
    text = epoch.as_txt(RECORD)
    assert len(text) < 255 and epoch.from_txt(text) == RECORD and epoch.name_of(RECORD) == OWN.name
    assert epoch.from_txt("v=spf1 -all") == b""


@given(st.integers(0, len(RECORD) * 8 - 1))
def test_a_record_of_which_a_bit_was_changed_is_none(place: int) -> None:
    changed = bytearray(RECORD)
    changed[place // 8] ^= 1 << place % 8
    with pytest.raises(EpochBroken):
        epoch.read(bytes(changed), KEY)


@pytest.mark.parametrize("record", [b"", RECORD[:-1], RECORD + b"\n", RECORD.replace(b"\n", b"\r\n"), b"\0" * 200])
def test_a_record_that_was_cut_or_written_otherwise_is_none(record: bytes) -> None:
    with pytest.raises(EpochBroken):
        epoch.read(record, KEY)


def test_a_record_of_another_installation_is_none_and_still_has_a_number() -> None:
    with pytest.raises(EpochBroken):
        epoch.read(RECORD, bytes(31) + b"\1")
    assert (epoch.number_of(RECORD), epoch.number_of(b"?")) == (3, 0)


@pytest.mark.parametrize(
    ("seen", "rival"),
    [
        ([], None),
        ([OWN], None),
        ([Epoch(2, b"somebody", SINCE)], None),
        ([Epoch(4, b"somebody", SINCE)], Epoch(4, b"somebody", SINCE)),
        ([Epoch(3, b"somebody", SINCE)], Epoch(3, b"somebody", SINCE)),
        ([Epoch(5, b"original", SINCE)], Epoch(5, b"original", SINCE)),
        ([Epoch(4, b"somebody", SINCE), OWN, Epoch(7, b"the next", SINCE)], Epoch(7, b"the next", SINCE)),
    ],
    ids=["nobody", "itself", "an older one", "a newer one", "a tie", "its own later one", "the newest of several"],
)
def test_who_keeps_a_copy_from_sending(seen: list[Epoch], rival: Epoch | None) -> None:
    assert epoch.winner(OWN, seen) == rival


def test_of_two_that_were_released_at_once_neither_may_send() -> None:
    here, there = OWN.next(b"one copy", SINCE), OWN.next(b"another1", SINCE)
    assert here.number == there.number == 4
    assert epoch.winner(here, [OWN, here, there]) == there
    assert epoch.winner(there, [OWN, here, there]) == here


def test_only_names_that_may_be_ahead_are_read_the_highest_first() -> None:
    names = [
        *("epoch/00000002-0000000000000000", OWN.name, "epoch/00000003-0000000000000000"),
        *("epoch/00000009-0000000000000000", "epoch/9-0", "epoch/00000004-0000000000000000/more", "sets/1"),
    ]
    assert epoch.rivals(names, OWN) == ["epoch/00000009-0000000000000000", "epoch/00000003-0000000000000000"]
    many = [f"epoch/{number:08d}-0000000000000000" for number in range(3, 500)]
    assert epoch.rivals(many, OWN)[0] == many[-1] and len(epoch.rivals(many, OWN)) == epoch.MOST_READ
