"""The fence: an installation that finds itself in another place sends no campaign until a person has released it.

The fence stands in the database that was copied, so the original, still in its place, goes on sending.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.models import Campaign, large
from samizdat.delivery import copied_installation, database_progress, epochs, torn_copy
from samizdat.delivery.epochs import EpochStanding
from samizdat.delivery.errors import CopiedFolder, SendingLocked
from samizdat.delivery.models import Retry
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault.errors import VaultError

log = logging.getLogger("samizdat.worker")

_IN_LOG = (
    "This installation last ran in another place (%s): it may be a copy, so it sends no campaign. See what would be "
    "sent: samizdat release",
    "Another copy of this installation took over (%s), so this one sends no campaign. See which: samizdat release "
    "--dry-run",
)


def look(now: datetime) -> list[str]:
    """Compares the place with where the installation last ran; the first look remembers it. What differs, and then
    everything is fenced. Errors: CopiedFolder, of a machine that uses another one's folder on the same database;
    TornCopy."""
    parts = _look(now)
    if parts:
        torn_copy.refuse()  # Behind the fence, which stands in any case.
    return parts


def note_first() -> None:
    """Where it begins, before it ever ran: a copy of it isn't where it began. Compares nothing, and fences nothing."""
    if not copied_installation.known():
        copied_installation.remember(copied_installation.here())


def _look(now: datetime) -> list[str]:
    here, known = copied_installation.here(), copied_installation.known()
    changed = copied_installation.differing(here, known)
    if database_progress.is_of_another():
        database_progress.note()
    back = _gone_back()
    alone = list[str]()
    if not changed and not back and copied_installation.is_alone(copied_installation.STARTED):
        alone = [copied_installation.ALONE]
    if not changed and not back and not alone:
        if here.keys() - known.keys():
            copied_installation.remember(here)
        return []
    parts = _in_order(changed) + back + alone
    if changed and all(folder for folder, _part in changed):
        raise CopiedFolder(
            _(
                "This data folder last ran on another server or under another path. If that installation is gone "
                "for good, run: samizdat release. If it still runs, give this server an empty data folder of its "
                "own."
            )
        )
    _fence(parts, now, differs)
    return parts


def keep(now: datetime) -> None:
    """Each second, on every machine: fences what has gone back, and notes how far it has come otherwise."""
    if _gone_back():
        _look(now)
    else:
        database_progress.note()


def _gone_back() -> list[str]:
    if database_progress.missing():
        return [database_progress.REWOUND]
    return [database_progress.COPIED] if database_progress.is_copied() else []


def ask_places(now: datetime, seconds: float = epochs.AT_RELEASE) -> EpochStanding:
    """What the backup places say of who may send; where another copy took over, everything here is fenced."""
    standing = epochs.ask(now, seconds, _may_send)
    if standing.rival is not None:
        _fence([epochs.TAKEN_OVER], now, lambda: epochs.standing(now).rival is not None)
    return standing


def may_write_at(files: epochs.EpochFiles, now: datetime) -> bool:
    """Asked before each part of a tail: whether this copy may go on with what is at a backup place. Where another copy
    took over, everything here is fenced. Errors: whatever a place raises."""
    standing = epochs.hear(files, now)
    if standing.rival is not None:
        _fence([epochs.TAKEN_OVER], now, lambda: epochs.standing(now).rival is not None)
        return False
    return not differs()


def _may_send() -> bool:
    return Organization.objects.filter(sending_locked=False).exists() and not differs()


def taken_over(standing: EpochStanding) -> str:
    """Which copy took over, and when; empty: none, as far as anybody knows."""
    if standing.rival is None:
        return ""
    sentence = (
        _("Another copy of this installation took over on %(time)s UTC. That copy’s mark: %(mark)s.")
        if standing.rival.number > standing.own.number
        else _("Another copy was released too, on %(time)s UTC, so both are on hold. That copy’s mark: %(mark)s.")
    )
    return sentence % {"time": f"{standing.rival.since:%Y-%m-%d %H:%M}", "mark": standing.rival.mark.hex()}


def what_places_say(standing: EpochStanding) -> str:
    """For whoever is about to release it."""
    if sentence := taken_over(standing):
        return sentence
    if not standing.places:
        return _("No backup place is set up, so nobody can tell whether another copy is sending.")
    if not standing.is_known:
        return _("No backup place can be reached, so nobody can tell whether another copy is sending.")
    if epochs.is_in_dns():
        return _("According to the DNS record, no other copy has taken over.")
    return _("At the backup places that were reached (%(reached)s of %(places)s), no other copy has taken over.") % {
        "reached": standing.reached,
        "places": standing.places,
    }


def what_to_publish(now: datetime) -> str:
    """For whoever released it: the DNS record that stops older copies where no backup place does. Empty: none."""
    sentence = _("To stop older copies that may start again, publish this DNS record: %(name)s TXT “%(text)s”")
    return " ".join(sentence % {"name": name, "text": text} for name, text in epochs.to_publish(now))


