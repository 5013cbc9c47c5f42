"""What providers tell us by webhook: the request, the events that are read from it, and what each means.

A dialect is a class in `providers` whose name ends in `Webhook`. It translates the provider's words into WebhookEvent
and decides nothing. What an event means is decided here, by the words of the recipient's server where they are given
and by the same table as for a bounce that came by mail (core/bounce), so that both lead to the same follow-up.

Opens and clicks are skipped while reading, and no field holds an IP address, a place or a program of a reader.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import parse_qsl

from msgspec import structs

from samizdat.core import bounded_json
from samizdat.core.bounce import verdict
from samizdat.core.bounce.reasons import BY_NAME
from samizdat.core.bounce.report import ReportEvent

# Code -> why a delivery was refused, then what to do.
SENTENCES = {
    "too_large": "The webhook delivery is larger than {most} MB. Let the provider send fewer events at once.",
    "too_many": "The webhook delivery has more than {most} events. Let the provider send fewer at once.",
    "not_json": "The webhook delivery isn’t JSON, or was cut off. Check that the webhook at {provider} leads to the "
    "address of this route.",
    "not_form": "The webhook delivery isn’t a form. Check that the webhook at {provider} leads to the address of this "
    "route.",
    "other_shape": "The webhook delivery isn’t written as {provider} writes them. Check that the webhook there leads "
    "to the address of this route.",
    "no_secret": "The route has no webhook secret. Copy it from {provider}.",
    "no_authority": "The certificate of the authority is missing. Copy it from {provider}, and enter it below the "
    "secret.",
    "bad_secret": "The webhook secret of the route isn’t one of {provider}. Copy it again.",
    "no_signature": "The webhook delivery isn’t signed. Turn signatures on at {provider}.",
    "wrong_signature": "The signature of the webhook delivery is wrong. Copy the webhook secret from {provider} again.",
    "too_old": "The webhook delivery was signed too long ago. Check the clock of this server.",
    "from_the_future": "The webhook delivery was signed in the future. Check the clock of this server.",
    "other_topic": "The webhook delivery belongs to another topic. Enter the topic of this route.",
    "not_fetched": "The certificate of the signature, or the confirmation of the subscription, can’t be fetched from "
    "{provider} at the moment. We keep trying for a day.",
    "too_late": "The webhook delivery could not be checked for a day. Check that this server reaches {provider}, and "
    "that its clock is right.",
    "ended": "{provider} says that the subscription to this address has ended, so no more bounces and complaints come. "
    "If none of you did that, add the subscription there again.",
    "not_confirmed": "The subscription could not be confirmed at {provider}. Request the confirmation there again.",
    "not_listed": "{provider} doesn’t let the key of this route read bounces. Give the key the permission, or enter "
    "another one in the route.",
    "list_failed": "Bounces can’t be fetched from {provider} at the moment. We keep trying.",
    "bad_certificate": "The certificate of the signature is missing, has expired or isn’t from {provider}. Wait for "
    "the next delivery.",
}


class WebhookRefused(Exception):
    """A delivery that changes nothing: `code` of SENTENCES and `values` for its holes, text in English."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES[code].format(**({"provider": "the provider", "most": ""} | values))
        super().__init__(self.sentence)


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """`body`: as it came, since signatures are over bytes. `headers`: names in lower case. `url`: as the provider
    writes it, letter by letter. `listed`: of a page that was fetched from the provider, which of its lists it is of."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    listed: str = ""

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower().endswith("/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """`key`: the provider's signing key or public key, "user:password" where it only logs in, or the ARN of a topic.

    `certificate`: PEM, of an SNS signature, from the place that `certificate_url` names. `authority`: PEM, who has to
    have issued it.
    """

    key: str = ""
    certificate: str = ""
    authority: str = ""


Action = Literal[
    "queued", "sent", "delivered", "deferred", "bounced", "rejected", "failed", "complained", "unsubscribed",
    "subscribed", "autoresponded", "unknown",
]  # fmt: skip
Cause = Literal["invalid", "bounced", "timed_out", "blocked", "spam", "unsubscribed", "other"]
Scalar = str | int | float | bool | None


class EventWord(NamedTuple):
    """What a word of the provider stands for. `permanent`: whether another try is useless; None: it doesn't say.

    `reason`: of core/bounce/reasons, where the word names it. `suppressed`: the provider's own list kept the message
    back, and no server was asked.
    """

    action: Action
    cause: Cause | None = None
    permanent: bool | None = None
    reason: str = ""
    suppressed: bool = False


# Of a word that no table has.
UNKNOWN = EventWord("unknown")
# In a table: of a reader who opened or clicked. Such an event is skipped.
SKIPPED = None
# Parts of words for the same that no table has yet.
_ENGAGEMENT = re.compile(r"open|click|read|load|view|engage", re.IGNORECASE)


def meaning_of(words: Mapping[str, EventWord | None], name: str | None) -> EventWord | None:
    """The table's row for a provider's word. None: skip the event."""
    if name is not None and name in words:
        return words[name]
    return SKIPPED if name and _ENGAGEMENT.search(name) else UNKNOWN


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What the provider says about one recipient. Nothing here is believed before `Webhook.verify` passed.

    `message_id`: the provider's. `moment`: when it happened, or when the event was written. `response`: the words of
    the recipient's server. `description`: the provider's own. `server_words`: what of both the server said, where it
    isn't the response. `status`: RFC 3463. `reply`: of SMTP. `sender`: of the message's envelope, or its From.
    `header_id`: the Message-ID that the sender wrote, of providers that keep it. Amazon and Brevo write another one,
    and so does SendGrid for a domain that isn't authenticated there (https://github.com/PHPMailer/PHPMailer/issues/2859,
    https://github.com/anymail/django-anymail/issues/108).
    """

    word: EventWord
    recipient: str | None = None
    message_id: str | None = None
    event_id: str | None = None
    moment: datetime | None = None
    response: str | None = None
    description: str | None = None
    server_words: str | None = None
    status: str | None = None
    reply: int | None = None
    sender: str | None = None
    header_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        return self.word.action

    @property
    def cause(self) -> Cause | None:
        return self.word.cause

    @property
    def report(self) -> ReportEvent:
        """As a message that came back would say it."""
        return _report(self)

    @property
    def key(self) -> str:
        """The same for the same event, however often it is delivered. One event id may stand for several recipients."""
        when = "" if self.event_id or self.moment is None else self.moment.isoformat()
        parts = (self.action, self.recipient, self.message_id, self.event_id, when)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


