"""How much of the disk, which all organizations of an installation share, pictures, templates and campaigns of one
may take."""

from django.db.models import Sum
from django.db.models.functions import Coalesce, Length
from django.utils.translation import gettext as _

from samizdat import formatting, options
from samizdat.accounts.models import Organization
from samizdat.campaigns.errors import StorageFull
from samizdat.campaigns.models import (
    Approval,
    Campaign,
    DraftRevision,
    Edition,
    EditionClicks,
    EditionVariant,
    Picture,
    Template,
)

MB = 1_000_000
# Who has stored all that they may with pictures can still write: drafts may take a tenth more.
RESERVE = 10
# Bytes of a draft that is not counted at each save, and at which it is.
SMALL, COUNTED = 64_000, 10


def limit() -> int:
    """Bytes that an organization may store, by SAMIZDAT_STORAGE."""
    return options.megabytes("SAMIZDAT_STORAGE")


def used(organization: Organization) -> int:
    """Bytes, as they lie there. Databases keep lengths beside what is that long: no picture is read."""
    pictures = Picture.objects.filter(organization=organization)
    length = Length("sealed") + Length("whole_sealed") + Length("thumb_sealed")
    templates = Template.objects.filter(organization=organization)
    campaigns = Campaign.objects.filter(organization=organization)
    draft = Length("draft_sealed") + Coalesce(Length("places_sealed"), 0)
    versions = DraftRevision.objects.filter(campaign__organization=organization)
    locked = Length("compiled_sealed") + Length("details_sealed")
    editions = Edition.objects.filter(organization=organization)
    variants = EditionVariant.objects.filter(edition__organization=organization)
    approvals = Approval.objects.filter(campaign__organization=organization)
    clicks = EditionClicks.objects.filter(edition__organization=organization)
    sums = (
        *((pictures, length), (templates, Length("sealed")), (campaigns, draft), (versions, Length("sealed"))),
        *((editions, locked), (variants, locked)),
        (clicks, Length("sums_sealed")),
        (approvals, Length("yes_sealed")),
    )
    return sum(rows.aggregate(n=Sum(bytes_))["n"] or 0 for rows, bytes_ in sums)


def insist_on_room_for_draft(organization: Organization, size: int, number: int = 0) -> None:
    """For a draft that is begun or saved, of so many bytes. number: its version; each tenth of a small one is counted.
    Errors: StorageFull."""
    if size > SMALL or number % COUNTED == 0:
        insist_on_room(organization, size, limit() // RESERVE)


def insist_on_room(organization: Organization, more: int, reserve: int = 0) -> None:
    """For so many bytes more. Errors: StorageFull."""
    stored, most = used(organization), limit()
    if stored + more > most + reserve:
        sentence = _(
            "Images, templates and campaigns use %(used)s of %(most)s MB, and there’s not enough space for this. "
            "Delete some that no email uses, or ask your server admin for more space."
        )
        raise StorageFull(sentence % {"used": megabytes(stored), "most": megabytes(most)})


def megabytes(number: int) -> str:
    return formatting.grouped(round(number / MB))
