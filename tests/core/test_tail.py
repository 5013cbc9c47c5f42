"""The tail of a copy as bytes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.backup import layout, tail
from samizdat.core.backup.tail import Change, Tail, TailLink, TailName
from samizdat.core.crypto import signature

SEED = bytes(range(32))
PUBLIC = signature.public_key(SEED).hex()
VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
CHANGES = st.builds(
    Change,
    table=st.just("audience_list"),
    database=st.sampled_from(["default", "publicdb", "folder"]),
    columns=st.just(("id", "name")),
    by=st.just(("id",)),
    keys=st.lists(st.tuples(VALUES)),
    rows=st.lists(st.tuples(VALUES, VALUES)),
)
COPY = "sets/20261201t020000-1a2b3c4d.age"


def made(changes: Sequence[Change] = (), **other: Any) -> Tail:
    values: dict[str, Any] = {
        "format": tail.FORMAT,
        "installation": PUBLIC,
        "copy": "ab" * 32,
        "previous": "",
        "time": "2026-12-01T02:00:05+00:00",
        "epoch": 1,
        "is_end": True,
        "changes": list(changes),
        "last": {"audience_list": 7},
        **other,
    }
    return Tail(**values)


@given(st.lists(CHANGES), st.booleans())
def test_changes_come_back_as_they_were(changes: list[Change], is_end: bool) -> None:
    written = made(changes, is_end=is_end)
    assert tail.read(tail.signed(written, SEED)) == written


@given(st.binary())
def test_what_is_no_tail_is_refused_and_nothing_else(text: bytes) -> None:
    with pytest.raises(tail.TailBroken):
        tail.read(text)


@given(st.data())
def test_no_byte_of_it_can_be_changed(data: st.DataObject) -> None:
    text = bytearray(tail.signed(made([Change("t", "default", ("id",), ("id",), [(1,)], [(1,)])]), SEED))
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(tail.TailBroken):
        tail.read(bytes(text))


def test_another_key_signs_nothing_of_ours() -> None:
    with pytest.raises(tail.TailBroken):
        tail.read(tail.signed(made(), bytes(32)))


def test_a_row_that_is_shorter_than_its_heading_is_refused() -> None:
    for change in (
        Change("t", "default", ("id", "name"), (), [], [(1,)]),
        Change("t", "default", (), ("id",), [()], []),
    ):
        with pytest.raises(tail.TailBroken):
            tail.read(tail.signed(made([change]), SEED))


def test_a_newer_one_is_told_from_a_broken_one() -> None:
    with pytest.raises(tail.NewerTail):
        tail.read(tail.signed(made(), SEED).replace(b"samizdat tail 1\n", b"samizdat tail 2\n"))


def test_its_name_says_which_copy_it_continues() -> None:
    path = layout.tail_path(COPY, 2, 17, "0a" * 16)
    assert path == f"tails/20261201t020000-1a2b3c4d/000002-00000017-{'0a' * 16}.age"
    assert layout.tail_name(path) == TailName(2, 17, "0a" * 16, path)
    assert layout.tailed_set(path) == layout.tailed_set(layout.base_path(COPY)) == COPY
    assert layout.tail_name(layout.base_path(COPY)) is layout.tail_name(COPY) is layout.tailed_set(COPY) is None


def test_of_two_that_wrote_at_once_the_one_that_was_released_last_goes_on() -> None:
    def link(digest: str, **other: Any) -> TailLink:
        return TailLink(TailName(1, 2, digest, digest), made(**other))

    a, b = link("0a", previous="11", epoch=1), link("0b", previous="11", epoch=2)
    of_others = [link("0c", previous="22", epoch=9), link("0d", previous="11", copy="cd" * 32, epoch=9)]
    assert tail.next_in([b, a, *of_others], "ab" * 32, "11") == b
    assert tail.next_in(of_others, "ab" * 32, "11") is None
    assert tail.runs([b.name, a.name]) == {1: {2: [a.name, b.name]}}


def test_fields_of_a_later_version_are_passed_over() -> None:
    text = tail.signed(made(), SEED)
    document = msgspec.msgpack.decode(text.split(b"\n", 2)[2]) | {"later": 1}
    body = msgspec.msgpack.encode(document)
    message = tail.HEADING + body
    signed = tail.HEADING + tail.signed_line(signature.sign(SEED, message)) + b"\n" + body
    assert tail.read(signed) == made()
