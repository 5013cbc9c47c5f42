"""Tells endpoints what happened. The hash chain is the queue: what is in it and wasn't queued yet is, together with how
far that is, and each message is taken before its request. So a worker that was killed tells each event at least once,
under the same id; where an organization is locked, all waits.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from random import random

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec.structs import replace

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.core import event_webhooks
from samizdat.core.event_webhooks import BadEndpointUrl, EndpointUrl
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.options import inner_networks
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.portability.webhooks import posting
from samizdat.portability.webhooks.actions import DISABLED, MOST_WAITING, place_of, state_of
from samizdat.portability.webhooks.payload import WebhookPayload, payload_of
from samizdat.portability.webhooks.posting import PostAnswer
from samizdat.portability.webhooks.records import (
    TRIES_KEPT,
    EventWebhookSettings,
    QueuedWebhook,
    WebhookProgress,
    WebhookTry,
    add_messages,
    message_of,
    opened,
    progress_of,
    put_message,
    put_progress,
    webhooks_of,
)
from samizdat.vault.locks import unlocked

# Events that are queued in one transaction.
SLICE = 200
# Seconds that one webhook is told things before the next one has its turn.
TURN = 10.0
# Longer than a request takes: nobody else begins with it meanwhile.
TAKEN = timedelta(minutes=2)

type Clock = Callable[[], datetime]


def organizations() -> set[int]:
    """Those that have a webhook. A copy of an installation tells nobody anything until it was released."""
    rows = EventWebhook.objects.filter(unlocked("organization__"), organization__sending_locked=False)
    return set(rows.values_list("organization_id", flat=True))


def deliver_due(organization: int, *, now: Clock, stop: Callable[[], bool]) -> None:
    """One turn of each webhook of an organization."""
    rows = EventWebhook.objects.select_related("organization").filter(
        organization=organization, organization__sending_locked=False
    )
    for row in rows.order_by("pk"):
        if not stop():
            take_turn(row, now=now, stop=stop)


def take_turn(row: EventWebhook, *, now: Clock, stop: Callable[[], bool] = lambda: False) -> None:
    known = opened(row)
    if known is None:
        return  # Its page says that it is broken.
    settings, progress = known
    state = state_of(row, settings, progress)
    if state in ("active", "failing"):
        while not stop() and queue(row, settings):
            continue
    elif state != "disabled":
        return
    with override(leading(row.organization).language):
        _Turn(row, settings, now, stop).go(tests_only=state == "disabled")


def send_tests(organization: Organization, number: int, *, now: Clock) -> None:
    """Those of one webhook that wait, at once: whoever has the command line waits for them."""
    row = webhooks_of(organization).filter(pk=number).first()
    known = opened(row) if row is not None else None
    if row is not None and known is not None:
        with override(leading(organization).language):
            _Turn(row, known[0], now, lambda: False).go(tests_only=True)


def queue(row: EventWebhook, settings: EventWebhookSettings) -> bool:
    """Takes the next events of the chain; whether there may be more."""
    with transaction.atomic():
        progress, room = _held(row), MOST_WAITING - row.messages.count()
        if progress is None or room <= 0:
            return False
        chained = Event.objects.filter(organization=row.organization, position__gt=progress.position)
        kinds = event_webhooks.kinds_of(settings.events)
        positions = chained.order_by("position").values_list("position", "pk", "kind")[: min(SLICE, room)]
        events = [*positions]
        if not events:
            return False
        uid = bytes(row.organization.uid)
        wanted = [event for _position, event, kind in events if kind in kinds]
        add_messages(
            row,
            [QueuedWebhook(event_webhooks.message_id(uid, row.pk, event), event) for event in wanted],
        )
        put_progress(row, replace(progress, position=events[-1][0]))
    return True


def _held(row: EventWebhook) -> WebhookProgress | None:
    """How far it is now, which nobody else changes in this transaction; None: it was removed meanwhile."""
    held = EventWebhook.objects.select_for_update(no_key=True).filter(pk=row.pk).first()
    if held is None:
        return None
    row.progress_sealed = held.progress_sealed
    return progress_of(row)


class _Turn:
    """What is due for one webhook, until its time is over or a try fails."""

    def __init__(self, row: EventWebhook, settings: EventWebhookSettings, now: Clock, stop: Callable[[], bool]) -> None:
        self._row, self._settings, self._now, self._stop = row, settings, now, stop
        self._ends = time.monotonic() + TURN
        self._organization = row.organization

    def go(self, *, tests_only: bool) -> None:
        paused = progress_of(self._row).paused
        for waiting in self._row.messages.order_by("pk"):
            message = message_of(waiting, self._organization)
            if message is None:  # Of somebody without keys, or of keys that are gone.
                waiting.delete()
                continue
            is_test, at = not message.event, self._now()
            rests = tests_only or (paused is not None and at < paused <= at + event_webhooks.LONGEST_ASKED)
            if (rests and not is_test) or _is_later(message, at):
                continue
            if self._stop() or time.monotonic() > self._ends:
                return
            if not self._tell(waiting, message) and not is_test:
                return

    def _tell(self, waiting: EventWebhookMessage, message: QueuedWebhook) -> bool:
        """Whether the next one may be told."""
        payload = self._payload(message)
        if payload is None:
            waiting.delete()
            return True
        # Taken before the request: after a kill it is tried again, and meanwhile nobody else does.
        taken = replace(message, tries=message.tries + 1, due=self._now() + TAKEN)
        if not put_message(waiting, self._organization, taken):
            return True
        answer = self._post(taken, payload)
        self._note(waiting, taken, payload.type, answer)
        return not answer.problem

    def _payload(self, message: QueuedWebhook) -> WebhookPayload | None:
        if not message.event:
            return WebhookPayload(event_webhooks.TEST, self._now(), {"text": _("This is a test.")})
        rows = Event.objects.select_related("organization")
        event = rows.filter(pk=message.event, organization=self._organization).first()
        return None if event is None else payload_of(event, self._settings)

    def _post(self, message: QueuedWebhook, payload: WebhookPayload) -> PostAnswer:
        inside, at = inner_networks(), self._now()
        try:
            url: EndpointUrl = event_webhooks.read_url(self._settings.url, inside)
        except BadEndpointUrl:
            return PostAnswer("bad_url")
        content = event_webhooks.body(payload.type, payload.at, payload.data)
        headers = event_webhooks.headers(self._settings.secrets(at), message.id, at, content)
        return posting.post(url, headers, content, inside)

    def _note(self, waiting: EventWebhookMessage, message: QueuedWebhook, type: str, answer: PostAnswer) -> None:
        at = self._now()
        with transaction.atomic():
            progress = _held(self._row)
            if progress is None:
                return
            after = _after(progress, _try(message, type, answer, at), answer, at, is_test=not message.event)
            if self._settle(waiting, message, answer, at, is_kept=after.disabled is not None):
                after = replace(after, dropped=after.dropped + 1)
            put_progress(self._row, after)
            if after.disabled is not None and progress.disabled is None:
                detail = {"reason": after.reason, "place": place_of(self._settings.url)}
                record(DISABLED, self._organization, now=at, about=self._row.pk, detail=detail)

    def _settle(
        self, waiting: EventWebhookMessage, message: QueuedWebhook, answer: PostAnswer, at: datetime, *, is_kept: bool
    ) -> bool:
        """Whether it is given up. is_kept: not even after the last try, since the webhook is switched off."""
        due = event_webhooks.next_try(message.tries, at, random(), answer.asked)
        if not answer.problem or not message.event or (due is None and not is_kept):
            waiting.delete()
            return bool(answer.problem and message.event)
        put_message(waiting, self._organization, replace(message, due=due))
        return False


def _is_later(message: QueuedWebhook, at: datetime) -> bool:
    """A clock that went back makes nothing wait longer than the longest wait."""
    return message.due is not None and at < message.due <= at + 2 * event_webhooks.WAITS[-1]


def _try(message: QueuedWebhook, type: str, answer: PostAnswer, at: datetime) -> WebhookTry:
    return WebhookTry(
        at=at.replace(second=0, microsecond=0),
        type=type,
        status=answer.status,
        problem=answer.problem,
        milliseconds=answer.milliseconds,
        turn=message.tries,
        words=answer.words,
    )


def _after(
    progress: WebhookProgress, last: WebhookTry, answer: PostAnswer, at: datetime, *, is_test: bool
) -> WebhookProgress:
    progress = replace(progress, tries=[*progress.tries, last][-TRIES_KEPT:])
    if is_test:
        return progress  # Whoever presses a button switches nothing off.
    if not answer.problem:
        return replace(progress, failures=0, failing_since=None, paused=None)
    failures, since = progress.failures + 1, progress.failing_since or at
    changed = replace(
        progress, failures=failures, failing_since=since, paused=event_webhooks.pause(failures, at, answer.asked)
    )
    if answer.problem == "gone":
        return replace(changed, disabled=at, reason="gone")
    if at - since >= event_webhooks.FAILING_FOR:
        return replace(changed, disabled=at, reason="failing")
    return changed


def sentence_of(code: str) -> str:
    """Why a try failed, for people."""
    return str(posting.SENTENCES.get(code, code))
