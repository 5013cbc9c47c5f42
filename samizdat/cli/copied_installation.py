"""release: a copy, or an installation that was moved, sends again once a person has said that this one lives."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import common, confirm, say, settings, table
from samizdat.health.words import differences

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.delivery.database_progress import Missing
    from samizdat.delivery.epochs import EpochStanding

SURE = "Send from here, and from nowhere else? The original it was copied from must have stopped for good."


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be sent.")
@partial(common)
def release(dry_run: bool) -> None:
    """Allow a copied, restored or moved installation to send, after showing what would be sent.

    In a script, add --yes, with --json too.
    """
    bootstrap.open_house()
    from samizdat.delivery import database_progress, torn_copy
    from samizdat.delivery.actions import copied_installation

    standing = copied_installation.ask_places(bootstrap.now())
    changed, gone = copied_installation.differs(), database_progress.missing()
    organizations = _organizations()
    fenced = (
        [organization for organization in organizations if organization.sending_locked]
        if not changed
        else organizations
    )
    campaigns = [
        _document(organization, row)
        for organization in organizations
        for row in copied_installation.would_send(organization)
    ]
    document: dict[str, Any] = {"changed": changed, "would_send": campaigns}
    document["missing"] = gone._asdict() if gone else None
    document["copies"] = {
        "mark": standing.own.mark.hex(),
        "taken_over_by": standing.rival.mark.hex() if standing.rival else None,
        "taken_over_at": standing.rival.since.isoformat() if standing.rival else None,
        "places": standing.places,
        "reached": standing.reached,
    }
    if not fenced:
        say({**document, "fenced": False, "released": False}, "Sending isn't on hold.", *_copies(standing))
        return
    torn_copy.refuse()  # Before anybody is shown how to release it.
    lines = [_why(changed, standing), *_campaigns(campaigns), *_missing(gone), *_copies(standing)]
    if dry_run:
        say({**document, "fenced": True, "released": False}, *lines, "Allow sending: samizdat release")
        return
    if not settings().json:
        say({}, *lines)
    confirm(
        SURE if not settings().json else f"{_last(campaigns)} {SURE}", {**document, "fenced": True, "released": False}
    )
    copied_installation.lift(organizations, now=bootstrap.now())
    published = copied_installation.what_to_publish(bootstrap.now())
    say(
        {**document, "fenced": False, "released": True, "publish": published},
        "Sending is allowed. Start `samizdat serve`, or `worker`, if none is running.",
        *([published] if published else []),
    )


def _organizations() -> "list[Organization]":
    """All of them, or the one that --organization names."""
    from samizdat.accounts.models import Organization

    return [bootstrap.organization()] if settings().organization else list(Organization.objects.order_by("pk"))


def _document(organization: "Organization", row: dict[str, Any]) -> dict[str, object]:
    times = {name: row[name].isoformat() if row[name] else None for name in ("released", "due")}
    return {"organization": organization.slug, **row, **times}


def _why(changed: list[str], standing: "EpochStanding") -> str:
    if changed:
        return f"This isn't where it last ran: {differences(changed)}."
    if standing.rival is not None:  # This may well be the original. Which one took over is said below.
        return "Sending is on hold: another copy of this installation may send."
    return "Sending is on hold: this looks like a copy."


def _campaigns(campaigns: list[dict[str, object]]) -> list[str]:
    if not campaigns:
        return [_last(campaigns)]
    heading = ("campaign", "organization", "state", "waiting", "accepted", "time")
    rows = [
        (str(row["id"]), row["organization"], row["state"], row["waiting"], row["accepted"], _since(row))
        for row in campaigns
    ]
    return [*table(heading, rows), _last(campaigns)]


def _missing(gone: "Missing | None") -> list[str]:
    if gone is None:
        return []
    return [
        (
            f"Missing: up to {gone.records:,} consent records and {gone.events:,} events, and with them "
            "everyone who unsubscribed, objected or was erased since the backup. Remove these people by hand "
            "first."
        )
    ]


def _copies(standing: "EpochStanding") -> list[str]:
    from samizdat.delivery.actions import copied_installation

    return [copied_installation.what_places_say(standing), f"The mark of this copy: {standing.own.mark.hex()}."]


def _last(campaigns: list[dict[str, Any]]) -> str:
    if not campaigns:
        return "No campaign is being sent or scheduled."
    goes = sum(row["waiting"] for row in campaigns if row["state"] != "paused")
    return f"{goes:,} emails would be sent. Subscribers who got theirs from the original since the copy get it twice."


def _since(row: dict[str, Any]) -> str:
    is_ahead = row["state"] in ("scheduled", "held")
    at = row["due"] if is_ahead else row["released"]
    return f"{'due' if is_ahead else 'since'} {at[:16].replace('T', ' ')} UTC" if at else "-"
