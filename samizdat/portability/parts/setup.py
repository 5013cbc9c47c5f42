"""What an organization needs to work at another installation: its routes, its domains with their keys, the mailboxes
that are read, and who is on its team. It goes along where somebody asked for it, in an encrypted file alone.

A file can be made up, so nothing of it is used at once: routes and mailboxes come in paused and lead to no inner
address, a key signs once its record was found, and nobody is on the team who was not invited anew.
"""

import base64
import contextlib
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import msgspec
from django.db import transaction
from msgspec import Meta, Struct, structs

from samizdat import plugins
from samizdat.accounts import memberships, sealed_people
from samizdat.accounts.models import ROLES, Organization
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, normalize
from samizdat.delivery import sealed_domains, sealed_webhooks
from samizdat.delivery.actions import domains, route_webhooks, routes
from samizdat.delivery.errors import DomainRefused, RouteRefused
from samizdat.delivery.models import Route, RouteWebhook, SendingDomain
from samizdat.delivery.sealed_routes import open_address
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.incoming.mailboxes.actions import MailboxTaken
from samizdat.incoming.mailboxes.settings import BadMailbox, read_url
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault.errors import RecordBroken

FILE = "setup.json"
# Schemes of routes that lead to a program of the server: they belong to it.
OF_THE_SERVER = ("sendmail",)
# What a file may name at most: an organization has ten of each.
MOST = 200

type Line = Annotated[str, Meta(max_length=2_000)]


class WebhookEntry(Struct, frozen=True):
    """By which a provider tells what became of messages. secret: "" where it signs nothing; its password is made anew,
    as the address is."""

    provider: Line
    secret: Annotated[str, Meta(max_length=20_000)] = ""


class RouteEntry(Struct, frozen=True):
    name: Line
    url: Line
    password: Annotated[str, Meta(max_length=20_000)] | None
    priority: int
    rate: Line
    connections: Annotated[int, Meta(ge=1, le=1_000)]
    signs: bool
    warm_up: Line
    webhook: WebhookEntry | None = None


class KeyEntry(Struct, frozen=True):
    """private: PKCS #8, DER, in base64."""

    selector: Line
    private: Annotated[str, Meta(max_length=20_000)]


class DomainEntry(Struct, frozen=True):
    name: Line
    warm_up: Line
    keys: Annotated[list[KeyEntry], Meta(max_length=MOST)]


class TeamEntry(Struct, frozen=True):
    name: Line
    address: Line
    role: Line


class MailboxEntry(Struct, frozen=True):
    """move_to: the folder that read mail goes to; "": it is deleted."""

    name: Line
    url: Line
    password: Annotated[str, Meta(max_length=20_000)]
    move_to: Line = ""


class SetupFile(Struct, frozen=True):
    """mailboxes: none in an export of an earlier version."""

    routes: Annotated[list[RouteEntry], Meta(max_length=MOST)]
    domains: Annotated[list[DomainEntry], Meta(max_length=MOST)]
    team: Annotated[list[TeamEntry], Meta(max_length=MOST)]
    mailboxes: Annotated[list[MailboxEntry], Meta(max_length=MOST)] = []


