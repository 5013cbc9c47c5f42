"""Taking a message in: sealed to a public key before anybody looks into it, by which nobody can open it."""

import os
from collections.abc import Callable, Sequence
from datetime import date

import msgspec

from samizdat.accounts.models import Organization
from samizdat.core.crypto import seal, tokens
from samizdat.core.crypto.seal import NONCE_BYTES
from samizdat.core.mail.incoming_envelope import Envelope, EnvelopeOpener, EnvelopeSealer
from samizdat.core.mail.return_address import token_in
from samizdat.incoming import identity, mail_space, sql
from samizdat.incoming.errors import IncomingFull
from samizdat.incoming.models import IncomingMail
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey

__all__ = ["Envelope"]

# Messages of an organization that wait to be read: then whoever hands them over keeps them and tries again.
MOST_WAITING = 300_000


def take(organization: Organization, raw: bytes, to: Sequence[str], today: date, size: int | None = None) -> None:
    """Keeps a message until it is read. size: of all of it, where raw is its beginning. Errors: IncomingFull,
    VaultError."""
    take_all(organization, [(raw, len(raw) if size is None else size)], today, to)


def take_all(
    organization: Organization, messages: Sequence[tuple[bytes, int]], today: date, to: Sequence[str] = ()
) -> None:
    """messages: each, or its beginning, with its size. Errors: IncomingFull, VaultError."""
    sealer = EnvelopeSealer(bytes(organization.uid), box_key(organization), os.urandom(32))
    envelopes = (Envelope.of(to, raw, size) for raw, size in messages)
    boxes = [sealer.seal(envelope, os.urandom(NONCE_BYTES)) for envelope in envelopes]
    _keep(organization, boxes, today, lambda _box: identity.is_to_us(organization, to))


def take_boxes(organization: Organization, boxes: Sequence[bytes], today: date) -> None:
    """The same of messages that were sealed where they came in. Errors: IncomingFull."""
    _keep(organization, boxes, today, lambda box: _is_to_us(organization, box))


def _keep(organization: Organization, boxes: Sequence[bytes], today: date, is_ours: Callable[[bytes], bool]) -> None:
    """is_ours: whether a token of ours is in the address that a message was delivered to; asked where room is short."""
    waiting = IncomingMail.objects.filter(organization=organization, state=IncomingMail.WAITING)
    if waiting.count() + len(boxes) > MOST_WAITING:
        raise IncomingFull()
    room = mail_space.room(organization)
    for box in boxes:
        if len(box) > room.most(False) and len(box) > room.most(is_ours(box)):
            raise IncomingFull()
        room = room.with_more(len(box))
    sql.insert_mail(organization.pk, today, IncomingMail.WAITING, boxes)
    mail_space.keep(organization, room)


def _is_to_us(organization: Organization, box: bytes) -> bool:
    try:
        return identity.is_to_us(organization, opener(organization).open(box).to)
    except (KeyError, seal.SealError, msgspec.DecodeError):
        return False


def box_key(organization: Organization) -> tuple[int, bytes]:
    """Made from the private key, not read from its column, where whoever writes the database would put theirs."""
    row = VaultKey.objects.filter(organization=organization, kind="box", current=True).order_by("id").first()
    boxes = keyring.keys(organization).boxes
    number = row.number if row and row.number in boxes else max(boxes)
    return number, seal.public_key(boxes[number])


def opener(organization: Organization) -> EnvelopeOpener:
    """Opens IncomingMail.box of this organization."""
    return EnvelopeOpener(bytes(organization.uid), keyring.keys(organization).boxes)


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
