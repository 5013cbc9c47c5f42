"""From rows to slices, without a database."""

from random import Random
from typing import Any

import pytest

from samizdat.audience.incoming.pieces import PieceFile
from samizdat.audience.incoming.prepare import Order, _Facts
from samizdat.audience.incoming.seen import Seen
from samizdat.core import consent, seal


def order(**more: Any) -> Order:
    return Order(source="mailchimp", things=[], plan={}, index=[b"k" * 32], fields={}, today="2026-11-25", **more)


@pytest.mark.parametrize("basis", ["", "Сами подписались."])
@pytest.mark.parametrize("file", ["a.csv", "люди.csv"])
def test_the_short_way_of_packing_words_gives_what_pack_gives(basis: str, file: str) -> None:
    facts = _Facts(order(basis=basis))
    facts.of(file)
    for line, (at, asked) in enumerate(
        [("", ""), ("2020-01-01T10:00:00Z", ""), ("2020-01-01T10:00:00Z",) * 2] * 8, start=4
    ):
        source = f"mailchimp, {file}, line {line}"
        told = {consent.AT: at, consent.SOURCE: source, consent.WORDING: basis, consent.ASKED_AT: asked}
        assert facts._words(at, source, asked) == seal.pack(told)


def test_addresses_that_came_before_are_known_with_their_strongest_status() -> None:
    chance, seen, truth = Random(3), Seen(), dict[bytes, int]()
    blinds = [chance.randbytes(16) for _ in range(3000)]
    # Many in one bucket, and some whose bytes look like another's, shifted by one.
    blinds += [b"\0\0" + bytes([turn]) * 14 for turn in range(200)] + [b"\0\0\1" + b"\0" * 13, b"\0\0\0\1" + b"\0" * 12]
    for blind in blinds * 2 + chance.choices(blinds, k=1000):
        status = chance.randrange(5)
        assert seen.meet(blind, status) == truth.get(blind)
        truth.setdefault(blind, status)
        if status > truth[blind]:
            seen.strengthen(blind, status)
            truth[blind] = status


def test_a_file_over_pieces_reads_like_the_file() -> None:
    chance = Random(5)
    data = chance.randbytes(10_000)
    asked: list[int] = []

    def piece(file: int, number: int) -> bytes:
        asked.append(number)
        return data[number * 512 : number * 512 + 512]

    file = PieceFile(0, 512, len(data), piece)
    for _ in range(300):
        at, size = chance.randrange(len(data) + 50), chance.choice([0, 1, 100, 5000])
        assert file.seek(at) == at
        assert file.read(size) == data[at : at + size][: max(0, 512 - at % 512)]
    file.seek(0)
    assert file.read(-1) == data
    assert file.seek(-3, 2) == len(data) - 3
    assert file.read() == data[-3:]
