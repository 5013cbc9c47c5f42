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
from samizdat.cli.demo.build import LIST, ROUTE, build, set_rate
from samizdat.cli.demo.catcher import MailCatcher
from samizdat.cli.demo.parameters import ADMIN, PEOPLE, PUBLIC, SMTP
from samizdat.cli.demo.server import start_serve, stop_serve, wait_for_port
from samizdat.cli.output import CommandFailed
from samizdat.delivery.queries import route_named, status

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization

PATIENCE = 60.0


def live_once(language: str) -> tuple[dict[str, object], str]:
    """(document, lines). Failed when anything does not add up."""
    port = _free_ports()
    catcher = MailCatcher("127.0.0.1", port + SMTP)
    catcher.start()
    try:
        build(port, language)
        tree = start_serve(port)
        try:
            wait_for_port(port, tree)
            wait_for_port(port + PUBLIC, tree)
            return _live(catcher)
        finally:
            stop_serve(tree)
    finally:
        catcher.stop()


def _live(catcher: MailCatcher) -> tuple[dict[str, object], str]:
    organization = Organization.objects.get()
    list_ = list_named(organization, LIST)
    before = count(organization, list=list_, status="subscribed")
    _leave(_one_of(_to_subscribers(catcher)))
    _until(
        lambda: count(organization, list=list_, status="subscribed") == before - 1, "the subscriber was unsubscribed"
    )
    route = route_named(organization, ROUTE)
    assert route is not None
    set_rate(route, None)
    statuses = [_finished(number) for number in _released(organization)]
    everybody = count(organization, list=list_)
    caught = len(_to_subscribers(catcher))
    _check(statuses, caught, everybody)
    lines = [_ledger(status) for status in statuses]
    lines.append(f"{everybody:,} subscribers, {before:,} subscribed, 1 left by one click. Everything adds up.")
    return {"campaigns": statuses, "subscribers": everybody, "caught": caught}, "\n\n".join(lines)


def _to_subscribers(catcher: MailCatcher) -> list[Any]:
    """The newest first. Teammates are mailed as well: that a campaign was sent."""
    return [letter for letter in catcher.letters(catcher.count()) if letter.recipient != ADMIN]


def _one_of(letters: list[Any]) -> EmailMessage:
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


def _check(statuses: list[dict[str, Any]], caught: int, everybody: int) -> None:
    for sums in statuses:
        kinds = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")
        if sum(sums[kind] for kind in kinds) != sums["frozen"]:
            raise CommandFailed(f"The totals of campaign {sums['id']} don't add up: {sums}", "demo")
    left = sum(sums["left_by_letter"] for sums in statuses)
    if left != 1:
        raise CommandFailed(f"One subscriber unsubscribed, but the reports count {left:,}.", "demo")
    accepted = sum(sums["accepted"] for sums in statuses)
    if accepted != caught:
        raise CommandFailed(f"{accepted:,} were accepted, but {caught:,} were caught.", "demo")
    if everybody != PEOPLE:
        raise CommandFailed(f"{PEOPLE:,} were imported, but there are {everybody:,}.", "demo")


def _ledger(status: Mapping[str, object]) -> str:
    words = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")
    lines = [f"Campaign {status['id']} is {status['state']}."]
    lines += [f"{status[word]:>8,}  {word}" for word in words]
    lines += [f"{status['frozen']:>8,}  recipients", f"{status['left_by_letter']:>8,}  unsubscribed"]
    return "\n".join(lines)


def _free_ports() -> int:
    """A port whose three companions are free as well."""
    for base in range(18000, 30000, 50):
        if all(_free(base + offset) for offset in (0, PUBLIC, 2, SMTP)):
            return base
    raise CommandFailed("There are no free ports between 18000 and 30000.", "demo")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
