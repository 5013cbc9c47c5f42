"""What is sealed of a webhook: its address, what it is told, its secret, how far it is, and each event that waits."""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet
from msgspec import Struct

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import KeyMissing, SealBroken
from samizdat.core.event_webhooks import OVERLAP
from samizdat.db import next_ids
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# Seals are bound to these words.
_TABLE, _MESSAGES = "eventwebhook", "eventwebhookmessage"

# Tries that are kept of each webhook.
TRIES_KEPT = 50


class EventWebhookRefused(AccountError):
    """`code` is for scripts, str() is one sentence that says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class EventWebhookSettings(Struct, frozen=True, omit_defaults=True):
    """events: types (core/event_webhooks.EVENTS). lists: numbers of those that it is bound to; none: all. addresses:
    whether the address of a subscriber comes along. by: number of the person who added it; None: a command. approved:
    whether it is told anything. former: the secret before this one, which signs as well until former_until."""

    url: str = ""
    events: list[str] = []
    lists: list[int] = []
    addresses: bool = False
    by: int | None = None
    approved: bool = False
    secret: str = ""
    former: str = ""
    former_until: datetime | None = None

    def secrets(self, now: datetime) -> list[str]:
        """With which a message is signed now."""
        is_kept = self.former_until is not None and self.former_until - OVERLAP <= now < self.former_until
        return [self.secret, self.former] if self.former and is_kept else [self.secret]


class WebhookTry(Struct, frozen=True, omit_defaults=True):
    """One request. at: to the minute. status: 0 where there was no answer; problem: a code of posting.SENTENCES, ""
    where it was taken. turn: the how manieth try of its event. words: the beginning of what an answer said that was no
    yes, without addresses."""

    at: datetime
    type: str
    status: int = 0
    problem: str = ""
    milliseconds: int = 0
    turn: int = 1
    words: str = ""


class WebhookProgress(Struct, frozen=True, omit_defaults=True):
    """position: the last place in the organization's chain whose event was queued. failures: tries in a row that
    failed; failing_since: when the first of these was. paused: until when nothing is tried. disabled: since when it is
    switched off, and why: "failing" or "gone". tries: the newest last. dropped: events that were given up."""

    position: int = 0
    failures: int = 0
    failing_since: datetime | None = None
    paused: datetime | None = None
    disabled: datetime | None = None
    reason: str = ""
    tries: list[WebhookTry] = []
    dropped: int = 0


class QueuedWebhook(Struct, frozen=True, omit_defaults=True):
    """id: of the message, the same at every try. event: number in the log; 0: a test. tries: that were begun. due: when
    it may be tried; None: at once."""

    id: str = ""
    event: int = 0
    tries: int = 0
    due: datetime | None = None


def settings_of(row: EventWebhook) -> EventWebhookSettings:
    """Errors: RecordBroken, SealBroken."""
    keys = keyring.keys(row.organization)
    return keys.open_json(row.settings_sealed, _TABLE, "settings", row.pk, EventWebhookSettings)


def progress_of(row: EventWebhook) -> WebhookProgress:
    """Errors: RecordBroken, SealBroken."""
    return keyring.keys(row.organization).open_json(row.progress_sealed, _TABLE, "progress", row.pk, WebhookProgress)


def message_of(row: EventWebhookMessage, organization: Organization) -> QueuedWebhook | None:
    """None where somebody without keys wrote it."""
    with contextlib.suppress(RecordBroken, SealBroken, KeyMissing):
        keys = keyring.keys(organization)
        return keys.open_json(row.message_sealed, _MESSAGES, "message", row.pk, QueuedWebhook)
    return None


def opened(row: EventWebhook) -> tuple[EventWebhookSettings, WebhookProgress] | None:
    """None where somebody without keys wrote either of them."""
    try:
        return settings_of(row), progress_of(row)
    except (RecordBroken, SealBroken, KeyMissing):
        return None


def put_settings(row: EventWebhook, value: EventWebhookSettings) -> None:
    row.settings_sealed = keyring.keys(row.organization).seal_json(value, _TABLE, "settings", row.pk)
    row.save(update_fields=["settings_sealed"])


def put_progress(row: EventWebhook, value: WebhookProgress) -> bool:
    """Whether nobody wrote it since this row was read."""
    sealed = keyring.keys(row.organization).seal_json(value, _TABLE, "progress", row.pk)
    before = Q(progress_sealed=bytes(row.progress_sealed))
    if not EventWebhook.objects.filter(before, pk=row.pk).update(progress_sealed=sealed):
        return False
    row.progress_sealed = sealed
    return True


def put_message(row: EventWebhookMessage, organization: Organization, value: QueuedWebhook) -> bool:
    """Whether nobody took or settled it since this row was read."""
    sealed = keyring.keys(organization).seal_json(value, _MESSAGES, "message", row.pk)
    before = Q(message_sealed=bytes(row.message_sealed))
    if not EventWebhookMessage.objects.filter(before, pk=row.pk).update(message_sealed=sealed):
        return False
    row.message_sealed = sealed
    return True


def add_messages(row: EventWebhook, messages: Sequence[QueuedWebhook]) -> None:
    keys, numbers = keyring.keys(row.organization), next_ids(EventWebhookMessage._meta.db_table, len(messages))
    rows = [
        EventWebhookMessage(
            pk=number, webhook=row, message_sealed=keys.seal_json(message, _MESSAGES, "message", number)
        )
        for number, message in zip(numbers, messages, strict=True)
    ]
    EventWebhookMessage.objects.bulk_create(rows)


def webhooks_of(organization: Organization) -> QuerySet[EventWebhook]:
    return EventWebhook.objects.select_related("organization").filter(organization=organization).order_by("pk")
