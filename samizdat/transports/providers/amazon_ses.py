"""Amazon SES: the way out by its interface, and what it tells of sent messages, through a topic of SNS.

    ses-api://ACCESS_KEY:SECRET_KEY@eu-central-1?configuration_set=news

The message goes as we made it (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). SES writes
Date, Message-ID and envelope anew: bounces by mail go to the return address as feedback, and each event has our token
as a message tag. Opens and clicks are counted where the configuration set has a destination for them, and nowhere else;
no request can turn that off.

Events: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html; the older
notifications: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html; where topics are chosen, and that
they can't be FIFO: https://docs.aws.amazon.com/ses/latest/dg/configure-sns-notifications.html
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from samizdat.core.crypto.aws_signature import amz_date, authorization
from samizdat.core.mail.outcome import OK, Refused, RouteVerdict
from samizdat.transports.base import BadRoute, Message, RouteField, RouteKind, RouteProvider, RouteSettings
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import HttpReply
from samizdat.transports.http_api import (
    API_ASKS,
    API_OPTIONS,
    TOKEN_NAME,
    ApiRequest,
    HttpApi,
    document,
    json_body,
    json_request,
    message_token,
    text_of,
)
from samizdat.transports.sns import SnsWebhook
from samizdat.transports.webhooks import (
    SKIPPED,
    UNKNOWN,
    EventWord,
    Scalar,
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


PATH = "/v2/email/outbound-emails"
REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-\d{1,2}")


class AmazonSesTransport(HttpApi):
    """SendEmail of its second interface, with the raw message."""

    name = "ses-api"
    spf_host = "amazonaws.com"
    kinds = (RouteKind("ses-api://ACCESS_KEY:SECRET_KEY@eu-central-1", "Amazon SES over HTTPS"),)
    providers = (
        RouteProvider(
            "ses-api",
            "Amazon SES over HTTPS",
            "ses-api://ACCESS_KEY:SECRET_KEY@eu-central-1",
            "Create an access key that may do ses:SendEmail. SMTP credentials don’t work here.",
            signs=False,
        ),
    )
    asks = (
        RouteField("host", "As in the SES console, like eu-central-1.", label="Region", required=True),
        RouteField("user", "Of an IAM user that may do ses:SendEmail.", label="Access key ID", required=True),
        RouteField("password", "Of the same access key.", label="Secret access key", secret=True),
        RouteField(
            "configuration_set",
            "Needed for webhooks. It must not count opens and clicks.",
            label="Configuration set",
        ),
        *API_ASKS,
    )
    known_options = ("configuration_set", *API_OPTIONS)

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if not REGION.fullmatch(route.host) or route.port or route.path not in ("", "/"):
            raise BadRoute("bad_aws_region")
        if not route.user.isalnum() or not route.user.isascii() or not route.password:
            raise BadRoute("no_access_key")
        self.configuration_set = route.options.get("configuration_set", "")
        self.read_options(f"email.{route.host}.amazonaws.com")

    def request(self, message: Message) -> ApiRequest:
        tags = [{"Name": name, "Value": value} for name, value in message_token(message).items()]
        payload = {
            "Destination": {"ToAddresses": [message.recipient]},
            "Content": {"Raw": {"Data": base64.b64encode(message.content).decode()}},
            **({"FeedbackForwardingEmailAddress": message.sender} if message.sender else {}),
            **({"ConfigurationSetName": self.configuration_set} if self.configuration_set else {}),
            **({"EmailTags": tags} if tags else {}),
        }
        return self.signed(json_body(payload))

    def signed(self, body: bytes) -> ApiRequest:
        return json_request(PATH, self.headers("POST", PATH, body), body)

    def headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """The date, and the signature over all."""
        date = {"X-Amz-Date": amz_date(datetime.now(UTC))}
        signature = authorization(
            method,
            path,
            date | {"Host": self.place.name},
            body,
            access_key=self.route.user,
            secret_key=self.route.password,
            region=self.route.host,
            service="ses",
        )
        return date | {"Authorization": signature}

    async def probe(self) -> RouteVerdict:
        """A message to nobody: whoever may send is told that the request is bad, and nothing is sent."""
        try:
            answer = await self.try_request(self.signed(json_body({"Content": {"Raw": {"Data": ""}}})))
            outcome, _ = self.read(answer, "")
        except ConnectionLost as lost:
            return lost.verdict
        return self.probed(answer, answer.status == 400 and isinstance(outcome, Refused))

    async def standing(self) -> RouteVerdict | None:
        """What GetAccount says, to an access key that may ask."""
        path = "/v2/email/account"
        try:
            answer = await self.ask(path, self.headers("GET", path, b""))
        except ConnectionLost:
            return None
        account = document(answer) if answer.status == 200 else None
        enabled, status = within(account, "SendingEnabled"), text(within(account, "EnforcementStatus"), 100) or ""
        values = {"host": self.place.name, "answer": status}
        if enabled is False:
            reason = "suspended" if status == "SHUTDOWN" else "paused"
            return RouteVerdict("dead", reason, values, early=True)
        return replace(OK, values=values) if enabled is True else None

    def kind_of(self, payload: Any, answer: HttpReply) -> str:
        """With a URL behind it in some regions."""
        return answer.headers.get("x-amzn-errortype", "").partition(":")[0]

    def words_of(self, payload: Any, answer: HttpReply) -> str:
        return text_of(payload, "message") or text_of(payload, "Message") or answer.text

    def id_of(self, payload: Any, answer: HttpReply) -> str:
        return text_of(payload, "MessageId")


class SesRecipient(NamedTuple):
    address: str | None
    response: str | None = None
    status: str | None = None


class AmazonSesWebhook(SnsWebhook):
    name = "amazon_ses"
    label = "Amazon SES"
    domain = "amazonaws.com"
    steps = (
        "Create an SNS topic of the type Standard and add an HTTPS subscription with this address. In SES, choose the "
        "topic for bounces and complaints: as event destination of your configuration set, or, if the route names "
        "none, in your identity under Notifications, Feedback notifications."
    )
    secret_label = "ARN of the SNS topic"
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
                sender=address(within(mail, "source")),
                tags=tags(*_headers(mail, "x-tag")),
                metadata=metadata(next(map(embedded, _headers(mail, "x-metadata")), None)) | _token(mail),
            )


def _token(mail: object) -> dict[str, Scalar]:
    """Our message tag: a list of one."""
    values = within(mail, "tags", TOKEN_NAME)
    return metadata({TOKEN_NAME: values[0]}) if isinstance(values, list) and values else {}


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
