"""SparkPost (Bird): its event webhooks. https://developers.sparkpost.com/api/webhooks/ and, for bounce classes,
https://support.sparkpost.com/docs/deliverability/bounce-classification-codes

They aren't signed, and log in only where that is chosen for the webhook (`auth_type` there).
"""

from collections.abc import Iterator
from typing import Any

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
    number,
    tags,
    text,
)

WORDS: dict[str, EventWord | None] = {
    "injection": EventWord("queued"),
    "delivery": EventWord("delivered"),
    "delay": EventWord("deferred"),
    "bounce": EventWord("bounced", "bounced"),
    "out_of_band": EventWord("bounced", "bounced"),
    "policy_rejection": EventWord("rejected", "other"),
    "generation_rejection": EventWord("rejected", "other"),
    "generation_failure": EventWord("failed", reason="malformed"),
    "spam_complaint": EventWord("complained", "spam"),
    "list_unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "link_unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "open": SKIPPED,
    "initial_open": SKIPPED,
    "click": SKIPPED,
    "amp_open": SKIPPED,
    "amp_initial_open": SKIPPED,
    "amp_click": SKIPPED,
}
# `bounce_class` of what bounced.
CLASSES = {
    "1": EventWord("bounced", "other"),
    "10": EventWord("bounced", "invalid", True, "user_unknown"),
    "20": EventWord("bounced", "bounced", False),
    "21": EventWord("bounced", "bounced", False, "host_unknown"),
    "22": EventWord("bounced", "bounced", False, "mailbox_full"),
    "23": EventWord("bounced", "bounced", False, "too_big"),
    "24": EventWord("bounced", "timed_out", False, "expired"),
    "25": EventWord("bounced", "blocked", False, "policy"),
    "26": EventWord("bounced", "blocked", False, "policy"),
    "30": EventWord("bounced", "bounced", True),
    "40": EventWord("bounced", "bounced", False),
    "50": EventWord("bounced", "blocked", False, "blocked"),
    "51": EventWord("bounced", "spam", False, "blocked"),
    "52": EventWord("bounced", "spam", False, "spam"),
    "53": EventWord("bounced", "other", False, "virus"),
    "54": EventWord("bounced", "blocked", False, "relaying"),
    "60": EventWord("autoresponded"),
    "70": EventWord("deferred"),
    "80": EventWord("subscribed"),
    "90": EventWord("unsubscribed", "unsubscribed"),
    "100": EventWord("autoresponded"),
}
# Of a message that SparkPost refused: its suppression list.
SUPPRESSED = ("25", "90")


class SparkPostWebhook(LoginWebhook):
    name = "sparkpost"
    label = "SparkPost"
    domain = "sparkpostmail.com"
    steps = (
        "In SparkPost, open Webhooks and create one with this address. As authentication choose Basic Auth, and enter "
        "the user name and password that stand in the address before the @. Tick: bounce, out of band, policy "
        "rejection, spam complaint, list unsubscribe."
    )

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for item in self.objects(self.document(request)):
            # {} is how SparkPost tries an address.
            groups = item.get("msys")
            for event in groups.values() if isinstance(groups, dict) else ():
                word = _word(event) if isinstance(event, dict) else SKIPPED
                if word is not SKIPPED:
                    yield _event(word, event)


def _word(event: dict[str, Any]) -> EventWord | None:
    word, kind = meaning_of(WORDS, text(event.get("type"))), text(event.get("bounce_class")) or ""
    if word and word.action == "bounced":
        return CLASSES.get(kind, word)
    if word and word.action == "rejected" and kind in SUPPRESSED:
        return EventWord("rejected", CLASSES[kind].cause, suppressed=True)
    return word


def _event(word: EventWord, event: dict[str, Any]) -> WebhookEvent:
    return WebhookEvent(
        word,
        # As it was written; the other is in lower case.
        address(event.get("raw_rcpt_to")) or address(event.get("rcpt_to")),
        text(event.get("transmission_id")) or text(event.get("message_id")),
        text(event.get("event_id")),
        moment(event.get("timestamp")),
        text(event.get("raw_reason")) or text(event.get("reason")),
        reply=number(event.get("error_code")),
        sender=address(event.get("msg_from")),
        tags=tags(event.get("campaign_id")),
        metadata=metadata(event.get("rcpt_meta")),
    )
