"""Amazon SES: what it tells of sent messages, through a topic of SNS.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html; the older notifications:
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from samizdat.transports.sns import SnsWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    UNKNOWN,
    EventWord,
    WebhookEvent,
    address,
    addresses,
    addresses_or_none,
    embedded,
    meaning_of,
    metadata,
    moment,
    objects_of,
    status,
    tags,
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "send": EventWord("sent"),
    "delivery": EventWord("delivered"),
    "deliverydelay": EventWord("deferred"),
    "complaint": EventWord("complained", "spam"),
    "reject": EventWord("rejected", "blocked", reason="virus"),
    "rendering failure": EventWord("failed", reason="malformed"),
    "subscription": EventWord("unsubscribed", "unsubscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}
# bounceType, bounceSubType; "": every other.
BOUNCES = {
    ("Permanent", ""): EventWord("bounced", "bounced", True),
    ("Permanent", "NoEmail"): EventWord("bounced", "bounced", True, "user_unknown"),
    ("Permanent", "Suppressed"): EventWord("bounced", "bounced", True, suppressed=True),
    ("Permanent", "OnAccountSuppressionList"): EventWord("bounced", "bounced", True, suppressed=True),
    ("Permanent", "UnsubscribedRecipient"): EventWord("bounced", "unsubscribed", True, suppressed=True),
    ("Transient", ""): EventWord("bounced", "bounced", False),
    ("Transient", "MailboxFull"): EventWord("bounced", "bounced", False, "mailbox_full"),
    ("Transient", "MessageTooLarge"): EventWord("bounced", "bounced", False, "too_big"),
    ("Transient", "ContentRejected"): EventWord("bounced", "bounced", False, "spam"),
    ("Transient", "AttachmentRejected"): EventWord("bounced", "bounced", False, "virus"),
    ("Transient", "CustomTimeoutExceeded"): EventWord("bounced", "bounced", False, "expired"),
}
# Of feedback reports (RFC 5965) that are no complaint about us.
NO_COMPLAINTS = ("not-spam", "auth-failure")


def bounce_word(kind: object, subtype: object) -> EventWord:
    """Resend passes both on as they are."""
    kind, subtype = text(kind) or "", text(subtype) or ""
    return BOUNCES.get((kind, subtype)) or BOUNCES.get((kind, "")) or EventWord("bounced", "bounced")


class SesRecipient(NamedTuple):
    address: str | None
    response: str | None = None
    status: str | None = None


class AmazonSesWebhook(SnsWebhook):
    name = "amazon_ses"
    label = "Amazon SES"
    places = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?/[!-~]*")
    certificates = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?/[A-Za-z0-9_-]{1,200}\.pem")

    def read_event(self, event: dict[str, Any], event_id: str | None, when: datetime | None) -> Iterator[WebhookEvent]:
        kind = (text(event.get("eventType")) or text(event.get("notificationType")) or "").lower()
        details = event.get({"rendering failure": "failure", "deliverydelay": "deliveryDelay"}.get(kind, kind))
        word = _word(kind, details)
        if word is SKIPPED:
            return
        mail = event.get("mail")
        for recipient in _recipients(kind, details, mail):
            yield WebhookEvent(
                word,
                recipient.address,
                text(within(mail, "messageId")),
                event_id or text(within(details, "feedbackId")),
                when or moment(within(details, "timestamp")) or moment(within(mail, "timestamp")),
                recipient.response,
                _description(kind, details),
                status=recipient.status,
                tags=tags(*_headers(mail, "x-tag")),
                metadata=metadata(next(map(embedded, _headers(mail, "x-metadata")), None)),
            )


def _word(kind: str, details: object) -> EventWord | None:
    if kind == "bounce":
        return bounce_word(within(details, "bounceType"), within(details, "bounceSubType"))
    if kind == "complaint" and within(details, "complaintFeedbackType") in NO_COMPLAINTS:
        return UNKNOWN
    if kind == "subscription" and within(details, "newTopicPreferences", "unsubscribeAll") is not True:
        return UNKNOWN
    return meaning_of(WORDS, kind)


def _recipients(kind: str, details: object, mail: object) -> list[SesRecipient]:
    names = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients", "deliverydelay": "delayedRecipients"}
    if kind in names:
        return [
            SesRecipient(
                address(item.get("emailAddress")), text(item.get("diagnosticCode")), status(item.get("status"))
            )
            for item in objects_of(within(details, names[kind]))
        ]
    everybody = within(mail, "destination")
    if kind == "delivery":
        response = text(within(details, "smtpResponse"))
        return [SesRecipient(each, response) for each in addresses(within(details, "recipients") or everybody)]
    return [SesRecipient(each) for each in addresses_or_none(everybody)]


def _description(kind: str, details: object) -> str | None:
    if kind == "bounce":
        types = text(within(details, "bounceType")), text(within(details, "bounceSubType"))
        return ": ".join(part for part in types if part) or None
    names = {
        "complaint": "complaintFeedbackType",
        "reject": "reason",
        "rendering failure": "errorMessage",
        "deliverydelay": "delayType",
    }
    return text(within(details, names.get(kind, "")))


def _headers(mail: object, name: str) -> list[str]:
    """The values of a header of the message, in their order."""
    fields = objects_of(within(mail, "headers"))
    written = [text(item.get("value"), 10_000) for item in fields if (text(item.get("name")) or "").lower() == name]
    return [value for value in written if value]
