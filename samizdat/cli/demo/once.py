"""demo --once: import, send, leave with one click, count. The whole life, without a browser."""

import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from samizdat.accounts.models import Organization
from samizdat.audience.queries import count, list_named
from samizdat.campaigns.models import Campaign
from samizdat.cli.demo.build import LIST, ROUTES, build, catchers, set_rate
from samizdat.cli.demo.catcher import Caught, CaughtMail, catching
from samizdat.cli.demo.parameters import ADMIN, PEOPLE, PUBLIC
from samizdat.cli.demo.server import start_serve, stop_serve, wait_for_port
from samizdat.cli.output import CommandFailed
from samizdat.delivery.models import Route, RouteTotal
from samizdat.delivery.queries import status

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization

PATIENCE = 60.0
_KINDS = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")


def live_once(language: str) -> tuple[dict[str, object], list[str]]:
    """(document, lines). Failed when anything does not add up."""
    port, caught = _free_ports(), Caught()
    providers = catchers(port, caught)
    with catching(*providers):
        build(port, language, providers)
        tree = start_serve(port)
        try:
            wait_for_port(port, tree)
            wait_for_port(port + PUBLIC, tree)
            return _live(caught)
        finally:
            stop_serve(tree)


def _live(caught: Caught) -> tuple[dict[str, object], list[str]]:
    organization = Organization.objects.get()
    list_ = list_named(organization, LIST)
    before, had_left = count(organization, list=list_, status="subscribed"), _have_left(organization)
    _leave(_one_of(_to_subscribers(caught)))
    _until(
        lambda: count(organization, list=list_, status="subscribed") == before - 1, "the subscriber was unsubscribed"
    )
    set_rate(organization, None)
    statuses = [_finished(number) for number in _released(organization)]
    everybody = count(organization, list=list_)
    _check(statuses, caught, everybody, had_left)
    taken_over = _by_route(organization)
    year, last = statuses[:-2], statuses[-2:]
    lines = [f"{len(year)} campaigns of the past year: {sum(map(_accepted, year)):,} accepted.", ""]
    for sums in last:
        lines += [*_ledger(sums), ""]
    lines += [f"{many:>8,}  accepted by {name}" for name, many in taken_over.items()]
    lines += ["", f"{everybody:,} subscribers, {before:,} subscribed, 1 left by one click. Everything adds up."]
    return {"campaigns": statuses, "subscribers": everybody, "caught": caught.accepted, "routes": taken_over}, lines


def _to_subscribers(caught: Caught) -> list[CaughtMail]:
    """The newest first. Teammates are mailed as well: that a campaign was sent."""
    return [letter for letter in caught.letters(caught.count()) if letter.recipient != ADMIN]


def _one_of(letters: list[CaughtMail]) -> EmailMessage:
    if not letters:
        raise CommandFailed("No email was caught.", "demo")
    message: EmailMessage = letters[0].message()
    return message


def _leave(message: EmailMessage) -> None:
    """What a mailbox's own unsubscribe button does (RFC 8058); looking at the page first changes nothing."""
    url = str(message["list-unsubscribe"]).split("<", 1)[1].split(">", 1)[0]
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 - our own page on loopback
        page.read()
    body = b"List-Unsubscribe=One-Click"
    with urllib.request.urlopen(url, data=body, timeout=10) as answer:  # noqa: S310
        answer.read()


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise CommandFailed(f"After {PATIENCE:.0f} seconds this had still not happened: {what}.", "demo")
        time.sleep(0.1)


def _released(organization: "Organization") -> list[int]:
    rows = Campaign.objects.filter(organization=organization).exclude(state="draft").order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _finished(number: int) -> dict[str, object]:
    def over() -> bool:
        return Campaign.objects.get(pk=number).state == "finished"

    _until(over, f"campaign {number} had finished")
    return status(Campaign.objects.select_related("organization").get(pk=number))


def _by_route(organization: "Organization") -> dict[str, int]:
    """Of the campaign that was under way: route -> how many emails it sent. The first one was suspended half way."""
    last = Campaign.objects.select_related("edition").get(pk=_released(organization)[-1]).edition.pk
    rows = RouteTotal.objects.filter(edition=last).select_related("route")
    sent = {row.route.name: row.accepted for row in rows.order_by("route__priority")}
    states = dict(Route.objects.filter(organization=organization).values_list("name", "state"))
    if [states[name] for name in ROUTES] != ["dead", "live"] or [*sent] != [*ROUTES] or not all(sent.values()):
        raise CommandFailed(f"The second route didn’t take over from the first: {sent}, {states}.", "demo")
    return sent


def _have_left(organization: "Organization") -> int:
    """By the links of all campaigns."""
    return sum(Campaign.objects.filter(organization=organization).values_list("unsubscribes", flat=True))


def _check(statuses: list[dict[str, Any]], caught: Caught, everybody: int, had_left: int) -> None:
    for sums in statuses:
        if sum(sums[kind] for kind in _KINDS) != sums["frozen"]:
            raise CommandFailed(f"The totals of campaign {sums['id']} don't add up: {sums}", "demo")
    left = sum(sums["left_by_letter"] for sums in statuses) - had_left
    if left != 1:
        raise CommandFailed(f"One subscriber unsubscribed, but the reports count {left:,}.", "demo")
    to_admin = sum(letter.recipient == ADMIN for letter in caught.letters(caught.count()))
    accepted = sum(map(_accepted, statuses))
    if accepted != caught.accepted - to_admin:
        raise CommandFailed(f"{accepted:,} were accepted, but {caught.accepted - to_admin:,} were caught.", "demo")
    if everybody != PEOPLE:
        raise CommandFailed(f"{PEOPLE:,} came, but there are {everybody:,}.", "demo")


def _accepted(status: dict[str, Any]) -> int:
    return int(status["accepted"])


def _ledger(status: Mapping[str, object]) -> list[str]:
    return [
        f"Campaign {status['id']} is {status['state']}.",
        *(f"{status[kind]:>8,}  {kind}" for kind in _KINDS),
        f"{status['frozen']:>8,}  recipients",
        f"{status['left_by_letter']:>8,}  unsubscribed",
    ]


def _free_ports() -> int:
    """A port whose companions are free as well."""
    for base in range(18000, 30000, 50):
        if all(_free(base + offset) for offset in (0, PUBLIC, *ROUTES.values())):
            return base
    raise CommandFailed("There are no free ports between 18000 and 30000.", "demo")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
