"""Mandrill (Mailchimp Transactional): its webhooks. https://mailchimp.com/developer/transactional/docs/webhooks/"""

import base64
import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from samizdat.transports.webhook_signatures import insist_equal, key_of
from samizdat.transports.webhooks import (
    SKIPPED,
    TOLERANCE,
    EventWord,
    Webhook,
    WebhookEvent,
    WebhookRequest,
    WebhookSecret,
    address,
    meaning_of,
    metadata,
    moment,
    objects_of,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "send": EventWord("sent"),
    "delivered": EventWord("delivered"),
    "deferral": EventWord("deferred"),
    "hard_bounce": EventWord("bounced", "bounced", True),
    "soft_bounce": EventWord("bounced", "bounced", False),
    "reject": EventWord("rejected", "other"),
    "spam": EventWord("complained", "spam"),
    "unsub": EventWord("unsubscribed", "unsubscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}
# `bounce_description`.
BOUNCES = {
    "bad_mailbox": "user_unknown",
    "invalid_domain": "host_unknown",
    "mailbox_full": "mailbox_full",
    "relay_denied": "relaying",
    "protocol_error": "system",
    "spam": "spam",
    "policy": "policy",
    "content": "spam",
    "attachment": "virus",
    "ip_block": "blocked",
    "domain_block": "blocked",
    "volume": "rate",
}
# Why a message was rejected.
REJECTS = {
    "hard-bounce": EventWord("rejected", "bounced", True, suppressed=True),
    "soft-bounce": EventWord("rejected", "bounced", False, suppressed=True),
    "spam": EventWord("rejected", "spam", True, suppressed=True),
    "unsub": EventWord("rejected", "unsubscribed", True, suppressed=True),
    "custom": EventWord("rejected", "blocked", suppressed=True),
    "invalid": EventWord("rejected", "invalid", True, suppressed=True),
}


class MandrillWebhook(Webhook):
    """Mandrill signs the URL that it was given, so the request has to hold it letter by letter."""

    name = "mandrill"
    label = "Mandrill"
    domain = "mandrillapp.com"
    steps = (
        "In Mailchimp Transactional, open Settings, Webhooks, add this address and tick: message is bounced, "
        "soft-bounced, rejected, marked as spam."
    )
    secret_label = "Webhook key"

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        key = key_of(self, secret)
        signed = request.url + "".join(name + value for name, value in sorted(self.form(request)))
        digest = hmac.new(key.encode(), signed.encode("utf-8", "replace"), "sha1").digest()
        insist_equal(self, request.headers.get("x-mandrill-signature"), base64.b64encode(digest).decode())

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        fields = dict(self.form(request))
        if "mandrill_events" not in fields:
            raise self.refusal("other_shape")
        for event in self.objects(self.json(fields["mandrill_events"].encode("utf-8", "replace"))):
            if text(event.get("event")) is None and text(event.get("type")):
                yield _of_list(event)
            else:
                word = meaning_of(WORDS, text(event.get("event")))
                if word is not SKIPPED:
                    yield _of_message(word, event)


def _of_message(word: EventWord, event: dict[str, Any]) -> WebhookEvent:
    message = event.get("msg")
    bounce, reject = text(within(message, "bounce_description")), text(within(message, "reject", "reason"))
    if word.action == "bounced":
        word = word._replace(reason=BOUNCES.get(bounce or "", ""))
    if word.action == "rejected":
        word = REJECTS.get(reject or bounce or "", word)
    tries = [text(item.get("diag")) for item in objects_of(within(message, "smtp_events"))]
    return WebhookEvent(
        word,
        address(within(message, "email")),
        text(within(message, "_id")) or text(event.get("_id")),
        None,
        moment(event.get("ts")),
        text(within(message, "diag")) or next(filter(None, reversed(tries)), None),
        bounce or reject,
        tags=tags(within(message, "tags")),
        metadata=metadata(within(message, "metadata")),
    )


def _of_list(event: dict[str, Any]) -> WebhookEvent:
    """An address came onto a list of theirs or left it. Nothing follows: the event that led to it came before."""
    entry = event.get("reject") or event.get("entry")
    return WebhookEvent(
        EventWord("unknown"),
        address(within(entry, "email")),
        moment=moment(event.get("ts")),
        description=text(within(entry, "reason")) or text(within(entry, "detail")),
    )
