"""route add, edit, ls, test, pause, resume, webhook, rm."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat import plugins
from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, first_line, say, table
from samizdat.cli.secret_arguments import ADDRESS, URL
from samizdat.core.mail.outcome import ACTORS, known_reason
from samizdat.health.words import at_terminal

if TYPE_CHECKING:
    from samizdat.delivery.actions.route_webhooks import WebhookView
    from samizdat.delivery.models import Route
    from samizdat.delivery.queries import BarRow, RouteRow

SIGNS = click.Choice(["us", "provider"])
WARM_UP = "Emails on the first day, the second and so on: 50,100,200, or standard."

NO_ADDRESS = "Providers need a public address. Set it: samizdat organization set --url https://…"
TESTED = (
    "It is tested first, without sending an email. If it doesn't answer or rejects our password, it "
    "is saved but not used. Exit code 1: fix it. If it can't be reached, we retry automatically "
    "(exit code 0)."
)


@click.group()
def route() -> None:
    """Sending routes, in order of priority."""


def _add_help() -> str:
    """Every way out that is installed, and what may follow the question mark of its URL."""
    plugs = dict.fromkeys(plugins.transports().values())
    kinds = [f"{kind.example}: {kind.label}" for plug in plugs for kind in plug.kinds]
    providers = [f"{provider.label}: {provider.example}" for provider in plugins.route_providers().values()]
    options = [
        f"{plug.name}?{ask.name}= {ask.help}" + (f" ({ask.default} if not given)" if ask.default else "")
        for plug in plugs
        for ask in plug.asks
        if ask.name in plug.known_options
    ]
    kinds_lead = "Add a sending route. URL is one of these, or - to be asked for it:"
    paragraphs = [kinds_lead, *kinds, "URLs of sending providers:", *providers, TESTED, "Options in the URL:"]
    return "\n\n".join([*paragraphs, *options])


@route.command("add", help=_add_help())
@click.argument("name")
@click.argument("url", type=URL)
@click.option("--priority", type=int, default=10, show_default=True, help="Priority, 1 to 999; lowest is used first.")
@click.option(
    "--rate", "--limit", "rate", metavar="N/s|m|h|d", help="Rate limit, such as 10/s, or several: 10/s,5000/h,20000/d."
)
@click.option("--warm-up", "warm_up", metavar="N,N,…", help=WARM_UP)
@click.option("--connections", type=click.IntRange(1, 500), help="At most this many connections at once.")
@click.option("--password-file", type=click.Path(), help="File with the password, instead of in the URL.")
@click.option("--signs", type=SIGNS, default="us", show_default=True, help="Who adds the DKIM signature.")
@click.option("--untested", is_flag=True, help="Use it at once, without a test.")
@common
def route_add(name: str, url: str, password_file: str | None, signs: str, untested: bool, **options: Any) -> None:
    bootstrap.open_house()
    from samizdat.delivery.actions import add_route, probe_route

    password = first_line(password_file) if password_file else None
    options |= {"password": password, "signs": signs == "us"}
    route_row = add_route(bootstrap.organization(), name, url, now=bootstrap.now(), **options)
    if untested:
        say(
            _added(route_row),
            f"Route {route_row.name} added, not tested. Test it: {_test(route_row)}",
        )
        return
    tested = probe_route(route_row, now=bootstrap.now())
    if tested.ok:
        say(
            _added(route_row),
            f"Route {route_row.name} added. Send a test: {_test(route_row)}",
        )
    elif tested.state == "throttled":
        sentence = f"Route {route_row.name} added, but not in use yet. {at_terminal(tested.sentence, route_row.name)}"
        say(_added(route_row) | {"sentence": sentence}, sentence)
    else:
        why = at_terminal(tested.sentence, route_row.name)
        sentence = f"Route {route_row.name} added, but it isn't used. {why} Fix it with: "
        address = _in_the_clear(url) if tested.reason == "no_starttls" and not password else "-"
        command = f"samizdat route edit {shlex.quote(route_row.name)} --url {address}, then {_test(route_row)}"
        raise CommandFailed(sentence + command, "route_test", _added(route_row))


def _in_the_clear(url: str) -> str:
    """The same route without TLS, as an argument; "-" for one that leads out of the inner network or has a password."""
    from samizdat.transports.base import is_near

    settings = plugins.read_url("", url)
    is_inside = is_near(settings.host) and not settings.password
    return shlex.quote(url.strip().replace("smtp://", "smtp+plain://", 1)) if is_inside else "-"


def _test(route: "Route") -> str:
    """The command, to be copied."""
    return f"samizdat route test {shlex.quote(route.name)} --to -"


def _added(route: "Route") -> dict[str, object]:
    return {"route": route.name, "state": route.state, "reason": known_reason(route.reason)}


@route.command("edit")
@click.argument("name", metavar="NAME_OR_ID")
@click.option("--name", "new_name", help="New name.")
@click.option("--url", type=URL, help="New URL; - asks for it. The password is kept unless the host changes.")
@click.option("--priority", type=int, help="Priority, 1 to 999; lowest is used first.")
@click.option(
    "--rate", "--limit", "rate", metavar="N/s|m|h|d", help="Rate limit, such as 10/s,5000/h; none removes it."
)
@click.option("--warm-up", "warm_up", metavar="N,N,…", help=WARM_UP + " none ends it.")
@click.option("--connections", type=click.IntRange(1, 500), help="At most this many connections at once.")
@click.option("--password-file", type=click.Path(), help="File with the new password in its first line.")
@click.option("--signs", type=SIGNS, help="Who adds the DKIM signature.")
@common
def route_edit(
    name: str,
    new_name: str | None,
    password_file: str | None,
    rate: str | None,
    warm_up: str | None,
    signs: str | None,
    **options: Any,
) -> None:
    """Edit a route. Campaigns that are being sent switch to the new settings within seconds."""
    route_row = _route(name)
    from samizdat.delivery.actions import change_route

    password = first_line(password_file) if password_file else None
    limit = "" if rate == "none" else rate
    options["warm_up"] = "" if warm_up == "none" else warm_up
    options["signs"] = signs == "us" if signs else None
    changes = change_route(
        route_row, now=bootstrap.now(), by=None, name=new_name, password=password, rate=limit, **options
    )
    document = {"route": route_row.name, "id": route_row.pk, "state": route_row.state}
    lines = [_change(change.word, change.before, change.after) for change in changes]
    say(
        document | {"changed": {change.word: {"before": change.before, "after": change.after} for change in changes}},
        *lines,
        f"Test it: {_test(route_row)}" if lines else _unchanged(route_row),
    )


def _unchanged(route: "Route") -> str:
    again = f"samizdat route edit {shlex.quote(route.name)} --url -"
    return f"{route.name} already has these settings. Enter its URL and password again: {again}"


def _change(word: str, before: str, after: str) -> str:
    return "password: changed" if word == "password" else f"{word}: {before or 'none'} -> {after or 'none'}"


@route.command("ls")
@common
def route_ls() -> None:
    """The sending routes and their status."""
    bootstrap.open_house()
    from samizdat.delivery.queries import routes
    from samizdat.labels import route_state

    rows = routes(bootstrap.organization())
    say(
        {"routes": [_document(row) for row in rows]},
        *table(
            ("id", "priority", "name", "way", "limit", "status", "reason"),
            [
                (
                    str(r.id),
                    r.priority,
                    r.name,
                    r.scheme,
                    r.limits or "none",
                    route_state(r.state, r.reason).lower(),
                    r.reason,
                )
                for r in rows
            ],
        ),
        *(f"{row.name}: {at_terminal(_why(row), row.name)}" for row in rows if row.sentence),
        *(f"{row.name} can't send from {bar.domain}: {_why(bar)}" for row in rows for bar in row.barred),
    )


def _why(row: "RouteRow | BarRow") -> str:
    sentence = f"{row.sentence} {ACTORS[row.who]}" if row.sentence and row.who else str(row.sentence)
    until = getattr(row, "until", None)
    return f"{sentence} Next try at {until:%Y-%m-%d %H:%M} UTC." if sentence and until else sentence


def _document(row: "RouteRow") -> dict[str, Any]:
    words = ("id", "name", "scheme", "priority", "connections", "rate", "limits", "warm_up", "state", "reason")
    document = {word: getattr(row, word) for word in (*words, "sentence", "who", "until")}
    barred = [
        {"domain": bar.domain, "reason": bar.reason, "sentence": bar.sentence, "who": bar.who, "since": bar.since}
        for bar in row.barred
    ]
    return document | {"signs": "us" if row.signs else "provider", "waits": row.waits, "barred": barred}


def _route(name: str) -> "Route":
    bootstrap.open_house()
    from samizdat.delivery.queries import route_named

    route = route_named(bootstrap.organization(), name)
    if route is None:
        raise CommandFailed(f"There's no route {name}. See: samizdat route ls", "no_such_route")
    return route


@route.command("test")
@click.argument("name")
@click.option(
    "--to", "address", type=ADDRESS, required=True, metavar="ADDRESS", help="Address for the test; - asks for it."
)
@common
def route_test(name: str, address: str) -> None:
    """Test a route: connect, sign in and send one short email. If it works, the route is used again; if not, it is
    paused.
    """
    route_row = _route(name)
    from samizdat.delivery.actions import send_probe

    tried = send_probe(route_row, address, now=bootstrap.now())
    document = {"route": route_row.name, "state": route_row.state, "reason": known_reason(route_row.reason)}
    if not tried.ok:
        raise CommandFailed(
            f"{route_row.name}: {at_terminal(tried.sentence, route_row.name)}{_standing(route_row)}",
            "route_test",
            document,
        )
    say(document, f"{route_row.name}: {tried.sentence}{_standing(route_row)}")


def _standing(route: "Route") -> str:
    """What the test left the route as, where that is not simply live."""
    return {
        "dead": " It isn't used until it answers.",
        "throttled": " It is throttled for a while.",
        "waiting": f" It is waiting for approval: samizdat route resume {shlex.quote(route.name)}",
        "paused": f" It is still paused: samizdat route resume {shlex.quote(route.name)}",
    }.get(route.state, "")


@route.command("pause")
@click.argument("name")
@common
def route_pause(name: str) -> None:
    """Pause a route."""
    _turn(name, "pause_route", "Route {} is paused.")


@route.command("resume")
@click.argument("name")
@common
def route_resume(name: str) -> None:
    """Use a route again, also for sending domains that its provider rejected."""
    _turn(name, "resume_route", "Route {} is in use.")


def _turn(name: str, verb: str, sentence: str) -> None:
    route = _route(name)
    from samizdat.delivery import actions

    turned = getattr(actions, verb)(route, now=bootstrap.now(), by=None)
    say({"route": turned.name, "state": turned.state}, sentence.format(turned.name))


@route.command("webhook")
@click.argument("name", metavar="NAME_OR_ID")
@click.option("--provider", help="Provider of the webhook; by default the one that the route leads to.")
@click.option("--secret-file", type=click.Path(), help="File with the secret by which the provider signs deliveries.")
@click.option(
    "--poll/--no-poll", "fetches", default=None, help="Fetch bounces from the provider, where no webhook can reach us."
)
@click.option("--remove", is_flag=True, help="Remove the webhook: what is delivered from then on changes nothing.")
@common
def route_webhook(name: str, provider: str | None, secret_file: str | None, fetches: bool | None, remove: bool) -> None:
    """Show the address to which the route's provider delivers bounces and complaints, and what came there.

    The first call sets the webhook up. Providers that sign deliveries show a secret: give it with --secret-file. For
    those that sign nothing, the address contains a password.

    With --poll, we ask the provider every ten minutes instead, so no public address is needed: for routes by the web
    interface of Brevo, Mailgun, Postmark or SendGrid.
    """
    route_row = _route(name)
    from samizdat.delivery.actions import route_webhooks

    if remove:
        route_webhooks.remove_webhook(route_row, now=bootstrap.now(), by=None)
        say({"route": route_row.name, "webhook": None}, f"The webhook of {route_row.name} was removed.")
        return
    view = route_webhooks.webhook_of(route_row)
    if view is None or provider or secret_file or fetches is not None:
        chosen = provider or (view.provider if view else route_webhooks.suggested(route_row))
        secret = Path(secret_file).read_text(encoding="utf-8") if secret_file else None
        view = route_webhooks.set_webhook(
            route_row, chosen, secret=secret, fetches=fetches, now=bootstrap.now(), by=None
        )
    say(_webhook_document(route_row, view), *_webhook_lines(route_row, view))


def _webhook_document(route: "Route", view: "WebhookView") -> dict[str, object]:
    state = view.state
    return {
        "route": route.name,
        "provider": view.provider,
        "address": view.address,
        "has_secret": view.has_secret,
        "polls": view.fetches,
        "last_poll": state.asked if state else None,
        "last_delivery": state.heard if state else None,
        "events": state.events if state else 0,
        "unmatched": state.unmatched if state else 0,
        "refused": state.refusals if state else 0,
        "problem": state.refusal if state else "unreadable",
    }


def _webhook_lines(route: "Route", view: "WebhookView") -> list[str]:
    state = view.state
    heard = f"{state.heard:%Y-%m-%d %H:%M} UTC" if state and state.heard else "nothing yet"
    events = state.events if state else 0
    if view.fetches:
        asked = f"{state.asked:%Y-%m-%d %H:%M} UTC" if state and state.asked else "not yet"
        lines = [f"Bounces are fetched from {view.label} every ten minutes. Last: {asked}. Events: {events:,}."]
        lines += [view.list_hint] if view.list_hint else []
    else:
        lines = [
            f"Address: {view.address}" if view.address else NO_ADDRESS,
            view.steps,
            f"Last delivery: {heard}. Events: {events:,}.",
        ]
    if not view.has_secret and not view.fetches:
        command = f"samizdat route webhook {shlex.quote(route.name)} --secret-file FILE"
        lines.append(f"Deliveries wait for the secret, for a day at most ({view.secret_label}): {command}")
    if state and state.unmatched:
        lines.append(f"Not about any message of ours: {state.unmatched:,}.")
    if state and state.refusal:
        sentence = plugins.webhook_sentence(state.refusal).format(
            **({"provider": view.label, "most": ""} | state.values)
        )
        lines.append(f"Refused: {state.refusals:,}, the last at {state.refused:%Y-%m-%d %H:%M} UTC. {sentence}")
    return lines


@route.command("rm")
@click.argument("name")
@common
def route_rm(name: str) -> None:
    """Remove a route and delete its password."""
    route_row = _route(name)
    confirm(f"Remove route {name}?")
    from samizdat.delivery.actions import remove_route

    remove_route(route_row, now=bootstrap.now(), by=None)
    say({"route": name, "removed": True}, f"Route {name} was removed.")
