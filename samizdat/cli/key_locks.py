"""keys lock, unlock: in an emergency nobody gets an organization's keys."""

from functools import partial
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import common, confirm, say, settings

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization


_ALL = click.option("--all", "every", is_flag=True, help="All organizations of this installation.")


@click.command("lock")
@_ALL
@partial(common)
def keys_lock(every: bool) -> None:
    """Lock the organization: within 10 seconds no process has its keys, its people are signed out and sending stops."""
    bootstrap.open_house()
    from samizdat.delivery.actions import key_locks

    rows = _organizations(every)
    locked = [row.slug for row in rows if key_locks.lock(row, by=None, now=bootstrap.now())]
    _say(rows, locked, "locked")


@click.command("unlock")
@_ALL
@partial(common)
def keys_unlock(every: bool) -> None:
    """Unlock the organization. Campaigns that were waiting go on."""
    bootstrap.open_house()
    from samizdat.delivery.actions import key_locks

    rows = _organizations(every)
    confirm(f"Unlock {', '.join(row.slug for row in rows)}? Its team can sign in again, and campaigns go on.")
    unlocked = [row.slug for row in rows if key_locks.unlock(row, by=None, now=bootstrap.now())]
    _say(rows, unlocked, "unlocked")


def _organizations(every: bool) -> "list[Organization]":
    """--all and --organization at once are a mistake."""
    from samizdat.accounts.models import Organization

    if every and settings().organization:
        raise click.UsageError("Use --all or --organization, not both.")
    return list(Organization.objects.order_by("pk")) if every else [bootstrap.organization()]


def _say(rows: "list[Organization]", changed: list[str], state: str) -> None:
    document = {"organizations": [{"organization": row.slug, "state": state} for row in rows], "changed": changed}
    lines = [f"{row.slug}: {state if row.slug in changed else f'already {state}'}." for row in rows]
    last = ["Unlock with: samizdat keys unlock"] if state == "locked" else []
    say(document, *lines, *last)
