"""SendGrid: the way out by its interface, and its Event Webhook.

    sendgrid-api://KEY@api.sendgrid.com     api.eu.sendgrid.com for a subuser in the EU

The interface takes texts, headers and pictures (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send)
and writes the message anew, so it signs. Each request turns off the tracking of clicks and opens, its own unsubscribe
link, and footers, whatever the account says. Our token comes back as a custom argument.

Webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

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
    message_token,
    named,
    text_of,
)
from samizdat.transports.webhook_signatures import insist_recent, insist_signed, public_key
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
    meaning_of,
    metadata,
    moment,
    objects_of,
    status,
    tags,
    text,
    within,
)

HOSTS = ("api.sendgrid.com", "api.eu.sendgrid.com")
OFF = {"enable": False}


class SendGridTransport(HttpApi):
    """/v3/mail/send, one message a request."""

    name = "sendgrid-api"
    spf_host = "sendgrid.net"
    kinds = (RouteKind("sendgrid-api://KEY@api.sendgrid.com", "SendGrid over HTTPS"),)
    providers = (
        RouteProvider(
            "sendgrid-api",
            "SendGrid over HTTPS",
            "sendgrid-api://KEY@api.sendgrid.com",
            "Use an API key that may send mail. For a subuser in the EU, the host is api.eu.sendgrid.com.",
            signs=False,
        ),
    )
    keyed = True
    asks = (
        RouteField("host", "api.sendgrid.com, or api.eu.sendgrid.com in the EU.", label="Host", required=True),
        RouteField("key", "With the permission Mail Send and no other.", label="API key", secret=True),
        *API_ASKS,
    )
    known_options = API_OPTIONS

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if route.host not in HOSTS or route.port or route.path not in ("", "/"):
            raise BadRoute("bad_api_host", hosts=" or ".join(HOSTS))
        if not route.password:
            raise BadRoute("no_key", scheme=route.scheme)
        self.read_options(route.host)

    def request(self, message: Message) -> ApiRequest:
        parts = parts_of(message.content)
        texts = [("text/plain", parts.text or " "), ("text/html", parts.html)]
        pictures = [
            {
                "content": picture.content,
                "type": picture.type,
                "filename": picture.name,
                "disposition": "inline",
                "content_id": picture.cid,
            }
            for picture in parts.pictures
        ]
        recipient = {"to": [named(parts.to_name, message.recipient)], "custom_args": message_token(message)}
        payload = {
            "personalizations": [recipient],
            "from": named(parts.sender[0], parts.sender[1] or message.sender),
            **({"reply_to": named(*parts.reply_to)} if parts.reply_to[1] else {}),
            "subject": parts.subject,
            "content": [{"type": kind, "value": value} for kind, value in texts if value],
            **({"attachments": pictures} if pictures else {}),
            **({"headers": dict(parts.headers)} if parts.headers else {}),
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": OFF,
                "subscription_tracking": OFF,
                "ganalytics": OFF,
            },
            "mail_settings": {"footer": OFF},
        }
        return json_request("/v3/mail/send", self.authorization(), json_body(payload))

    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.route.password}"}

    lists_for = "sendgrid"

    def lists(self, since: datetime, now: datetime) -> dict[str, str]:
        """https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces and its like"""
        times = f"start_time={since.timestamp():.0f}&end_time={now.timestamp():.0f}&limit={PAGE}&offset=0"
        return {name: f"/v3/suppression/{name}?{times}" for name in LISTS}

    def next_page(self, path: str, payload: Any) -> str:
        return behind(path, payload)

    async def probe(self) -> RouteVerdict:
        """Asks what the key may do, which every key may ask."""
        try:
            answer = await self.ask("/v3/scopes", self.authorization())
        except ConnectionLost as lost:
            return lost.verdict
        scopes = within(document(answer), "scopes") if answer.status == 200 else None
        if isinstance(scopes, list) and "mail.send" not in scopes:
            values = {"host": self.place.name, "answer": "mail.send"}
            return RouteVerdict("dead", "not_authorised", values)
        return self.probed(answer, isinstance(scopes, list))

    def words_of(self, payload: Any, answer: HttpReply) -> str:
        """All errors; one about the recipient says which field is meant."""
        errors = list(objects_of(within(payload, "errors")))[:5]
        return "; ".join(map(_error, errors)) or answer.text

    def id_of(self, payload: Any, answer: HttpReply) -> str:
        return answer.headers.get("x-message-id", "") if answer.status == 202 else ""


def _error(error: dict[str, Any]) -> str:
    """With the last two words of the field: "to field: Does not contain a valid address." """
    field = [part for part in text_of(error, "field").split(".") if part.isalpha()]
    about = {"to": "to field: ", "from": "from field: "}.get(field[-2] if len(field) > 1 else "", "")
    return about + text_of(error, "message")


WORDS: dict[str, EventWord | None] = {
    "processed": EventWord("queued"),
    "delivered": EventWord("delivered"),
    "deferred": EventWord("deferred"),
    "bounce": EventWord("bounced", "bounced", True),
    "blocked": EventWord("bounced", "blocked", False),
    "dropped": EventWord("rejected", "other"),
    "spamreport": EventWord("complained", "spam"),
    "unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "group_unsubscribe": EventWord("unsubscribed", "unsubscribed"),
    "group_resubscribe": EventWord("subscribed"),
    "open": SKIPPED,
    "click": SKIPPED,
}
# Why a message was dropped, in lower case.
DROPPED = {
    "invalid": EventWord("rejected", "invalid", True, suppressed=True),
    "bounced address": EventWord("rejected", "bounced", True, suppressed=True),
    "unsubscribed address": EventWord("rejected", "unsubscribed", True, suppressed=True),
    "spam reporting address": EventWord("rejected", "spam", True, suppressed=True),
    "spam content (if spam checker app enabled)": EventWord("rejected", "spam", False, "spam"),
    "spam content": EventWord("rejected", "spam", False, "spam"),
    "expired": EventWord("rejected", "timed_out", False, "expired"),
}
# `type` of a bounce.
BOUNCES = {
    "blocked": EventWord("bounced", "blocked", False),
    "expired": EventWord("bounced", "timed_out", False, "expired"),
}
# `bounce_classification`: the reason, where the server's words give none.
CLASSES = {
    "Invalid Address": "user_unknown",
    "Mailbox Unavailable": "disabled",
    "Technical": "system",
    "Technical Failure": "system",
    "Content": "spam",
    "Reputation": "blocked",
    "Frequency/Volume": "rate",
    "Frequency or Volume Too High": "rate",
}
# What its lists of suppressed addresses mean.
LISTS = {
    "bounces": EventWord("bounced", "bounced", True),
    "blocks": EventWord("bounced", "blocked", False),
    "invalid_emails": EventWord("rejected", "invalid", True, suppressed=True),
    "spam_reports": EventWord("complained", "spam"),
}
# What SendGrid writes itself. All else at the top of an event is what the sender gave to the message.
FIELDS = frozenset(
    [
        "email", "event", "timestamp", "smtp-id", "sg_event_id", "sg_message_id", "useragent", "ip", "url",
        "url_offset", "category", "asm_group_id", "attempt", "response", "reason", "status", "type", "tls",
        "cert_err", "newsletter", "pool", "send_at", "bounce_classification", "marketing_campaign_id",
        "marketing_campaign_name", "marketing_campaign_version", "marketing_campaign_split_id", "post_type",
        "sg_machine_open", "sg_content_type", "sg_template_id", "sg_template_name", "singlesend_id",
        "singlesend_name", "template_id", "template_hash", "template_version_id", "phase_id", "mc_stats",
        "mc_pod_id", "mc_auto_id", "mc_auto_name", "automation_id", "domain", "from", "created",
        # The id that django-anymail gives to a message.
        "anymail_id",
    ]
)  # fmt: skip


class SendGridWebhook(Webhook):
    """`secret.key`: the verification key, which is a public key."""

    name = "sendgrid"
    label = "SendGrid"
    domain = "sendgrid.net"
    steps = (
        "In SendGrid, open Settings, Mail Settings, Event Webhooks, add this address, tick: bounced, dropped, "
        "spam reports, and turn on signed event webhook."
    )
    secret_label = "Verification key"

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        written = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        signature = request.headers.get("x-twilio-email-event-webhook-signature")
        key = public_key(self, secret)
        insist_signed(self, key, signature, written.encode("utf-8", "replace") + request.body)
        insist_recent(self, written, now, tolerance)

    list_hint = "The API key of the route also needs the permission Suppressions, read access."

    def read_listed(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for entry in self.objects(self.document(request)):
            yield WebhookEvent(
                LISTS.get(request.listed, UNKNOWN),
                address(entry.get("email")),
                moment=moment(entry.get("created")),
                response=text(entry.get("reason")),
                status=status(entry.get("status")),
            )

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        for event in self.objects(self.document(request)):
            name = text(event.get("event"))
            word = meaning_of(WORDS, name)
            if word is SKIPPED:
                continue
            reason = text(event.get("reason"))
            if name == "dropped":
                word = DROPPED.get((reason or "").strip().lower(), word)
            elif name == "bounce":
                word = BOUNCES.get(text(event.get("type")) or "", word)
                word = word._replace(reason=CLASSES.get(text(event.get("bounce_classification")) or "", word.reason))
            yield WebhookEvent(
                word,
                address(event.get("email")),
                # Who changes over from django-anymail knows messages by its id.
                text(event.get("anymail_id")) or text(event.get("smtp-id")) or text(event.get("sg_message_id")),
                text(event.get("sg_event_id")),
                moment(event.get("timestamp")),
                text(event.get("response")) or (None if name == "dropped" else reason),
                reason if name == "dropped" else None,
                status=status(event.get("status")),
                tags=tags(event.get("category")),
                metadata=metadata({key: value for key, value in event.items() if key not in FIELDS}),
            )
