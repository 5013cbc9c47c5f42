"""Resend: its webhooks, signed as Standard Webhooks are (Svix). https://resend.com/docs/webhooks/event-types"""

import base64
import binascii
import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from samizdat.transports.providers.amazon_ses import bounce_word
from samizdat.transports.webhook_signatures import insist_recent, key_of
from samizdat.transports.webhooks import (
    SKIPPED,
    TOLERANCE,
    EventWord,
    Webhook,
    WebhookEvent,
    WebhookRequest,
    WebhookSecret,
    addresses_or_none,
    embedded,
    meaning_of,
    metadata,
    moment,
    objects_of,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "email.scheduled": EventWord("queued"),
    "email.sent": EventWord("sent"),
    "email.delivered": EventWord("delivered"),
    "email.delivery_delayed": EventWord("deferred"),
    "email.bounced": EventWord("bounced", "bounced", True),
    "email.suppressed": EventWord("rejected", "blocked", suppressed=True),
    "email.failed": EventWord("failed"),
    "email.complained": EventWord("complained", "spam"),
    "email.opened": SKIPPED,
    "email.clicked": SKIPPED,
}
MOST_SIGNATURES = 20


class ResendWebhook(Webhook):
    name = "resend"
    label = "Resend"
    domain = "resend.com"
    steps = (
        "In Resend, open Webhooks, add this address and choose: email.bounced, email.complained, "
        "email.suppressed, email.failed."
    )
    secret_label = "Signing secret, which begins with whsec_"

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        try:
            key = base64.b64decode(key_of(self, secret).removeprefix("whsec_"), validate=True)
        except binascii.Error:
            key = b""
        if not key:
            raise self.refusal("bad_secret")
        names = ("svix-id", "svix-timestamp", "svix-signature")
        delivery, written, signatures = (request.headers.get(name, "") for name in names)
        if not (delivery and written and signatures):
            raise self.refusal("no_signature")
        signed = f"{delivery}.{written}.".encode("utf-8", "replace") + request.body
        right = b"v1," + base64.b64encode(hmac.new(key, signed, "sha256").digest())
        given = [item.encode("utf-8", "replace") for item in signatures.split(" ")[:MOST_SIGNATURES]]
        # While a secret is changed, there is a signature by each.
        if not any(hmac.compare_digest(item, right) for item in given):
            raise self.refusal("wrong_signature")
        insist_recent(self, written, now, tolerance)

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word, data = meaning_of(WORDS, text(event.get("type"))), event.get("data")
            if word is SKIPPED:
                continue
            bounce = within(data, "bounce")
            if word.action == "bounced" and text(within(bounce, "type")):
                word = bounce_word(within(bounce, "type"), within(bounce, "subType"))
            for recipient in addresses_or_none(within(data, "to")):
                yield WebhookEvent(
                    word,
                    recipient,
                    text(within(data, "email_id")),
                    text(request.headers.get("svix-id")),
                    moment(event.get("created_at")),
                    # Resend's own words, which speak of reputation and mailing lists whatever the server said.
                    description=text(within(bounce, "message")) or text(within(data, "failed", "reason")),
                    tags=tags(embedded(_header(data, "x-tags"))),
                    metadata=metadata(embedded(_header(data, "x-metadata")) or _given(within(data, "tags"))),
                )


def _header(data: object, name: str) -> str | None:
    fields = objects_of(within(data, "headers"))
    return next((text(item.get("value"), 10_000) for item in fields if str(item.get("name")).lower() == name), None)


def _given(given: object) -> dict[str, Any]:
    """What Resend calls tags: names with values, in one of two forms."""
    if isinstance(given, dict):
        return given
    return {name: item.get("value") for item in objects_of(given) if (name := text(item.get("name")))}
