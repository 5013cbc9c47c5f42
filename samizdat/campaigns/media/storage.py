"""How much of the disk, which all organizations of an installation share, pictures and templates of one may take."""

from django.db.models import Sum
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from samizdat import formatting, options
from samizdat.accounts.models import Organization
from samizdat.campaigns.errors import StorageFull
from samizdat.campaigns.models import Picture, Template

MB = 1_000_000


def limit() -> int:
    """Bytes that an organization may store, by SAMIZDAT_STORAGE."""
    return options.megabytes("SAMIZDAT_STORAGE")


def used(organization: Organization) -> int:
    """Bytes, as they lie there. Databases keep lengths beside what is that long: no picture is read."""
    pictures = Picture.objects.filter(organization=organization)
    length = Length("sealed") + Length("whole_sealed") + Length("thumb_sealed")
    templates = Template.objects.filter(organization=organization)
    return (pictures.aggregate(n=Sum(length))["n"] or 0) + (templates.aggregate(n=Sum(Length("sealed")))["n"] or 0)


def insist_on_room(organization: Organization, more: int) -> None:
    """For so many bytes more. Errors: StorageFull."""
    stored, most = used(organization), limit()
    if stored + more > most:
        sentence = _(
            "Images and templates use %(used)s of %(most)s MB, and there’s not enough space for this. Delete some "
            "that no email uses, or ask your server admin for more space."
        )
        raise StorageFull(sentence % {"used": megabytes(stored), "most": megabytes(most)})


def megabytes(number: int) -> str:
    return formatting.grouped(round(number / MB))
