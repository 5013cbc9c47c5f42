"""Adding, listing and removing seed mailboxes. Their settings are sealed."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, normalize
from samizdat.events.actions import record
from samizdat.incoming.errors import IncomingError
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.access_tokens import renewed
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.settings import BadMailbox, MailboxSettings, read_url
from samizdat.incoming.models import SeedMailbox
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# Each gets a copy by each route of each campaign.
MOST = 20
# Seconds of a session: a server that answers as slowly as it may keeps the other mailboxes waiting.
LOOK = 30.0


class SeedTaken(IncomingError):
    code = "seed_taken"

    def __init__(self, name: str) -> None:
        super().__init__(_("A seed mailbox called “%(name)s” already exists. Choose another name.") % {"name": name})


class NoSuchSeed(IncomingError):
    code = "no_such_seed"

    def __init__(self, name: str) -> None:
        super().__init__(
            _("There’s no seed mailbox called “%(name)s”. Show all with: samizdat seed ls") % {"name": name}
        )


class SeedSettings(Struct, frozen=True):
    """Sealed. address: where copies are sent to."""

    address: str
    mailbox: MailboxSettings


@dataclass(frozen=True, slots=True)
class SeedRow:
    """For commands and pages; settings: None where the seal does not hold."""

    number: int
    name: str
    settings: SeedSettings | None
    fault: str


def add(
    organization: Organization,
    name: str,
    address: str,
    url: str,
    *,
    now: datetime,
    by: Person | None = None,
    password: str | None = None,
) -> SeedMailbox:
    """Errors: BadMailbox, SeedTaken."""
    return add_at(organization, name, address, read_url(url, password, ""), now=now, by=by)


def add_at(
    organization: Organization,
    name: str,
    address: str,
    mailbox: MailboxSettings,
    *,
    now: datetime,
    by: Person | None,
) -> SeedMailbox:
    """Errors: BadMailbox, SeedTaken."""
    name = name.strip()
    if not name or len(name) > 60:
        raise BadMailbox(_("A mailbox needs a name of at most 60 characters. Choose one."))
    settings = SeedSettings(_address(address), mailbox)
    if settings.mailbox.kind.protocol != "imap":
        raise BadMailbox(_("A seed mailbox is read by IMAP, since POP3 doesn’t show the spam folder. Use imaps://."))
    try:
        with transaction.atomic():
            Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
            there = seeds(organization)
            if len(there) >= MOST:
                raise BadMailbox(_("%(n)s seed mailboxes are enough. Remove one first.") % {"n": MOST})
            if any(row.settings and row.settings.address == settings.address for row in there):
                raise BadMailbox(_("This address already belongs to a seed mailbox. Enter another one."))
            row = SeedMailbox.objects.create(organization=organization, name=name, settings_sealed=b"")
            row.settings_sealed = keyring.keys(organization).seal_json(settings, "seed mailbox", "settings", row.pk)
            row.save(update_fields=["settings_sealed"])
            record("seed.added", organization, now=now, by=by, about=row.pk, detail={"name": name})
    except IntegrityError:
        if SeedMailbox.objects.filter(organization=organization, name=name).exists():
            raise SeedTaken(name) from None
        raise
    return row


def _address(text: str) -> str:
    try:
        return normalize(text)
    except BadAddress as bad:
        raise BadMailbox(str(bad)) from None


def remove(organization: Organization, name: str, *, now: datetime, by: Person | None = None) -> None:
    """With what became of its copies. Errors: NoSuchSeed."""
    with transaction.atomic():
        row = named(organization, name)
        record("seed.removed", organization, now=now, by=by, about=row.pk, detail={"name": name})
        row.delete()


def named(organization: Organization, name: str) -> SeedMailbox:
    row = SeedMailbox.objects.select_related("organization").filter(organization=organization, name=name).first()
    if row is None:
        raise NoSuchSeed(name)
    return row


def seeds(organization: Organization) -> list[SeedRow]:
    rows = SeedMailbox.objects.select_related("organization").filter(organization=organization).order_by("name")
    return [SeedRow(row.pk, row.name, settings_of(row), row.fault) for row in rows]


def settings_of(row: SeedMailbox) -> SeedSettings | None:
    """None where the seal does not hold."""
    keys = keyring.keys(row.organization)
    try:
        return keys.open_json(row.settings_sealed, "seed mailbox", "settings", row.pk, SeedSettings)
    except (SealError, RecordBroken):
        return None


def keep_renewed(row: SeedMailbox, settings: SeedSettings) -> None:
    """Writes down the refresh token that came during a session, where nobody changed its settings meanwhile."""
    if mailbox := renewed(settings.mailbox):
        keys = keyring.keys(row.organization)
        sealed = keys.seal_json(structs.replace(settings, mailbox=mailbox), "seed mailbox", "settings", row.pk)
        same = SeedMailbox.objects.filter(pk=row.pk, settings_sealed=bytes(row.settings_sealed))
        same.update(settings_sealed=sealed)


def check(row: SeedMailbox) -> None:
    """Logs in once. Errors: MailboxFault."""
    settings = settings_of(row)
    if settings is None:
        raise MailboxFault("not_understood")
    with polling.session(settings.mailbox, LOOK):
        keep_renewed(row, settings)
