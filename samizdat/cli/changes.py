"""change ls, approve, stop: what an admin asked for at the desk and one alone may not do."""

from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, common, confirm, say, table


@click.group()
def change() -> None:
    """Changes that wait for another admin, or for a day. The command line itself asks nobody: it is the host's."""


@change.command("ls")
@common
def change_ls() -> None:
    """What waits, who asked, and when it is done by itself."""
    opening.open_house()
    from samizdat.accounts import changes, people

    now = opening.now()
    rows = list(changes.waiting(opening.organisation()))
    document = [
        {
            "id": row.pk,
            "kind": row.kind,
            "change": changes.sentence_of(row),
            "by": people.name_of(row.by) if row.by else "",
            "until": changes.until(row, now).isoformat(timespec="minutes"),
        }
        for row in rows
    ]
    lines = [(str(one["id"]), one["change"], one["by"], one["until"]) for one in document]
    say({"changes": document}, *table(("id", "change", "by", "done on"), lines))


@change.command("approve")
@click.argument("number", metavar="ID", type=int)
@common
def change_approve(number: int) -> None:
    """Do it now, as the host of this machine."""
    _settle(number, "approve", "approved and done")


@change.command("stop")
@click.argument("number", metavar="ID", type=int)
@common
def change_stop(number: int) -> None:
    """Nothing is changed."""
    _settle(number, "stop", "stopped")


def _settle(number: int, verb: str, done: str) -> None:
    opening.open_house()
    from samizdat.accounts import changes
    from samizdat.accounts.models import PendingChange

    rows = PendingChange.objects.select_related("organisation", "by").filter(organisation=opening.organisation())
    row: Any = rows.filter(pk=number).first()
    if row is None:
        raise Failed(f"There is no change {number}. Look with: samizdat change ls", "no_change")
    said = changes.sentence_of(row)
    if verb == "approve":
        confirm(f"Do this now: {said}?")
        changes.approve(row, now=opening.now(), by=None)
    else:
        changes.stop(row, now=opening.now(), by=None)
    say({"change": number, "state": row.state}, f"{said}: {done}.")