TOLERANCE = timedelta(minutes=5)
# Clocks differ.
CLOCK_SKEW = timedelta(minutes=1)


class Webhook:
    """The dialect of one provider."""

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    # Whether deliveries are signed. Otherwise they log in with the user and password of the URL, if it has any.
    signs: ClassVar[bool] = True
    # Whether the signature stands in the body, which anybody's has to be read for. It holds a single event.
    signs_inside: ClassVar[bool] = False
    # English, for forms: where the address is entered there, and which secret is copied from there; "" where it logs
    # in by a password of ours.
    steps: ClassVar[str] = ""
    # Of its SMTP servers, by which a route is known to lead there.
    domain: ClassVar[str] = ""
    secret_label: ClassVar[str] = ""
    # English, for forms: what the key of a route needs before its lists can be fetched; "" for nothing more.
    list_hint: ClassVar[str] = ""

    @classmethod
    def sentences(cls) -> list[str]:
        """All of its words that are translated."""
        return [word for word in (cls.steps, cls.secret_label, cls.list_hint) if word]

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        """Whether the provider wrote it. `now`: when it came in. Errors: WebhookRefused.

        Where the scheme has no time, repeats are for the caller to notice, by `WebhookEvent.key`. A longer `tolerance`
        also takes what a provider sends again with the same signature after we were away.
        """
        raise NotImplementedError

    def is_trial(self, request: WebhookRequest) -> bool:
        """Whether it only tries the address, with a signature that anybody can make: nothing follows from it."""
        return False

    def wanted(self, request: WebhookRequest, secret: WebhookSecret) -> str | None:
        """What the caller has to fetch for `WebhookSecret.certificate`, at the provider. Errors: WebhookRefused."""
        return None

    def confirmation(self, request: WebhookRequest, secret: WebhookSecret) -> str | None:
        """What to open at the provider, after `verify`, so that it begins to deliver."""
        return None

    def nonce(self, request: WebhookRequest) -> str | None:
        """What the caller has to take once only, since the signature covers that and not the events."""
        return None

    def events(self, request: WebhookRequest) -> tuple[WebhookEvent, ...]:
        """Each event once, without opens and clicks. Errors: WebhookRefused."""
        read = self.read_listed if request.listed else self.read
        return tuple({event.key: event for event in read(request)}.values())

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        raise NotImplementedError

    def read_listed(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        """Of a page that a transport fetched (Transport.events_since)."""
        raise self.refusal("other_shape")

    def refusal(self, code: str, **values: str) -> WebhookRefused:
        return WebhookRefused(code, provider=self.label, **values)

    # -- what a request holds --

    def document(self, request: WebhookRequest) -> Any:
        if request.is_form:
            raise self.refusal("not_json")
        return self.json(request.body, MOST_VALUES if request.listed else 0)

    def json(self, data: bytes, most: int = 0) -> Any:
        """most: values in it, other than of a delivery."""
        self.insist_size(data)
        try:
            return bounded_json.read(data, most or (MOST_VALUES_INSIDE if self.signs_inside else MOST_VALUES))
        except ValueError:
            raise self.refusal("not_json") from None

    def form(self, request: WebhookRequest) -> list[tuple[str, str]]:
        """The fields in their order."""
        if not request.is_form:
            raise self.refusal("not_form")
        self.insist_size(request.body)
        try:
            return parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise self.refusal("not_form") from None

    def insist_size(self, data: bytes) -> None:
        most = MOST_BYTES_INSIDE if self.signs_inside else MOST_BYTES
        if len(data) > most:
            raise self.refusal("too_large", most=str(most // 2**20))

    def objects(self, value: object) -> list[dict[str, Any]]:
        """A list of objects, or an object alone. What else is in the list is no event."""
        if isinstance(value, dict):
            return [value]
        if not isinstance(value, list):
            raise self.refusal("other_shape")
        if len(value) > MOST_EVENTS:
            raise self.refusal("too_many", most=str(MOST_EVENTS))
        return [item for item in value if isinstance(item, dict)]


MOST_BYTES = 16 * 2**20
MOST_VALUES = 1_000_000
MOST_BYTES_INSIDE, MOST_VALUES_INSIDE = 2**20, 10_000
MOST_EVENTS = 10_000
MOST_FIELDS = 500
MOST_TAGS = 50
LONGEST = 1_000


# -- fields, which may hold anything -----------------------------------------------------------------------------------


def within(value: object, *names: str) -> Any:
    """A value by the names of the objects around it; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: object, limit: int = LONGEST) -> str | None:
    """A text or a whole number as text. Without what no database stores: NUL and halves of characters."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode() or None


def address(value: object) -> str | None:
    """An address, also of "Ada <ada@reader.example>"."""
    written = (text(value, 1_000) or "").strip()
    if written.endswith(">") and "<" in written:
        written = written[:-1].rpartition("<")[2].strip()
    fits = "@" in written and len(written) <= 320 and written.isprintable() and " " not in written
    return written if fits else None


def addresses(value: object) -> list[str]:
    items = value[:MOST_EVENTS] if isinstance(value, list) else [value]
    return [recipient for item in items if (recipient := address(item))]


def addresses_or_none(value: object) -> list[str | None]:
    """At least one entry, for an event that is about nobody we know."""
    return [*addresses(value)] or [None]


def moment(value: object) -> datetime | None:
    """Of seconds or milliseconds since 1970, or ISO 8601, which means UTC where it has no zone."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,14}(\.\d{1,9})?", value, re.ASCII):
        value = float(value) if "." in value else int(value)
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value / 1000 if value > 10**11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def number(value: object) -> int | None:
    """The three digits of an SMTP reply."""
    written = text(value) or ""
    return int(written) if re.fullmatch(r"[245]\d\d", written, re.ASCII) else None


def status(value: object) -> str | None:
    """Of RFC 3463."""
    written = text(value) or ""
    return written if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", written, re.ASCII) else None


def tags(*values: object) -> tuple[str, ...]:
    """Of texts and lists of texts."""
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return tuple(tag for item in flat[:MOST_TAGS] if (tag := text(item)))


# Parts of names under which clients and providers write down what is nobody's business.
_PRIVATE = frozenset(
    [
        "ip", "ipaddr", "ipaddress", "useragent", "agent", "geo", "geoip", "latitude", "longitude", "country", "region",
        "city", "client", "url", "link",
    ]
)  # fmt: skip


def _is_private(name: str) -> bool:
    return not _PRIVATE.isdisjoint(name.lower().replace("-", "_").split("_"))


def metadata(value: object) -> dict[str, Scalar]:
    """What the sender wrote to the message, without what a client or provider adds about the reader. Plain values."""
    kept: dict[str, Scalar] = {}
    for name, held in list(value.items())[:MOST_TAGS] if isinstance(value, dict) else ():
        key = text(name, 100)
        if key and not _is_private(key) and not isinstance(held, dict | list):
            kept[key] = (text(held) or "") if isinstance(held, str) else held
    return kept


def embedded(value: object) -> Any:
    """JSON in a text; None where it is none."""
    try:
        return bounded_json.read(value[:100_000].encode("utf-8", "replace"), 1_000) if isinstance(value, str) else None
    except ValueError:
        return None


# -- what it means -----------------------------------------------------------------------------------------------------


def _report(event: WebhookEvent) -> ReportEvent:
    words = event.server_words or event.response or ""
    plain = ReportEvent("none", event.recipient, event.status, event.reply, text=words[:500])
    own = structs.replace(plain, fault="recipient")
    match event.action:
        case "complained":
            return structs.replace(own, kind="complaint", reason="abuse")
        case "unsubscribed":
            return structs.replace(own, kind="unsubscribe", reason="opt_out")
        case "autoresponded":
            return structs.replace(own, kind="auto-reply", reason="away")
        case "delivered":
            return structs.replace(plain, reason="delivered")
        case "bounced" | "rejected" if event.word.suppressed:
            return _kept_back(event, own)
        case "bounced" | "deferred":
            return _judged(event, words)
        case "rejected" | "failed":
            judged = _judged(event, words)
            # Who refuses before any server was asked, without a word about the address, refuses us.
            return judged if judged.reason != "undefined" else structs.replace(judged, kind="soft", fault="route")
        case _:
            return plain


def _kept_back(event: WebhookEvent, own: ReportEvent) -> ReportEvent:
    """By the provider's list. Whoever complained or left there did so with our mail or account; who bounced there may
    live, so that counts as a soft bounce."""
    match event.cause:
        case "spam":
            return structs.replace(own, kind="complaint", reason="abuse")
        case "unsubscribed":
            return structs.replace(own, kind="unsubscribe", reason="opt_out")
        case "invalid":
            return structs.replace(own, kind="hard", reason="user_unknown", status=event.status or "5.1.3")
        case _:
            return structs.replace(own, kind="soft", reason="filtered", status=event.status or "5.7.1")


def _judged(event: WebhookEvent, words: str) -> ReportEvent:
    """By what the server said; by the provider's word where that says nothing."""
    if event.reply and not verdict.REPLY.search(words[:2000]):
        words = f"{event.reply} {words}"
    delayed = event.action == "deferred"
    judged = verdict.event(event.recipient, verdict.ServerWords(words, status=event.status or "", delayed=delayed))
    if judged.reason == "undefined" and event.word.reason:
        named = BY_NAME[event.word.reason]
        code = f"{4 if event.word.permanent is False else 5}.{named.status}"
        judged = structs.replace(
            judged, kind=named.kind, reason=named.name, fault=named.fault, status=judged.status or code
        )
    if judged.reason == "undefined" and event.word.permanent:
        judged = structs.replace(judged, kind="hard", fault="recipient")
    if judged.kind == "hard" and event.word.permanent is False:
        judged = structs.replace(judged, kind="soft")
    return judged


def objects_of(value: object) -> Iterable[dict[str, Any]]:
    """Objects of a list, if it is one."""
    return (item for item in value[:MOST_EVENTS] if isinstance(item, dict)) if isinstance(value, list) else ()