class SetupPart:
    """`routes`, `domains` with `keys`, `team`, `mailboxes`."""

    name = "setup"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        of = home.organization
        setup = SetupFile([*_routes(of)], [*_domains(of)], [*_team(of)], [*_mailboxes(of)])
        box.add_json(FILE, msgspec.to_builtins(setup))
        return _size(setup)

    def check(self, opened: OpenedExport) -> int:
        return _size(_read(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        setup = _read(opened)
        for route in setup.routes:
            _take_once(places, f"route {route.name}", partial(_take_route, route, places))
        for domain in setup.domains:
            _take_once(places, f"domain {domain.name}", partial(_take_domain, domain, places))
        for mailbox in setup.mailboxes:
            _take_once(places, f"mailbox {mailbox.name}", partial(_take_mailbox, mailbox, places))
        return _size(setup)


def team_in(opened: OpenedExport) -> tuple[TeamEntry, ...]:
    """Who was on the team where an export comes from. Errors: ExportRefused."""
    return tuple(_read(opened).team)


def is_here(organization: Organization, address: str) -> bool:
    return bool(memberships.members_at(sealed_people.index_of(address), organization))


def mailboxes_wait(organization: Organization) -> bool:
    """Whether there are some that came in and that nobody has resumed."""
    return any(row.settings and row.settings.paused == "export" for row in mailboxes.mailboxes(organization))


def _size(setup: SetupFile) -> int:
    return len(setup.routes) + len(setup.domains) + len(setup.team) + len(setup.mailboxes)


# -- going out ------------------------------------------------------------------------------------------------------


def _routes(organization: Organization) -> Iterator[RouteEntry]:
    """Without those that wait for an approval: nobody uses them yet."""
    rows = Route.objects.select_related("organization").filter(organization=organization)
    for row in (
        rows.exclude(state__in=("removed", "waiting")).exclude(scheme__in=OF_THE_SERVER).order_by("priority", "pk")
    ):
        address = open_address(row)
        if not address.held:
            yield RouteEntry(
                row.name,
                address.url,
                address.password,
                row.priority,
                row.limits,
                row.connections,
                row.signs,
                row.warm_up,
                _webhook(row),
            )


def _webhook(route: Route) -> WebhookEntry | None:
    row = RouteWebhook.objects.select_related("route__organization").filter(route=route).first()
    try:
        settings = sealed_webhooks.open_settings(row) if row else None
    except (SealError, RecordBroken):
        return None  # The route works without.
    if settings is None or settings.provider not in plugins.webhooks():
        return None
    has_secret = bool(plugins.webhooks()[settings.provider].secret_label)
    return WebhookEntry(settings.provider, f"{settings.key}\n{settings.authority}".strip() if has_secret else "")


def _domains(organization: Organization) -> Iterator[DomainEntry]:
    rows = SendingDomain.objects.select_related("organization").filter(organization=organization)
    for row in rows.order_by("name"):
        if not sealed_domains.domain_waits(row):
            yield DomainEntry(row.name, row.warm_up, [*_keys(row)])


def _keys(row: SendingDomain) -> Iterator[KeyEntry]:
    """Those that sign or may sign once their record is there."""
    for key in row.keys.select_related("domain__organization").filter(state__in=("new", "published", "active")):
        value = sealed_domains.open_key(key)
        if not value.waits:
            yield KeyEntry(value.selector, base64.b64encode(value.private).decode())


def _mailboxes(organization: Organization) -> Iterator[MailboxEntry]:
    """Without how far they are read: a made-up number would have unread mail deleted."""
    for row in mailboxes.mailboxes(organization):
        if settings := row.settings:
            yield MailboxEntry(row.name, settings.url, settings.password, settings.move_to)


def _team(organization: Organization) -> Iterator[TeamEntry]:
    for row in memberships.valid(organization=organization):
        yield TeamEntry(sealed_people.name_of(row.person), sealed_people.email_of(row.person), row.role)


# -- coming in ------------------------------------------------------------------------------------------------------


def _read(opened: OpenedExport) -> SetupFile:
    """Errors: ExportRefused."""
    value: Any = opened.table(FILE)
    if value is None:
        return SetupFile([], [], [])
    try:
        setup = msgspec.convert(value, SetupFile)
        for member in setup.team:
            normalize(member.address)
            if member.role not in ROLES:
                raise ValueError
        for key in (key for domain in setup.domains for key in domain.keys):
            base64.b64decode(key.private, validate=True)
    except (ValueError, BadAddress) as wrong:
        raise altered(FILE) from wrong
    return setup


def _take_once(places: base.Places, there: str, take: Callable[[], int]) -> None:
    """What this installation can't have, as a route whose name is taken, is noted as well: trying again changes
    nothing."""
    if places.here(SetupPart.name, there) is None:
        with transaction.atomic():
            places.put(SetupPart.name, there, take())


def _take_route(entry: RouteEntry, places: base.Places) -> int:
    """The number of the route, paused; 0 where it can't be made here."""
    if entry.url.partition(":")[0].strip().lower() in OF_THE_SERVER:
        return 0
    try:
        with transaction.atomic():
            route = routes.add_route(
                places.organization,
                entry.name,
                entry.url,
                now=places.now,
                by=places.by,
                priority=entry.priority,
                rate=entry.rate or None,
                connections=entry.connections,
                password=entry.password,
                signs=entry.signs,
                warm_up=entry.warm_up or None,
                of_the_server=False,
            )
            if route.state != "waiting":
                routes.pause_route(route, now=places.now, by=places.by)
    except RouteRefused:
        return 0
    if entry.webhook is not None:
        _take_webhook(entry.webhook, route, places)
    return route.pk


def _take_webhook(entry: WebhookEntry, route: Route, places: base.Places) -> None:
    """Its provider is given the address that it has here, and asked for no lists before an admin says so."""
    with contextlib.suppress(RouteRefused), transaction.atomic():
        route_webhooks.set_webhook(route, entry.provider, secret=entry.secret or None, now=places.now, by=places.by)


def _take_domain(entry: DomainEntry, places: base.Places) -> int:
    """The number of the domain; 0 where it can't be made here."""
    try:
        with transaction.atomic():
            row = domains.add_domain(places.organization, entry.name, now=places.now, by=places.by, algorithms=())
            for key in entry.keys:
                domains.add_key(row, now=places.now, by=places.by, selector=key.selector, private=_pem(key.private))
            if entry.warm_up:
                domains.warm_up(row, entry.warm_up, now=places.now, by=places.by)
    except DomainRefused:
        return 0
    return row.pk


def _take_mailbox(entry: MailboxEntry, places: base.Places) -> int:
    """The number of the mailbox, which nobody connects to before somebody resumes it; 0 where it can't be made here,
    or is here under another name."""
    try:
        settings = read_url(entry.url, entry.password, entry.move_to)
        settings = structs.replace(settings, ca="", ours=False, paused="export")
        here = [row.settings for row in mailboxes.mailboxes(places.organization) if row.settings]
        if settings.place in {known.place for known in here}:
            return 0
        with transaction.atomic():
            row = mailboxes.add_at(places.organization, entry.name, settings, now=places.now, by=places.by)
    except (BadMailbox, MailboxTaken):
        return 0
    return row.pk


def _pem(private: str) -> bytes:
    lines = "\n".join(textwrap.wrap(private, 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n".encode()
