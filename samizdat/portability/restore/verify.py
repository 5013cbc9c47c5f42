"""An export is read to its end and compared with what it says of itself, before anything of it is believed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from samizdat.audience.models import STATUSES
from samizdat.portability import read
from samizdat.portability.parts import registry

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
    "conversations",
    "cases",
    "fundraisers",
    "setup",
)


type Tell = Callable[[int, int], None]


class RestoreSteps:
    """How far it is: everybody twice, once read and once written; once alone where it was proven before."""

    def __init__(self, opened: read.OpenedExport, tell: Tell | None, *, proven: bool = False) -> None:
        self._whole = (1 if proven else 2) * int(opened.manifest["counts"].get("subscribers", 0))
        self._done, self._tell = 0, tell

    def on(self, steps: int) -> None:
        self._done += steps
        if self._tell:
            self._tell(min(self._done, self._whole), self._whole)


@dataclass(slots=True)
class VerifiedExport:
    """What is in an export. `lists`: number in the file -> how many by status, as the file says it."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    highest: int = 0  # number of a subscriber
    lists: dict[int, Counter[str]] = field(default_factory=dict)


def prove(opened: read.OpenedExport, steps: RestoreSteps) -> VerifiedExport:
    """Everything is read and compared with the manifest; nothing is written. Errors: ExportRefused."""
    for _bytes in opened.prove():
        continue
    proven = VerifiedExport(lists={int(row["number"]): Counter() for row in opened.lists})
    counts = proven.counts
    for page in opened.in_pages(SLICE):
        proven.highest = page[-1].number
        counts["rows"] += len(page)
        counts["consent"] += sum(len(subscriber.records) for subscriber in page)
        counts["suppressed"] += sum(len(subscriber.suppressed) for subscriber in page)
        for list_id, _since, _wish, status in (of for subscriber in page for of in subscriber.lists):
            proven.lists[list_id][status] += 1
        steps.on(len(page))
    manifest_counts = opened.manifest["counts"]
    if (counts["rows"], counts["consent"]) != (manifest_counts.get("subscribers"), manifest_counts.get("consent")):
        raise read.altered("manifest.json")
    for _other in opened.others_suppressed():
        counts["others_suppressed"] += 1
    for part in registry.parts():
        counts[part.name] = part.check(opened)
        if manifest_counts.get(part.name, counts[part.name]) != counts[part.name]:
            raise read.altered("manifest.json")
    counts["added"] = counts["rows"]
    for statuses in proven.lists.values():
        for status, many in statuses.items():
            counts[status] += many
    return proven
