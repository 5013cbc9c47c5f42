"""What an edition, or a version of it, keeps beside its compiled letter."""

from msgspec import Struct

from samizdat.campaigns.models import Edition, EditionVariant
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.sealed_json import open_json, seal_json


class Question(Struct, frozen=True):
    """What a letter asks its readers."""

    question: str
    answers: tuple[str, ...]
    language: str = ""


class EditionDetails(Struct, frozen=True, omit_defaults=True):
    """The envelope, its links, those of them that are counted, what it asks, and what was released to whom."""

    subject: str
    preheader: str
    from_name: str
    from_email: str
    reply_to: str
    body: str  # Empty: the letter itself is compiled.
    format: str
    pictures: str
    links: tuple[str, ...]
    counted: tuple[str, ...] = ()
    question: Question | None = None
    # Whose edition it is and whom it was released to: the same columns of its campaign stand in the open.
    campaign: int = 0
    list: int = 0
    purpose: int = 0
    to_all: bool = False
    unlisted: bool = True


def sealed(keys: OrganizationKeys, edition: int, details: EditionDetails, of: str = "") -> bytes:
    """of: "" for the edition itself, else a blank and the number of the version."""
    return seal_json(keys, details, "edition", f"details{of}", edition)


def opened(keys: OrganizationKeys, row: Edition | EditionVariant) -> EditionDetails:
    edition, of = (row.edition_id, f" {row.variant_no}") if isinstance(row, EditionVariant) else (row.pk, "")
    return open_json(keys, row.details_sealed, "edition", f"details{of}", edition, EditionDetails)
