"""Adding, trying and removing a mailbox."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto.seal import SealError
from samizdat.events.actions import record
from samizdat.incoming.errors import IncomingError
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import MailboxState, open_settings, open_state, seal_settings
from samizdat.incoming.mailboxes.settings import BadMailbox, MailboxSettings, read_url
from samizdat.incoming.models import PolledMailbox
from samizdat.vault.errors import RecordBroken

__all__ = ["MailboxFault", "add", "mailboxes", "named", "remove", "waiting"]


class MailboxTaken(IncomingError):
    code = "mailbox_taken"

    def __init__(self, name: str) -> None:
        super().__init__(_("A mailbox called “%(name)s” already exists. Choose another name.") % {"name": name})


class NoSuchMailbox(IncomingError):
    code = "no_such_mailbox"

    def __init__(self, name: str) -> None:
        super().__init__(_("There’s no mailbox called “%(name)s”. Show all with: samizdat mail ls") % {"name": name})


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """For pages and commands; without the password. None where the seals do not hold."""

    name: str
    settings: MailboxSettings | None
    state: MailboxState | None


def add(
    organization: Organization,
    name: str,
    url: str,
    *,
    now: datetime,
    by: Person | None = None,
    password: str | None = None,
    move_to: str = "",
) -> PolledMailbox:
    """Errors: BadMailbox, MailboxTaken."""
    name = name.strip()
    if not name or len(name) > 60:
        raise BadMailbox(_("A mailbox needs a name of at most 60 characters. Choose one."))
    settings = read_url(url, password, move_to)
    try:
        with transaction.atomic():
            row = PolledMailbox.objects.create(organization=organization, name=name, settings_sealed=b"")
            row.settings_sealed = seal_settings(row, settings)
            row.save(update_fields=["settings_sealed"])
            record("mailbox.added", organization, now=now, by=by, about=row.pk, detail={"name": name})
    except IntegrityError:
        if PolledMailbox.objects.filter(organization=organization, name=name).exists():
            raise MailboxTaken(name) from None
        raise
    return row


def remove(organization: Organization, name: str, *, now: datetime, by: Person | None = None) -> None:
    """What was taken in stays. Errors: NoSuchMailbox."""
    with transaction.atomic():
        row = named(organization, name)
        record("mailbox.removed", organization, now=now, by=by, about=row.pk, detail={"name": name})
        row.delete()


def named(organization: Organization, name: str) -> PolledMailbox:
    row = PolledMailbox.objects.filter(organization=organization, name=name).first()
    if row is None:
        raise NoSuchMailbox(name)
    return row


def waiting(row: PolledMailbox) -> int:
    """Logs in, and says how many messages wait there. Errors: MailboxFault."""
    with polling.session(open_settings(row)) as source:
        return source.waiting


def mailboxes(organization: Organization) -> list[MailboxRow]:
    rows = PolledMailbox.objects.select_related("organization").filter(organization=organization).order_by("name")
    return [_shown(row) for row in rows]


def _shown(row: PolledMailbox) -> MailboxRow:
    try:
        return MailboxRow(row.name, open_settings(row), open_state(row))
    except (SealError, RecordBroken):
        return MailboxRow(row.name, None, None)
