"""The fence: an installation that finds itself in another place sends no campaign until a person has released it.

The fence stands in the database that was copied, so the original, still in its place, goes on sending.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organisation
from samizdat.campaigns.models import Campaign
from samizdat.delivery import location, progress
from samizdat.delivery.errors import CopiedFolder, Fenced
from samizdat.delivery.models import Retry
from samizdat.events.actions import record
from samizdat.vault.errors import KeyRefused

log = logging.getLogger("samizdat.worker")


def look(now: datetime) -> list[str]:
    """Compares the place with where the installation last ran; the first look remembers it. What differs, and then
    everything is fenced. Errors: CopiedFolder, of a machine that uses another one's folder on the same database."""
    here, known = location.here(), location.known()
    changed = location.differing(here, known)
    if not known:
        progress.note()  # A new database in a folder that another one had.
    back = _gone_back()
    if not changed and not back:
        if here.keys() - known.keys():
            location.remember(here)
        return []
    parts = sorted({part for _folder, part in changed}, key=location.PARTS.index) + back
    if changed and all(folder for folder, _part in changed):
        raise CopiedFolder(
            _(
                "This data folder last ran on another machine or under another path. If that one is gone for good, "
                "run: samizdat release. If it still runs, give this machine an empty data folder of its own."
            )
        )
    _fence(parts, now)
    return parts


def _gone_back() -> list[str]:
    return [progress.REWOUND] if progress.missing() else []


def _fence(parts: list[str], now: datetime) -> None:
    for organisation in Organisation.objects.filter(fenced=False):
        try:
            _fence_one(organisation, parts, now, {"changed": parts})
        except KeyRefused:  # A sender is told no keys of one that has nothing to send.
            _fence_one(organisation, parts, now, None)


def _fence_one(organisation: Organisation, parts: list[str], now: datetime, detail: dict[str, Any] | None) -> None:
    with transaction.atomic():
        if Organisation.objects.filter(pk=organisation.pk, fenced=False).update(fenced=True):
            record("installation.fenced", organisation, now=now, detail=detail)
            log.warning(
                "This installation last ran in another place (%s): it may be a copy, so it sends no campaign. "
                "See what would be sent: samizdat release",
                ", ".join(parts),
            )


def refuse_sending(organisation: Organisation) -> None:
    """Whatever lets a campaign send asks here first. Errors: Fenced."""
    if Organisation.objects.filter(pk=organisation.pk, fenced=True).exists():
        raise Fenced(
            _(
                "This installation was copied, restored or moved, and sends no campaign. "
                "See what would be sent and decide: samizdat release"
            )
        )


def differs() -> list[str]:
    """Parts of the place that differ from where it last ran, without any consequence."""
    changed = location.differing(location.here(), location.known())
    back = _gone_back()
    return sorted({part for _folder, part in changed}, key=location.PARTS.index) + back


def would_send(organisation: Organisation) -> list[dict[str, Any]]:
    """Campaigns that go on, or go out in time, once the fence is lifted: how many emails, and since when."""
    states = ("sending", "waiting", "held", "scheduled", "paused")
    rows = Campaign.objects.filter(organisation=organisation, state__in=states, edition__isnull=False)
    found = []
    for row in rows.order_by("released", "pk"):
        again = Retry.objects.filter(edition__campaign=row).count()
        waiting = row.pending + max(row.deferred, again)
        facts = {"id": row.pk, "state": row.state, "waiting": waiting, "accepted": row.accepted, "unsure": row.unsure}
        found.append({**facts, "released": row.released, "due": row.due})
    return found


def lift(organisations: Iterable[Organisation], *, now: datetime, by: Any = None) -> int:
    """This is the place from now on, and these organizations send again. How many of them were fenced."""
    lifted = 0
    with transaction.atomic():
        location.remember(location.here())
        progress.release()
        for organisation in organisations:
            waiting = sum(row["waiting"] for row in would_send(organisation) if row["state"] != "paused")
            if Organisation.objects.filter(pk=organisation.pk, fenced=True).update(fenced=False):
                record("installation.released", organisation, now=now, by=by, detail={"waiting": waiting})
                organisation.fenced = False
                lifted += 1
    return lifted
