"""What deliveries say, read where no key is (samizdat/limited_process.py): providers and whoever writes to their
customers fill them in."""

from collections.abc import Sequence
from dataclasses import dataclass

from samizdat.core.bounce.report import ReportEvent
from samizdat.transports.webhooks import Webhook, WebhookEvent, WebhookRefused, WebhookRequest


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event from which something may follow. `key`: WebhookEvent.key. `moment`: when it happened, ISO 8601 or "".
    `message_id`, `sender`, `clues`: texts in which a token of ours may stand; `clues` are what we gave to the message.
    `header_id`: WebhookEvent.header_id, in which one stands if the message is ours.
    """

    key: str
    report: ReportEvent
    moment: str = ""
    message_id: str = ""
    sender: str = ""
    header_id: str = ""
    clues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadDelivery:
    """`refusal`: a code of webhooks.SENTENCES where it can't be read, and `values` for the holes of its sentence."""

    events: tuple[ReadEvent, ...] = ()
    refusal: str = ""
    values: tuple[tuple[str, str], ...] = ()


def read_all(hook: Webhook, requests: Sequence[WebhookRequest]) -> tuple[ReadDelivery, ...]:
    """One for each."""
    return tuple(_read(hook, request) for request in requests)


def _read(hook: Webhook, request: WebhookRequest) -> ReadDelivery:
    try:
        events = hook.events(request)
    except WebhookRefused as refused:
        return ReadDelivery(refusal=refused.code, values=tuple(refused.values.items()))
    return ReadDelivery(tuple(item for event in events if (item := _of(event)).report.kind != "none"))


def _of(event: WebhookEvent) -> ReadEvent:
    clues = [value for value in event.metadata.values() if isinstance(value, str)]
    return ReadEvent(
        event.key,
        event.report,
        event.moment.isoformat() if event.moment else "",
        event.message_id or "",
        event.sender or "",
        event.header_id or "",
        (*clues, *event.tags),
    )
