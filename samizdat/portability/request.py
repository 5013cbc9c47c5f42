"""What somebody asked an export for."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from msgspec import Struct

from samizdat.audience.filters import Filter
from samizdat.core.crypto.seal import SealBroken
from samizdat.portability import subscribers
from samizdat.portability.age_passphrase import PassphraseSeal
from samizdat.portability.models import Export
from samizdat.portability.selection import SelectionFilter
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to leave. `lists`: numbers, empty for all; `keys`: those of the links in letters go along (our own
    format alone); `zipped`: a CSV in a zip; `segment`: its row number, None for everybody; `fit`: those alone who fit
    these filters or were ticked; `passphrase`: it is sealed by one that is made here (age_passphrase.py); `setup`:
    routes, sending domains, mailboxes, the team, fundraisers and cases about closed accounts go along."""

    format: str
    recipients: tuple[str, ...] = ()
    lists: tuple[int, ...] = ()
    keys: bool = False
    zipped: bool = True
    segment: int | None = None
    fit: Filter | None = None
    passphrase: bool = False
    setup: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is sealed to nobody."""
        return not self.recipients and not self.passphrase

    @property
    def wanted(self) -> SelectionFilter:
        return SelectionFilter(self.lists[0] if len(self.lists) == 1 else None, self.segment, self.fit)


class BoundSelection(Struct, frozen=True):
    """Whom another admin agrees to (bound_selection.py). numbers: packed; since: the day it was asked for."""

    people: int
    numbers: bytes
    since: date
    condition: dict[str, Any] | None


class ExportDetails(Struct, frozen=True):
    """What is sealed of an export: what was asked for, why it is plain, and who is in this file alone, with the blind
    index of that address (empty: none) and the number of its key. Of one that another house made these are known.
    passphrase_seal: what seals it, until it is made."""

    wish: ExportRequest
    reason: str = ""
    planted: subscribers.ExportedSubscriber | None = None
    bound: BoundSelection | None = None
    blind: bytes = b""
    index_version: int = 1
    passphrase_seal: PassphraseSeal | None = None


def told_of(row: Export) -> ExportDetails:
    """Errors: SealBroken, also where all of it was taken away."""
    if not row.details_sealed:
        raise SealBroken
    return keyring.keys(row.organization).open_json(row.details_sealed, "export", "details", row.pk, ExportDetails)
