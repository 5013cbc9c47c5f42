"""move: to another server, address, provider or sending domain, as steps of which each says how it stands now."""

from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, note, say, settings

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.moving.steps import MoveStanding, MoveStep


@click.command()
@click.option("--to", metavar="URL", help="Begin a move of the public pages to this address: https://…")
@click.option("--domain", "sending_domain", default="", metavar="DOMAIN", help="Emails will come from this domain.")
@click.option("--keep-server", is_flag=True, help="The server stays; only its address or domain changes.")
@click.option("--no-check", is_flag=True, help="Don't ask name servers and web servers. Show what they said last.")
@click.option("--announce", is_flag=True, help="Draft the email that tells subscribers, for each list.")
@click.option(
    "--redirect",
    type=click.Choice(["caddy", "nginx"]),
    help="Print the lines for a web server that the old address still leads to.",
)
@click.option("--end", "ends", is_flag=True, help="End the move. Nothing is undone.")
@common
def move(
    to: str | None,
    sending_domain: str,
    keep_server: bool,
    no_check: bool,
    announce: bool,
    redirect: str | None,
    ends: bool,
) -> None:
    """Move to another server, address, provider or domain: the steps, how each stands now, and what comes next."""
    if sum(map(bool, (to, announce, redirect, ends))) > 1:
        raise click.UsageError("Use only one of --to, --announce, --redirect and --end.")
    if to is None and (sending_domain or keep_server):
        raise click.UsageError("--domain and --keep-server need --to.")
    bootstrap.open_house()
    organization = bootstrap.organization()
    if redirect:
        _redirect(organization, redirect)
    elif announce:
        _announce(organization)
    elif ends:
        from samizdat.moving import actions

        ended = actions.end(organization, now=bootstrap.now())
        say({"ended": ended.ended, "to": ended.new_url}, f"The move to {ended.new_url} is ended. Nothing was undone.")
    else:
        if to is not None:
            from samizdat.moving import actions

            actions.begin(
                organization, to, sending_domain=sending_domain, keeps_server=keep_server, now=bootstrap.now()
            )
        _show(organization, not no_check)


def _show(organization: "Organization", checks: bool) -> None:
    from samizdat.moving import steps, surroundings

    if checks:
        if not settings().json:
            note("Asking name servers and web servers …")
        surroundings.look(organization, bootstrap.now(), permit=surroundings.anywhere)
    standing = steps.standing(organization, bootstrap.now())
    if standing is None:
        raise CommandFailed(
            "No move is under way. Begin one: samizdat move --to https://NEW-ADDRESS --domain NEW-DOMAIN", "no_move"
        )
    say(standing.document(), *_lines(standing))


def _lines(standing: "MoveStanding") -> list[str]:
    move = standing.move
    domain = f", emails from {move.new_domain} instead of {move.old_domain or 'no domain'}" if move.new_domain else ""
    lines = [f"From {move.old_url or 'no address'} to {move.new_url}{domain}. Begun {move.began:%Y-%m-%d %H:%M} UTC."]
    for number, step in enumerate(standing.steps, 1):
        after = f" ({duration(step.seconds)} after the beginning)" if step.seconds is not None else ""
        lines.append(f"{number:2}. {step.state:5} {step.title}: {step.seen}{after}")
    if move.ended is not None:
        return [*lines, f"The move ended on {move.ended:%Y-%m-%d %H:%M} UTC."]
    following = standing.next
    if following is None:
        return [*lines, f"All steps are done, in {duration(standing.seconds or 0)}. End the move: samizdat move --end"]
    return [*lines, f"Next: {following.title}", *_how(following)]


def _how(step: "MoveStep") -> list[str]:
    lines = [f"  Only a person can do this: {step.person}"] if step.person else []
    lines += [f"  {kind:4} {name}  {value}" for kind, name, value in step.publish]
    return [*lines, *(f"  Run: {command}" for command in step.commands)]


def duration(seconds: int) -> str:
    """As people say it: 45 s, 12 min, 3 h 5 min, 2 days."""
    minutes = seconds // 60
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"


def _announce(organization: "Organization") -> None:
    from samizdat.moving import announcement

    campaigns = announcement.draft(organization, now=bootstrap.now())
    numbers = [campaign.pk for campaign in campaigns]
    say(
        {"campaigns": numbers},
        f"Drafted: {', '.join(f'campaign No. {number}' for number in numbers)}. Read it in the app, or check it:",
        *(f"  samizdat campaign check {number}" for number in numbers),
        "Both domains sign it while the keys of both are active here.",
    )


def _redirect(organization: "Organization", server: str) -> None:
    from samizdat.delivery import moves
    from samizdat.moving import former_links

    known = moves.of(organization)
    if known is None or not known.old_url or known.old_url == known.new_url:
        raise CommandFailed("There's no old address that could lead to a new one.", "no_old_address")
    lines = (former_links.caddy if server == "caddy" else former_links.nginx)(known.old_url, known.new_url)
    say({"server": server, "from": known.old_url, "to": known.new_url, "lines": lines}, *lines.splitlines())
