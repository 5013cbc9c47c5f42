"""Mailjet: its Event API. https://dev.mailjet.com/email/guides/webhooks/; the menu: https://app.mailjet.com/account/triggers"""

from collections.abc import Iterator
from typing import Any

from samizdat.transports.webhook_signatures import LoginWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    EventWord,
    WebhookEvent,
    WebhookRequest,
    address,
    embedded,
    meaning_of,
    metadata,
    moment,
    tags,
    text,
)

WORDS: dict[str, EventWord | None] = {
    "sent": EventWord("delivered"),
    "bounce": EventWord("bounced", "other"),
    "blocked": EventWord("rejected", "other"),
    "spam": EventWord("complained", "spam"),
    "unsub": EventWord("unsubscribed", "unsubscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}
# `error` of what bounced or was blocked: the cause, the reason, whether it is a list of Mailjet's.
ERRORS: dict[str, tuple[Any, str, bool]] = {
    # About the recipient
    "user unknown": ("bounced", "user_unknown", False),
    "mailbox inactive": ("bounced", "disabled", False),
    "quota exceeded": ("bounced", "mailbox_full", False),
    "blacklisted": ("blocked", "filtered", True),
    "spam reporter": ("spam", "", True),
    # About the domain
    "invalid domain": ("bounced", "host_unknown", False),
    "no mail host": ("bounced", "host_unknown", False),
    "relay/access denied": ("bounced", "relaying", False),
    "greylisted": ("other", "expired", False),
    "typofix": ("invalid", "host_unknown", True),
    # About the content
    "bad or empty template": ("other", "malformed", False),
    "error in template language": ("other", "malformed", False),
    "content blocked": ("blocked", "spam", False),
    "policy issue": ("blocked", "policy", False),
    "sender blocked": ("blocked", "blocked", False),
    # About the connection or the system
    "system issue": ("other", "system", False),
    "protocol issue": ("other", "system", False),
    "connection issue": ("other", "expired", False),
    "timeout": ("timed_out", "expired", False),
    # By Mailjet
    "preblocked": ("blocked", "filtered", True),
    "duplicate in campaign": ("other", "policy", False),
}


class MailjetWebhook(LoginWebhook):
    name = "mailjet"
    label = "Mailjet"
    domain = "mailjet.com"
    steps = (
        "In Mailjet, open Account settings, Event notifications (webhooks), and enter this address for: bounce, "
        "blocked, spam, unsubscribe."
    )

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word = meaning_of(WORDS, text(event.get("event")))
            if word is SKIPPED:
                continue
            if word.action in ("bounced", "rejected"):
                word = _explained(word, event)
            yield WebhookEvent(
                word,
                address(event.get("email")),
                text(event.get("MessageID")),
                None,
                moment(event.get("time")),
                text(event.get("smtp_reply")),
                text(event.get("comment")) or text(event.get("error")),
                tags=tags(event.get("customcampaign")),
                metadata=metadata(embedded(event.get("Payload"))),
            )


def _explained(word: EventWord, event: dict[str, Any]) -> EventWord:
    error = text(event.get("error")) or ""
    cause, reason, suppressed = ERRORS.get(error, ("other", "", False))
    hard = event.get("hard_bounce")
    permanent = hard if isinstance(hard, bool) else None
    if error == "greylisted" and permanent is not True:
        return EventWord("deferred", cause, False, reason)
    return EventWord(word.action, cause, permanent, reason, suppressed and word.action == "rejected")
