"""Takes in what waits in a mailbox: first into our database, with its number in the same transaction, then it is
deleted or moved there. Whatever ends in between, what is taken in is known by its number, and only removed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from django.db import transaction

from samizdat import db
from samizdat.core.mail.incoming_envelope import kept, most_of
from samizdat.core.private_networks import Network
from samizdat.incoming import intake
from samizdat.incoming.errors import IncomingFull
from samizdat.incoming.mailboxes import access_tokens, connection
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import ImapSource
from samizdat.incoming.mailboxes.pop3 import Pop3Source
from samizdat.incoming.mailboxes.sealed import (
    MailboxState,
    WaitingMessage,
    open_settings,
    open_state,
    seal_settings,
    write_state,
)
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import PolledMailbox
from samizdat.options import inner_networks

# Messages that are fetched and taken in together, and the bytes of them. A transaction each: who sends meanwhile waits
# for it, and it waits for them.
BATCH, BATCH_BYTES = 500, 4 << 20


class MailSource(Protocol):
    """A session with a mailbox."""

    settings: MailboxSettings
    waiting: int  # Messages when it began.

    def page(self) -> list[WaitingMessage]: ...
    def fetch(self, messages: Sequence[WaitingMessage], most: int) -> Iterator[tuple[WaitingMessage, bytes]]: ...
    def remove(self, messages: Sequence[WaitingMessage]) -> None: ...
    def wait(self, seconds: float, stops: Callable[[], bool]) -> bool: ...
    def close(self) -> None: ...


class MailboxRemoved(Exception):
    """Somebody removed it here while it was read."""


class MailboxPaused(Exception):
    """Somebody paused it here: what is left of it stays where it is."""


@contextmanager
def session(
    settings: MailboxSettings, seconds: float = connection.SESSION, opening: float = connection.ANSWER
) -> Iterator[MailSource]:
    """Of so many seconds at most, of which `opening` until a mailbox is open. Errors: MailboxFault, in what is done
    with it as well."""
    allowed: tuple[Network, ...] | None = None if settings.ours else inner_networks()
    with connection.faults():
        source: MailSource
        if settings.kind.protocol == "imap":
            source = ImapSource(settings, allowed, seconds)
        else:
            source = Pop3Source(settings, allowed, seconds, opening)
        try:
            yield source
        finally:
            source.close()


def take_in(number: int, source: MailSource, now: Callable[[], datetime], stops: Callable[[], bool]) -> int:
    """All that waits, page by page; how many messages were taken in, none of them by a copied installation. Errors:
    MailboxFault, MailboxRemoved, MailboxPaused."""
    taken, before = 0, list[WaitingMessage]()
    with db.taking_in():
        while not stops() and (page := source.page()):
            if page == before:
                raise MailboxFault("not_removed")
            before = page
            row = _row(number)
            settings = open_settings(row)
            _insist_on_reading(settings)
            if row.organization.sending_locked or not source.settings.reads_as(settings):
                break  # A copy would take the original's mail away, and old settings might delete what is to be moved.
            for batch in _batches(open_state(row).unknown(page)):
                if stops():
                    return taken  # The next session knows what is taken in, and removes it.
                most = max(most_of(message.size) for message in batch)
                taken += _take(number, [*source.fetch(batch, most)], now())
            source.remove(page)
    return taken


def _batches(messages: Iterable[WaitingMessage]) -> Iterator[list[WaitingMessage]]:
    batch: list[WaitingMessage] = []
    size = 0
    for message in messages:
        length = kept(message.size)
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


def _take(number: int, messages: Sequence[tuple[WaitingMessage, bytes]], now: datetime) -> int:
    """How many; another process may have been first with some."""
    with transaction.atomic():
        row = _row(number, locked=True)
        _insist_on_reading(open_settings(row))
        state = open_state(row)
        raws = dict(messages)
        if fresh := state.unknown(list(raws)):
            rows = [(raws[message], max(message.size, len(raws[message]))) for message in fresh]
            try:
                intake.take_all(row.organization, rows, now.date())
            except IncomingFull:
                raise MailboxFault("full") from None
            write_state(row, state.with_taken(fresh))
    return len(fresh)


def _row(number: int, locked: bool = False) -> PolledMailbox:
    rows = PolledMailbox.objects.select_related("organization").filter(pk=number)
    row = (rows.select_for_update(of=("self",)) if locked else rows).first()
    if row is None:
        raise MailboxRemoved
    return row


def settings_of(number: int) -> MailboxSettings:
    """For a session. Errors: MailboxRemoved, MailboxPaused, SealError, RecordBroken."""
    settings = open_settings(_row(number))
    _insist_on_reading(settings)
    return settings


def _insist_on_reading(settings: MailboxSettings) -> None:
    if settings.paused:
        raise MailboxPaused


def keep_renewed(number: int, settings: MailboxSettings) -> None:
    """Writes down the refresh token that came during a session. What somebody entered meanwhile, or another process
    was given in place of the same one, stays. Errors: MailboxRemoved."""
    if access_tokens.renewed(settings) is None:
        return
    with transaction.atomic():
        row = _row(number, locked=True)
        if kept := access_tokens.renewed(open_settings(row)):
            row.settings_sealed = seal_settings(row, kept)
            row.save(update_fields=["settings_sealed"])


def note(number: int, now: datetime, code: str = "") -> MailboxState:
    """How a session went: "" for well, or a code of faults.SENTENCES."""
    with transaction.atomic():
        row = _row(number, locked=True)
        state = open_state(row)
        state = state.went_wrong(code, now) if code else state.went_well(now)
        write_state(row, state)
    return state
