"""The way out by Mailgun's interface: the letter as we made it, over HTTPS. For networks that let no mail out. And what
Mailgun tells of sent messages (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks).

    mailgun://KEY@example.org?region=eu     POST https://api.eu.mailgun.net/v3/example.org/messages.mime

The domain is the sending domain as Mailgun knows it. Mailgun is told to leave our links alone and to count no openings.
Bounces go to Mailgun and not to the return address: it writes an envelope of its own, and keeps the Message-ID
(https://github.com/mailgun/mailgun.js/issues/394). Its list of events has them for
at least three days. Mailgun calls that list deprecated, in favor of its Logs.
"""

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from samizdat.core.mail.outcome import OK, RouteVerdict
from samizdat.transports.base import BadRoute, Message, RouteField, RouteKind, RouteProvider, RouteSettings
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import HttpReply
from samizdat.transports.http_api import API_ASKS, API_OPTIONS, PAGE, ApiRequest, HttpApi, check_key, document
from samizdat.transports.webhook_signatures import insist_hmac, insist_recent, key_of
from samizdat.transports.webhooks import (
    SKIPPED,
    TOLERANCE,
    EventWord,
    Webhook,
    WebhookEvent,
    WebhookRequest,
    WebhookSecret,
    address,
    embedded,
    meaning_of,
    metadata,
    moment,
    number,
    status,
    tags,
    text,
    within,
)

HOSTS = {"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"}


