"""Postmark: the way out by its interface, and its modular webhooks.

    postmark-api://TOKEN@broadcast

The host is the message stream. The interface takes texts, headers and pictures (https://postmarkapp.com/developer/api/
email-api) and writes the message anew, so it signs. Opens and links are left alone; our token comes back as metadata.
One request a message: of a batch that was cut off, 500 messages would be unsure.

Webhooks: https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from samizdat.core.mail.message_parts import parts_of
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.transports.base import BadRoute, Message, RouteField, RouteKind, RouteProvider, RouteSettings
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import HttpReply
from samizdat.transports.http_api import (
    API_ASKS,
    API_OPTIONS,
    PAGE,
    ApiRequest,
    HttpApi,
    behind,
    document,
    json_body,
    json_request,
    mailbox,
    message_token,
    text_of,
)
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
    within,
)

EASTERN = ZoneInfo("America/New_York")
STREAM = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")


class PostmarkTransport(HttpApi):
    """/email, one message a request."""

    name = "postmark-api"
    spf_host = "postmarkapp.com"
    kinds = (RouteKind("postmark-api://TOKEN@broadcast", "Postmark over HTTPS"),)
    providers = (
        RouteProvider(
            "postmark-api",
            "Postmark over HTTPS",
            "postmark-api://TOKEN@broadcast",
            "Use the API token of the server and the ID of a broadcast stream.",
            signs=False,
        ),
    )
    keyed = True
    asks = (
        RouteField("host", "Its ID in Postmark, like broadcast.", label="Message stream", required=True),
        RouteField("key", "Of the Postmark server.", label="Server API token", secret=True),
        *API_ASKS,
    )
    known_options = API_OPTIONS

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if not STREAM.fullmatch(route.host) or route.port or route.path not in ("", "/"):
            raise BadRoute("bad_stream")
        if not route.password:
            raise BadRoute("no_key", scheme=route.scheme)
        self.read_options("api.postmarkapp.com")

    def request(self, message: Message) -> ApiRequest:
        parts = parts_of(message.content)
        headers = [*parts.headers, ("X-PM-KeepID", "true")]
        pictures = [
            {
                "Name": picture.name,
                "Content": picture.content,
                "ContentType": picture.type,
                "ContentID": f"cid:{picture.cid}",
            }
            for picture in parts.pictures
        ]
        payload = {
            "To": mailbox(parts.to_name, message.recipient),
            "From": mailbox(parts.sender[0], parts.sender[1] or message.sender),
            **({"ReplyTo": mailbox(*parts.reply_to)} if parts.reply_to[1] else {}),
            "Subject": parts.subject,
            "TextBody": parts.text,
            **({"HtmlBody": parts.html} if parts.html else {}),
            **({"Attachments": pictures} if pictures else {}),
            "Headers": [{"Name": name, "Value": value} for name, value in headers],
            "Metadata": message_token(message),
            "MessageStream": self.route.host,
            "TrackOpens": False,
            "TrackLinks": "None",
        }
        return json_request("/email", self.authorization(), json_body(payload))

    def authorization(self) -> dict[str, str]:
        return {"X-Postmark-Server-Token": self.route.password}

    lists_for = "postmark"

    def lists(self, since: datetime, now: datetime) -> dict[str, str]:
        """https://postmarkapp.com/developer/api/bounce-api#bounces: complaints are bounces of a type of their own, and
        times are those of its office."""
        begins = f"{since.astimezone(EASTERN):%Y-%m-%dT%H:%M:%S}"
        return {
            "bounces": f"/bounces?messagestream={self.route.host}&fromdate={begins}&count={PAGE}&offset=0",
        }

    def next_page(self, path: str, payload: Any) -> str:
        return behind(path, within(payload, "Bounces"))

    async def probe(self) -> RouteVerdict:
        """Asks for the stream, which the server's token may see."""
        try:
            answer = await self.ask(f"/message-streams/{self.route.host}", self.authorization())
        except ConnectionLost as lost:
            return lost.verdict
        stream = document(answer) if answer.status == 200 else None
        if text_of(stream, "ID") and isinstance(stream, dict) and stream.get("ArchivedAt"):
            values = {"host": self.place.name, "answer": f"{self.route.host}: archived"}
            return RouteVerdict("dead", "no_such_stream", values, 600)
        if answer.status == 404:
            values = {"host": self.place.name, "answer": f"404 {self.route.host}"}
            return RouteVerdict("dead", "no_such_stream", values, 600)
        return self.probed(answer, bool(text_of(stream, "ID")))

    def kind_of(self, payload: Any, answer: HttpReply) -> str:
        number = payload.get("ErrorCode") if isinstance(payload, dict) else None
        return f"ErrorCode {number}" if isinstance(number, int) and number else ""

    def words_of(self, payload: Any, answer: HttpReply) -> str:
        return text_of(payload, "Message") or answer.text

    def id_of(self, payload: Any, answer: HttpReply) -> str:
        return "" if self.kind_of(payload, answer) else text_of(payload, "MessageID")


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
    domain = "postmarkapp.com"
    steps = (
        "In Postmark, open the server, its message stream, Webhooks, add this address and tick: bounce, "
        "spam complaint, subscription change."
    )

    def read_listed(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        yield from self._read(self.objects(within(self.document(request), "Bounces")))

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        yield from self._read(self.objects(self.document(request)))

    def _read(self, events: Iterable[dict[str, Any]]) -> Iterator[WebhookEvent]:
        for event in events:
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
