"""What an edition, or a version of it, keeps beside its compiled letter."""

import re

from msgspec import Struct, structs

from samizdat.campaigns.models import Edition, EditionVariant
from samizdat.core import totals
from samizdat.core.content.render import Content
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.languages import CODE
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# What a release draws: secrets.token_hex(10).
SLUG = re.compile(r"[0-9a-f]{20}", re.ASCII)


class Question(Struct, frozen=True):
    """What a letter asks its readers."""

    question: str
    answers: tuple[str, ...]
    language: str = ""


class SentElsewhere(Struct, frozen=True):
    """Of a campaign that another service sent: its name, and the totals that its export says. Nothing of it was
    delivered from here."""

    service: str
    totals: dict[str, int] = {}


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
    design: str = "carbon"
    counted: tuple[str, ...] = ()
    question: Question | None = None
    # Whose edition it is and whom it was released to: the same columns of its campaign stand in the open.
    campaign: int = 0
    list: int = 0
    purpose: int = 0
    to_all: bool = False
    unlisted: bool = True
    template: int = 0
    language: str = ""
    content: Content | None = None  # What its web copy is made of; of the versions of a test there is none.
    imported: bool = False  # It came in with an export as over: its release stands in another log.
    # What conditions in it or its other versions ask for (tags, and as of condition_values.of_fields fields), and what
    # each is compared as.
    asked: tuple[tuple[int, tuple[tuple[str, str], ...]], ...] = ()
    made_from: str = ""  # content.digest_of what was compiled.
    # Its merge tags, and the number of the field that each stood for at the release: it is filled in by these.
    fields: tuple[tuple[str, int], ...] = ()
    welcome: bool = False  # Released to whoever confirms from then on.
    # Versions that enough settled people get, by place: of the others no click and no answer is counted (core/totals).
    counted_places: str = ""
    # How its test is decided (core/ab_test.WAYS), and by which link alone: whoever writes the database would have a
    # test that a person decides decided by clicks.
    test_way: str = ""
    test_link: str = ""
    elsewhere: SentElsewhere | None = None


def slug_of(edition: Edition, language: str) -> str:
    """Where it, or a version in another language, is read on the web. "": nowhere, also where the database says what no
    release draws: it becomes text of digests and of the archive."""
    if not SLUG.fullmatch(edition.archive_slug) or (language and not CODE.fullmatch(language)):
        return ""
    return f"{edition.archive_slug}-{language}" if language else edition.archive_slug


def sealed(keys: OrganizationKeys, edition: int, details: EditionDetails, of: str = "") -> bytes:
    """of: "" for the edition itself, else a blank and the number of the version."""
    return keys.seal_json(details, "edition", f"details{of}", edition)


def opened(keys: OrganizationKeys, row: Edition | EditionVariant) -> EditionDetails:
    """Errors: SealBroken, also for an edition that stands beside another campaign than its own."""
    if not row.details_sealed:
        raise SealBroken("This edition has no sealed details.")
    edition, of = (row.edition_id, f" {row.variant_no}") if isinstance(row, EditionVariant) else (row.pk, "")
    details = keys.open_json(row.details_sealed, "edition", f"details{of}", edition, EditionDetails)
    if isinstance(row, Edition) and details.campaign != row.campaign_id:
        raise SealBroken(f"Edition {edition} belongs to another campaign.")
    return details


def all_versions(edition: Edition) -> dict[int, EditionDetails]:
    """place of a version -> what was kept beside it at the release. Errors: SealBroken."""
    keys = keyring.keys(edition.organization)
    rows = EditionVariant.objects.filter(edition=edition).order_by("variant_no").defer("compiled_sealed")
    return {0: opened(keys, edition), **{row.variant_no: opened(keys, row) for row in rows}}


def counted_versions(edition: Edition) -> frozenset[int]:
    """Places of those whose clicks and answers are counted; of none where the seal does not hold."""
    try:
        return totals.load(opened(keyring.keys(edition.organization), edition).counted_places)
    except SealBroken:
        return frozenset()


def change(edition: Edition, **changes: object) -> None:
    """Of what is known or may change only after it was compiled. In a transaction: the row is held."""
    keys, row = keyring.keys(edition.organization), Edition.objects.select_for_update().get(pk=edition.pk)
    row.details_sealed = sealed(keys, row.pk, structs.replace(opened(keys, row), **changes))
    row.save(update_fields=["details_sealed"])
    edition.details_sealed = row.details_sealed
