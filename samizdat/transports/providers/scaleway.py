"""Scaleway Transactional Email: what it tells of sent messages, through a topic of Topics and Events, which speaks SNS.

https://www.scaleway.com/en/docs/transactional-email/reference-content/webhook-events-payloads/ and, for the menus,
https://www.scaleway.com/en/docs/transactional-email/how-to/create-webhooks/
https://www.scaleway.com/en/docs/topics-and-events/reference-content/veriying-webhooks/: a certificate counts if their
authority issued it, not by its place.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from samizdat.transports.sns import SnsWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    EventWord,
    WebhookEvent,
    addresses_or_none,
    meaning_of,
    moment,
    number,
    text,
)

WORDS: dict[str, EventWord | None] = {
    "email_queued": EventWord("queued"),
    "email_delivered": EventWord("delivered"),
    "email_deferred": EventWord("deferred"),
    "email_dropped": EventWord("bounced", "bounced", True),
    "email_mailbox_not_found": EventWord("bounced", "invalid", True, "user_unknown"),
    # By Scaleway's filter, the server's or the reader; so it is no complaint.
    "email_spam": EventWord("bounced", "spam", False, "spam"),
    "email_blocklisted": EventWord("rejected", "blocked", suppressed=True),
    "blocklist_created": EventWord("unknown"),
}


class ScalewayWebhook(SnsWebhook):
    name = "scaleway"
    label = "Scaleway"
    domain = "scaleway.com"
    steps = (
        "In Scaleway, create a topic in Topics and Events and subscribe this address to it by HTTPS. Then open "
        "Transactional Email, your domain, Webhooks, create one for the topic and choose: email_dropped, "
        "email_mailbox_not_found, email_spam, email_blocklisted."
    )
    secret_label = "ARN of the topic, and below it the certificate of their authority"
    places = re.compile(r"https://sns\.mnq\.[a-z]{2}-[a-z]{3}\.scaleway\.com/[!-~]*")
    certificates = re.compile(
        r"https://messaging\.s3\.fr-par\.scw\.cloud/[a-z]{2}-[a-z]{3}/sns/[A-Za-z0-9_./-]{1,200}\.pem"
    )
    trusts_place = False

    def read_event(self, event: dict[str, Any], event_id: str | None, when: datetime | None) -> Iterator[WebhookEvent]:
        word = meaning_of(WORDS, text(event.get("type")))
        if word is SKIPPED:
            return
        for recipient in addresses_or_none(event.get("email_to")):
            yield WebhookEvent(
                word,
                recipient,
                text(event.get("email_id")),
                text(event.get("id")) or event_id,
                moment(event.get("created_at")) or when,
                text(event.get("email_response_message")) or text(event.get("email_error")),
                reply=number(event.get("email_response_code")),
            )
