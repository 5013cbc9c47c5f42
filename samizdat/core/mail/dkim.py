"""DKIM signatures: RFC 6376, with Ed25519 as in RFC 8463 and the limits of RFC 8301.

A compiled letter is signed by a SigningMaker, made once for an edition and its keys. Nothing is canonicalized for each
message: the body of a compiled letter is a fixed point of "relaxed" (core/content/compile.py), so it is hashed as it
stands; the signed fields are kept in canonical form beside the parts, with the same slots. What is left for each
message is one hash over the body (19 us for 36 kB) and the signature itself (14 us Ed25519, 265 us RSA-2048).

Any other mail (confirmations, tests of a route) is signed by sign(), which canonicalizes.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from samizdat.core.content.message import MARK, CompiledContent, ConditionalParts, MessageMaker, getter

# The extra `speed`: libsodium makes the same Ed25519 signature in 14 us, OpenSSL in 25.
sodium: Any
try:
    from nacl import bindings as sodium
except ImportError:
    sodium = None

ALGORITHMS = ("ed25519", "rsa")

# What we make, what we take from elsewhere. RFC 8301: verifiers must know 1024 to 4096 bits, signers should use 2048.
NEW_RSA_BITS = 2048
# What is taken of keys made elsewhere, and of those that sign already.
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 4096

# In this order in h=, and each but those below once more than it is there (RFC 6376, 5.4.2 and 8.15): what somebody
# adds on the way, or before they send a genuine letter to others, breaks it. One-click unsubscribing is believed
# only when both List-Unsubscribe headers are signed (RFC 8058, 4). No t= and no x=: Date is signed, and an expired
# signature would punish mail that a server put off.
SIGNED = (
    b"from",
    b"sender",
    b"to",
    b"cc",
    b"reply-to",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"list-id",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"feedback-id",
)
# As often as it is there: relays add their own for their complaint reports (Amazon SES), and readers see none of it.
ADDED_BY_RELAYS = frozenset((b"feedback-id",))
# Where it isn't there, not at all: relays add it then, to mail that asks to confirm a sign-up (Postmark, SendGrid and
# Mailjet a List-Unsubscribe; who sends for somebody else a Sender). What they add is signed by nobody of ours, so no
# mailbox unsubscribes by it; From, To, Cc, Reply-To and Subject are what leads answers astray.
MISSED_BY_RELAYS = frozenset((b"sender", b"list-unsubscribe", b"list-unsubscribe-post"))

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

# --- keys ---

# Sentences of BadKey, by code.
BAD_KEYS = {
    "garbage": "This isn’t a private key. Use a key file that begins with -----BEGIN PRIVATE KEY-----.",
    "public": "This is a public key. Use the private key; the public one is made from it.",
    "locked": "This key is protected with a passphrase. Remove the passphrase and add the key again; it’s "
    "encrypted right away.",
    "type": "DKIM uses RSA and Ed25519 keys; this key is of another kind. Use one of those, or create one here.",
    "short": "This RSA key has {bits} bits, but mailbox providers require 2048. Use a longer one, or create one here.",
    "long": "This RSA key has {bits} bits, more than receiving servers have to support. Use one of 2048 to 4096 bits.",
    "exponent": "This RSA key has an unusual exponent, and receiving servers reject such keys. Use another one, or "
    "create one here.",
}


class BadKey(ValueError):
    """A key that cannot sign mail. `code` is one of BAD_KEYS, whose sentence `values` fill."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = BAD_KEYS[code]
        super().__init__(self.sentence.format(**values))


def read_private(data: bytes) -> Private:
    """A private key from PEM or PKCS #8 DER, or the 32 bytes of an Ed25519 key. Errors: BadKey."""
    try:
        if len(data) == 32:
            return ed25519.Ed25519PrivateKey.from_private_bytes(data)
        load = serialization.load_pem_private_key if b"-----" in data else serialization.load_der_private_key
        key: object = load(data, None)
    except TypeError:
        raise BadKey("locked") from None
    except UnsupportedAlgorithm:
        raise BadKey("type") from None
    except ValueError:
        raise BadKey("public" if b"PUBLIC KEY" in data else "locked" if b"ENCRYPTED" in data else "garbage") from None
    return _fit(key)


