"""Adding, trying, pausing and removing a mailbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto.seal import SealError
from samizdat.events.actions import record
from samizdat.incoming.errors import IncomingError
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.sealed import MailboxState, open_settings, open_state, seal_settings, write_state
from samizdat.incoming.mailboxes.settings import BadMailbox, MailboxSettings, changed, read_url
from samizdat.incoming.models import PolledMailbox
from samizdat.vault.errors import RecordBroken

# Half of the sessions that a worker has (worker/mail/mailbox_polls): servers that let us wait leave the others theirs.
MOST = 10


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

    number: int
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
    return add_at(organization, name, read_url(url, password, move_to), now=now, by=by)


def add_at(
    organization: Organization, name: str, settings: MailboxSettings, *, now: datetime, by: Person | None
) -> PolledMailbox:
    """One that is paused says so in the log as well. Errors: BadMailbox, MailboxTaken."""
    name = _checked_name(name)
    with _refuses_taken(organization, name), transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if PolledMailbox.objects.filter(organization=organization).count() >= MOST:
            raise BadMailbox(_("%(n)s mailboxes are enough. Remove one first.") % {"n": MOST})
        row = PolledMailbox.objects.create(organization=organization, name=name, settings_sealed=b"")
        row.settings_sealed = seal_settings(row, settings)
        row.save(update_fields=["settings_sealed"])
        record("mailbox.added", organization, now=now, by=by, about=row.pk, detail={"name": name})
        if settings.paused:
            record("mailbox.paused", organization, now=now, by=by, about=row.pk, detail={"name": name})
    return row


def change(
    row: PolledMailbox, name: str, settings: MailboxSettings, *, now: datetime, by: Person | None
) -> PolledMailbox:
    """Of another mailbox than before nothing is taken in yet; one that is paused stays so. Errors: BadMailbox,
    MailboxTaken, NoSuchMailbox."""
    name, organization = _checked_name(name), row.organization
    with _refuses_taken(organization, name), transaction.atomic():
        kept = _locked(row)
        before = shown(kept).settings
        if before is None or before.place != settings.place:
            write_state(kept, MailboxState())
        settings = structs.replace(settings, paused=before.paused if before else settings.paused)
        kept.name, kept.settings_sealed = name, seal_settings(kept, settings)
        kept.save(update_fields=["name", "settings_sealed"])
        record("mailbox.changed", organization, now=now, by=by, about=row.pk, detail={"name": name})
    return kept


def edit(
    row: PolledMailbox,
    *,
    now: datetime,
    by: Person | None = None,
    name: str | None = None,
    url: str | None = None,
    password: str | None = None,
    move_to: str | None = None,
) -> PolledMailbox:
    """As change, with what is given; the rest stays. move_to "": read mail is deleted. Errors: those of change, and
    SealError, RecordBroken where it can't be decrypted."""
    settings = changed(open_settings(row), url, password, move_to)
    return change(row, row.name if name is None else name, settings, now=now, by=by)


def pause(row: PolledMailbox, *, now: datetime, by: Person | None = None) -> None:
    """Nobody connects to it until resume; a session of now takes nothing more in. Errors: NoSuchMailbox, and
    SealError, RecordBroken where it can't be decrypted."""
    _turn(row, "admin", now, by)


def resume(row: PolledMailbox, *, now: datetime, by: Person | None = None) -> None:
    """The worker reads it within seconds. Errors: those of pause."""
    _turn(row, "", now, by)


def _turn(row: PolledMailbox, paused: Literal["", "admin"], now: datetime, by: Person | None) -> None:
    """One that is so already stays as it is, without a line in the log."""
    with transaction.atomic():
        kept = _locked(row)
        settings = open_settings(kept)
        if bool(settings.paused) == bool(paused):
            return
        kept.settings_sealed = seal_settings(kept, structs.replace(settings, paused=paused))
        kept.save(update_fields=["settings_sealed"])
        kind: Literal["mailbox.paused", "mailbox.resumed"] = "mailbox.paused" if paused else "mailbox.resumed"
        record(kind, kept.organization, now=now, by=by, about=kept.pk, detail={"name": kept.name})


def _locked(row: PolledMailbox) -> PolledMailbox:
    rows = PolledMailbox.objects.select_related("organization").select_for_update(of=("self",))
    kept = rows.filter(pk=row.pk, organization=row.organization).first()
    if kept is None:
        raise NoSuchMailbox(row.name)
    return kept


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 60:
        raise BadMailbox(_("A mailbox needs a name of at most 60 characters. Choose one."))
    return name


@contextmanager
def _refuses_taken(organization: Organization, name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        if PolledMailbox.objects.filter(organization=organization, name=name).exists():
            raise MailboxTaken(name) from None
        raise


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
    return waiting_at(open_settings(row))


def waiting_at(settings: MailboxSettings) -> int:
    """As waiting, of a mailbox that is not added yet."""
    with polling.session(settings) as source:
        return source.waiting


def mailboxes(organization: Organization) -> list[MailboxRow]:
    rows = PolledMailbox.objects.select_related("organization").filter(organization=organization).order_by("name")
    return [shown(row) for row in rows]


def shown(row: PolledMailbox) -> MailboxRow:
    try:
        return MailboxRow(row.pk, row.name, open_settings(row), open_state(row))
    except (SealError, RecordBroken):
        return MailboxRow(row.pk, row.name, None, None)
