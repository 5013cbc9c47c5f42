"""SQLite: whether each index has all rows of its table, and each column what it may hold, at each start and once a day.

What somebody said last, or what became of a campaign, is read along an index; the event log is checked along another
one. Whoever writes the file takes a single entry out of one of them: then both are whole, and a no is overlooked. It
is read by a connection of its own in a thread of its own, a table at a time (a million rows with three indexes take
some five seconds), so nobody waits for it. What sqlite_stat1 has decides which of several whole indexes is asked, and
so nothing but how long that takes.
"""

import logging
import threading
from datetime import UTC, date, datetime

from django.db import DatabaseError, connection

from samizdat.accounts import database_catalog, database_indexes
from samizdat.accounts.database_indexes import DamagedTable
from samizdat.accounts.models import Organization
from samizdat.db import on_sqlite
from samizdat.events.actions import record
from samizdat.vault.locks import unlocked
from samizdat.worker.schedule import consistency_check
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")


class _IndexReading(threading.Thread):
    """One reading of all tables. `tables`: which are not whole."""

    def __init__(self, day: date) -> None:
        super().__init__(name="indexes", daemon=True)
        self.day = day
        self.path = str(connection.settings_dict["NAME"])
        self.tables: list[DamagedTable] = []

    def run(self) -> None:
        self.tables = database_indexes.damaged(self.path, stopping.is_set)


_look: _IndexReading | None = None


def look(now: datetime) -> None:
    """Begins the reading of this process or of a day (UTC), and follows up what one found."""
    global _look
    if not on_sqlite() or (_look is not None and _look.is_alive()):
        return
    today = now.astimezone(UTC).date()
    tables = _look.tables if _look is not None else []
    if _look is None or _look.day < today:
        _look = _IndexReading(today)
        _look.start()
    else:
        _look.tables = []
    if tables:
        rebuild(tables, now)


def rebuild(tables: list[DamagedTable], now: datetime) -> None:
    """Makes their indexes anew, says so, and has everybody compared again: who seemed to be subscribed is not. What a
    column holds that it may not stays: it counts for nothing, and is said each day."""
    for name in sorted({table.name for table in tables if not table.misshapen}):
        try:
            with connection.cursor() as cursor:
                cursor.execute(f'REINDEX "{name}"')
        except DatabaseError:
            log.error("The indexes of %s can’t be rebuilt: restore a backup", name)
    log.error("Indexes of the database lacked rows, or values were changed. Run: samizdat doctor")
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        names = [f"{'values in' if table.misshapen else 'index of'} {table.name}" for table in tables[:20]]
        record(database_catalog.ALTERED, organization, now=now, detail={"names": names})
    consistency_check.begin_anew()
