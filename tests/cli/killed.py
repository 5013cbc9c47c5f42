"""A command that is killed at a step of it, and what an installation is like afterwards: python -m tests.cli.killed
SETTINGS WORDS.

SETTINGS: {"die": [what, step, calls]} makes the process kill itself at that call of a step (STEPS); {} doesn't.
WORDS are those of the samizdat command, or one of OURS below with its arguments, which print what they found as JSON.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.delivery.child import arm

# What is killed -> step -> (module, name in it, before or after).
STEPS: dict[str, dict[str, tuple[str, str, str]]] = {
    "backup": {
        "before a file is published": ("samizdat.places.folder", "_publish", "before"),
        "after a file was published": ("samizdat.places.folder", "_publish", "after"),
        "in the middle of reading": ("samizdat.backup.writing:_Pieces", "take", "before"),
        "before the tail can begin": ("samizdat.backup.tails", "write_base", "before"),
        "before the manifest": ("samizdat.backup.tails", "write_base", "after"),
        "after the manifest": ("samizdat.backup.writing", "_finish", "after"),
    },
    "tail": {
        "before a file of it": ("samizdat.backup.tails:TailWriter", "_write", "before"),
        "before it is published": ("samizdat.places.folder", "_publish", "before"),
        "after a file of it": ("samizdat.backup.tails:TailWriter", "_write", "after"),
        "before old ones go": ("samizdat.backup.tails", "prune", "before"),
    },
    "restore": {
        "before there are tables": ("samizdat.cli.instance", "migrate", "before"),
        "before it is noted that there are tables": (
            "django.db.migrations.executor:MigrationExecutor",
            "record_migration",
            "before",
        ),
        "in the middle of tables": ("django.db.migrations.executor:MigrationExecutor", "apply_migration", "after"),
        "after there are tables": ("samizdat.cli.instance", "migrate", "after"),
        "in the middle of rows": ("samizdat.backup.sets", "content_of", "after"),
        "before rows are committed": ("samizdat.backup.restoring", "_finish", "after"),
        "after all rows": ("samizdat.backup.restoring", "fill", "after"),
        "before it is in the log": ("samizdat.delivery.actions.copied_installation", "record_restored", "before"),
        "before the key file": ("samizdat.modes", "replace_file", "before"),
        "before the folder is moved": ("samizdat.cli.restore", "_move", "before"),
        "after the folder was moved": ("samizdat.cli.restore", "_move", "after"),
    },
    "rotate": {
        "before there is another key": ("samizdat.backup.rotation", "_replace", "before"),
        "while it is written": ("samizdat.backup.rotation", "_insist_strict", "after"),
        "after there is another key": ("samizdat.backup.rotation", "_replace", "after"),
        "before a batch": ("samizdat.backup.rotation", "_swap", "before"),
        "after a batch": ("samizdat.backup.rotation", "_swap", "after"),
    },
    "index": {
        "after there is another key": ("samizdat.backup.index_rotation", "begin", "after"),
        "before the new one finds": ("samizdat.backup.index_rotation", "switch", "before"),
        "after the new one finds": ("samizdat.backup.index_rotation", "switch", "after"),
        "before a part of the subscribers": ("samizdat.audience.index_renewal", "_write", "before"),
        "after a part of the subscribers": ("samizdat.audience.index_renewal", "_write", "after"),
        "before former ones go": ("samizdat.backup.index_rotation", "drop_unused", "before"),
    },
    "lock": {
        "before the row": ("samizdat.vault.locks", "write", "before"),
        "after the row": ("samizdat.vault.locks", "write", "after"),
        "while sessions end": ("samizdat.accounts.sign_out", "end_sessions", "after"),
        "after it was locked": ("samizdat.delivery.actions.key_locks", "lock", "after"),
        "after it was unlocked": ("samizdat.delivery.actions.key_locks", "unlock", "after"),
    },
}
# Steps that a command meets many times.
OFTEN = (
    "in the middle of tables",
    "before a file is published",
    "after a file was published",
    "in the middle of reading",
    "in the middle of rows",
    "before a batch",
    "after a batch",
)


def add(address: str) -> dict[str, int]:
    """Somebody joins, and the one who joined before them leaves."""
    from samizdat.audience import actions
    from samizdat.audience.models import List, Subscriber
    from samizdat.cli import bootstrap

    letter, before = List.objects.order_by("pk")[0], Subscriber.objects.order_by("-pk").first()
    added = actions.add_subscriber(letter.organization, address, letter, consent="at the fair", now=bootstrap.now())
    if before is not None:
        actions.unsubscribe(before, letter, now=bootstrap.now())
    return {"subscriber": added.pk}


def tail(place: str, times: str) -> dict[str, int]:
    """As the worker does every few seconds: so many times, and somebody joins between."""
    from uuid import uuid4

    from samizdat import plugins
    from samizdat.backup.place_tails import PlaceTail
    from samizdat.cli import bootstrap

    written, files = PlaceTail(), 0
    for _time in range(int(times)):
        add(f"{uuid4().hex}@tail.example")
        files += written.write(plugins.open_place(place), bootstrap.now())
    return {"files": files}


def weeks() -> dict[str, Any]:
    """They pass for former index keys, which are deleted then."""
    from samizdat.vault import keyring
    from samizdat.vault.models import VaultKey

    source = keyring.open_source()
    for row in VaultKey.objects.select_related("organization").filter(kind="index", current=False, coming=False):
        secret = source.unwrap(keyring.label_of(row, row.organization), row.wrapped)
        row.created -= timedelta(weeks=4)
        row.wrapped = source.wrap(keyring.label_of(row, row.organization), secret)
        row.save()
    return {}


def look() -> dict[str, Any]:
    """What the installation has, says and is."""
    from samizdat.accounts.models import Organization
    from samizdat.backup import place_tails, rotation
    from samizdat.backup.reading import ORDER
    from samizdat.backup.tables import copied_tables
    from samizdat.events.models import Event
    from samizdat.vault import locks
    from samizdat.vault.errors import OrganizationLocked

    organization = Organization.objects.get()
    with place_tails._snapshot() as found:
        tables = {
            table.name: _digest(sorted(map(repr, found[table.database].where(table, "1 = 1", ()))))
            for table in copied_tables(ORDER)
            if table.name.split("_")[0] in ("audience", "campaigns", "vault")
        }
    events = [Event.objects.filter(kind=kind).count() for kind in ("keys.locked", "keys.unlocked")]
    row = locks.state(organization)
    answer = {
        "tables": tables,
        "fenced": organization.sending_locked,
        "locked": row is not None,
        "locked_by_log": events[0] > events[1],
        "genuine": row is None or locks.is_ours(row, bytes(organization.uid)),
        "books": _books(),
    }
    try:
        standing = rotation.status(organization)
    except OrganizationLocked:
        return answer
    answer |= {"left": standing.left, "former": len(standing.former), "unfound": _unfound(organization)}
    return answer | _opened(organization)


def _digest(lines: list[str]) -> list[Any]:
    return [len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()]


def _books() -> list[list[object]]:
    from samizdat.campaigns.models import Campaign
    from samizdat.delivery import queries

    rows = Campaign.objects.order_by("pk")
    return [[row.state, row.reason, row.frozen, queries.recount(row).adds_up] for row in rows]


def _opened(organization: Any) -> dict[str, Any]:
    """What all sealed values say, and how many nobody can open."""
    from samizdat.backup.sealed_columns import COLUMNS
    from samizdat.core.crypto.seal import SealError
    from samizdat.vault import keyring

    keys, said, closed = keyring.keys(organization), list[str](), 0
    for column in COLUMNS:
        for blob, *needs in column.rows(organization).values_list(column.column, *column.needs):
            if blob:
                try:
                    said.append(f"{column.name} {needs[0]} {keys.open(bytes(blob), *column.place(*needs)).hex()}")
                except SealError:
                    closed += 1
    return {"said": _digest(sorted(said)), "closed": closed}


def _unfound(organization: Any) -> int:
    """Subscribers who aren't found by their address."""
    from samizdat.audience import consent_writer
    from samizdat.audience.models import Subscriber
    from samizdat.vault import keyring

    keys, unfound = keyring.keys(organization), 0
    for row in Subscriber.objects.filter(organization=organization):
        found = consent_writer.find(organization, keys, consent_writer.address_of(keys, row))
        unfound += found is None or found.pk != row.pk
    return unfound


