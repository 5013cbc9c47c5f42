"""Postal: its webhooks. https://docs.postalserver.io/developer/webhooks

Which headers sign them: https://github.com/postalserver/postal/blob/main/app/lib/postal/http.rb
It adds headers and leaves the Message-ID: https://github.com/postalserver/postal/blob/main/lib/postal/message_db/message.rb
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes

from samizdat.transports.webhook_signatures import insist_signed, public_key
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
    moment,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "MessageSent": EventWord("delivered"),
    "MessageDelayed": EventWord("deferred"),
    "MessageDeliveryFailed": EventWord("failed", permanent=True),
    "MessageHeld": EventWord("queued"),
    "MessageBounced": EventWord("bounced", "bounced"),
    "DomainDNSError": EventWord("unknown"),
    "SendLimitApproaching": EventWord("unknown"),
    "SendLimitExceeded": EventWord("unknown"),
    "MessageLinkClicked": SKIPPED,
    "MessageLoaded": SKIPPED,
}


class PostalWebhook(Webhook):
    """`secret.key`: the public key of the installation, as its DKIM record has it. It signs no time: the one in a body
    is that of the event, and stays the same when Postal tries again for hours."""

    name = "postal"
    label = "Postal"
    steps = (
        "In Postal, open the mail server, Webhooks, add this address and choose: MessageBounced, "
        "MessageDeliveryFailed, MessageHeld."
    )
    secret_label = "Public key of the installation: what “postal default-dkim-record” prints behind p="

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        key, headers = public_key(self, secret), request.headers
        if "x-postal-signature-256" in headers:
            insist_signed(self, key, headers["x-postal-signature-256"], request.body)
        else:
            # Before Postal 3.
            insist_signed(self, key, headers.get("x-postal-signature"), request.body, hashes.SHA1())  # noqa: S303

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            payload = event.get("payload")
            word = meaning_of(WORDS, text(event.get("event")))
            if word is SKIPPED:
                continue
            # A bounce that came by mail, whatever the event is called.
            returned = isinstance(within(payload, "bounce"), dict)
            message = within(payload, "original_message" if returned else "message")
            when = moment(event.get("timestamp"))
            yield WebhookEvent(
                WORDS["MessageBounced"] or word if returned else word,
                address(within(message, "to")),
                text(within(message, "id")),
                text(event.get("uuid")),
                when and when.replace(microsecond=0),
                text(within(payload, "output")),
                text(within(payload, "details")),
                server_words=text(within(payload, "output")) or text(within(payload, "details")),
                sender=address(within(message, "from")),
                header_id=text(within(message, "message_id")),
                tags=tags(within(message, "tag")),
            )
