"""MailerSend: its webhooks. https://developers.mailersend.com/api/v1/webhooks.html; the menu:
https://www.mailersend.com/help/webhooks

New webhooks have the version 2.0, in which the address and the message stand beside the event instead of in objects.
"""

import hmac
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
    number,
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
    # How MailerSend tries an address before it keeps the webhook.
    "webhook.test": SKIPPED,
}
# By which it signs that test, for everybody alike (https://developers.mailersend.com/api/v1/account/webhooks.html).
TEST_SECRET = b"test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G"


class MailerSendWebhook(HmacWebhook):
    name = "mailersend"
    label = "MailerSend"
    domain = "mailersend.net"
    steps = (
        "In MailerSend, open Domains, click Manage next to your domain, then Add webhook, enter this address and "
        "tick: hard bounce, soft bounce, spam complaint, unsubscribe."
    )
    secret_label = "Signing secret of the webhook"
    header = "signature"

    def is_trial(self, request: WebhookRequest) -> bool:
        """The one before the secret is known here."""
        right = hmac.new(TEST_SECRET, request.body, "sha256").hexdigest()
        given = request.headers.get(self.header, "").strip().lower()
        signed = hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
        return signed and within(self.document(request), "type") == "webhook.test"

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word, data = meaning_of(WORDS, text(event.get("type"))), event.get("data")
            if word is SKIPPED:
                continue
            # Of version 2.0; an empty list where there is nothing to say.
            details = within(data, "meta") or within(data, "morph")
            readable = text(within(details, "readable_reason"))
            reason = text(within(details, "reason")) or text(within(details, "bounce_reason"))
            named = (within(data, "email"), within(data, "recipient"), within(data, "email", "recipient", "email"))
            yield WebhookEvent(
                word,
                next(filter(None, map(address, named)), None),
                text(within(data, "message_id")) or text(within(data, "email", "message", "id")),
                text(within(data, "id")),
                moment(within(data, "created_at")) or moment(event.get("created_at")),
                description=readable or reason,
                server_words=reason if word.action == "bounced" else None,
                reply=number(within(details, "bounce_code")),
                tags=tags(within(data, "tags") or within(data, "email", "tags")),
            )
