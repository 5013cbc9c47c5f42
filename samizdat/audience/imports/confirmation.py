"""Whether somebody pressed *Bring in*, and for which list. `state` and `list` stand in the open: whoever writes the
database without keys would have strangers brought in by an upload that nobody confirmed."""

import logging
from datetime import datetime

from msgspec.structs import replace

from samizdat.accounts.models import Person
from samizdat.audience.imports.documents import ImportDocument, read_plan, sealed
from samizdat.audience.models import Import
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault.errors import RecordBroken

STARTED: EventKind = "subscribers.import.started"
# What the log says of one that is to be started anew, if at all.
ENDED: tuple[EventKind, ...] = ("subscribers.import.cancelled", "subscribers.imported")

log = logging.getLogger("samizdat.audience")


def start(row: Import, document: ImportDocument, *, now: datetime, by: Person | None) -> None:
    """Call it in the transaction that makes the import wait. The event says who and when."""
    event = record(STARTED, row.organization, about=row.pk, by=by, now=now)
    shown = row.list_id if document.shown_list is None else document.shown_list
    Import.objects.filter(pk=row.pk).update(**sealed(row, "plan", replace(document, go=event.pk, shown_list=shown)))


def holds(row: Import) -> bool:
    """Whether it was started as it stands, and neither finished nor cancelled since."""
    try:
        document = read_plan(row)
    except (SealBroken, RecordBroken):
        return False
    events = Event.objects.filter(organization=row.organization_id, about=row.pk)
    started = events.filter(pk=document.go, kind=STARTED).first()
    # An export of our own format has no list before it began; it brings its own along.
    other = document.plan is not None and document.shown_list != row.list_id
    if started is None or other or not is_genuine(started):
        return False
    return not events.filter(pk__gt=started.pk, kind__in=ENDED).exists()


def refuse(row: Import) -> None:
    """Back to where a person has to press, with a line in the log."""
    state = "found" if row.report_sealed and row.started is None else "stopped"
    Import.objects.filter(pk=row.pk, owner=row.owner).update(state=state, owner="", problem="", tries=0)
    log.error("Import %d was not started by anybody here, so nothing was brought in", row.pk)
    row.refresh_from_db()
