"""What is found where a route leads to a Postfix on this machine: what makes receivers refuse its mail, or
anybody send through it. Names of settings: postconf(5)."""

import json
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from django.utils.translation import gettext_lazy as _

from samizdat.delivery import local_postfix
from samizdat.delivery.queries import RouteRow
from samizdat.health.findings import Finding

# Emails in the queue that are looked at for why they wait.
LOOKED_AT = 500
# Of those so many have to say it before the network is blamed.
HALF = 0.5
ASKED = (
    "myhostname", "mynetworks", "smtp_helo_name", "smtp_tls_security_level", "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
)  # fmt: skip
# One of these keeps strangers from sending through it.
GUARDS = ("reject_unauth_destination", "defer_unauth_destination", "reject")
# A server behind these words was not reached at all.
_UNREACHED = re.compile(r"\]:25: (?:Connection timed out|Network is unreachable|No route to host)", re.IGNORECASE)


def look(routes: Iterable[RouteRow]) -> Iterator[Finding]:
    """Nothing where no route leads to it, or it isn't installed."""
    if not any(_is_local(row) for row in routes) or not local_postfix.is_installed():
        return
    settings = local_postfix.settings(*ASKED)
    problems = [*_name(settings), *_door(settings), *_encryption(settings), *_queue()]
    yield from problems or [
        Finding("postfix.works", "good", "Postfix", _("It sends as %(name)s."), {"name": settings["smtp_helo_name"]})
    ]


def _is_local(row: RouteRow) -> bool:
    return row.state != "removed" and (row.scheme == "sendmail" or row.host in ("127.0.0.1", "::1", "localhost"))


def _name(settings: Mapping[str, str]) -> Iterator[Finding]:
    """HELO and PTR: receivers refuse a server whose name does not lead to it and back."""
    own, name = settings.get("myhostname", ""), settings.get("smtp_helo_name", "")
    values = {"name": name, "own": own}
    if name.lower() != own.lower():
        sentence = _(
            "It calls itself “%(name)s” to receivers (smtp_helo_name), and “%(own)s” elsewhere. Use one name: "
            "%(command)s, then postfix reload."
        )
        command = {"command": "postconf -X smtp_helo_name"}
        yield Finding("postfix.two-names", "amber", "Postfix", sentence, values | command)
    if "." not in name or name.endswith((".localdomain", ".local", ".lan", ".internal")):
        sentence = _(
            "It calls itself “%(name)s”, which no receiver can look up. Set a name of this server: %(command)s, then "
            "postfix reload."
        )
        command = {"command": "postconf -e myhostname=mail.example.org"}
        yield Finding("postfix.no-name", "red", "Postfix", sentence, values | command)
        return
    addresses = _addresses(name)
    if not addresses:
        sentence = _("%(name)s leads nowhere. Add an A record (and AAAA) with the address of this server.")
        yield Finding("postfix.name-unknown", "red", "Postfix", sentence, values)
    for address in addresses:
        if name.lower() not in _names(address):
            sentence = _(
                "%(address)s doesn’t lead back to %(name)s, so many receivers reject it. In the panel of your hoster, "
                "set the reverse DNS (PTR) of this address to %(name)s."
            )
            yield Finding("postfix.name-not-back", "red", "Postfix", sentence, values | {"address": address})


def _addresses(name: str) -> list[str]:
    try:
        return sorted({str(info[4][0]) for info in socket.getaddrinfo(name, 25, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def _names(address: str) -> set[str]:
    with suppress(OSError):
        name, aliases, _addresses = socket.gethostbyaddr(address)
        return {name.lower(), *map(str.lower, aliases)}
    return set()


def _door(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Whether anybody can send through it: then it is on every block list within hours."""
    rules = f"{settings.get('smtpd_relay_restrictions', '')} {settings.get('smtpd_recipient_restrictions', '')}"
    if not set(re.split(r"[\s,]+", rules)) & {*GUARDS}:
        sentence = _(
            "Anyone can send through it, which puts this server on block lists within hours. Run: %(command)s, then "
            "postfix reload."
        )
        command = "postconf -e 'smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination'"
        yield Finding("postfix.open", "red", "Postfix", sentence, {"command": command})
    elif any(network.endswith("/0") for network in re.split(r"[\s,]+", settings.get("mynetworks", ""))):
        sentence = _("mynetworks has the whole internet. Run: %(command)s.")
        command = "postconf -e 'mynetworks=127.0.0.0/8 [::1]/128'"
        yield Finding("postfix.open", "red", "Postfix", sentence, {"command": command})


def _encryption(settings: Mapping[str, str]) -> Iterator[Finding]:
    if settings.get("smtp_tls_security_level", "") in ("", "none"):
        sentence = _(
            "It sends without encryption. Run: %(command)s, then postfix reload. With DANE it’s even safer: see “Your "
            "own mail server” in the handbook."
        )
        command = {"command": "postconf -e smtp_tls_security_level=may"}
        yield Finding("postfix.unencrypted", "amber", "Postfix", sentence, command)


def _queue() -> Iterator[Finding]:
    """How many wait, and whether it reaches anybody. Their addresses are not shown."""
    listing = local_postfix.output("postqueue", "-j")
    if listing is None:
        sentence = _("It isn’t running, or its queue can’t be read. Run as root: %(command)s")
        yield Finding("postfix.stopped", "red", "Postfix", sentence, {"command": "postfix start"})
        return
    waiting = [line for line in listing.splitlines() if line.strip()]
    reasons = [reason for line in waiting[:LOOKED_AT] for reason in _reasons(line)]
    unreached = sum(1 for reason in reasons if _UNREACHED.search(reason))
    values = {"waiting": len(waiting)}
    if reasons and unreached >= HALF * len(reasons):
        sentence = _(
            "%(waiting)s emails wait, since no other server is reached on port 25. Many hosters block it: ask yours to "
            "open outgoing port 25, or use another server."
        )
        yield Finding("postfix.unreached", "red", "Postfix", sentence, values)
    elif reasons:
        sentence = _("%(waiting)s emails wait in its queue. The reasons: %(command)s")
        yield Finding("postfix.waiting", "amber", "Postfix", sentence, values | {"command": "mailq"})


def _reasons(line: str) -> Iterator[str]:
    """Why a message waits for each of its recipients, of one that was tried (postqueue(1))."""
    with suppress(ValueError, AttributeError, TypeError):
        for recipient in json.loads(line).get("recipients", ()):
            if reason := recipient.get("delay_reason"):
                yield reason