def _fit(key: object) -> Private:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadKey("type")
    if key.key_size < LEAST_RSA_BITS:
        raise BadKey("short", bits=str(key.key_size))
    if key.key_size > MOST_RSA_BITS:
        raise BadKey("long", bits=str(key.key_size))
    if key.public_key().public_numbers().e != 65537:
        raise BadKey("exponent")
    return key


def algorithm_of(private: Private) -> str:
    return "rsa" if isinstance(private, rsa.RSAPrivateKey) else "ed25519"


def private_bytes(private: Private) -> bytes:
    """PKCS #8, DER: what is sealed."""
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_text(private: Private) -> str:
    """The p= of its record: base64 of SubjectPublicKeyInfo (RSA), or of the bare 32 bytes (Ed25519; RFC 8463, 4.2)."""
    public = private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return b64encode(public.public_bytes_raw()).decode()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


# --- records ---

# RFC 1035, 3.3: a TXT record is made of strings of at most 255 bytes, which are read as one.
TXT_STRING = 255


def record_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def record_text(algorithm: str, public: str) -> str:
    """The value of the TXT record, in one."""
    return f"v=DKIM1; k={algorithm}; p={public}"


def txt_strings(text: str) -> list[str]:
    """The value in the pieces that a zone file wants."""
    return [text[at : at + TXT_STRING] for at in range(0, len(text), TXT_STRING)]


def zone_line(name: str, text: str) -> str:
    """The record as a line of a zone file."""
    quoted = " ".join(f'"{piece}"' for piece in txt_strings(text))
    return f"{name}. 3600 IN TXT ( {quoted} )"


def found_in(texts: Iterable[str], algorithm: str, public: str) -> str:
    """What name servers say about our key: "right", "other" (another key stands there), "unreadable" (cut, or no key at
    all), "revoked" or "missing".

    `texts` are whole TXT values. Tags as in RFC 6376, 3.6.1: spaces count for nothing, k= is rsa where it is left out.
    """
    states = {_compared(_tags(text), algorithm, public) for text in texts}
    return next((state for state in ("right", "revoked", "unreadable", "other") if state in states), "missing")


def is_testing(texts: Iterable[str]) -> bool:
    """Whether a record says that its key is only tried out (t=y): then receivers may treat the email as unsigned."""
    return any("y" in _tags(text).get("t", "").split(":") for text in texts if "p=" in text)


def _compared(tags: Mapping[str, str], algorithm: str, public: str) -> str:
    if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        return "missing"
    if not tags["p"]:
        return "revoked"
    if tags.get("k", "rsa") != algorithm or "sha256" not in tags.get("h", "sha256").split(":"):
        return "other"
    if _same_bytes(tags["p"], public):
        return "right"
    return "other" if _is_key(tags["p"], algorithm) else "unreadable"


def _is_key(text: str, algorithm: str) -> bool:
    try:
        data = b64decode(text, validate=True)
        if algorithm == "ed25519":
            return len(data) == 32
        return isinstance(serialization.load_der_public_key(data), rsa.RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _same_bytes(first: str, second: str) -> bool:
    try:
        return b64decode(first) == b64decode(second)
    except (Base64Error, ValueError):
        return False


def _tags(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";")]
    return {name.strip(): re.sub(r"\s+", "", value) for name, equals, value in pairs if equals}


# --- canonicalization, RFC 6376, 3.4.2 and 3.4.4 ---

_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_BLANKS = re.compile(rb"[ \t]+")
_BLANK_END = re.compile(rb" (?=\r\n|\Z)")


def relaxed_field(field: bytes) -> bytes:
    """One header field, without the CRLF at its end, which the canonical form does not have here either."""
    name, _, value = field.partition(b":")
    return name.strip(b" \t").lower() + b":" + _one_blank(value).strip(b" ")


