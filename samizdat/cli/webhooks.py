"""webhook: programs of the organization's own that are told what happens here."""

import os
from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, table
from samizdat.cli.secret_arguments import URL
from samizdat.core.event_webhooks import EVENTS


@click.group("webhook")
def webhook() -> None:
    """Webhooks: have your own programs told what happens here."""


@webhook.command("add")
@click.argument("url", type=URL)
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="EVENT",
    help="What it is told, like subscriber.confirmed. Can be repeated. Otherwise: everything.",
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="NAME",
    help="Bind it to this list. Can be repeated. Otherwise: all lists.",
)
@click.option("--addresses", is_flag=True, help="Send subscribers' addresses along, not only their numbers.")
@common
def webhook_add(url: str, events: tuple[str, ...], lists: tuple[str, ...], addresses: bool) -> None:
    """Add a webhook and print its signing secret, once. Commands need no approval."""
    bootstrap.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.portability.webhooks import actions

    organization, now = bootstrap.organization(), bootstrap.now()
    bound = [list_named(organization, each).id for each in lists]
    how: dict[str, Any] = {"lists": bound, "addresses": addresses, "now": now, "by": None}
    secret, row = actions.add(organization, url, events or EVENTS, **how)
    say({"id": row.pk, "secret": secret}, secret)
    note("Copy the secret now: it can't be shown again.")


@webhook.command("ls")
@common
def webhook_ls() -> None:
    """All webhooks, and how they work."""
    bootstrap.open_house()
    from samizdat.audience.queries import list_names
    from samizdat.portability.webhooks import actions

    organization = bootstrap.organization()
    names = list_names(organization)
    rows = [_document(view, names) for view in actions.views(organization, bootstrap.now())]
    lines = [
        (
            str(row["id"]),
            row["url"],
            " ".join(row["events"]),
            ", ".join(row["lists"]) or "all lists",
            "yes" if row["addresses"] else "no",
            str(row["waiting"]),
            row["state"],
        )
        for row in rows
    ]
    say({"webhooks": rows}, *table(("id", "url", "events", "lists", "addresses", "waiting", "state"), lines))


def _document(view: Any, names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": view.id,
        "url": view.url,
        "events": [*view.events],
        "lists": [names.get(number, str(number)) for number in view.lists],
        "addresses": view.addresses,
        "created": view.created,
        "state": view.state,
        "failing_since": view.failing_since,
        "waiting": view.waiting,
        "dropped": view.dropped,
    }


@webhook.command("log")
@click.argument("number", metavar="ID", type=int)
@common
def webhook_log(number: int) -> None:
    """The last 50 tries, the newest first."""
    view = _view(number)
    rows = [_try(each) for each in view.tries]
    lines = [
        (
            f"{row['at']:%Y-%m-%d %H:%M}",
            row["type"],
            str(row["status"] or "–"),
            f"{row['milliseconds']} ms",
            " ".join(part for part in (row["problem"], row["answer"]) if part) or "accepted",
        )
        for row in rows
    ]
    say({"tries": rows}, *table(("time (UTC)", "event", "status", "took", "result"), lines))


def _try(each: Any) -> dict[str, Any]:
    from samizdat.portability.webhooks.delivering import sentence_of

    return {
        "at": each.at,
        "type": each.type,
        "status": each.status,
        "problem": sentence_of(each.problem) if each.problem else "",
        "milliseconds": each.milliseconds,
        "try": each.turn,
        "answer": each.words,
    }


@webhook.command("test")
@click.argument("number", metavar="ID", type=int)
@common
def webhook_test(number: int) -> None:
    """Send a test now, and say what the endpoint answered."""
    _view(number)
    from samizdat.portability.webhooks import actions, delivering

    organization = bootstrap.organization()
    actions.test(organization, number, chance=os.urandom(16))
    delivering.send_tests(organization, number, now=bootstrap.now)
    tries = [each for each in _view(number).tries if each.type == "webhook.test"]
    if not tries:
        raise CommandFailed(f"The worker sends the test. See: samizdat webhook log {number}", "test_taken")
    last = _try(tries[0])
    if last["problem"]:
        raise CommandFailed(" ".join(part for part in (last["problem"], last["answer"]) if part), "webhook_failed")
    say(last, f"Accepted: {last['status']}, {last['milliseconds']} ms.")


@webhook.command("secret")
@click.argument("number", metavar="ID", type=int)
@common
def webhook_secret(number: int) -> None:
    """Replace the signing secret and print the new one, once. The old one signs as well for a day."""
    _view(number)
    from samizdat.portability.webhooks import actions

    secret = actions.replace_secret(bootstrap.organization(), number, now=bootstrap.now(), by=None)
    say({"id": number, "secret": secret}, secret)
    note("Copy the secret now: it can't be shown again.")


@webhook.command("enable")
@click.argument("number", metavar="ID", type=int)
@common
def webhook_enable(number: int) -> None:
    """Switch a webhook on again that was switched off. It is told all that happened meanwhile."""
    _view(number)
    from samizdat.portability.webhooks import actions

    actions.enable(bootstrap.organization(), number, now=bootstrap.now(), by=None)
    say({"enabled": number}, f"Webhook {number} is on.")


@webhook.command("remove")
@click.argument("number", metavar="ID", type=int)
@common
def webhook_remove(number: int) -> None:
    """Remove a webhook. Whatever listens there is told nothing any more."""
    view = _view(number)
    from samizdat.portability.webhooks import actions

    confirm(f"Remove {view.place or number}? It is told nothing any more.")
    actions.remove(bootstrap.organization(), number, now=bootstrap.now(), by=None)
    say({"removed": number}, f"Webhook {number} was removed.")


def _view(number: int) -> Any:
    bootstrap.open_house()
    from samizdat.portability.webhooks import actions

    view = actions.view_of(bootstrap.organization(), number, bootstrap.now())
    if view is None:
        raise CommandFailed(f"There's no webhook {number}. See: samizdat webhook ls", "no_webhook")
    return view