def newest(place: str) -> dict[str, Any]:
    """The newest whole copy at a place, every piece of which is read, and its tail."""
    from samizdat import plugins
    from samizdat.backup import recipients, sets, tails
    from samizdat.backup.keys import backup_keys
    from samizdat.core.backup.rows import naming_key
    from samizdat.vault import keyring

    opened, keys = plugins.open_place(place), backup_keys(keyring.derive)
    identities = recipients.identities(keys.identity)
    copy, unusable = sets.newest_whole(opened, identities, keys.installation)
    key = naming_key(keys.names, [keys.recipient])
    rows = {
        entry.name: sum(len(sets.content_of(opened, piece, entry.name, identities, key).rows) for piece in entry.pieces)
        for entry in copy.manifest.tables
    }
    found = tails.find(opened, copy, identities)
    return {
        "copy": copy.path,
        "whole": rows == copy.manifest.totals,
        "subscribers": rows["audience_subscriber"],
        "passed_over": len(unusable),
        "tail": len(found.paths),
        "broken": found.broken,
    }


OURS: dict[str, Callable[..., Any]] = {
    "killed-add": add,
    "killed-tail": tail,
    "killed-look": look,
    "killed-weeks": weeks,
    "killed-newest": newest,
}


def main() -> None:
    told, words = json.loads(sys.argv[1]), sys.argv[2:]
    if words[0] not in OURS:
        from samizdat.cli import __main__ as command

        _arm(told)
        sys.argv = ["samizdat", *words]
        command.main()
        return
    from samizdat.cli import bootstrap

    bootstrap.open_house()
    _arm(told)
    print(json.dumps(OURS[words[0]](*words[1:])))


def _arm(told: dict[str, Any]) -> None:
    if "die" in told:
        what, step, calls = told["die"]
        arm(step, calls, steps=STEPS[what])


if __name__ == "__main__":
    main()
