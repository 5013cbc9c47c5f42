"""Where the copied account lies: an append-only row of sealed, compressed pieces.

A piece is changed only where somebody in it is erased, so a backup writes it once. Somebody who is copied again is in
a later piece once more, and readers fold them (core/account_copy.fold).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Raw, Struct, json

from samizdat.core.account_copy import OUT, SECTIONS, Contact, Item
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.zstd import zstd
from samizdat.portability.models import AccountCopy, AccountCopyPiece
from samizdat.vault import keyring

# Bytes of a piece before it is compressed. One contact or thing may have up to 60,000.
PIECE = 1 << 20
# Most that a piece may unfold to.
MOST = PIECE + (1 << 17)
# Behind the numbers of SECTIONS: parts of bodies.
BODIES = 100
LEVEL = 3


class KeptItem(Struct, frozen=True, omit_defaults=True):
    """A thing with where its body lies: `parts` pieces from `first` on, of `size` bytes together. missing: it has one,
    and it could not be had: a code of importers/accounts/base.SENTENCES."""

    item: Item = Item()
    first: int = 0
    parts: int = 0
    size: int = 0
    missing: str = ""


class PieceWriter:
    """Pieces from a number on; to be called inside of a transaction together with the progress that counts them."""

    def __init__(self, row: AccountCopy, number: int) -> None:
        self._row, self.number = row, number

    def lines(self, section: str, values: Sequence[Struct]) -> None:
        """Contacts or items, in as many pieces as they need."""
        lines: list[bytes] = []
        size = 0
        for line in map(json.encode, values):
            if lines and size + len(line) > PIECE:
                self._put(SECTIONS.index(section), b"[" + b",".join(lines) + b"]")
                lines, size = [], 0
            lines.append(line)
            size += len(line) + 1
        if lines:
            self._put(SECTIONS.index(section), b"[" + b",".join(lines) + b"]")

    def body(self, item: Item, content: bytes) -> KeptItem:
        first = self.number
        for at in range(0, len(content), PIECE):
            self._put(BODIES, content[at : at + PIECE])
        return KeptItem(item, first, self.number - first, len(content))

    def _put(self, section: int, content: bytes) -> None:
        blob = _sealed(self._row, self.number, section, content)
        AccountCopyPiece.objects.create(copy=self._row, number=self.number, section=section, blob=blob)
        self.number += 1


def place(copy: int, number: int, section: int) -> tuple[str, str, int]:
    """What a piece is sealed to: another one in its place, or of another section, does not open."""
    return "accountcopypiece", f"blob{copy} {section}", number


class _Addressed(Struct):
    """Of a contact, what tells which one it is."""

    address: str = ""


class Presence(Struct):
    """Of a contact, who it is, and whether the service still has them."""

    list: str = ""
    address: str = ""
    status: str = "nonsubscribed"
    gone: str = ""
    is_partial: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.list, self.address.casefold()


_addressed, _presence, _contact = json.Decoder(_Addressed), json.Decoder(Presence), json.Decoder(Contact)


def contacts(row: AccountCopy, wanted: Callable[[str], bool] = lambda _address: True) -> Iterator[Contact]:
    """Those with wanted addresses, in the order in which they were copied; of the others nothing else is read, which
    takes a third of the time. Errors: SealBroken."""
    for _number, lines in _values(row, "contacts", Raw):
        for line in lines:
            if wanted(_addressed.decode(line).address):
                yield _contact.decode(line)


def contact_lines(row: AccountCopy) -> Iterator[bytes]:
    """Each contact as it was written. Errors: SealBroken."""
    return (bytes(line) for _number, lines in _values(row, "contacts", Raw) for line in lines)


def presences(row: AccountCopy) -> Iterator[Presence]:
    """Of each contact, in the order in which they were copied. That somebody complained says nothing of it. Errors:
    SealBroken."""
    for _number, some in _values(row, "contacts", Presence):
        for each in some:
            if not (each.is_partial and each.status in OUT):
                yield each


def newest_lines(row: AccountCopy) -> dict[int, int]:
    """Hash of a contact's key -> hash of what was written of them last. Errors: SealBroken."""
    newest = {}
    for line in contact_lines(row):
        each = _presence.decode(line)
        if not each.is_partial:
            newest[hash(each.key)] = hash(line)
    return newest


def numbered_contacts(row: AccountCopy) -> Iterator[tuple[int, list[Contact]]]:
    """With the number of each piece. Errors: SealBroken."""
    return _values(row, "contacts", Contact)


def write_contacts(row: AccountCopy, number: int, values: Sequence[Contact]) -> None:
    """In place of a piece that had more of them."""
    section = SECTIONS.index("contacts")
    blob = _sealed(row, number, section, json.encode(values))
    AccountCopyPiece.objects.filter(copy=row, number=number, section=section).update(blob=blob)


def items(row: AccountCopy, section: str) -> dict[str, KeptItem]:
    """Of a section, by the service's id: as each was copied last. Errors: SealBroken."""
    return {kept.item.id: kept for _number, some in _values(row, section, KeptItem) for kept in some}


def body(row: AccountCopy, kept: KeptItem) -> bytes:
    """Errors: SealBroken."""
    numbers = range(kept.first, kept.first + kept.parts)
    return b"".join(_opened(row, number, BODIES) for number in numbers)[: kept.size]


def count(row: AccountCopy) -> int:
    return AccountCopyPiece.objects.filter(copy=row).count()


def next_number(row: AccountCopy) -> int:
    last = AccountCopyPiece.objects.filter(copy=row).order_by("-number").values_list("number", flat=True).first()
    return 0 if last is None else last + 1


def _values(row: AccountCopy, section: str, type: Any) -> Iterator[Any]:
    number = SECTIONS.index(section)
    rows = AccountCopyPiece.objects.filter(copy=row, section=number).order_by("number")
    for each in list(rows.values_list("number", flat=True)):
        yield each, json.decode(_opened(row, each, number), type=list[type])


def _sealed(row: AccountCopy, number: int, section: int, content: bytes) -> bytes:
    return keyring.keys(row.organization).seal(zstd.compress(content, LEVEL), *place(row.pk, number, section))


def _opened(row: AccountCopy, number: int, section: int) -> bytes:
    rows = AccountCopyPiece.objects.filter(copy=row, number=number, section=section)
    blob = rows.values_list("blob", flat=True).first()
    if blob is None:
        raise SealBroken
    packed = keyring.keys(row.organization).open(bytes(blob), *place(row.pk, number, section))
    return zstd.ZstdDecompressor().decompress(packed, MOST)
