"""route add, edit, ls, test, pause, resume, rm."""

from typing import TYPE_CHECKING, Any

import click

from samizdat import plugins
from samizdat.cli import bootstrap
from samizdat.cli.labels import at_terminal
from samizdat.cli.output import CommandFailed, common, confirm, first_line, say, table
from samizdat.cli.secret_arguments import ADDRESS, URL
from samizdat.core.mail.outcome import ACTORS, known_reason

if TYPE_CHECKING:
    from samizdat.delivery.models import Route
    from samizdat.delivery.queries import BarRow, RouteRow

SIGNS = click.Choice(["us", "provider"])
WARM_UP = "How many go on its first day, the second …: 50,100,200, or standard."

TESTED = (
    "It is tested first, without sending an email: nothing goes by a route that does not answer or refuses our "
    "password. Such a route is kept. Exit code 1 says that somebody has to correct it; one that cannot be reached is "
    "asked again automatically (exit code 0)."
)


@click.group()
def route() -> None:
    """Ways out: relays and folders, in order of priority."""


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
@click.option("--priority", type=int, default=10, show_default=True, help="1 to 999; the lowest goes first.")
@click.option("--rate", "--limit", "rate", metavar="N/s|m|h|d", help="Like 10/s, or several: 10/s,5000/h,20000/d.")
@click.option("--warm-up", "warm_up", metavar="N,N,…", help=WARM_UP)
@click.option("--connections", type=click.IntRange(1, 500), help="At most this many at a time.")
@click.option("--password-file", type=click.Path(), help="Instead of a password in the URL.")
@click.option("--signs", type=SIGNS, default="us", show_default=True, help="Who signs what goes by it (DKIM).")
@click.option("--untested", is_flag=True, help="Use it at once, without connecting and signing in first.")
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
            f"Route {route_row.name} added, not tested. Test it: samizdat route test {route_row.name} --to -",
        )
        return
    tested = probe_route(route_row, now=bootstrap.now())
    if tested.ok:
        say(
            _added(route_row), f"Route {route_row.name} added. Send a test: samizdat route test {route_row.name} --to -"
        )
    elif tested.state == "throttled":
        sentence = f"Route {route_row.name} added, but not in use yet. {at_terminal(tested.sentence, route_row.name)}"
        say(_added(route_row) | {"sentence": sentence}, sentence)
    else:
        why = at_terminal(tested.sentence, route_row.name)
        sentence = f"Route {route_row.name} added, but nothing goes by it. {why} Correct it with: "
        command = f"samizdat route edit {route_row.name}, then samizdat route test {route_row.name} --to -"
        raise CommandFailed(sentence + command, "route_test", _added(route_row))


def _added(route: "Route") -> dict[str, object]:
    return {"route": route.name, "state": route.state, "reason": known_reason(route.reason)}


@route.command("edit")
@click.argument("name", metavar="NAME_OR_ID")
@click.option("--name", "new_name", help="Call it so from now on.")
@click.option("--url", type=URL, help="Another URL; - asks. The password stays unless the host is another one.")
@click.option("--priority", type=int, help="1 to 999; the lowest goes first.")
@click.option("--rate", "--limit", "rate", metavar="N/s|m|h|d", help="Like 10/s,5000/h; none takes the limits away.")
@click.option("--warm-up", "warm_up", metavar="N,N,…", help=WARM_UP + " none ends it.")
@click.option("--connections", type=click.IntRange(1, 500), help="At most this many at a time.")
@click.option("--password-file", type=click.Path(), help="The new password, in the first line of a file.")
@click.option("--signs", type=SIGNS, help="Who signs what goes by it (DKIM).")
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
    """Change what is named and keep the rest. What is on its way goes on by the new settings within seconds."""
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
        f"Try it: samizdat route test {route_row.name} --to -" if lines else f"{route_row.name} was so already.",
    )


def _change(word: str, before: str, after: str) -> str:
    return "password: another one" if word == "password" else f"{word}: {before or 'none'} -> {after or 'none'}"


@route.command("ls")
@common
def route_ls() -> None:
    """The routes and how they are."""
    bootstrap.open_house()
    from samizdat.delivery.queries import routes

    rows = routes(bootstrap.organization())
    say(
        {"routes": [_document(row) for row in rows]},
        *table(
            ("id", "priority", "name", "way", "limit", "state", "reason"),
            [(str(r.id), r.priority, r.name, r.scheme, r.limits or "none", r.state, r.reason) for r in rows],
        ),
        *(f"{row.name}: {at_terminal(_why(row), row.name)}" for row in rows if row.sentence),
        *(f"{row.name} takes no letters from {bar.domain}: {_why(bar)}" for row in rows for bar in row.barred),
    )


def _why(row: "RouteRow | BarRow") -> str:
    sentence = f"{row.sentence} {ACTORS[row.who]}" if row.sentence and row.who else str(row.sentence)
    until = getattr(row, "until", None)
    return f"{sentence} It rests until {until:%Y-%m-%d %H:%M} UTC." if sentence and until else sentence


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
        raise CommandFailed(f"There is no route {name}. Look with: samizdat route ls", "no_such_route")
    return route


@route.command("test")
@click.argument("name")
@click.option("--to", "address", type=ADDRESS, required=True, metavar="ADDRESS", help="- asks for it.")
@common
def route_test(name: str, address: str) -> None:
    """Connect, sign in and send one short letter. One that fails rests; one that goes wakes a resting route."""
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
        "dead": " Nothing goes by it until it answers.",
        "throttled": " It rests for a while.",
        "waiting": f" It waits for an approval: samizdat route resume {route.name}",
        "paused": f" It is still paused: samizdat route resume {route.name}",
    }.get(route.state, "")


@route.command("pause")
@click.argument("name")
@common
def route_pause(name: str) -> None:
    """Send nothing by this way for now."""
    _turn(name, "pause_route", "{} is paused.")


@route.command("resume")
@click.argument("name")
@common
def route_resume(name: str) -> None:
    """Use this way again, also for domains that its provider did not accept."""
    _turn(name, "resume_route", "{} is live.")


def _turn(name: str, verb: str, sentence: str) -> None:
    route = _route(name)
    from samizdat.delivery import actions

    turned = getattr(actions, verb)(route, now=bootstrap.now(), by=None)
    say({"route": turned.name, "state": turned.state}, sentence.format(turned.name))


@route.command("rm")
@click.argument("name")
@common
def route_rm(name: str) -> None:
    """Take a way out of use and forget its password."""
    route_row = _route(name)
    confirm(f"Remove route {name}?")
    from samizdat.delivery.actions import remove_route

    remove_route(route_row, now=bootstrap.now(), by=None)
    say({"route": name, "removed": True}, f"{name} is removed.")
