"""Brevo: the way out by its interface, and its webhook of transactional email.

    brevo-api://KEY@api.brevo.com

The interface takes texts and headers (https://developers.brevo.com/reference/sendtransacemail) and writes the message
anew, so it signs; it has no place for pictures within an email. Brevo rewrites links and adds a picture that counts
opens, and no request can turn that off. Our token comes back as X-Mailin-custom.

Webhook: https://developers.brevo.com/docs/transactional-webhooks; the names of its events as the app has them:
https://developers.brevo.com/docs/how-to-use-webhooks; the menu: https://app-smtp.brevo.com/webhook
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from samizdat.core.mail.message_parts import parts_of
from samizdat.core.mail.outcome import Outcome, Refused, RouteVerdict
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
    message_token,
    named,
    text_of,
)
from samizdat.transports.webhook_signatures import insist_equal, insist_login, key_of
from samizdat.transports.webhooks import (
    SKIPPED,
    TOLERANCE,
    UNKNOWN,
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
    tags,
    text,
    within,
)

HOST = "api.brevo.com"


class BrevoTransport(HttpApi):
    """/v3/smtp/email, one message a request."""

    name = "brevo-api"
    spf_host = "brevo.com"
    kinds = (RouteKind("brevo-api://KEY@api.brevo.com", "Brevo over HTTPS"),)
    providers = (
        RouteProvider(
            "brevo-api",
            "Brevo over HTTPS",
            "brevo-api://KEY@api.brevo.com",
            "Use an API key; an SMTP key doesn’t work here. Brevo counts opens and clicks, which can’t be turned off.",
            signs=False,
        ),
    )
    keyed = True
    asks = (
        RouteField("host", "Always api.brevo.com.", label="Host", required=True),
        RouteField("key", "From SMTP & API, API keys.", label="API key", secret=True),
        *API_ASKS,
    )
    known_options = API_OPTIONS

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if route.host != HOST or route.port or route.path not in ("", "/"):
            raise BadRoute("bad_api_host", hosts=HOST)
        if not route.password:
            raise BadRoute("no_key", scheme=route.scheme)
        self.read_options(HOST)

    def request(self, message: Message) -> ApiRequest | Outcome:
        parts = parts_of(message.content)
        if parts.pictures:
            return Refused(0, "Brevo’s interface takes no pictures within an email.", "message", "content")
        token = message_token(message)
        custom = {"X-Mailin-custom": json.dumps(token)} if token else {}
        payload = {
            "to": [named(parts.to_name, message.recipient)],
            "sender": named(parts.sender[0], parts.sender[1] or message.sender),
            **({"replyTo": named(*parts.reply_to)} if parts.reply_to[1] else {}),
            "subject": parts.subject,
            "textContent": parts.text,
            **({"htmlContent": parts.html} if parts.html else {}),
            **({"headers": headers} if (headers := dict(parts.headers) | custom) else {}),
        }
        return json_request("/v3/smtp/email", self.authorization(), json_body(payload))

    def authorization(self) -> dict[str, str]:
        return {"api-key": self.route.password}

    lists_for = "brevo"

    def lists(self, since: datetime, now: datetime) -> dict[str, str]:
        """https://developers.brevo.com/reference/get-email-event-report: whole days, today included, and 90 at most."""
        days = min((now - since).days + 2, 90)
        query = f"days={days}&sort=asc&limit={PAGE}&offset=0"
        return {name: f"/v3/smtp/statistics/events?event={name}&{query}" for name in LISTS}

    def next_page(self, path: str, payload: Any) -> str:
        return behind(path, within(payload, "events"))

    async def probe(self) -> RouteVerdict:
        try:
            answer = await self.ask("/v3/account", self.authorization())
        except ConnectionLost as lost:
            return lost.verdict
        return self._disabled(answer) or self.probed(answer, answer.status == 200 and bool(document(answer)))

    async def standing(self) -> RouteVerdict | None:
        """Whether Brevo has activated the account for this kind of email."""
        try:
            return self._disabled(await self.ask("/v3/account", self.authorization()))
        except ConnectionLost:
            return None

    def _disabled(self, answer: HttpReply) -> RouteVerdict | None:
        relay = within(document(answer), "relay", "enabled") if answer.status == 200 else None
        values = {"host": self.place.name, "answer": "relay: disabled"}
        return RouteVerdict("dead", "not_authorised", values, early=True) if relay is False else None

    def kind_of(self, payload: Any, answer: HttpReply) -> str:
        return text_of(payload, "code")

    def id_of(self, payload: Any, answer: HttpReply) -> str:
        return text_of(payload, "messageId")


WORDS: dict[str, EventWord | None] = {
    "request": EventWord("queued"),
    "delivered": EventWord("delivered"),
    "deferred": EventWord("deferred"),
    "hard_bounce": EventWord("bounced", "bounced", True),
    "soft_bounce": EventWord("bounced", "bounced", False),
    "invalid_email": EventWord("bounced", "invalid", True, "user_unknown"),
    "blocked": EventWord("rejected", "blocked", suppressed=True),
    "error": EventWord("failed"),
    "spam": EventWord("complained", "spam"),
    "unsubscribe": EventWord("unsubscribed"),
    "unsubscribed": EventWord("unsubscribed"),
    "list_addition": EventWord("subscribed"),
    "opened": SKIPPED,
    "unique_opened": SKIPPED,
    "proxy_open": SKIPPED,
    "unique_proxy_open": SKIPPED,
    "click": SKIPPED,
}


# The same words in its report of events, which is asked for one of them at a time.
LISTS = {
    "hardBounces": "hard_bounce",
    "softBounces": "soft_bounce",
    "invalid": "invalid_email",
    "blocked": "blocked",
    "error": "error",
    "spam": "spam",
    "unsubscribed": "unsubscribed",
}


class BrevoWebhook(Webhook):
    """`secret.key`: "user:password" of the URL, or the token that Brevo sends as a bearer."""

    name = "brevo"
    label = "Brevo"
    domain = "brevo.com"
    steps = (
        "In Brevo, open Transactional, Email, Settings, Webhook, add this address and tick: hard bounce, soft bounce, "
        "invalid email, blocked, error, complaint, unsubscribed."
    )
    signs = False

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            insist_equal(self, token, key_of(self, secret))
        else:
            insist_login(self, request, secret)

    def read_listed(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        """An empty object where there are none."""
        for event in self.objects(within(self.document(request), "events") or []):
            yield WebhookEvent(
                meaning_of(WORDS, LISTS.get(request.listed)) or UNKNOWN,
                address(event.get("email")),
                text(event.get("messageId")),
                None,
                moment(event.get("date")),
                text(event.get("reason")),
                tags=_tags(event.get("tag")),
            )

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            word = meaning_of(WORDS, text(event.get("event")))
            if word is SKIPPED:
                continue
            # `ts` is in the zone of the account.
            times = map(moment, map(event.get, ("ts_event", "ts_epoch", "s_epoch")))
            yield WebhookEvent(
                word,
                address(event.get("email")),
                text(event.get("message-id")),
                None,
                next(filter(None, times), None),
                text(event.get("reason")),
                tags=tags(event.get("tags")) or _tags(event.get("tag")),
                metadata=metadata(embedded(event.get("X-Mailin-custom"))),
            )


def _tags(value: object) -> tuple[str, ...]:
    """A list of JSON within a text, or a tag alone."""
    listed = embedded(value)
    return tags(listed if isinstance(listed, list) else value)
