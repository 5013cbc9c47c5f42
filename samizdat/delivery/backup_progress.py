"""What the worker does at a backup place now, what somebody asked it to do there, and how far the tail is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from samizdat.delivery.models import BackupPlace, BackupProgress

type Work = Literal["backup", "test"]

# So long after the last sign of a backup or test, the worker that made it counts as gone: a file of a slow place may
# take some minutes.
GONE = timedelta(minutes=30)
# A worker begins within some ten seconds.
BEGINS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class PlaceProgress:
    """asked: what waits. doing: what is under way; "" for nothing. rows_total: about; 0 where nobody knows."""

    asked: dict[Work, datetime]
    doing: str = ""
    began: datetime | None = None
    rows_done: int = 0
    rows_total: int = 0
    tail_written: datetime | None = None
    tail_failing: datetime | None = None

    def is_unanswered(self, now: datetime) -> bool:
        """Whether no worker seems to run."""
        return not self.doing and any(now - at > BEGINS for at in self.asked.values())


def progress(number: int, now: datetime) -> PlaceProgress:
    """At a place."""
    row = BackupProgress.objects.filter(pk=number).first()
    if row is None:
        return PlaceProgress({})
    lives = row.doing and row.seen is not None and now - row.seen < GONE
    return PlaceProgress(
        _asked(row),
        row.doing if lives else "",
        row.began,
        row.rows_done,
        row.rows_total,
        row.tail_written,
        row.tail_failing,
    )


def ask(number: int, work: Work, now: datetime) -> None:
    """Of the worker. What was asked already, is asked once."""
    _set(number, **{f"{work}_asked": now})


def asked() -> list[tuple[int, Work]]:
    """Place and what to do there, backups first: a test is of the newest one."""
    rows = [(row.place_id, _asked(row)) for row in BackupProgress.objects.order_by("pk")]
    order: tuple[Work, ...] = ("backup", "test")
    return [(number, work) for work in order for number, waiting in rows if work in waiting]


def begin(number: int, work: Work, rows_total: int, now: datetime) -> None:
    _set(number, doing=work, began=now, seen=now, rows_done=0, rows_total=rows_total)


def go_on(number: int, rows_done: int, rows_total: int, now: datetime) -> None:
    _set(number, rows_done=rows_done, rows_total=rows_total, seen=now)


def end(number: int, work: Work) -> None:
    """It went through, or failed in a way that is noted elsewhere: nobody waits for it any more."""
    _set(number, doing="", **{f"{work}_asked": None})


def put_off(number: int) -> None:
    """What was asked still waits."""
    _set(number, doing="")


def note_tail(number: int, now: datetime) -> None:
    _set(number, tail_written=now, tail_failing=None)


def note_tail_failing(number: int, since: datetime | None) -> None:
    _set(number, tail_failing=since)


def _asked(row: BackupProgress) -> dict[Work, datetime]:
    known: tuple[tuple[Work, datetime | None], ...] = (("backup", row.backup_asked), ("test", row.test_asked))
    return {work: at for work, at in known if at is not None}


def _set(number: int, **values: object) -> None:
    """A place that was removed meanwhile has none."""
    if BackupProgress.objects.filter(pk=number).update(**values):
        return
    if BackupPlace.objects.filter(pk=number).exists():
        BackupProgress.objects.update_or_create(place_id=number, defaults=values)