def _one_blank(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", value.replace(b"\r\n", b""))


def relaxed_body(body: bytes) -> bytes:
    """A body with CRLF as line ends."""
    body = _BLANK_END.sub(b"", _BLANKS.sub(b" ", body))
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


# --- signing ---


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs for a domain. Domain and selector are ASCII: an international domain in its xn-- form."""

    domain: str
    selector: str
    private: Private


def sign(message: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Any whole message with CRLF, with a DKIM-Signature for each key before it; unchanged without keys."""
    if not keys:
        return message
    head, _, body = message.partition(b"\r\n\r\n")
    names, lines = _signed_fields(_FIELD_END.split(head))
    block = b"".join(lines)
    digest = b2a_base64(hashlib.sha256(relaxed_body(body)).digest(), newline=False)
    stamps = [_Stamp(key, names) for key in keys]
    return b"".join([stamp(digest, block + digest.join(stamp.own)) for stamp in stamps] + [message])


def _signed_fields(fields: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The names for h=, and the canonical fields in that order, each with its CRLF; of equal ones the last first."""
    fields_by_name: dict[bytes, list[bytes]] = {}
    for field in fields:
        canonical = relaxed_field(field)
        fields_by_name.setdefault(canonical.partition(b":")[0], []).insert(0, canonical + b"\r\n")
    names = [name for name in SIGNED for _ in range(_times(name, len(fields_by_name.get(name, ()))))]
    lines = [line for name in SIGNED for line in fields_by_name.get(name, ())]
    return names, lines


def _times(name: bytes, there: int) -> int:
    """How often h= says a name. Once more, and none can be added."""
    return there if name in ADDED_BY_RELAYS or (name in MISSED_BY_RELAYS and not there) else there + 1


class _Stamp:
    """Writes the DKIM-Signature of one key. `own`: that field in canonical form, before and after the body hash."""

    def __init__(self, key: SigningKey, names: Sequence[bytes]) -> None:
        name = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}[algorithm_of(key.private)]
        text = (
            f"DKIM-Signature: v=1; a={name}; c=relaxed/relaxed; d={key.domain};\r\n s={key.selector};\r\n"
            f" h={_folded(names)};\r\n bh=\0;\r\n b="
        ).encode("ascii")
        self._before, self._after = text.split(b"\0")
        self.own = relaxed_field(text).split(b"\0")
        self._sign = signer(key.private)

    def __call__(self, digest: bytes, canonical: bytes) -> bytes:
        """The field as it is sent. digest: body hash as base64; canonical: the signed fields, then our own with it."""
        value = b2a_base64(self._sign(hashlib.sha256(canonical).digest()), newline=False)
        if len(value) > _LINE:
            value = b"\r\n ".join([value[at : at + _LINE] for at in range(0, len(value), _LINE)])
        return b"%b%b%b%b\r\n" % (self._before, digest, self._after, value)


# What stands on one line; with " b=" it stays below 78.
_LINE = 72


def _folded(names: Sequence[bytes]) -> str:
    lines = [""]
    for name in names:
        word = f"{name.decode()}:"
        if len(lines[-1]) + len(word) > _LINE:
            lines.append("")
        lines[-1] += word
    return "\r\n ".join(lines).rstrip(":")


def signer(private: Private) -> Callable[[bytes], bytes]:
    """Signs a SHA-256 digest: RSASSA-PKCS1-v1_5, or Ed25519 over the digest's bytes (RFC 8463, 3)."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return _quick(private.private_bytes_raw()) if sodium else private.sign
    scheme, digest = padding.PKCS1v15(), Prehashed(hashes.SHA256())
    return lambda data: private.sign(data, scheme, digest)


def _quick(seed: bytes) -> Callable[[bytes], bytes]:
    secret, sign = sodium.crypto_sign_seed_keypair(seed)[1], sodium.crypto_sign
    return lambda data: sign(data, secret)[:64]  # The signature, then what was signed.


# --- compiled letters ---

# Such slots fold, or are there or not: a field that holds one is canonicalized for each message.
_LOOSE = frozenset(("subject", "subject_start", "mark"))
_PLACE = re.compile(rb"\0(digest|subject|\d+)\0")


class SigningMaker(MessageMaker):
    """A MessageMaker whose messages are signed: the same bytes, with a DKIM-Signature for each key before them.

    Belongs to one edition and its keys. The budget is 6 us besides the hash of the body and the signatures.
    """

    def __init__(self, compiled: CompiledContent, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise ValueError("Without a key nothing is signed: use a MessageMaker.")
        compiled, self._edge = divided(compiled)
        super().__init__(compiled)
        fields = self._head_fields(compiled)
        self._loose = _SUBJECT in fields
        names, lines = _signed_fields(fields)
        self._statics: list[bytes] = []
        self._stamps = [self._stamp(_Stamp(key, names), b"".join(lines)) for key in keys]
        first = compiled.parts[self._edge + 1]
        self._skip, self._begun = len(first), hashlib.sha256(first)
        body = b"x".join(compiled.parts[self._edge + 1 :])
        # Never so in what core/content/compile.py makes; but a wrong hash would spoil a whole edition.
        self._uneven = relaxed_body(body) != body

    def __call__(self, values: Mapping[str, str]) -> bytes:
        values = self._completed(values)
        filled = self._fill(values)
        head_of, body_of = self._order(values) if self._choices else self._straight
        table = self._parts + filled
        head, body = b"".join(head_of(table)), b"".join(body_of(table))
        digest = self._body_hash(body)
        table = [digest, _subject(head) if self._loose else b"", *filled, *self._statics]
        fields = [stamp(digest, self._canonical(fields_of(table))) for stamp, fields_of in self._stamps]
        return self._bounded(b"".join([*fields, head, body]))

    def _body_hash(self, body: bytes) -> bytes:
        """Base64. The state after the first static part is copied; the rest goes in at once."""
        if self._uneven:
            return b2a_base64(hashlib.sha256(relaxed_body(body)).digest(), newline=False)
        state = self._begun.copy()
        state.update(memoryview(body)[self._skip :])
        return b2a_base64(state.digest(), newline=False)

    @staticmethod
    def _canonical(pieces: Iterable[bytes]) -> bytes:
        """The signed fields. Only a value can bring a fold or two blanks: a long name, an odd mailbox."""
        text = b"".join(pieces)
        if b"\n " in text or b"  " in text:
            return b"\r\n".join([relaxed_field(field) for field in _FIELD_END.split(text)])
        return text

    def _stamp(self, stamp: _Stamp, lines: bytes) -> tuple[_Stamp, Callable[[Sequence[bytes]], Iterable[bytes]]]:
        """A stamp, and what picks its text out of a table: digest, subject, filled slots, static bytes."""
        bits = _PLACE.split(lines + b"\0digest\0".join(stamp.own))
        order = []
        for bit, place in zip(bits[::2], [*bits[1::2], None], strict=True):
            order.append(2 + len(self._filled) + len(self._statics))
            self._statics.append(bit)
            if place == b"digest":
                order.append(0)
            elif place == b"subject":
                order.append(1)
            elif place is not None:
                order.append(2 + self._where[int(place)] - len(self._parts))
        return stamp, getter(order)

    def _head_fields(self, compiled: CompiledContent) -> list[bytes]:
        """The header fields as they are compiled, with \\0number\\0 for each slot."""
        fields = _FIELD_END.split(self._head_template(compiled))
        for index, field in enumerate(fields):
            kinds = {compiled.slots[int(slot)].kind for slot in _PLACE.findall(field)}
            if kinds & _LOOSE:
                if not field.startswith(b"Subject:"):
                    raise ValueError("Only the subject may hold conditions or words that fold.")
                fields[index] = _SUBJECT
        return fields

    def _head_template(self, compiled: CompiledContent) -> bytes:
        text = compiled.parts[0]
        for slot in range(self._edge):
            text += b"\0%d\0" % slot + compiled.parts[slot + 1]
        return text.removesuffix(b"\r\n\r\n")

    def _lay(self, places: list[int]) -> Any:
        """Headers and body apart, so that the body can be hashed before it is joined to them."""
        end = places.index(self._edge) + 1
        return getter(places[:end]), getter(places[end + 1 :])


_SUBJECT = b"Subject:\0subject\0"


def _subject(head: bytes) -> bytes:
    """The canonical value of the subject of a message's headers."""
    begin = 0 if head.startswith(b"Subject:") else head.index(b"\r\nSubject:") + 2
    end = _FIELD_END.search(head, begin)
    return relaxed_field(head[begin : end.start() if end else None])[len(b"subject:") :]


def divided(compiled: CompiledContent) -> tuple[CompiledContent, int]:
    """The same letter with a mark between headers and body, and the mark's number among the slots.

    The part before the mark ends with the empty line, the part after it begins the body.
    """
    edge = next(index for index, part in enumerate(compiled.parts) if b"\r\n\r\n" in part)
    head, _, body = compiled.parts[edge].partition(b"\r\n\r\n")
    parts = (*compiled.parts[:edge], head + b"\r\n\r\n", body, *compiled.parts[edge + 1 :])
    slots = (*compiled.slots[:edge], MARK, *compiled.slots[edge:])

    def moved(slot: int) -> int:
        return slot + (slot >= edge)

    choices = tuple(
        ConditionalParts(tuple((condition, moved(first), moved(last)) for condition, first, last in choice.branches))
        for choice in compiled.choices
    )
    return replace(compiled, parts=parts, slots=slots, choices=choices), edge
