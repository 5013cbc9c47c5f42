"""Fundraisers as they stand."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.core.donations import FundraiserDetails, PaymentMethod, SumRecord, Sums
from samizdat.fundraising.errors import FundraisingError
from samizdat.fundraising.models import Fundraiser
from samizdat.vault import keyring

TABLE = "fundraiser"


def details_of(fundraiser: Fundraiser) -> FundraiserDetails:
    """Errors: SealBroken, RecordBroken."""
    keys = keyring.keys(fundraiser.organization)
    return keys.open_json(fundraiser.details_sealed, TABLE, "details", fundraiser.pk, FundraiserDetails)


def sums_of(fundraiser: Fundraiser) -> Sums:
    """Errors: SealBroken, RecordBroken."""
    keys = keyring.keys(fundraiser.organization)
    return keys.open_json(fundraiser.sums_sealed, TABLE, "sums", fundraiser.pk, SumRecord).sums


def fundraisers(organization: Organization) -> Sequence[Fundraiser]:
    """The newest first."""
    rows = Fundraiser.objects.select_related("organization").filter(organization=organization)
    return list(rows.order_by("-pk"))


def fundraiser_numbered(organization: Organization, number: int) -> Fundraiser:
    """Errors: FundraisingError."""
    rows = Fundraiser.objects.select_related("organization").filter(organization=organization)
    fundraiser = rows.filter(pk=number).first() if 0 < number < 1 << 63 else None
    if fundraiser is None:
        raise FundraisingError(_("There’s no fundraiser %(n)s. Check its number.") % {"n": number}, "no_fundraiser")
    return fundraiser


def method_named(details: FundraiserDetails, name: str) -> PaymentMethod:
    """By its id, or its name in any case. Errors: FundraisingError."""
    for method in details.methods:
        if name == method.id or name.casefold() == method.name.casefold():
            return method
    raise FundraisingError(
        _("There’s no payment method “%(name)s” in this fundraiser. Check its name.") % {"name": name}, "no_method"
    )


def public_address(fundraiser: Fundraiser, details: FundraiserDetails | None = None) -> str:
    """Of its page; "" if the organization has no public pages."""
    site = leading(fundraiser.organization).public_url
    return f"{site}/donate/{(details or details_of(fundraiser)).slug}" if site else ""


def today(organization: Organization, now: datetime) -> date:
    """The day where the organization is."""
    return now.astimezone(ZoneInfo(organization.timezone)).date()
