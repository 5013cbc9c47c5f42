"""Mailtrap: its webhooks, menus and events. https://docs.mailtrap.io/email-api-smtp/advanced/webhooks

Only the payload format JSON has the list of events that is read here: https://docs.mailtrap.io/developers/webhooks/
json-handler
"""

from collections.abc import Iterator

from samizdat.transports.webhook_signatures import HmacWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    EventWord,
    WebhookEvent,
    WebhookRequest,
    address,
    meaning_of,
    metadata,
    moment,
    number,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "delivery": EventWord("delivered"),
    # Mailtrap tries again.
    "soft bounce": EventWord("deferred", "other"),
    "suspension": EventWord("deferred", "other"),
    "bounce": EventWord("bounced", "bounced", True),
    "reject": EventWord("rejected", "blocked", suppressed=True),
    "spam": EventWord("complained", "spam"),
    "unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}


class MailtrapWebhook(HmacWebhook):
    name = "mailtrap"
    label = "Mailtrap"
    domain = "mailtrap.io"
    steps = (
        "In Mailtrap, open Settings, Webhooks, and create one with this address and the payload format JSON. Choose "
        "Email Sending, your stream and your domain, and tick: bounce, soft bounce, spam complaint, unsubscribe, "
        "suspension, reject."
    )
    secret_label = "Signature secret of the webhook"
    header = "mailtrap-signature"

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(within(self.document(request), "events")):
            word = meaning_of(WORDS, text(event.get("event")))
            if word is SKIPPED:
                continue
            if word.action == "bounced" and text(event.get("bounce_category")) == "spam":
                word = word._replace(reason="spam")
            yield WebhookEvent(
                word,
                address(event.get("email")),
                text(event.get("message_id")),
                text(event.get("event_id")),
                moment(event.get("timestamp")),
                text(event.get("response")),
                text(event.get("reason")) or text(event.get("bounce_category")),
                reply=number(event.get("response_code")),
                tags=tags(event.get("category")),
                metadata=metadata(event.get("custom_variables")),
            )
