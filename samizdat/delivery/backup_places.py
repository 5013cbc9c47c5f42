"""The backup places of the installation: where they are, what opens them, and what is kept there.

URL, password and the rest are sealed under a key of the instance, so whoever copies the database learns no place, and
whoever writes it moves none elsewhere.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from django.db import transaction
from msgspec import Struct

from samizdat import plugins
from samizdat.core.crypto import seal
from samizdat.delivery.models import BackupCopy, BackupPlace
from samizdat.options import inner_networks
from samizdat.vault import keyring

if TYPE_CHECKING:
    from samizdat.plugins import Place

_INSTANCE = bytes(16)
_PURPOSE = "backup places"

type OpenPlace = Callable[[], "Place"]


class PlaceBroken(Exception):
    """The row of a place that doesn't open: it was changed, or sealed under another key."""

    code = "place_broken"

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(
            f"Backup place {number} can't be opened: its record was changed or belongs to another key. Remove it with "
            f"samizdat backup place remove {number}, and add it again."
        )


class PlaceDetails(Struct, frozen=True, omit_defaults=True):
    """secret: password or key. recipients: age keys that open what is written there; none: the key file does. key: the
    key file's text encrypted to them, in base64, so that the worker, which has no instance key, can write copies.

    public_only: it was added on a page, so it leads to no address of this server's own network.
    daily, weekly, monthly: how many copies are kept; days: none that is older, for erased people are in it.
    """

    url: str
    added: datetime
    secret: str = ""
    recipients: list[str] = []
    key: str = ""
    bytes_per_second: int = 0
    daily: int = 7
    weekly: int = 4
    monthly: int = 0
    days: int = 30
    # It was shown when it was added that it lets nobody delete.
    append_only: bool = False
    public_only: bool = False

    def open(self) -> "Place":
        """Nothing is connected to yet. Errors: PlaceError."""
        inside = inner_networks() if self.public_only else None
        return plugins.open_place(self.url, self.secret, bytes_per_second=self.bytes_per_second, inside=inside)


class PlaceState(Struct, frozen=True, omit_defaults=True):
    """tried: when a copy was last begun. failures: in a row; failing: since when; error: the sentence of the last one;
    code, values: what a place said, for other languages. undeleted: copies that should be gone and could not be
    deleted."""

    tried: datetime | None = None
    failures: int = 0
    failing: datetime | None = None
    error: str = ""
    code: str = ""
    values: dict[str, str] = {}
    undeleted: int = 0


class CopyDetails(Struct, frozen=True):
    """path: of its manifest. pieces: how many; written_bytes: of those that were new. key: the number
    of the instance key that it was made with."""

    path: str
    made: datetime
    kind: str
    bytes: int
    rows: int
    pieces: int = 0
    written_bytes: int = 0
    recipients: list[str] = []
    key: int = 1


@dataclass(frozen=True, slots=True)
class KeptPlace:
    number: int
    details: PlaceDetails
    state: PlaceState


def add(details: PlaceDetails) -> KeptPlace:
    with transaction.atomic():
        row = BackupPlace.objects.create(wrapped=b"")
        BackupPlace.objects.filter(pk=row.pk).update(wrapped=_sealed(details, "wrapped", row.pk))
    return KeptPlace(row.pk, details, PlaceState())


def change(kept: KeptPlace, **new: object) -> KeptPlace:
    """new: fields of its details."""
    details = msgspec.structs.replace(kept.details, **new)
    BackupPlace.objects.filter(pk=kept.number).update(wrapped=_sealed(details, "wrapped", kept.number))
    return KeptPlace(kept.number, details, kept.state)


def remove(number: int) -> bool:
    """What was written there stays there."""
    return bool(BackupPlace.objects.filter(pk=number).delete()[0])


def numbers() -> list[int]:
    return list(BackupPlace.objects.order_by("pk").values_list("pk", flat=True))


def get(number: int) -> KeptPlace | None:
    """Errors: PlaceBroken."""
    row = BackupPlace.objects.filter(pk=number).first()
    return _opened(row) if row else None


def usable(number: int) -> KeptPlace | None:
    """None also for one whose row is broken."""
    try:
        return get(number)
    except PlaceBroken:
        return None


def all_places() -> list[KeptPlace | PlaceBroken]:
    """In the order in which they were added."""
    places: list[KeptPlace | PlaceBroken] = []
    for row in BackupPlace.objects.order_by("pk"):
        try:
            places.append(_opened(row))
        except PlaceBroken as broken:
            places.append(broken)
    return places


