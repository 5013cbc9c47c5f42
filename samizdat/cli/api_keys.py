"""api-key: add, list and revoke keys of the API."""

from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, table


@click.group("api-key")
def api_key() -> None:
    """API keys: let your website and other programs in."""


@api_key.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it may do, such as subscribers:read; docs/api.md lists all. Can be repeated.",
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="NAME",
    help="Bind it to this list. Can be repeated. Otherwise: all lists.",
)
@click.option(
    "--consent",
    default="",
    metavar="WORDS",
    help="What people agree to where it is used, as they read it there. Only for Mailchimp's API: without it, who is "
    "new gets an email to confirm.",
)
@click.option("--days", type=int, default=365, show_default=True, help="Until it expires.")
@common
def api_key_add(name: str, scopes: tuple[str, ...], lists: tuple[str, ...], consent: str, days: int) -> None:
    """Create a key and print it, once. Commands need no approval."""
    bootstrap.open_house()
    from samizdat.accounts import api_keys
    from samizdat.audience.queries import list_named

    organization, now = bootstrap.organization(), bootstrap.now()
    bound = [list_named(organization, each).id for each in lists]
    token, row = api_keys.add(organization, name, scopes, lists=bound, days=days, consent=consent, now=now, by=None)
    document = {"id": row.pk, "key": token, "scopes": row.scopes.split(), "lists": row.lists, "expires": row.expires}
    say(document, token)
    note("Copy the key now: it can't be shown again.")


@api_key.command("ls")
@common
def api_key_ls() -> None:
    """All keys, what they may do, and the day on which each was last used."""
    bootstrap.open_house()
    from samizdat.accounts import api_keys
    from samizdat.audience.queries import list_names

    organization = bootstrap.organization()
    names = list_names(organization)
    rows = [_document(view, names) for view in api_keys.keys_of(organization, bootstrap.now())]
    lines = [
        (
            str(row["id"]),
            f"{row['name']} ({row['begins']}…)",
            " ".join(row["scopes"]),
            ", ".join(row["lists"]) or "all lists",
            str(row["used"] or "never"),
            row["expires"].date().isoformat(),
            row["state"],
        )
        for row in rows
    ]
    say({"keys": rows}, *table(("id", "name", "access", "lists", "last used", "expires", "state"), lines))


def _document(view: Any, names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "begins": view.beginning,
        "scopes": [*view.scopes],
        "lists": [names.get(number, str(number)) for number in view.lists],
        "created": view.created,
        "used": view.used,
        "expires": view.expires,
        "state": view.state,
    }


@api_key.command("revoke")
@click.argument("number", metavar="ID", type=int)
@common
def api_key_revoke(number: int) -> None:
    """Revoke a key. Whatever uses it stops working at once."""
    bootstrap.open_house()
    from samizdat.accounts import api_keys

    organization = bootstrap.organization()
    known = {view.id: view for view in api_keys.keys_of(organization, bootstrap.now())}
    if number not in known or known[number].state == "revoked":
        raise CommandFailed(f"There's no key {number} to revoke. See: samizdat api-key ls", "no_api_key")
    confirm(f"Revoke {known[number].name}? Whatever uses it stops working.")
    api_keys.revoke(organization, number, now=bootstrap.now(), by=None)
    say({"revoked": number}, f"{known[number].name} was revoked.")
