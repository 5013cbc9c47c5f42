"""Clicks and answers of an edition in one value, as long for one click as for a million. Pure.

Layout, big-endian. What stands in the head is known without a click; the cells behind it have a fixed place each.

    0      4   first day, as date.toordinal
    4      1   winner of an A/B test; NOBODY: none was decided
    5      8   the latest box of a public process that is not remembered any more
   13    256   PROCESSES pairs: name of a public process (8 bytes), seconds of its latest box (u64)
  269      1   how many versions, then of each: place (u8), links (u16), answers (u8)
           4   each, for each version: what the test counted when it was decided; links times DAYS; answers
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

# Days from the first one on that are counted.
DAYS = 60
# Public processes whose latest box is remembered: one for each of their starts.
PROCESSES = 16
NOBODY = 255

_head = struct.Struct(">IBQ")
_box = struct.Struct(">8sQ")
_version = struct.Struct(">BHB")
_MOST = (1 << 32) - 1


@dataclass(slots=True)
class ClickSums:
    """versions: place -> (links, answers). decided: place -> clicks when the test was decided."""

    first: date
    versions: Mapping[int, tuple[int, int]]
    winner: int | None = None
    before: int = 0
    boxes: dict[bytes, int] = field(default_factory=dict)
    decided: dict[int, int] = field(default_factory=dict)
    clicks: dict[tuple[int, int, int], int] = field(default_factory=dict)  # (place, link, day from the first) -> sum
    answers: dict[tuple[int, int], int] = field(default_factory=dict)  # (place, answer) -> sum

    def takes(self, process: bytes, seconds: int) -> bool:
        """Whether a box has not been added yet; remembers it. Boxes of one process have to come in their order."""
        if seconds <= self.boxes.get(process, self.before):
            return False
        self.boxes[process] = seconds
        if len(self.boxes) > PROCESSES:
            oldest = min(self.boxes, key=lambda name: self.boxes[name])
            self.before = max(self.before, self.boxes.pop(oldest))
        return True

    def click(self, place: int, link: int, day: date, count: int) -> None:
        """Passes over what there is no such link for. Before the first day is on it, after the last on that one."""
        if link < self.versions.get(place, (0, 0))[0]:
            at = place, link, min(max((day - self.first).days, 0), DAYS - 1)
            self.clicks[at] = min(self.clicks.get(at, 0) + count, _MOST)

    def answer(self, place: int, answer: int, count: int) -> None:
        if answer < self.versions.get(place, (0, 0))[1]:
            self.answers[place, answer] = min(self.answers.get((place, answer), 0) + count, _MOST)

    def days_of(self, place: int, link: int) -> dict[date, int]:
        """Days with a click, in their order."""
        counts = ((day, self.clicks.get((place, link, day), 0)) for day in range(DAYS))
        return {self.first + timedelta(days=day): count for day, count in counts if count}

    def dump(self) -> bytes:
        winner = NOBODY if self.winner is None else self.winner
        boxes = [*self.boxes.items(), *[(bytes(8), 0)] * (PROCESSES - len(self.boxes))]
        parts = [_head.pack(self.first.toordinal(), winner, self.before), *(_box.pack(*box) for box in boxes)]
        parts += [bytes([len(self.versions)]), *(_version.pack(at, *many) for at, many in self.versions.items())]
        for place, (links, answers) in self.versions.items():
            cells = [min(self.decided.get(place, 0), _MOST)]
            cells += [self.clicks.get((place, link, day), 0) for link in range(links) for day in range(DAYS)]
            cells += [self.answers.get((place, answer), 0) for answer in range(answers)]
            parts.append(struct.pack(f">{len(cells)}I", *cells))
        return b"".join(parts)


_VERSIONS = _head.size + PROCESSES * _box.size


def versions(data: bytes) -> dict[int, tuple[int, int]]:
    """place -> (links, answers), without a look at the cells. Errors: as load()."""
    rows = (_version.unpack_from(data, _VERSIONS + 1 + row * _version.size) for row in range(data[_VERSIONS]))
    return {place: (links, answers) for place, links, answers in rows}


def load(data: bytes) -> ClickSums:
    """Errors: struct.error, IndexError for bytes that dump() did not write."""
    first, winner, before = _head.unpack_from(data)
    boxes = [_box.unpack_from(data, _head.size + at * _box.size) for at in range(PROCESSES)]
    at, rows = _VERSIONS, versions(data)
    sums = ClickSums(
        date.fromordinal(first),
        rows,
        None if winner == NOBODY else winner,
        before,
        {process: seconds for process, seconds in boxes if seconds},
    )
    at += 1 + data[at] * _version.size
    for place, (links, answers) in rows.items():
        decided, *cells = struct.unpack_from(f">{1 + links * DAYS + answers}I", data, at)
        at += 4 * (1 + len(cells))
        if decided:
            sums.decided[place] = decided
        for cell, count in enumerate(cells):
            if count and cell < links * DAYS:
                sums.clicks[place, *divmod(cell, DAYS)] = count
            elif count:
                sums.answers[place, cell - links * DAYS] = count
    return sums
