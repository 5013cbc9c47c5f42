"""An export is read to its end and compared with what it says of itself, before anything of it is believed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from samizdat.audience.exporting import reading, registry
from samizdat.audience.models import STATUSES

SLICE = 2_500  # people of a transaction: about 150 ms
COUNTS = (
    "rows",
    "added",
    "updated",
    "unchanged",
    "rejected",
    *STATUSES,
    "consent",
    "suppressed",
    "others_suppressed",
    "segments",
    "forms",
    "pictures",
    "templates",
    "letters",
    "history",
    "comments",
    "corrections",
    "clicks",
    "answers",
    "tests",
    "results",
)


type Tell = Callable[[int, int], None]


class Steps:
    """How far it is: everybody twice, once read and once written; once alone where it was proven before."""

    def __init__(self, opened: reading.Opened, tell: Tell | None, *, proven: bool = False) -> None:
        self._whole = (1 if proven else 2) * int(opened.manifest["counts"].get("subscribers", 0))
        self._done, self._tell = 0, tell

    def on(self, steps: int) -> None:
        self._done += steps
        if self._tell:
            self._tell(min(self._done, self._whole), self._whole)


@dataclass(slots=True)
class Proven:
    """What is in an export. `lists`: number in the file -> how many by status, as the file says it."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    highest: int = 0  # number of a subscriber
    lists: dict[int, Counter[str]] = field(default_factory=dict)


def prove(opened: reading.Opened, steps: Steps) -> Proven:
    """Everything is read and compared with the manifest; nothing is written. Errors: ExportRefused."""
    for _bytes in opened.prove():
        continue
    proven = Proven(lists={int(row["number"]): Counter() for row in opened.lists})
    counts = proven.counts
    for page in opened.in_pages(SLICE):
        proven.highest = page[-1].number
        counts["rows"] += len(page)
        counts["consent"] += sum(len(one.records) for one in page)
        counts["suppressed"] += sum(len(one.suppressed) for one in page)
        for list_id, _since, _wish, status in (of for one in page for of in one.lists):
            proven.lists[list_id][status] += 1
        steps.on(len(page))
    told = opened.manifest["counts"]
    if (counts["rows"], counts["consent"]) != (told.get("subscribers"), told.get("consent")):
        raise reading.altered("manifest.json")
    for _other in opened.others_suppressed():
        counts["others_suppressed"] += 1
    for part in registry.parts():
        counts[part.name] = part.check(opened)
        if told.get(part.name, counts[part.name]) != counts[part.name]:
            raise reading.altered("manifest.json")
    counts["added"] = counts["rows"]
    for found in proven.lists.values():
        for status, many in found.items():
            counts[status] += many
    return proven
