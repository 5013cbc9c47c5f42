"""Words of findings, for somebody at a terminal."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

# Of commands and of findings: translated where a finding is told.
SENTENCES = {
    "fenced": (
        "This installation was copied, restored or moved, so it sends no campaigns. See what would be sent and decide: "
        "samizdat release"
    ),
    "key_missing": (
        "The key file %(path)s is gone, but `samizdat serve` still has the key in memory: don't stop it. Put back your "
        "copy of the file, or run `samizdat keys recover` with your shares. If you have neither, run `samizdat export` "
        "now: once `serve` has stopped, nothing can be read again."
    ),
}
FENCED = SENTENCES["fenced"]

# Parts of a place that are others now: delivery/copied_installation.PARTS.
PLACES = {
    "machine": "another server",
    "instance": "another server, made from a snapshot",
    "path": "another path",
    "filesystem": "another file system",
    "file": "other files, as after a copy or a restore",
    "born": "other files, as after a copy or a restore",  # Created anew: said once where both differ.
    "server": "another PostgreSQL server",
    "database": "another database",
    "table": "tables that were created anew, as after a dump was loaded",
    "epoch": "another copy took over",
    "alone": "another data folder, while none of its servers is running, as after copying a whole PostgreSQL server",
    "note": "its data folder was overwritten with a copy",
    "rewound": "its database is in an earlier state, as after restoring a backup",
}

# How a route stands, as scripts and commands say it.
STATES = {
    "live": "live",
    "paused": "paused",
    "waiting": "waiting",
    "throttled": "throttled",
    "dead": "dead",
    "removed": "removed",
}

# What sentences about routes and domains say of the app's pages and buttons, and what does the same here.
_IN_THE_APP = (
    ("Correct them under Routes", "Correct them with `samizdat route edit {route} --url -`"),
    ("then press Test", "then run: samizdat route test {route} --to -"),
    (
        "An admin has to publish the records shown under Domains. When Check finds them",
        "Publish what `samizdat domain records DOMAIN` prints. When `samizdat domain check DOMAIN` finds it",
    ),
    (
        "An admin has to publish the records shown under Domains",
        "Publish what `samizdat domain records DOMAIN` prints",
    ),
    (
        "An admin has to publish the record shown under Domains",
        "Publish what `samizdat domain records DOMAIN` prints",
    ),
    (
        "An admin can check SPF, DKIM and DMARC under Domains",
        "Check SPF, DKIM and DMARC with `samizdat domain check DOMAIN`",
    ),
    ("as Domains shows it to admins", "as `samizdat domain records DOMAIN` prints it"),
    ("Add one under Domains (admins only)", "Add one with `samizdat domain add DOMAIN`"),
    ("Add the domain under Domains (admins only)", "Add the domain with `samizdat domain add DOMAIN`"),
    ("press Check again", "run this again"),
    (
        "then press Check and Activate on the domain’s page",
        "then run: samizdat domain check DOMAIN, and samizdat domain activate DOMAIN",
    ),
)


def differences(parts: Iterable[str], translated: Callable[[str], str] = str) -> str:
    """What differs from where the installation last ran."""
    parts = [*parts]
    if {"file", "born"} & {*parts}:  # A copy elsewhere: nothing was overwritten, and its note came along.
        parts = [part for part in parts if part != "note"]
    return "; ".join(dict.fromkeys(translated(PLACES[part]) for part in parts))


def at_terminal(sentence: str, route: str = "NAME") -> str:
    """A sentence of the app, about this route if about any, for somebody who has no buttons."""
    for phrase, here in _IN_THE_APP:
        sentence = sentence.replace(phrase, here.format(route=shlex.quote(route)))
    return sentence


def missing_while_it_runs(path: Path) -> str:
    """What can still be done."""
    return SENTENCES["key_missing"] % {"path": path}
