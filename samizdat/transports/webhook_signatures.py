"""How providers sign: what they have in common. All of it fails as WebhookRefused, and takes the same time whichever
character is wrong."""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from typing import ClassVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from samizdat.transports.webhooks import CLOCK_SKEW, TOLERANCE, Webhook, WebhookRequest, WebhookSecret, moment


def key_of(hook: Webhook, secret: WebhookSecret) -> str:
    """Without one, anybody's delivery would fit."""
    if not secret.key.strip():
        raise hook.refusal("no_secret")
    return secret.key.strip()


def insist_equal(hook: Webhook, given: str | None, right: str) -> None:
    if not given:
        raise hook.refusal("no_signature")
    if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), right.encode()):
        raise hook.refusal("wrong_signature")


def insist_hmac(hook: Webhook, given: str | None, key: bytes, data: bytes, algorithm: str = "sha256") -> None:
    """In hexadecimal digits."""
    insist_equal(hook, given and given.lower(), hmac.new(key, data, algorithm).hexdigest())


def insist_recent(hook: Webhook, signed_at: object, now: datetime, tolerance: timedelta) -> None:
    """Of a time that the signature covers."""
    when = moment(signed_at)
    if when is None:
        raise hook.refusal("no_signature")
    if when < now - tolerance:
        raise hook.refusal("too_old")
    if when > now + CLOCK_SKEW:
        raise hook.refusal("from_the_future")


def insist_login(hook: Webhook, request: WebhookRequest, secret: WebhookSecret) -> None:
    """The user and password of the URL that was pasted at the provider (RFC 7617). `secret.key`: "user:password"."""
    key = key_of(hook, secret)
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise hook.refusal("no_signature")
    insist_equal(hook, credentials, base64.b64encode(key.encode()).decode())


def public_key(hook: Webhook, secret: WebhookSecret) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """PEM, or what stands between its two lines."""
    key = key_of(hook, secret)
    try:
        if "-----BEGIN" in key:
            loaded = load_pem_public_key(key.encode())
        else:
            loaded = load_der_public_key(base64.b64decode("".join(key.removeprefix("p=").split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise hook.refusal("bad_secret") from None
    if not isinstance(loaded, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise hook.refusal("bad_secret")
    return loaded


def insist_signed(
    hook: Webhook, key: object, given: str | None, data: bytes, algorithm: hashes.HashAlgorithm | None = None
) -> None:
    """In base64, by RSA (PKCS #1 v1.5) or ECDSA, whichever the key is for."""
    if not given:
        raise hook.refusal("no_signature")
    algorithm = algorithm or hashes.SHA256()
    try:
        signature = base64.b64decode(given, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            raise hook.refusal("bad_secret")
    except (InvalidSignature, binascii.Error, ValueError):
        raise hook.refusal("wrong_signature") from None


class LoginWebhook(Webhook):
    """Of a provider that signs nothing and logs in."""

    signs = False

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        insist_login(self, request, secret)


class HmacWebhook(Webhook):
    """Of a provider that signs the body by HMAC-SHA256, in hexadecimal digits. `header`: in lower case."""

    header: ClassVar[str]

    def verify(
        self, request: WebhookRequest, secret: WebhookSecret, now: datetime, tolerance: timedelta = TOLERANCE
    ) -> None:
        insist_hmac(self, request.headers.get(self.header), key_of(self, secret).encode(), request.body)
