"""Where the two databases are: the house's own and the public database, on SQLite or on PostgreSQL."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from samizdat.options import BadOption, option

# Seconds; a writer waits this long for another one before it gives up (design.md, 6.14).
BUSY_TIMEOUT = 20

# FULL: what the ledger was told survives a power cut. secure_delete: an erased address is overwritten on the disk.
SQLITE_INIT = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;"
    "PRAGMA cache_size=-65536; PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
    "PRAGMA journal_size_limit=67108864;"
)


# Where the public process is the same user as the rest it may write the public database's file, whole: its triggers and
# views call nothing that could do harm, and a page that is bent is noticed (https://sqlite.org/security.html,
# "Untrusted SQLite Database Files"). It is not mapped into memory: who reads what was cut off of a mapped file is
# killed by the kernel, where a read is an error.
PUBLICDB_INIT = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
# The public process reads; what readers send it hands to the supervisor.
PUBLIC_INIT = "PRAGMA query_only=ON; PRAGMA cache_size=-65536; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
# Django's, strict about types.
SQLITE_ENGINE = "samizdat.sqlite"
PUBLICDB_ENGINE = "samizdat.publicdb.sqlite"


def sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": SQLITE_ENGINE,
        "NAME": str(path),
        "OPTIONS": {"timeout": BUSY_TIMEOUT, "transaction_mode": "IMMEDIATE", "init_command": SQLITE_INIT},
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": None,
        # A file, not memory: what matters is how several processes meet in it.
        "TEST": {"NAME": str(path.with_name("test-" + path.name))},
    }


def postgresql(url: str, search_path: str = "public") -> dict[str, object]:
    """Settings from postgresql://user:password@host:port/name?option=value; a socket folder may stand in ?host=."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or len(parts.path) < 2:
        raise BadOption("DATABASE_URL is not understood. Write postgresql://user:password@host/name.")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or parts.hostname or "",
        "PORT": str(query.pop("port", "") or parts.port or ""),
        "OPTIONS": {
            **query,
            # A dead peer is noticed in under 30 s on both sides: by the server too, which otherwise keeps the locks of
            # a machine that has lost its power for two hours (design.md, 6.3). No compiling of queries: for a count of
            # a segment it takes longer than the count (128 ms instead of 58 of 100,000).
            "options": f"-c search_path={search_path} -c jit=off "
            "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 "
            "-c tcp_keepalives_count=3 -c tcp_user_timeout=25000",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25000,
        },
        # Tests keep the public database in a database of its own: Django would take two aliases of one database for
        # one.
        "TEST": {"NAME": f"test_{search_path}_{unquote(parts.path[1:])}"},
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def house(folder: Path) -> dict[str, Any]:
    url = option("DATABASE_URL")
    return postgresql(url) if url else sqlite(folder / "samizdat.sqlite3")


def publicdb(folder: Path) -> dict[str, Any]:
    """The public database as the inside sees it: with the role that may publish."""
    url = option("DATABASE_URL")
    return postgresql(url, "publicdb") if url else _publicdb_file(folder, "rw", SQLITE_INIT + PUBLICDB_INIT)


def publicdb_for_public(folder: Path) -> dict[str, object]:
    """The public database as the public process sees it: with a role of its own where there is one."""
    url = option("SAMIZDAT_GATE_URL") or option("DATABASE_URL")
    return postgresql(url, "publicdb") if url else _publicdb_file(folder, "ro", PUBLIC_INIT)


def _publicdb_file(folder: Path, mode: str, init: str) -> dict[str, object]:
    database = sqlite(folder / "public.sqlite3")
    return database | {"ENGINE": PUBLICDB_ENGINE, "OPTIONS": database["OPTIONS"] | {"mode": mode, "init_command": init}}


class PublicDbRouter:
    """Sends what the app `publicdb` holds to the public database and everything else to the house; they share no
    row."""

    def db_for_read(self, model: Any, **hints: object) -> str:
        return "publicdb" if model._meta.app_label == "publicdb" else "default"

    db_for_write = db_for_read

    def allow_relation(self, instance: object, other: object, **hints: object) -> bool:
        return self.db_for_read(instance) == self.db_for_read(other)

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        return (db == "publicdb") == (app_label == "publicdb")