def open_all() -> list[OpenPlace]:
    """What connects to each, in any thread: the database isn't asked any more. One whose row is broken raises it."""
    return [partial(_raise, each) if isinstance(each, PlaceBroken) else each.details.open for each in all_places()]


def _raise(error: PlaceBroken) -> "Place":
    raise error


def set_state(number: int, state: PlaceState) -> None:
    BackupPlace.objects.filter(pk=number).update(state_sealed=_sealed(state, "state", number))


def note_copy(number: int, copy: CopyDetails) -> None:
    """A place that was removed meanwhile has none."""
    with transaction.atomic():
        if not BackupPlace.objects.filter(pk=number).exists():
            return
        facts = {"made": copy.made, "kind": copy.kind, "bytes": copy.bytes, "rows": copy.rows}
        row = BackupCopy.objects.create(place_id=number, wrapped=b"", **facts)
        BackupCopy.objects.filter(pk=row.pk).update(wrapped=_sealed(copy, "copy", row.pk))


def copies(number: int) -> list[CopyDetails]:
    """Of a place, the newest first. Rows that don't open are left out: nobody has made such copies."""
    opened = list[CopyDetails]()
    for row in BackupCopy.objects.filter(place_id=number).order_by("-made", "-pk"):
        copy = open_copy(row)
        if copy is not None:
            opened.append(copy)
    return opened


def open_copy(row: BackupCopy) -> CopyDetails | None:
    try:
        return _open(row.wrapped, "copy", row.pk, CopyDetails)
    except (seal.SealError, msgspec.MsgspecError):
        return None


def forget_copies(number: int, paths: Sequence[str]) -> None:
    """Copies that are no longer at the place."""
    gone = set(paths)
    rows = [(row.pk, open_copy(row)) for row in BackupCopy.objects.filter(place_id=number)]
    BackupCopy.objects.filter(pk__in=[pk for pk, copy in rows if copy is None or copy.path in gone]).delete()


def renew(wrapped_key: Callable[[Sequence[str]], str]) -> Iterator[None]:
    """A Renewal (instance_exchange.py). wrapped_key: the text of the new key file for recipients
    (backup/recipients.wrapped_key_file). A row that doesn't open stays as it is."""
    places = [each for each in all_places() if isinstance(each, KeptPlace)]
    opened = [(row.pk, open_copy(row)) for row in BackupCopy.objects.order_by("pk")]
    yield
    for place in places:
        details = place.details
        if details.recipients:
            details = msgspec.structs.replace(details, key=wrapped_key(details.recipients))
        sealed = {"wrapped": _sealed(details, "wrapped", place.number)}
        sealed["state_sealed"] = _sealed(place.state, "state", place.number)
        BackupPlace.objects.filter(pk=place.number).update(**sealed)
    for number, copy in opened:
        if copy is not None:
            BackupCopy.objects.filter(pk=number).update(wrapped=_sealed(copy, "copy", number))


def copies_of_present_key(number: int) -> list[CopyDetails]:
    """As copies(). Nothing continues the others, neither a backup of changes nor what is written in between. Errors:
    VaultError."""
    return [copy for copy in copies(number) if copy.key == keyring.instance_number()]


def of_former_key(copy: CopyDetails) -> bool:
    """Whether restoring it takes the key file of an instance key that was replaced since. For recipients that is in the
    backup. Errors: VaultError."""
    return copy.key < keyring.instance_number() and not copy.recipients


def _opened(row: BackupPlace) -> KeptPlace:
    try:
        return KeptPlace(row.pk, _open(row.wrapped, "wrapped", row.pk, PlaceDetails), _state(row))
    except (seal.SealError, msgspec.MsgspecError) as wrong:
        raise PlaceBroken(row.pk) from wrong


def _state(row: BackupPlace) -> PlaceState:
    return _open(row.state_sealed, "state", row.pk, PlaceState) if row.state_sealed else PlaceState()


def _sealed(value: object, column: str, number: int) -> bytes:
    return seal.Key(1, _key()).seal(msgspec.json.encode(value), _where(column, number), os.urandom(12))


def _open[T](blob: bytes | memoryview, column: str, number: int, type: type[T]) -> T:
    ring = seal.KeyRing({1: seal.Key(1, _key())})
    return msgspec.json.decode(ring.open(bytes(blob), _where(column, number)), type=type)


def _key() -> bytes:
    return keyring.derive("backup places")


def _where(column: str, number: int) -> bytes:
    return seal.where("backup place", column, _INSTANCE, number)
