"""Deliveries as each provider would send them: wrapped, and signed by keys that are made here."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from samizdat import plugins
from samizdat.transports.webhooks import Webhook, WebhookRequest, WebhookSecret

FOLDER = Path(__file__).parent.parent / "payloads" / "esp-webhooks"
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
URL = "https://lantern.example/in/5f2b"
TOPIC = "arn:aws:sns:us-east-1:1234567890:SES_Events"
LOGIN = "lantern:a password"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Delivery:
    """`moment`: when it was signed."""

    hook: Webhook
    request: WebhookRequest
    secret: WebhookSecret
    moment: datetime = NOW

    def verify(self, after: timedelta = timedelta(0)) -> None:
        self.hook.verify(self.request, self.secret, self.moment + after)

    def changed(self, old: bytes, new: bytes) -> "Delivery":
        assert old in self.request.body
        return replace(self, request=replace(self.request, body=self.request.body.replace(old, new, 1)))

    def under(self, **headers: str) -> "Delivery":
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, request=replace(self.request, headers={**self.request.headers, **names}))


def hook(name: str) -> Webhook:
    return plugins.webhooks()[name]


# -- the cases of django-anymail ---------------------------------------------------------------------------------------


def cases(name: str) -> list[dict[str, Any]]:
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else []


def document(name: str, payload: dict[str, Any]) -> Any:
    """What the provider puts into the body: the cases hold some events without what is around them."""
    if name == "amazon_ses":
        return {**payload["raw_sns_message"], "Message": json.dumps(payload["raw_ses_event"])}
    if name == "mailtrap":
        return payload["payload"]
    event = payload.get("raw_event", payload.get("raw_events"))
    if name == "unisender_go":
        inner = {"event_name": "transactional_email_status", "event_data": event}
        return {"auth": "", "events_by_user": [{"user_id": 111111, "events": [inner]}]}
    return event


# -- keys --------------------------------------------------------------------------------------------------------------


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def certificate(begins: datetime, key: rsa.RSAPrivateKey | None = None) -> str:
    """For a year, issued by itself."""
    key = key or rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SNS")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begins, begins + timedelta(days=365))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def rsa_signature(data: bytes, algorithm: hashes.HashAlgorithm) -> str:
    return base64.b64encode(rsa_key().sign(data, padding.PKCS1v15(), algorithm)).decode()


# -- deliveries --------------------------------------------------------------------------------------------------------


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def delivery(name: str, document: Any) -> Delivery:
    """As the provider sends it."""
    return SENDERS.get(name, by_login)(hook(name), document)


def by_login(hook: Webhook, document: Any) -> Delivery:
    credentials = base64.b64encode(LOGIN.encode()).decode()
    request = WebhookRequest(body(document), {**JSON, "authorization": f"Basic {credentials}"}, URL)
    return Delivery(hook, request, WebhookSecret(LOGIN))


def by_sns(hook: Webhook, document: Any, version: str = "1") -> Delivery:
    region = "us-east-1" if hook.name == "amazon_ses" else "fr-par"
    place = {
        "amazon_ses": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "scaleway": "https://messaging.s3.fr-par.scw.cloud/fr-par/sns/sns-certificate-1.pem",
    }[hook.name]
    if "Type" not in document:
        document = {"Type": "Notification", "MessageId": "19ba9823", "Message": json.dumps(document)}
    envelope = {"Timestamp": NOW.isoformat(), "TopicArn": TOPIC.replace("us-east-1", region), **document}
    envelope |= {"SignatureVersion": version, "SigningCertURL": place}
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303  (version 1 of SNS)
    envelope["Signature"] = rsa_signature(signed.encode(), algorithm)
    moment = datetime.fromisoformat(envelope["Timestamp"])
    pem = certificate(moment - timedelta(days=9))
    secret = WebhookSecret(envelope["TopicArn"], pem, pem if hook.name == "scaleway" else "")
    request = WebhookRequest(body(envelope), {"content-type": "text/plain; charset=UTF-8"}, URL)
    return Delivery(hook, request, secret, moment)


def by_mailgun(hook: Webhook, document: Any) -> Delivery:
    old = "event-data" not in document if isinstance(document, dict) else False
    given = (document if old else document.get("signature", {})) if isinstance(document, dict) else {}
    parts = {"timestamp": given.get("timestamp", "1796126400"), "token": given.get("token", "50a1f3")}
    parts["signature"] = hmac.new(b"key", (parts["timestamp"] + parts["token"]).encode(), "sha256").hexdigest()
    moment = datetime.fromtimestamp(int(parts["timestamp"]), UTC)
    if old:
        request = WebhookRequest(urlencode(document | parts, doseq=True).encode(), FORM, URL)
    else:
        request = WebhookRequest(body(document | {"signature": parts}), JSON, URL)
    return Delivery(hook, request, WebhookSecret("key"), moment)


def by_mandrill(hook: Webhook, document: Any) -> Delivery:
    events = json.dumps(document)
    digest = hmac.new(b"key", f"{URL}mandrill_events{events}".encode(), "sha1").digest()
    headers = {**FORM, "x-mandrill-signature": base64.b64encode(digest).decode()}
    return Delivery(
        hook, WebhookRequest(urlencode({"mandrill_events": events}).encode(), headers, URL), WebhookSecret("key")
    )


def by_sendgrid(hook: Webhook, document: Any) -> Delivery:
    written, data = str(int(NOW.timestamp())), body(document)
    signature = base64.b64encode(elliptic_key().sign(written.encode() + data, ec.ECDSA(hashes.SHA256()))).decode()
    prefix = "x-twilio-email-event-webhook-"
    headers = {**JSON, f"{prefix}timestamp": written, f"{prefix}signature": signature}
    return Delivery(hook, WebhookRequest(data, headers, URL), WebhookSecret(public_der(elliptic_key())))


def by_resend(hook: Webhook, document: Any) -> Delivery:
    written, data = str(int(NOW.timestamp())), body(document)
    digest = hmac.new(b"a secret of some length", f"msg_1.{written}.".encode() + data, "sha256").digest()
    signature = "v1,b2xk v1," + base64.b64encode(digest).decode()
    headers = {**JSON, "svix-id": "msg_1", "svix-timestamp": written, "svix-signature": signature}
    secret = WebhookSecret("whsec_" + base64.b64encode(b"a secret of some length").decode())
    return Delivery(hook, WebhookRequest(data, headers, URL), secret)


def by_hmac(header: str) -> Callable[[Webhook, Any], Delivery]:
    def send(hook: Webhook, document: Any) -> Delivery:
        data = body(document)
        headers = {**JSON, header: hmac.new(b"key", data, "sha256").hexdigest()}
        return Delivery(hook, WebhookRequest(data, headers, URL), WebhookSecret("key"))

    return send


def by_postal(hook: Webhook, document: Any) -> Delivery:
    data = body(document)
    headers = {**JSON, "x-postal-signature-256": rsa_signature(data, hashes.SHA256())}
    return Delivery(hook, WebhookRequest(data, headers, URL), WebhookSecret(public_der(rsa_key())))


def by_unisender(hook: Webhook, document: Any) -> Delivery:
    digest = hashlib.md5(body(document | {"auth": "key"})).hexdigest()  # noqa: S324  (theirs)
    return Delivery(hook, WebhookRequest(body(document | {"auth": digest}), JSON, URL), WebhookSecret("key"))


SENDERS: dict[str, Callable[[Webhook, Any], Delivery]] = {
    "amazon_ses": by_sns,
    "scaleway": by_sns,
    "mailgun": by_mailgun,
    "mandrill": by_mandrill,
    "sendgrid": by_sendgrid,
    "resend": by_resend,
    "mailersend": by_hmac("signature"),
    "mailtrap": by_hmac("mailtrap-signature"),
    "postal": by_postal,
    "unisender_go": by_unisender,
}
