"""Amazon's Simple Notification Service, by which SES and Scaleway deliver: a signed envelope around the event.

The signature says that a message came from SNS, where anybody may have a topic; so it counts for the topic of the route
alone. With raw delivery there is no envelope and no signature, and the delivery has to log in.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from samizdat.transports.webhook_signatures import insist_login, insist_recent, insist_signed, key_of
from samizdat.transports.webhooks import (
    TOLERANCE,
    Webhook,
    WebhookEvent,
    WebhookRequest,
    WebhookSecret,
    embedded,
    moment,
    text,
)

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# By Type. They are signed as lines, name and value by turns, so where a value had a line break, another message might
# be signed alike: one of another topic, or the same with another MessageId. Only Message may have some.
SIGNED = {
    "Notification": NOTIFICATION,
    "SubscriptionConfirmation": CONFIRMATION,
    "UnsubscribeConfirmation": CONFIRMATION,
}
ALGORITHMS: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


class SnsWebhook(Webhook):
    """`places`, `certificates`: where a subscription is confirmed, and where certificates lie."""

    signs_inside = True
    places: ClassVar[re.Pattern[str]]
    certificates: ClassVar[re.Pattern[str]]
    # Whether a certificate counts by its place, since that is the provider's alone.
    trusts_place: ClassVar[bool] = True

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        topic = key_of(self, secret)
        if not topic.startswith("arn:"):
            insist_login(self, request, secret)
            return
        envelope = self.envelope(self.document(request))
        if envelope.get("Type") not in SIGNED:
            raise self.refusal("no_signature")
        certificate = self.certificate(envelope, secret, now)
        fields = [(name, envelope[name]) for name in SIGNED[envelope["Type"]] if isinstance(envelope.get(name), str)]
        if any("\n" in value for name, value in fields if name != "Message"):
            raise self.refusal("no_signature")
        signed = "".join(f"{name}\n{value}\n" for name, value in fields)
        algorithm = ALGORITHMS.get(text(envelope.get("SignatureVersion")) or "")
        if algorithm is None:
            raise self.refusal("no_signature")
        signature, data = text(envelope.get("Signature"), 2_000), signed.encode("utf-8", "replace")
        insist_signed(self, certificate.public_key(), signature, data, algorithm())
        insist_recent(self, envelope.get("Timestamp"), now, tolerance)
        if envelope.get("TopicArn") != topic:
            raise self.refusal("other_topic")
        # Whoever has one of its messages may end a subscription, by the address that stands in each.
        if envelope["Type"] == "UnsubscribeConfirmation":
            raise self.refusal("ended")

    def certificate(self, envelope: dict[str, Any], secret: WebhookSecret, now: datetime) -> x509.Certificate:
        """The one that the caller fetched."""
        try:
            certificate = x509.load_pem_x509_certificate(secret.certificate.encode())
            issuers = x509.load_pem_x509_certificates(secret.authority.encode()) if secret.authority else []
        except ValueError:
            raise self.refusal("bad_certificate") from None
        if not (issuers or self.trusts_place):
            raise self.refusal("no_authority")
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        issued = any(_issued(certificate, issuer) for issuer in issuers) if issuers else True
        if not (valid and issued and self._url(envelope, "SigningCertURL", self.certificates)):
            raise self.refusal("bad_certificate")
        return certificate

    def wanted(self, request: WebhookRequest, secret: WebhookSecret) -> str | None:
        if not self._is_signed(secret):
            return None
        if self.envelope(self.document(request)).get("TopicArn") != key_of(self, secret):
            raise self.refusal("other_topic")
        url = self.certificate_url(request)
        if url is None or not self._is_in_region(url, secret):
            raise self.refusal("bad_certificate")
        return url

    def confirmation(self, request: WebhookRequest, secret: WebhookSecret) -> str | None:
        url = self.subscribe_url(request) if self._is_signed(secret) else None
        return url if url and self._is_in_region(url, secret) else None

    def _is_signed(self, secret: WebhookSecret) -> bool:
        """Without a topic it logs in."""
        return key_of(self, secret).startswith("arn:")

    def _is_in_region(self, url: str, secret: WebhookSecret) -> bool:
        """Whether it is that of the topic: arn:aws:sns:REGION:ACCOUNT:NAME."""
        host, path = urlsplit(url).netloc, urlsplit(url).path
        region = [*secret.key.split(":"), "", "", "", ""][3]
        return bool(region) and (f".{region}." in host or f"/{region}/" in path)

    def certificate_url(self, request: WebhookRequest) -> str | None:
        """Where the certificate of its signature lies, if that is a place of the provider's own."""
        return self._url(self.envelope(self.document(request)), "SigningCertURL", self.certificates)

    def subscribe_url(self, request: WebhookRequest) -> str | None:
        """What to open so that SNS begins to deliver. Only after `verify`, and only at the provider."""
        envelope = self.envelope(self.document(request))
        confirms = envelope.get("Type") == "SubscriptionConfirmation"
        return self._url(envelope, "SubscribeURL", self.places) if confirms else None

    def _url(self, envelope: dict[str, Any], name: str, places: re.Pattern[str]) -> str | None:
        url = text(envelope.get(name), 2_000)
        return url if url and places.fullmatch(url) else None

    def envelope(self, document: object) -> dict[str, Any]:
        """Empty for a raw delivery."""
        if not isinstance(document, dict):
            raise self.refusal("other_shape")
        return document if isinstance(document.get("Type"), str) and isinstance(document.get("Message"), str) else {}

    def read(self, request: WebhookRequest) -> Iterator[WebhookEvent]:
        document = self.document(request)
        envelope = self.envelope(document)
        if envelope and envelope["Type"] != "Notification":
            return
        # Of other words than an event, as when a topic was just connected, nothing follows.
        event = embedded(envelope["Message"]) if envelope else document
        event_id = text(envelope.get("MessageId") or request.headers.get("x-amz-sns-message-id"))
        if isinstance(event, dict):
            yield from self.read_event(event, event_id, moment(envelope.get("Timestamp")))

    def read_event(self, event: dict[str, Any], event_id: str | None, when: datetime | None) -> Iterator[WebhookEvent]:
        raise NotImplementedError


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
