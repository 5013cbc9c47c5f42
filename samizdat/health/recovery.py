"""What is found about the ways back: shares of the key on paper, and the places that hold backups."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import KeptPlace, PlaceBroken
from samizdat.delivery.backup_standing import place_standing
from samizdat.health.findings import Finding
from samizdat.vault import keyring, shares

# After so long nobody remembers where the pages are.
PRACTICE = timedelta(days=365)


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
        yield _broken(place) if isinstance(place, PlaceBroken) else _place(place, now)


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
