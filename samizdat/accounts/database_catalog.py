"""What is in the database that our migrations do not make, or otherwise than they do.

Whoever got hold of the database's password leaves something behind, to go on after it was changed: a trigger undoes
what is put back, a publication copies later rows away, a setting of a role leads statements into other tables, a
foreign key deletes. Nothing here takes them away, since somebody may have meant well by them; it is said until they are
gone. What has to be there stands in schema_sqlite.txt and schema_postgresql.txt, which `scripts/schema.py` writes anew
after a migration. Of a superuser, who can change what is looked at, it finds nothing; what another superuser than our
own role owns beside our tables is the host's.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from samizdat.accounts.models import Organization
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said
from samizdat.options import option
from samizdat.publicdb.actions import READABLE, ROLES
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

ALTERED: EventKind = "database.altered"
# Told once in this time, and shown for so long.
TOLD, SHOWN = timedelta(hours=1), timedelta(days=7)
# Seconds for which one look is good.
LOOK = 60.0
MISSING, CHANGED, BEHIND = " is missing", " is not as we make it", " is behind its table"

# Extensions that hosts put into every database, to look after it.
HOSTS = "plpgsql pg_stat_statements pg_stat_kcache pg_buffercache pgstattuple pg_wait_sampling hypopg pgaudit"
HOSTS += " aiven_extras google_vacuum_mgmt azure pgaadauth rdsutils pg_repack"
# Settings of a role or a database that Django asks for, or that change how fast something is and nothing else.
HARMLESS = ["client_encoding=utf%", "timezone=utc", "default_transaction_isolation=read committed", "jit=%"]
HARMLESS += ["effective_cache_size=%", "effective_io_concurrency=%", "random_page_cost=%"]
HARMLESS += ["work_mem=%", "maintenance_work_mem=%"]
# Logs whose rows are read in the order of their numbers: the last word about somebody is the one with the highest.
IN_ORDER = chain.TABLES


class CatalogRow(NamedTuple):
    kind: str
    name: str
    table: str  # To which it belongs; empty for what stands alone.
    text: str
    hosts: bool  # Somebody else's, where we have nothing of that name.


_SQLITE = """
SELECT type, name, coalesce(sql, '') FROM sqlite_master
WHERE NOT (type = 'table' AND name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4'))
AND NOT (type = 'index' AND sql IS NULL)
"""


def facts() -> Iterator[CatalogRow]:
    """All that is there."""
    if connection.vendor == "postgresql":
        yield from _on_postgresql()
        return
    # What is in the public database's file is worker/publishing/repair.py's, which makes it anew.
    with connection.cursor() as cursor:
        cursor.execute(_SQLITE)
        yield from (CatalogRow(kind, name, "", text, False) for kind, name, text in cursor.fetchall())


def _on_postgresql() -> Iterator[CatalogRow]:
    values: dict[str, Any] = {
        "hosts": HOSTS.split(),
        "harmless": HARMLESS,
        "publicdb": unquote(urlsplit(option("SAMIZDAT_GATE_URL")).username or ""),
        "roles": ROLES.replace("_", r"\_") + "%",
        "readable": [f"publicdb_{name}" for name in READABLE],
        "tables": tables(),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # So names are written out with their schema, and no function or table that somebody put before one is used.
        cursor.execute("SELECT pg_catalog.current_setting('search_path')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)")
        cursor.execute(Path(__file__).with_suffix(".sql").read_text(), values)
        rows = [*cursor.fetchall(), *_set_back(cursor)]
        cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [before])
    yield from (CatalogRow(*row) for row in rows)


def _set_back(cursor: CursorWrapper) -> Iterator[tuple[str, str, str, str, bool]]:
    """Sequences of those logs that would give a number again, or a lower one."""
    for table in IN_ORDER:
        log_table, sequence = f"public.{table}", f"public.{table}_id_seq"
        readable = (
            "has_table_privilege(to_regclass(%s), 'SELECT') AND has_sequence_privilege(to_regclass(%s), 'SELECT')"
        )
        cursor.execute(f"SELECT {readable}", [log_table, sequence])
        if not cursor.fetchone()[0]:
            continue  # Missing, which is said elsewhere, or not for this role to read.
        cursor.execute(f"SELECT max(id) FROM {log_table}")
        (highest,) = cursor.fetchone()
        cursor.execute(f"SELECT last_value FROM {sequence}")  # After it: others write meanwhile.
        if highest is not None and cursor.fetchone()[0] < highest:
            yield "sequence", sequence + BEHIND, "", "", False


def schema_text(rows: Iterable[CatalogRow]) -> str:
    """As it stands in the file: one line each."""
    return "".join(sorted(f"{row.kind}\t{row.name}\t{_line(row.text)}\n" for row in rows))


def _line(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")


def file(vendor: str) -> Path:
    return Path(__file__).with_name(f"schema_{vendor}.txt")


@cache
def _ours(vendor: str) -> dict[tuple[str, str], str]:
    """(Kind, name) -> text of all that our migrations make."""
    lines = (line.split("\t") for line in file(vendor).read_text().splitlines())
    return {(kind, name): text for kind, name, text in lines}


def tables() -> list[str]:
    """Names of all that our migrations make."""
    return [name for kind, name in _ours(connection.vendor) if kind == "table"]


def foreign() -> list[str]:
    """What is not ours, not as we make it, or missing: each by its kind and name."""
    ours = _ours(connection.vendor)
    there: set[tuple[str, str]] = set()
    names = []
    for row in facts():
        key = row.kind, row.name
        there.add(key)
        if key in ours:
            names += [" ".join(key) + CHANGED] if ours[key] != _line(row.text) else []
        elif not row.hosts and (not row.table or ("table", row.table) in ours):
            names.append(" ".join(key))
    return sorted({*names, *(" ".join(key) + MISSING for key in ours.keys() - there)})


def watch(now: datetime) -> list[str]:
    """Says in the log and in the events, once an hour, that something is there; what."""
    names = foreign()
    for organization in Organization.objects.filter(unlocked()).order_by("id") if names else ():
        if not was_said(organization, ALTERED, now - TOLD):
            record(ALTERED, organization, now=now, detail={"names": names[:20]})
            log.error("The database runs something that is not ours. Run: samizdat doctor")
    return names


_looked: tuple[float, bool] = (float("-inf"), False)


def alarming(organization: Organization, now: datetime) -> bool:
    """Whether there is something, or was within a week. Looked at here too: what is in the database can also keep
    events from being written."""
    global _looked
    if time.monotonic() - _looked[0] > LOOK:
        _looked = time.monotonic(), bool(foreign())
    recent = Event.objects.filter(organization=organization, kind=ALTERED, at__gt=now - SHOWN)
    return _looked[1] or recent.exists()
