"""What runs inside of the database by itself: triggers, rules, functions and the like that are not ours.

Whoever got hold of the database's password leaves them behind, to go on after it was changed: a trigger undoes what is
put back, a policy shows the public process other rows than us. Nothing here takes them away, since somebody may have
meant well by them; it is said until they are gone. Of a superuser, who can change what is looked at, it finds nothing.
"""

import logging
import time
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection

from samizdat.accounts.models import Organisation
from samizdat.events.actions import record
from samizdat.events.models import Event

log = logging.getLogger("samizdat.worker")

ALTERED = "database.altered"
# Told once in this time, and shown for so long.
TOLD, SHOWN = timedelta(hours=1), timedelta(days=7)
# Seconds for which one look is good.
LOOK = 60.0

# 16384: what PostgreSQL brings along has numbers below. Whoever is no superuser makes no function in C, so those of
# extensions are let alone; others could be put into an extension to hide them.
_POSTGRESQL = """
SELECT 'trigger', tgname::text, relname::text, proname::text FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal
UNION ALL SELECT 'event trigger', evtname, '', '' FROM pg_event_trigger
UNION ALL SELECT 'policy', polname, relname, '' FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
UNION ALL SELECT 'rule', rulename, relname, '' FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
WHERE pg_rewrite.oid >= 16384 AND rulename <> '_RETURN'
UNION ALL SELECT 'view', relname, relname, '' FROM pg_class WHERE oid >= 16384 AND relkind IN ('v', 'm', 'f', 'p')
AND (relname = ANY(%(tables)s) OR NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e'))
UNION ALL SELECT 'part of a table', child.relname, parent.relname, '' FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
WHERE parent.relname = ANY(%(tables)s) AND parent.relkind = 'r'
UNION ALL SELECT 'function', proname, '', prosrc::text FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
WHERE pg_proc.oid >= 16384 AND lanname NOT IN ('c', 'internal')
UNION ALL SELECT 'operator', oprname, '', '' FROM pg_operator WHERE oid >= 16384
AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_operator.oid AND deptype = 'e')
"""
_SQLITE = "SELECT type, name, tbl_name, '' FROM sqlite_master WHERE type NOT IN ('table', 'index')"


def foreign() -> list[str]:
    """Of what is not ours, its kind and name."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL, {"tables": connection.introspection.django_table_names()})
        else:
            cursor.execute(_SQLITE)
        rows = cursor.fetchall()
    return sorted(f"{kind} {name}" for kind, name, table, text in rows if not _ours(kind, name, table, text))


def _ours(kind: str, name: str, table: str, text: str) -> bool:
    """The task engine has some on PostgreSQL."""
    if connection.vendor != "postgresql":
        return False
    if kind == "function":
        return _engines().get(name) == text.strip()
    return kind == "trigger" and table.startswith("procrastinate_") and text in _engines()


@cache
def _engines() -> dict[str, str]:
    """Name -> body of each function of the task engine."""
    from procrastinate.schema import SchemaManager

    pieces = SchemaManager.get_schema().split("$$")
    names = [piece.rpartition("FUNCTION ")[2].partition("(")[0].strip() for piece in pieces[::2]]
    return dict(zip(names, (piece.strip() for piece in pieces[1::2]), strict=False))


def watch(now: datetime) -> list[str]:
    """Says in the log and in the events, once an hour, that something is there; what."""
    found = foreign()
    for organisation in Organisation.objects.order_by("id") if found else ():
        if not Event.objects.filter(organisation=organisation, kind=ALTERED, at__gt=now - TOLD).exists():
            record(ALTERED, organisation, now=now, detail={"names": found[:20]})
            log.error("The database runs something that is not ours. Run: samizdat doctor")
    return found


_looked: tuple[float, bool] = (float("-inf"), False)


def alarming(organisation: Any, now: datetime) -> bool:
    """Whether there is something, or was within a week. Looked at here too: what is in the database can also keep
    events from being written."""
    global _looked
    if time.monotonic() - _looked[0] > LOOK:
        _looked = time.monotonic(), bool(foreign())
    recent = Event.objects.filter(organisation=organisation, kind=ALTERED, at__gt=now - SHOWN)
    return _looked[1] or recent.exists()
