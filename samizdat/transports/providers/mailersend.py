"""MailerSend: its webhooks. https://developers.mailersend.com/api/v1/webhooks.html"""

from collections.abc import Iterator

from samizdat.transports.webhook_signatures import HmacWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    EventWord,
    WebhookEvent,
    WebhookRequest,
    address,
    meaning_of,
    moment,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "activity.sent": EventWord("sent"),
    "activity.delivered": EventWord("delivered"),
    "activity.deferred": EventWord("deferred"),
    "activity.hard_bounced": EventWord("bounced", "bounced", True),
    "activity.soft_bounced": EventWord("bounced", "bounced", False),
    "activity.spam_complaint": EventWord("complained", "spam"),
    "activity.unsubscribed": EventWord("unsubscribed", "unsubscribed"),
    "activity.opened": SKIPPED,
    "activity.opened_unique": SKIPPED,
    "activity.clicked": SKIPPED,
    "activity.clicked_unique": SKIPPED,
    "activity.survey_opened": SKIPPED,
    "activity.survey_submitted": SKIPPED,
}


class MailerSendWebhook(HmacWebhook):
    name = "mailersend"
    label = "MailerSend"
    domain = "mailersend.net"
    steps = (
        "In MailerSend, open your domain, add a webhook with this address and tick: hard bounced, soft bounced, "
        "spam complaint."
    )
    secret_label = "Signing secret of the webhook"
    header = "signature"

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word, data = meaning_of(WORDS, text(event.get("type"))), event.get("data")
            if word is SKIPPED:
                continue
            readable, reason = text(within(data, "morph", "readable_reason")), text(within(data, "morph", "reason"))
            yield WebhookEvent(
                word,
                address(within(data, "email", "recipient", "email")),
                text(within(data, "email", "message", "id")),
                text(within(data, "id")),
                moment(within(data, "created_at")) or moment(event.get("created_at")),
                description=readable or reason,
                server_words=reason if word.action == "bounced" else None,
                tags=tags(within(data, "email", "tags")),
            )