def before_key_exchange(now: datetime) -> EpochStanding:
    """Before the instance key is replaced: every place is told, under the key that all copies have, that this one goes
    on alone. They read nothing under the new key, and would send beside it. A place that can't be reached is told by
    the worker later (epochs.renew). Errors: SendingLocked, of a copy: it doesn't become the original by another key."""
    standing = ask_places(now)
    locked = Organization.objects.filter(sending_locked=True).exists()
    if standing.rival is not None or differs() or (locked and not _may_send()):
        raise SendingLocked(
            _(
                "This installation was copied, restored or moved, so it keeps its key for now. Decide first whether it "
                "is the one that sends: samizdat release. Then replace the key."
            )
        )
    standing = epochs.take_over(now)
    if standing.rival is not None:
        _fence([epochs.TAKEN_OVER], now, lambda: True)
        raise SendingLocked(taken_over(standing))
    return standing


def after_key_exchange(now: datetime) -> EpochStanding:
    """Every place is told under the new key as well, as the worker does again and again."""
    return ask_places(now)


def _fence(parts: list[str], now: datetime, still: Callable[[], object]) -> None:
    """still: asked again once nobody else can release it: somebody may have since we looked."""
    for organization in Organization.objects.filter(sending_locked=False):
        try:
            _fence_one(organization, parts, now, {"changed": parts}, still)
        except VaultError:  # A sender is told no keys of one that has nothing to send; or another uid stands there.
            _fence_one(organization, parts, now, None, still)


def _fence_one(
    organization: Organization,
    parts: list[str],
    now: datetime,
    detail: Mapping[str, object] | None,
    still: Callable[[], object],
) -> None:
    with transaction.atomic():
        if not Organization.objects.filter(pk=organization.pk, sending_locked=False).update(sending_locked=True):
            return
        if not still():
            transaction.set_rollback(True)
            return
        kind: EventKind = "installation.taken_over" if parts == [epochs.TAKEN_OVER] else "installation.fenced"
        record(kind, organization, now=now, detail=detail)
        log.warning(_IN_LOG[parts == [epochs.TAKEN_OVER]], ", ".join(parts))


def record_restored(now: datetime) -> None:
    """In the log of each organization: it was restored, and sends nothing until a person has released it."""
    for organization in Organization.objects.filter(sending_locked=True):
        try:
            record("installation.fenced", organization, now=now, detail={"changed": ["restored"]})
        except VaultError:  # Its people alone open its keys.
            record("installation.fenced", organization, now=now)


def refuse_sending(organization: Organization, now: datetime) -> None:
    """Whatever lets a campaign send asks here first. Errors: SendingLocked."""
    standing = ask_places(now)
    if Organization.objects.filter(pk=organization.pk, sending_locked=True).exists():
        if sentence := taken_over(standing):
            raise SendingLocked(sentence + " " + _("See what would be sent and decide: samizdat release"))
        raise SendingLocked(
            _(
                "This installation was copied, restored or moved, so it sends no campaigns. See what would be sent "
                "and decide: samizdat release"
            )
        )


def differs() -> list[str]:
    """Parts of the place that differ from where it last ran, without any consequence."""
    changed = copied_installation.differing(copied_installation.here(), copied_installation.known())
    alone = [copied_installation.ALONE] if copied_installation.is_alone() else []
    return _in_order(changed) + _gone_back() + alone


def _in_order(changed: Iterable[tuple[bytes, str]]) -> list[str]:
    return sorted({part for _folder, part in changed}, key=copied_installation.PARTS.index)


def would_send(organization: Organization) -> list[dict[str, Any]]:
    """Campaigns that go on, or go out in time, once the fence is lifted: how many emails, and since when."""
    states = ("sending", "waiting", "held", "scheduled", "paused")
    rows = Campaign.objects.filter(organization=organization, state__in=states, edition__isnull=False)
    results = []
    for row in rows.defer(*large()).order_by("released", "pk"):
        again = Retry.objects.filter(edition__campaign=row).count()
        waiting = row.pending + max(row.deferred, again)
        facts = {"id": row.pk, "state": row.state, "waiting": waiting, "accepted": row.accepted, "unsure": row.unsure}
        results.append({**facts, "released": row.released, "due": row.not_before})
    return results


def lift(organizations: Iterable[Organization], *, now: datetime, by: Person | None = None) -> int:
    """This is the place from now on, this copy is the one that may send, and these organizations do so again. How many
    of them were fenced. Errors: TornCopy; SendingLocked where another copy was released meanwhile."""
    torn_copy.refuse()
    standing = epochs.take_over(now)
    if standing.rival is not None:
        _fence([epochs.TAKEN_OVER], now, lambda: True)
        raise SendingLocked(taken_over(standing))
    lifted = 0
    with transaction.atomic():
        copied_installation.remember(copied_installation.here())
        count = database_progress.release()
        for organization in organizations:
            waiting = sum(row["waiting"] for row in would_send(organization) if row["state"] != "paused")
            detail = {"waiting": waiting}
            record(database_progress.RELEASED, organization, now=now, by=by, about=count, detail=detail)
            if Organization.objects.filter(pk=organization.pk, sending_locked=True).update(sending_locked=False):
                organization.sending_locked = False
                lifted += 1
    return lifted
