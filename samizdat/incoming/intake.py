"""Taking a message in: sealed to a public key before anybody looks into it, by which nobody can open it."""

import os
import struct
from collections.abc import Sequence
from datetime import date

import msgspec
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.core.crypto import seal, tokens
from samizdat.core.mail.return_address import token_in
from samizdat.incoming.errors import IncomingFull
from samizdat.incoming.models import IncomingMail
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey

# Bytes of a message that are kept; of a longer one the beginning, which is where a report stands.
MOST = 10 << 20
# Messages of an organization that wait to be read: then whoever hands them over keeps them and tries again.
MOST_WAITING = 300_000


class Envelope(Struct, frozen=True):
    """A message, the addresses it was delivered to, and how many bytes it had."""

    to: tuple[str, ...]
    size: int
    raw: bytes


def take(organization: Organization, raw: bytes, to: Sequence[str], today: date) -> None:
    """Keeps a message until it is read. Errors: IncomingFull, VaultError."""
    take_all(organization, [(raw, len(raw))], today, to)


def take_all(
    organization: Organization, messages: Sequence[tuple[bytes, int]], today: date, to: Sequence[str] = ()
) -> None:
    """messages: each, or its beginning, with its size. Errors: IncomingFull, VaultError."""
    waiting = IncomingMail.objects.filter(organization=organization, state=IncomingMail.WAITING)
    if waiting.count() + len(messages) > MOST_WAITING:
        raise IncomingFull()
    number, public = _box_key(organization)
    IncomingMail.objects.bulk_create(
        IncomingMail(
            organization=organization,
            received=today,
            box=struct.pack(">I", number) + _boxed(organization, public, Envelope(tuple(to), size, raw[:MOST])),
        )
        for raw, size in messages
    )


def _boxed(organization: Organization, public: bytes, envelope: Envelope) -> bytes:
    padded = seal.padded(msgspec.msgpack.encode(envelope))
    return seal.seal_to(public, padded, info(organization), os.urandom(32), os.urandom(12))


def _box_key(organization: Organization) -> tuple[int, bytes]:
    """Made from the private key, not read from its column, where whoever writes the database would put theirs."""
    row = VaultKey.objects.filter(organization=organization, kind="box", current=True).order_by("id").first()
    boxes = keyring.keys(organization).boxes
    number = row.number if row and row.number in boxes else max(boxes)
    return number, seal.public_key(boxes[number])


def info(organization: Organization) -> bytes:
    """What a box of incoming mail is for: see core/crypto/seal.seal_to."""
    return b"incoming mail\0" + bytes(organization.uid)


def opened(mail: IncomingMail) -> Envelope:
    """Errors: seal.SealError, msgspec.DecodeError, and KeyError for a key that is not here."""
    box = bytes(mail.box)
    private = keyring.keys(mail.organization).boxes[int.from_bytes(box[:4])]
    padded = seal.open_sealed(private, box[4:], info(mail.organization))
    return msgspec.msgpack.decode(padded[: padded.rfind(b"\x80")], type=Envelope)


def owner(addresses: Sequence[str]) -> Organization | None:
    """Whose return address one of these is, by the number of its token's key. Nothing is proven."""
    for address in addresses:
        try:
            number = tokens.key_number(token_in(address))
        except tokens.BadToken:
            continue
        row = VaultKey.objects.select_related("organization").filter(kind="link", number=number).order_by("id").first()
        if row is not None:
            return row.organization
    return None
