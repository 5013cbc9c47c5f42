"""change ls, approve, stop: what an admin asked for at the desk and one alone may not do."""

from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table


@click.group()
def change() -> None:
    """Changes waiting for approval by another admin, or for a day to pass. Commands themselves need no approval."""


@change.command("ls")
@common
def change_ls() -> None:
    """Pending changes: who requested them, and when they take effect."""
    bootstrap.open_house()
    from samizdat.accounts import pending_changes, sealed_people

    now = bootstrap.now()
    rows = list(pending_changes.waiting(bootstrap.organization()))
    document = [
        {
            "id": row.pk,
            "kind": row.kind,
            "change": pending_changes.sentence_of(row),
            "by": sealed_people.name_of(row.by) if row.by else "",
            "until": pending_changes.until(row, now).isoformat(timespec="minutes"),
        }
        for row in rows
    ]
    lines = [(str(entry["id"]), entry["change"], entry["by"], entry["until"]) for entry in document]
    say({"changes": document}, *table(("id", "change", "by", "takes effect on"), lines))


@change.command("approve")
@click.argument("number", metavar="ID", type=int)
@common
def change_approve(number: int) -> None:
    """Approve a change, so that it takes effect now."""
    _settle(number, "approve", "approved, in effect now")


@change.command("stop")
@click.argument("number", metavar="ID", type=int)
@common
def change_stop(number: int) -> None:
    """Stop a change."""
    _settle(number, "stop", "stopped")


def _settle(number: int, verb: str, done: str) -> None:
    bootstrap.open_house()
    from samizdat.accounts import pending_changes
    from samizdat.accounts.models import PendingChange

    rows = PendingChange.objects.select_related("organization", "by").filter(organization=bootstrap.organization())
    row: Any = rows.filter(pk=number).first()
    if row is None:
        raise CommandFailed(f"There's no pending change {number}. See: samizdat change ls", "no_change")
    sentence = pending_changes.sentence_of(row)
    if verb == "approve":
        confirm(f"Approve this now: {sentence}?")
        pending_changes.approve(row, now=bootstrap.now(), by=None)
    else:
        pending_changes.stop(row, now=bootstrap.now(), by=None)
    say({"change": number, "state": row.state}, f"{sentence}: {done}.")
