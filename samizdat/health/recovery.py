"""What is found about the ways back: shares of the key on paper, and the places that hold backups."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import KeptPlace, PlaceBroken
from samizdat.delivery.backup_progress import progress
from samizdat.delivery.backup_standing import place_standing
from samizdat.health.findings import Finding
from samizdat.vault import keyring, shares

# After so long nobody remembers where the pages are.
PRACTICE = timedelta(days=365)
# Changes since the last backup are written every five seconds; a place may be away for a while.
TAIL_LATE, TAIL_TOO_LATE = timedelta(minutes=10), timedelta(hours=6)


def key_shares(now: datetime) -> Iterator[Finding]:
    """Nothing where there are none: not everybody needs them."""
    for details in (known.details for known in shares.sets(keyring.open_source())):
        last = details.practiced or details.created
        values = {
            "words": details.first_words,
            "threshold": details.threshold,
            "count": details.count,
            "day": last,
            "command": "samizdat keys practice",
        }
        if now.date() - last > PRACTICE:
            sentence = (
                _(
                    "The set “%(words)s …”, %(threshold)s of %(count)s, was last practiced on %(day)s. Try whether its "
                    "pages still open the data: %(command)s"
                )
                if details.practiced
                else _(
                    "The set “%(words)s …”, %(threshold)s of %(count)s, was never practiced since %(day)s. Try whether "
                    "its pages still open the data: %(command)s"
                )
            )
            yield Finding("keys.shares-unpracticed", "amber", _("key shares"), sentence, values)
            continue
        sentence = (
            _("The set “%(words)s …”, %(threshold)s of %(count)s, was practiced on %(day)s.")
            if details.practiced
            else _("The set “%(words)s …”, %(threshold)s of %(count)s, was created on %(day)s.")
        )
        del values["command"]
        yield Finding("keys.shares", "good", _("key shares"), sentence, values)


def places(now: datetime) -> Iterator[Finding]:
    """As they were when the worker last used them: nobody is asked now."""
    for place in backup_places.all_places():
        if isinstance(place, PlaceBroken):
            yield _broken(place)
        else:
            yield _place(place, now)
            yield from _tail(place, now)


def _broken(place: PlaceBroken) -> Finding:
    values = {"number": str(place.number), "why": place}
    return Finding("backup.place-broken", "red", _("backup place %(number)s"), "%(why)s", values)


def _place(place: KeptPlace, now: datetime) -> Finding:
    subject, state, standing = f"backup place {place.number}", place.state, place_standing(place, now)
    newest = standing.last
    last = f"The last backup there is of {newest:%Y-%m-%d %H:%M} UTC." if newest else "There is no backup yet."
    if state.failures:
        return Finding(
            "backup.place-fails",
            "amber" if standing.level == "ok" else "red",
            subject,
            f"The last {state.failures:,} attempts failed. {state.error} {last}",
        )
    if standing.level != "ok":
        return Finding(
            "backup.place-late",
            standing.level,
            subject,
            f"{last} Check that `samizdat serve` or a worker runs, or make one now: samizdat backup",
        )
    if state.undeleted:
        return Finding(
            "backup.place-undeleted",
            "amber",
            subject,
            f"{state.undeleted:,} old backups couldn't be deleted there. They still have the data of erased people, "
            "encrypted. Delete them at the place.",
        )
    return Finding("backup.place", "good", subject, last)


def _tail(place: KeptPlace, now: datetime) -> Iterator[Finding]:
    """Whether what has changed since the last backup is there as well. Nothing where there is no backup yet."""
    subject, known = f"backup place {place.number}", progress(place.number, now)
    written = f"{known.tail_written:%Y-%m-%d %H:%M} UTC" if known.tail_written else ""
    if known.tail_failing and now - known.tail_failing > TAIL_LATE:
        last = f"The last ones are of {written}." if written else "None are there."
        yield Finding(
            "backup.tail-fails",
            "red" if now - known.tail_failing > TAIL_TOO_LATE else "amber",
            subject,
            f"Changes since the last backup couldn't be written there since {known.tail_failing:%Y-%m-%d %H:%M} UTC. "
            f"{last} To see why, run: samizdat backup",
        )
    elif written:
        yield Finding(
            "backup.tail", "good", subject, f"Changes since the last backup are there, the last of {written}."
        )
