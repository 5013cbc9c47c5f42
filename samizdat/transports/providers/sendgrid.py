"""SendGrid: its Event Webhook. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from samizdat.transports.webhook_signatures import insist_recent, insist_signed, public_key
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
    status,
    tags,
    text,
)

WORDS: dict[str, EventWord | None] = {
    "processed": EventWord("queued"),
    "delivered": EventWord("delivered"),
    "deferred": EventWord("deferred"),
    "bounce": EventWord("bounced", "bounced", True),
    "blocked": EventWord("bounced", "blocked", False),
    "dropped": EventWord("rejected", "other"),
    "spamreport": EventWord("complained", "spam"),
    "unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "group_unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "group_resubscribe": EventWord("subscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}
# Why a message was dropped, in lower case.
DROPPED = {
    "invalid": EventWord("rejected", "invalid", True, suppressed=True),
    "bounced address": EventWord("rejected", "bounced", True, suppressed=True),
    "unsubscribed address": EventWord("rejected", "unsubscribed", True, suppressed=True),
    "spam reporting address": EventWord("rejected", "spam", True, suppressed=True),
    "spam content (if spam checker app enabled)": EventWord("rejected", "spam", False, "spam"),
    "spam content": EventWord("rejected", "spam", False, "spam"),
    "expired": EventWord("rejected", "timed_out", False, "expired"),
}
# `type` of a bounce.
BOUNCES = {
    "blocked": EventWord("bounced", "blocked", False),
    "expired": EventWord("bounced", "timed_out", False, "expired"),
}
# What SendGrid writes itself. All else at the top of an event is what the sender gave to the message.
FIELDS = frozenset(
    [
        "email", "event", "timestamp", "smtp-id", "sg_event_id", "sg_message_id", "useragent", "ip", "url",
        "url_offset", "category", "asm_group_id", "attempt", "response", "reason", "status", "type", "tls",
        "cert_err", "newsletter", "pool", "send_at", "bounce_classification", "marketing_campaign_id",
        "marketing_campaign_name", "marketing_campaign_version", "marketing_campaign_split_id", "post_type",
        "sg_machine_open", "sg_content_type", "sg_template_id", "sg_template_name", "singlesend_id",
        "singlesend_name", "template_id", "template_hash", "template_version_id", "phase_id", "mc_stats",
        "mc_pod_id", "mc_auto_id", "mc_auto_name", "automation_id", "domain", "from", "created",
        # The id that django-anymail gives to a message.
        "anymail_id",
    ]
)  # fmt: skip


class SendGridWebhook(Webhook):
    """`secret.key`: the verification key, which is a public key."""

    name = "sendgrid"
    label = "SendGrid"

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        written = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        signature = request.headers.get("x-twilio-email-event-webhook-signature")
        key = public_key(self, secret)
        insist_signed(self, key, signature, written.encode("utf-8", "replace") + request.body)
        insist_recent(self, written, now, tolerance)

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            name = text(event.get("event"))
            word = meaning_of(WORDS, name)
            if word is SKIPPED:
                continue
            reason = text(event.get("reason"))
            if name == "dropped":
                word = DROPPED.get((reason or "").strip().lower(), word)
            elif name == "bounce":
                word = BOUNCES.get(text(event.get("type")) or "", word)
            yield WebhookEvent(
                word,
                address(event.get("email")),
                # Who changes over from django-anymail knows messages by its id.
                text(event.get("anymail_id")) or text(event.get("smtp-id")) or text(event.get("sg_message_id")),
                text(event.get("sg_event_id")),
                moment(event.get("timestamp")),
                text(event.get("response")) or (None if name == "dropped" else reason),
                reason if name == "dropped" else None,
                status=status(event.get("status")),
                tags=tags(event.get("category")),
                metadata=metadata({key: value for key, value in event.items() if key not in FIELDS}),
            )
