"""Unisender Go: its webhooks. https://godocs.unisender.ru/web-api-ref#callback-format and, for the statuses,
https://godocs.unisender.ru/email-statuses

It signs by MD5 of the body with the key in it. Nothing better is offered.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from samizdat.transports.webhook_signatures import insist_equal, key_of
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
    text,
    within,
)

WORDS: dict[str, EventWord | None] = {
    "sent": EventWord("sent"),
    "delivered": EventWord("delivered"),
    "soft_bounced": EventWord("bounced", "bounced", False),
    "hard_bounced": EventWord("bounced", "bounced", True),
    "spam": EventWord("complained", "spam"),
    "unsubscribed": EventWord("unsubscribed", "unsubscribed"),
    "subscribed": EventWord("subscribed"),
    "opened": SKIPPED,
    "clicked": SKIPPED,
}
# `delivery_status` of a bounce: the cause, the reason, whether Unisender Go didn't even try.
STATUSES: dict[str, tuple[Any, str, bool]] = {
    "err_user_unknown": ("bounced", "user_unknown", False),
    "err_user_inactive": ("bounced", "disabled", False),
    "err_mailbox_discarded": ("bounced", "disabled", False),
    "err_mailbox_full": ("bounced", "mailbox_full", False),
    "err_spam_rejected": ("spam", "spam", False),
    "err_spam_skipped": ("spam", "spam", False),
    "err_spam_folder": ("spam", "spam", False),
    "err_blacklisted": ("blocked", "blocked", False),
    "err_too_large": ("bounced", "too_big", False),
    "err_unsubscribed": ("unsubscribed", "", True),
    "err_unreachable": ("bounced", "", True),
    "err_skip_letter": ("bounced", "", True),
    "err_domain_inactive": ("bounced", "host_unknown", False),
    "err_no_dns": ("bounced", "host_unknown", False),
    "err_no_smtp": ("bounced", "host_unknown", False),
    "err_destination_misconfigured": ("bounced", "system", False),
    "err_internal": ("other", "system", False),
    "err_delivery_failed": ("other", "", False),
    "err_lost": ("other", "expired", False),
    "err_will_retry": (None, "expired", False),
    "skip_dup_unreachable": ("bounced", "", True),
    "skip_dup_temp_unreachable": ("bounced", "", True),
}
_AUTH = re.compile(rb'("auth"\s*:\s*")([^"\\]{1,100})"')


class UnisenderGoWebhook(Webhook):
    name = "unisender_go"
    label = "Unisender Go"
    domain = "unisender.ru"
    steps = (
        "In Unisender Go, open Webhooks, add this address and choose: hard bounced, soft bounced, spam, unsubscribed."
    )
    secret_label = "API key of the account or project"

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        key = key_of(self, secret).encode()
        written = _AUTH.search(request.body)
        if written is None:
            raise self.refusal("no_signature")
        signed = request.body[: written.start(2)] + key + request.body[written.end(2) :]
        digest = hashlib.md5(signed).hexdigest()  # noqa: S324  (theirs)
        insist_equal(self, written[2].decode("utf-8", "replace"), digest)

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        users = self.objects(within(self.document(request), "events_by_user"))
        for event in [event for user in users for event in self.objects(user.get("events", []))]:
            # The other kind of event is about a server of theirs that a mailbox provider blocks.
            if event.get("event_name") != "transactional_email_status":
                continue
            data = event.get("event_data")
            word = meaning_of(WORDS, text(within(data, "status")))
            if word is not SKIPPED:
                yield _event(_explained(word, text(within(data, "delivery_info", "delivery_status"))), data)


def _explained(word: EventWord, delivery: str | None) -> EventWord:
    if word.action != "bounced" or delivery not in STATUSES:
        return word
    cause, reason, suppressed = STATUSES[delivery]
    if delivery == "err_will_retry" and not word.permanent:
        return EventWord("deferred")
    return EventWord("bounced", cause or word.cause, word.permanent, reason, suppressed)


def _event(word: EventWord, data: object) -> WebhookEvent:
    given = within(data, "metadata")
    ours = {name: value for name, value in given.items() if name != "anymail_id"} if isinstance(given, dict) else {}
    return WebhookEvent(
        word,
        address(within(data, "email")),
        # Who changes over from django-anymail knows messages by its id.
        text(within(given, "anymail_id")) or text(within(data, "job_id")),
        None,
        moment(within(data, "event_time")),
        text(within(data, "delivery_info", "destination_response")),
        text(within(data, "comment")) or text(within(data, "delivery_info", "delivery_status")),
        metadata=metadata(ours),
    )
