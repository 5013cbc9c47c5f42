"""What is kept of a report: sealed, and counted by this, not by the columns beside it."""

import hashlib
import os
from collections.abc import Callable
from datetime import date

import msgspec
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.core.bounce.report import Fault, Kind
from samizdat.core.crypto.seal import NONCE_BYTES, SealError
from samizdat.incoming.models import MailReport
from samizdat.vault import keyring

# Where a report's details are sealed.
COLUMN = "mail report", "details"


class ReportDetails(Struct, frozen=True, omit_defaults=True):
    """What a report says, and of whom: counted by this, not by the columns beside it."""

    kind: Kind
    day: date
    edition: int = 0  # 0: nobody knows which message it is about.
    number: int = 0
    fault: Fault | None = None
    reason: str = ""
    status: str = ""
    reply: int = 0
    words: str = ""  # Without addresses.
    recipient: str = ""  # Where nobody knows which message it is about.
    dialect: str = ""
    is_proven: bool = False  # A mailbox provider or sending provider wrote it.
    email: str = ""  # digest_of() an auto-reply.


def digest_of(raw: bytes) -> str:
    """Which email a report was read from, which is shown with it: nothing else binds the two."""
    return hashlib.sha256(raw).hexdigest()


def sealer(organization: Organization) -> Callable[[int, ReportDetails], bytes]:
    """Seals the details of a report by the number of its row."""
    keys = keyring.keys(organization)
    assert keys.data is not None
    seal_one = keys.data.bound(*COLUMN, keys.uid).seal

    def sealed(number: int, details: ReportDetails) -> bytes:
        return seal_one(msgspec.json.encode(details), number, os.urandom(NONCE_BYTES))

    return sealed


# (id, edition, number, details_sealed) of a MailReport -> what it says. None for one whose seal doesn't hold, or that
# speaks of somebody else.
type DetailsReader = Callable[[int, int | None, int | None, bytes], ReportDetails | None]


def details_reader(organization: Organization) -> DetailsReader:
    keys = keyring.keys(organization)
    assert keys.ring is not None
    opener, decoder = keys.ring.bound(*COLUMN, keys.uid), msgspec.json.Decoder(ReportDetails)

    def details_of(id: int, edition: int | None, number: int | None, blob: bytes) -> ReportDetails | None:
        try:
            details = decoder.decode(opener.open(blob, id))
        except (SealError, msgspec.DecodeError):
            return None
        return details if (details.edition, details.number) == (edition or 0, number or 0) else None

    return details_of


def details_of(row: MailReport) -> ReportDetails | None:
    """details_reader() for one."""
    read = details_reader(row.organization)
    return read(row.pk, row.edition_id, row.number, bytes(row.details_sealed))
