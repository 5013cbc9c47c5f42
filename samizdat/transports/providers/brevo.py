"""Brevo: its webhook of transactional email. https://developers.brevo.com/docs/transactional-webhooks"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from samizdat.transports.webhook_signatures import insist_equal, insist_login, key_of
from samizdat.transports.webhooks import (
    SKIPPED,
    TOLERANCE,
    EventWord,
    Webhook,
    WebhookEvent,
    WebhookRequest,
    WebhookSecret,
    address,
    embedded,
    meaning_of,
    metadata,
    moment,
    tags,
    text,
)

WORDS: dict[str, EventWord | None] = {
    "request": EventWord("queued"),
    "delivered": EventWord("delivered"),
    "deferred": EventWord("deferred"),
    "hard_bounce": EventWord("bounced", "bounced", True),
    "soft_bounce": EventWord("bounced", "bounced", False),
    "invalid_email": EventWord("bounced", "invalid", True, "user_unknown"),
    "blocked": EventWord("rejected", "blocked", suppressed=True),
    "error": EventWord("failed"),
    "spam": EventWord("complained", "spam"),
    "unsubscribe": EventWord("unsubscribed"),
    "unsubscribed": EventWord("unsubscribed"),
    "list_addition": EventWord("subscribed"),
    "opened": SKIPPED,
    "unique_opened": SKIPPED,
    "proxy_open": SKIPPED,
    "unique_proxy_open": SKIPPED,
    "click": SKIPPED,
}


class BrevoWebhook(Webhook):
    """`secret.key`: "user:password" of the URL, or the token that Brevo sends as a bearer."""

    name = "brevo"
    label = "Brevo"
    signs = False

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            insist_equal(self, token, key_of(self, secret))
        else:
            insist_login(self, request, secret)

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word = meaning_of(WORDS, text(event.get("event")))
            if word is SKIPPED:
                continue
            # `ts` is in the zone of the account.
            times = map(moment, map(event.get, ("ts_event", "ts_epoch", "s_epoch")))
            yield WebhookEvent(
                word,
                address(event.get("email")),
                text(event.get("message-id")),
                None,
                next(filter(None, times), None),
                text(event.get("reason")),
                tags=tags(event.get("tags")) or _tags(event.get("tag")),
                metadata=metadata(embedded(event.get("X-Mailin-custom"))),
            )


def _tags(value: object) -> tuple[str, ...]:
    """A list of JSON within a text, or a tag alone."""
    listed = embedded(value)
    return tags(listed if isinstance(listed, list) else value)
