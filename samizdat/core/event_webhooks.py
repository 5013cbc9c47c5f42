"""Webhooks of an organization: what is told of an event, how it is signed, and when it is tried again.

Signatures, headers and the schedule are of the Standard Webhooks specification (github.com/standard-webhooks,
spec/standard-webhooks.md). Nothing about a single person's reading is among the events: no opens and no clicks.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from samizdat.core.private_networks import Network

SECRET_PREFIX: Final = "whsec_"
# The specification wants 24 to 64.
SECRET_BYTES: Final = 32

# Kind in the log -> type of the webhook. More than a kind decides about those in event_type().
TYPES: dict[str, str] = {
    "subscriber.added": "subscriber.added",
    "subscriber.confirmed": "subscriber.confirmed",
    "subscriber.left": "subscriber.unsubscribed",
    "subscriber.returned": "subscriber.resubscribed",
    "subscriber.changed": "subscriber.updated",
    "subscriber.tagged": "subscriber.updated",
    "subscriber.address_changed": "subscriber.updated",
    "subscriber.preferences_changed": "subscriber.updated",
    "subscriber.objected": "subscriber.suppressed",
    "subscriber.suppressed": "subscriber.suppressed",
    "subscriber.erased": "subscriber.erased",
    "subscribers.erased": "subscriber.erased",
    "subscribers.imported": "subscribers.changed",
    "subscribers.batch_written": "subscribers.changed",
    "bulk.finished": "subscribers.changed",
    "bulk.undone": "subscribers.changed",
    "campaign.released": "campaign.scheduled",
    "campaign.first_sent": "campaign.started",
    "campaign.finished": "campaign.sent",
    "campaign.cancelled": "campaign.cancelled",
}
# Reason of a suppression -> type; all others are subscriber.suppressed.
REASONS: dict[str, str] = {"bounce": "subscriber.bounced", "complaint": "subscriber.complained"}
UPDATED: Final = "subscriber.updated"
# What can be chosen, in this order.
EVENTS: tuple[str, ...] = (
    "subscriber.added",
    "subscriber.confirmed",
    "subscriber.unsubscribed",
    "subscriber.resubscribed",
    "subscriber.updated",
    "subscriber.bounced",
    "subscriber.complained",
    "subscriber.suppressed",
    "subscriber.erased",
    "subscribers.changed",
    "campaign.scheduled",
    "campaign.started",
    "campaign.sent",
    "campaign.cancelled",
)
TEST: Final = "webhook.test"

# Until the next try, as in the example of the specification: 75 hours in all.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
TRIES = len(WAITS) + 1
# An endpoint that fails is asked again after such a wait, whatever else is due for it.
PAUSES = (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))
# By how much a wait is longer at most, so that not all come at once.
JITTER: Final = 0.1
# An endpoint that took nothing for so long is switched off.
FAILING_FOR = timedelta(days=3)
# How long a secret that was replaced signs as well.
OVERLAP = timedelta(days=1)
# What Retry-After may ask for.
LONGEST_ASKED = timedelta(days=1)

LONGEST_URL: Final = 1_000
GONE: Final = 410


class EndpointUrl(NamedTuple):
    """Parts of an address. target: path and query, as the request line has them."""

    host: str
    port: int
    target: str
    is_encrypted: bool

    @property
    def name(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_encrypted else 80) else f"{host}:{self.port}"


class BadEndpointUrl(ValueError):
    """Not https://, without a host, or with a password in it."""


def read_url(url: str, inside: Sequence[Network] = ()) -> EndpointUrl:
    """Without encryption an address may only be on this machine, and where its administrator allows that (inside).
    Errors: BadEndpointUrl."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError):
        raise BadEndpointUrl from None
    is_plain = parts.scheme == "http" and host in ("127.0.0.1", "::1") and bool(inside)
    is_good = host and len(url) <= LONGEST_URL and url.isprintable() and " " not in url
    if not is_good or not (is_plain or parts.scheme == "https") or parts.username is not None or parts.fragment:
        raise BadEndpointUrl
    if port == 0:
        raise BadEndpointUrl
    query = f"?{quote(parts.query, safe=_QUERY)}" if parts.query else ""
    return EndpointUrl(
        host, port or (80 if is_plain else 443), quote(parts.path or "/", safe=_PATH) + query, not is_plain
    )


_PATH: Final = "/%:@!$&'()*+,;=~-._"
_QUERY: Final = _PATH + "?"


def event_type(kind: str, detail: Mapping[str, object]) -> str:
    """Of an event of the log, or "" where nobody is told. Whoever wants no more appeals for money, or wants them
    again, goes on getting the list."""
    if kind in ("subscriber.left", "subscriber.returned") and detail.get("purpose"):
        return UPDATED
    if kind == "subscriber.suppressed":
        return REASONS.get(str(detail.get("reason")), TYPES[kind])
    return TYPES.get(kind, "")


def kinds_of(events: Sequence[str]) -> frozenset[str]:
    """Of the log: all that may come to one of these types."""
    wanted = {*events}
    if wanted & {*REASONS.values()}:
        wanted.add("subscriber.suppressed")
    kinds = {kind for kind, type in TYPES.items() if type in wanted}
    if UPDATED in wanted:
        kinds |= {"subscriber.left", "subscriber.returned"}
    return frozenset(kinds)


def lists_of(detail: Mapping[str, object]) -> tuple[int, ...]:
    """Numbers of the lists that an event names."""
    several = detail.get("lists")
    named = [*several] if isinstance(several, list) else [detail.get("list")]
    return tuple(number for number in named if isinstance(number, int) and not isinstance(number, bool))


def body(type: str, at: datetime, data: Mapping[str, object]) -> bytes:
    """What is sent: minified JSON."""
    timestamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    document = {"type": type, "timestamp": timestamp, "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def message_id(organization: bytes, endpoint: int, event: int) -> str:
    """The same at every try, and after a restore from a backup. organization: its uid."""
    text = b"%s|%d|%d" % (organization, endpoint, event)
    return f"msg_{hashlib.sha256(text).hexdigest()[:32]}"


def new_secret(random: bytes) -> str:
    """random: SECRET_BYTES of them."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def signature(secret: str, message: str, timestamp: int, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message}.{timestamp}.".encode() + content
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def headers(secrets: Sequence[str], message: str, at: datetime, content: bytes) -> dict[str, str]:
    """secrets: the present one, and one that was replaced less than OVERLAP ago."""
    timestamp = int(at.timestamp())
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message, timestamp, content) for secret in secrets),
    }


def next_try(tries: int, now: datetime, chance: float, asked: timedelta = timedelta(0)) -> datetime | None:
    """After so many tries that failed; None: it is given up. chance: from 0 to 1. asked: by Retry-After."""
    if tries >= TRIES:
        return None
    wait = WAITS[max(0, tries - 1)] * (1 + JITTER * chance)
    return now + max(wait, min(asked, LONGEST_ASKED))


def pause(failures: int, now: datetime, asked: timedelta = timedelta(0)) -> datetime:
    """Until when an endpoint is left alone that failed so many times in a row."""
    return now + max(PAUSES[max(0, min(failures, len(PAUSES)) - 1)], min(asked, LONGEST_ASKED))


def retry_after(header: str) -> timedelta:
    """Seconds; a date, or nothing that makes sense, asks for nothing."""
    text = header.strip()
    return timedelta(seconds=int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else timedelta(0)