class MailgunTransport(HttpApi):
    """Mailgun's raw-MIME interface."""

    name = "mailgun"
    spf_host = "mailgun.org"
    kinds = (
        RouteKind(
            "mailgun://KEY@example.org?region=eu", "Mailgun over HTTPS, for networks where mail ports are blocked"
        ),
    )
    providers = (
        RouteProvider(
            "mailgun",
            "Mailgun",
            "mailgun://KEY@example.org?region=eu",
            "Sends over HTTPS, so it also works where mail ports are blocked.",
        ),
    )
    keyed = True
    asks = (
        RouteField("host", "As shown in Mailgun, like lantern.example.", label="Sending domain", required=True),
        RouteField("key", "Use a sending key.", label="Key", secret=True),
        RouteField(
            "region",
            "As Mailgun shows it next to the domain.",
            default="us",
            label="Region",
            required=True,
            choices={"us": "US", "eu": "EU"},
        ),
        *API_ASKS,
    )
    known_options = ("region", *API_OPTIONS)

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        region = route.options.get("region", "us").lower()
        if region not in HOSTS:
            raise BadRoute("bad_region")
        check_key(route)
        self.read_options(HOSTS[region])
        self.path = f"/v3/{route.host}/messages.mime"
        # Nobody can know it, so no letter can hold it.
        self.boundary = secrets.token_hex(24)

    def request(self, message: Message) -> ApiRequest:
        return self.form(message.recipient, message.content)

    async def probe(self) -> RouteVerdict:
        """A letter to nobody: whoever may send is told that the recipient is missing, and nothing is sent.

        Looking at the domain would say more, but a key that may only send is not allowed to.
        """
        try:
            answer = await self.try_request(self.form("", b"Subject: test\r\n\r\n"))
        except ConnectionLost as lost:
            return lost.verdict
        return self.probed(answer, answer.status in (400, 422) and isinstance(document(answer), dict))

    async def standing(self) -> RouteVerdict | None:
        """The state of the sending domain. A key that may only send is not told; then nobody knows more than before."""
        try:
            for version in ("v4", "v3"):
                answer = await self.ask(f"/{version}/domains/{self.route.host}", self.authorization())
                if answer.status != 404:
                    return self.read_state(answer)
        except ConnectionLost:
            pass
        return None

    def read_state(self, answer: HttpReply) -> RouteVerdict | None:
        """What `state` says: active, unverified or disabled. None for any other answer."""
        payload = document(answer)
        domain = payload.get("domain") if answer.status == 200 and isinstance(payload, dict) else None
        state = domain.get("state") if isinstance(domain, dict) else None
        values = {"host": self.place.name, "answer": f"{self.route.host}: {state}"}
        if state == "active":
            return replace(OK, values=values)
        if state == "disabled":
            return RouteVerdict("dead", "suspended", values, early=True)
        return RouteVerdict("config", "sender", values) if state == "unverified" else None

    lists_for = "mailgun"

    def lists(self, since: datetime, now: datetime) -> dict[str, str]:
        """https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events"""
        wanted = quote("failed OR rejected OR complained OR unsubscribed")
        begin = f"begin={since.timestamp():.0f}&ascending=yes&limit={PAGE}"
        return {"events": f"/v3/{self.route.host}/events?event=({wanted})&{begin}"}

    def next_page(self, path: str, payload: Any) -> str:
        """What it names itself, at the same place."""
        url = urlsplit(text(within(payload, "paging", "next"), 4_000) or "")
        is_here = re.fullmatch(rf"/v3/{re.escape(self.route.host)}/events/[!-~]+", url.path)
        return url.path if is_here and within(payload, "items") else ""

    def authorization(self) -> dict[str, str]:
        secret = base64.b64encode(f"api:{self.route.password}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}

    def form(self, recipient: str, content: bytes) -> ApiRequest:
        field = f"--{self.boundary}\r\nContent-Disposition: form-data; name="
        to = f'{field}"to"\r\n\r\n{recipient}\r\n' if recipient else ""
        head = (
            f'{to}{field}"o:tracking"\r\n\r\nno\r\n'
            f'{field}"message"; filename="letter.eml"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        headers = self.authorization() | {"Content-Type": f"multipart/form-data; boundary={self.boundary}"}
        return ApiRequest(self.path, headers, head.encode() + content, f"\r\n--{self.boundary}--\r\n".encode())


WORDS: dict[str, EventWord | None] = {
    "accepted": EventWord("queued"),
    "stored": EventWord("queued"),
    "delivered": EventWord("delivered"),
    "failed": EventWord("bounced", None, True),
    "rejected": EventWord("rejected", "other"),
    "complained": EventWord("complained", "spam"),
    "unsubscribed": EventWord("unsubscribed", "unsubscribed"),
    "opened": SKIPPED,
    "clicked": SKIPPED,
    # Of the webhooks before 2018, which are forms.
    "bounced": EventWord("bounced", None, True),
    "dropped": EventWord("rejected", None),
}
# `reason` of what failed.
REASONS = {
    "bounce": EventWord("bounced", "bounced", True),
    "suppress-bounce": EventWord("bounced", "bounced", True, suppressed=True),
    "suppress-complaint": EventWord("bounced", "spam", True, suppressed=True),
    "suppress-unsubscribe": EventWord("bounced", "unsubscribed", True, suppressed=True),
    "old": EventWord("bounced", "timed_out", False, "expired"),
}
# `code` of what an old webhook says was dropped: by Mailgun's lists, or after too many tries.
CODES = {
    "605": EventWord("rejected", "bounced", True, suppressed=True),
    "606": EventWord("rejected", "unsubscribed", True, suppressed=True),
    "607": EventWord("rejected", "spam", True, suppressed=True),
    "499": EventWord("rejected", "timed_out", False, "expired"),
}
# What Mailgun itself writes into an old one. All else is what the sender gave to the message.
FIELDS = frozenset(
    [
        "event", "recipient", "domain", "signature", "timestamp", "token", "message-headers", "code",
        "description", "reason", "error", "notification", "message-id", "campaign-id", "campaign-name",
        "mailing-list", "tag", "attachment-count", "body-plain", "ip", "country", "region", "city",
        "user-agent", "device-type", "client-type", "client-name", "client-os", "url",
    ]
)  # fmt: skip


SECONDS = re.compile(r"[0-9]{10}")


class MailgunWebhook(Webhook):
    """`secret.key`: the HTTP webhook signing key. The token is the event id: Mailgun asks to take each once."""

    name = "mailgun"
    label = "Mailgun"
    domain = "mailgun.org"
    steps = (
        "In Mailgun, open Sending, Webhooks, choose your domain and add this address for: permanent failure, "
        "temporary failure, spam complaints, unsubscribes. The signing key is in your account under API security."
    )
    secret_label = "HTTP webhook signing key"
    signs_inside = True

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        key, parts = key_of(self, secret), self.parts(request)
        signed_at, token = text(within(parts, "timestamp")) or "", text(within(parts, "token")) or ""
        # Both are signed as one text. With digits of the token behind the time it would be as good in milliseconds,
        # and what is left of the token a new one.
        if not SECONDS.fullmatch(signed_at):
            raise self.refusal("no_signature")
        data = (signed_at + token).encode("utf-8", "replace")
        insist_hmac(self, text(within(parts, "signature")), key.encode(), data)
        insist_recent(self, signed_at, now, tolerance)

    def nonce(self, request: WebhookRequest) -> str | None:
        return text(within(self.parts(request), "token"))

    def parts(self, request: WebhookRequest) -> Any:
        """Of the signature, which covers a time and a token."""
        return dict(self.form(request)) if request.is_form else within(self.document(request), "signature")

    list_hint = "The key of the route has to be one that may read events. A sending key may not."

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        if request.is_form:
            yield from _read_old(self.form(request))
            return
        for item in self.objects(self.document(request)):
            yield from _read_event(item.get("event-data"), text(within(item, "signature", "token")))

    def read_listed(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(within(self.document(request), "items")):
            yield from _read_event(event, None)


def _read_event(event: Any, token: str | None) -> Iterator[WebhookEvent]:
    word = meaning_of(WORDS, text(within(event, "event")))
    if word is SKIPPED:
        return
    delivery, reason = within(event, "delivery-status"), text(within(event, "reason"))
    message_id = text(within(event, "message", "headers", "message-id"))
    server_words = text(within(delivery, "message")) or text(within(delivery, "description"))
    yield WebhookEvent(
        _explained(word, reason, within(event, "severity")),
        address(within(event, "recipient")),
        message_id and f"<{message_id.strip('<>')}>",
        token or text(within(event, "id")),
        moment(within(event, "timestamp")),
        text(within(delivery, "message")),
        text(within(delivery, "description")) or text(within(event, "reject", "reason")),
        server_words=server_words,
        status=status(within(delivery, "enhanced-code")),
        reply=number(within(delivery, "code")),
        sender=address(within(event, "envelope", "sender")),
        header_id=message_id,
        tags=tags(within(event, "tags")),
        metadata=metadata(within(event, "user-variables")),
    )


def _explained(word: EventWord, reason: str | None, severity: object) -> EventWord:
    if word.action != "bounced":
        return word
    known = REASONS.get(reason or "") or word._replace(cause="other" if reason else None)
    return known._replace(action="deferred", permanent=False) if severity == "temporary" else known


def _read_old(pairs: list[tuple[str, str]]) -> Iterator[WebhookEvent]:
    fields: dict[str, Any] = dict(pairs)
    word = meaning_of(WORDS, text(fields.get("event")))
    if word is SKIPPED:
        return
    code = text(fields.get("code")) or ""
    message_id = text(fields.get("Message-Id")) or text(fields.get("message-id"))
    written = _old_headers(fields)
    yield WebhookEvent(
        _old_word(word, code, fields.get("reason")),
        address(fields.get("recipient")),
        message_id,
        text(fields.get("token")),
        moment(fields.get("timestamp")),
        text(fields.get("error")) or text(fields.get("notification")),
        text(fields.get("description")),
        status=status(code),
        reply=number(code),
        header_id=message_id,
        tags=tags([value for name, value in pairs if name == "tag"] or written.get("x-mailgun-tag")),
        metadata=metadata(_old_metadata(fields, written)),
    )


def _old_word(word: EventWord, code: str, reason: object) -> EventWord:
    if word.action not in ("bounced", "rejected"):
        return word
    if word.action == "rejected" and (code in CODES or reason == "old"):
        return CODES.get(code, CODES["499"])
    return word._replace(cause="bounced" if number(code) or status(code) else "other")


def _old_headers(fields: dict[str, Any]) -> dict[str, list[str]]:
    """Of the message: names in lower case, and the values of each."""
    pairs = embedded(fields.get("message-headers"))
    headers: dict[str, list[str]] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            headers.setdefault(pair[0].lower(), []).append(pair[1])
    return headers


def _old_metadata(fields: dict[str, Any], written: dict[str, list[str]]) -> dict[str, Any]:
    if written:
        variables = [embedded(value) for value in written.get("x-mailgun-variables", ())]
        return {key: value for held in variables if isinstance(held, dict) for key, value in held.items()}
    own = [name for name in fields if name.lower() not in FIELDS and not name.lower().startswith("x-mailgun-")]
    return {name: fields[name] for name in own}
