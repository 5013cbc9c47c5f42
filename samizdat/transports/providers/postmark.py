"""Postmark: its modular webhooks. https://postmarkapp.com/developer/webhooks/webhooks-overview"""

from collections.abc import Iterator

from samizdat.transports.webhook_signatures import LoginWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    EventWord,
    WebhookEvent,
    WebhookRequest,
    address,
    meaning_of,
    metadata,
    moment,
    tags,
    text,
)

# `RecordType` of what has no `Type`.
RECORDS: dict[str, EventWord | None] = {
    "Delivery": EventWord("delivered"),
    "SpamComplaint": EventWord("complained", "spam"),
    "Open": SKIPPED,
    "Click": SKIPPED,
}
# `Type` of a bounce (https://postmarkapp.com/developer/api/bounce-api#bounce-types), or `SuppressionReason`.
WORDS: dict[str, EventWord | None] = {
    "HardBounce": EventWord("bounced", "bounced", True),
    "SoftBounce": EventWord("bounced", "bounced", False),
    "Unknown": EventWord("bounced", "bounced"),
    "VirusNotification": EventWord("bounced", "other", False, "virus"),
    "Transient": EventWord("deferred"),
    "DnsError": EventWord("deferred"),
    "OpenRelayTest": EventWord("deferred"),
    "BadEmailAddress": EventWord("rejected", "invalid", True, suppressed=True),
    "Blocked": EventWord("rejected", "blocked", False, "blocked"),
    "DMARCPolicy": EventWord("rejected", "blocked", False, "authentication"),
    "ManuallyDeactivated": EventWord("rejected", "blocked", suppressed=True),
    "Unconfirmed": EventWord("rejected"),
    "SMTPApiError": EventWord("failed"),
    "TemplateRenderingFailed": EventWord("failed", reason="malformed"),
    "InboundError": EventWord("unknown"),
    "AutoResponder": EventWord("autoresponded"),
    "AddressChange": EventWord("autoresponded"),
    "ChallengeVerification": EventWord("autoresponded"),
    "Subscribe": EventWord("subscribed"),
    "Unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "ManualSuppression": EventWord("unsubscribed", "unsubscribed"),
    "SpamNotification": EventWord("complained", "spam"),
    "SpamComplaint": EventWord("complained", "spam"),
}


class PostmarkWebhook(LoginWebhook):
    name = "postmark"
    label = "Postmark"

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word = _word(event)
            if word is SKIPPED:
                continue
            times = map(moment, map(event.get, ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")))
            yield WebhookEvent(
                word,
                address(event.get("Email")) or address(event.get("Recipient")),
                text(event.get("MessageID")),
                text(event.get("ID")),
                next(filter(None, times), None),
                text(event.get("Details")),
                text(event.get("Description")),
                tags=tags(event.get("Tag")),
                metadata=metadata(event.get("Metadata")),
            )


def _word(event: dict[str, object]) -> EventWord | None:
    record, name = text(event.get("RecordType")), text(event.get("Type"))
    if record in RECORDS:
        return RECORDS[record]
    if record == "SubscriptionChange":
        suppressed = event.get("SuppressSending") is True
        return meaning_of(WORDS, text(event.get("SuppressionReason"))) if suppressed else EventWord("subscribed")
    return meaning_of(WORDS, name or record)
