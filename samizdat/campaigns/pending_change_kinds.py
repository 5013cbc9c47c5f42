"""Corrections, and letters for the archive, that wait for an approval (accounts/pending_changes.py): what they are."""

from datetime import datetime

from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.campaigns.archive import listing, web_corrections
from samizdat.campaigns.archive.listing import ArchiveListing, CannotBeListed
from samizdat.campaigns.archive.web_corrections import CorrectedText, NoCorrection
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign


def _campaign(row: PendingChange) -> Campaign:
    rows = Campaign.objects.select_related("organization", "edition", "edition__organization")
    campaign = rows.filter(organization=row.organization, edition__isnull=False, pk=row.about or 0).first()
    if campaign is None:
        raise AccountError(_("This campaign no longer exists."))
    return campaign


def _say(row: PendingChange, text: CorrectedText) -> str:
    sentence = (
        _("in the web version of “%(subject)s”, “%(wrong)s” becomes “%(right)s”")
        if text.right
        else _("in the web version of “%(subject)s”, “%(wrong)s” is removed")
    )
    return sentence % {**structs.asdict(text), "subject": draft_of(_campaign(row)).subject}


def _do(row: PendingChange, text: CorrectedText, now: datetime) -> None:
    try:
        web_corrections.keep(_campaign(row), text, by=row.by, now=now)
    except NoCorrection as refused:
        raise AccountError(str(refused)) from refused


def _say_listing(row: PendingChange, _details: ArchiveListing) -> str:
    return _("“%(subject)s” is added to the public archive") % {"subject": draft_of(_campaign(row)).subject}


def _list(row: PendingChange, details: ArchiveListing, now: datetime) -> None:
    try:
        listing.keep(_campaign(row), details.listed, by=row.by, now=now)
    except CannotBeListed as refused:
        raise AccountError(str(refused)) from refused


KINDS = {
    web_corrections.CHANGE: ChangeKind(CorrectedText, _say, _do, askers=("admin", "editor")),
    listing.CHANGE: ChangeKind(ArchiveListing, _say_listing, _list, askers=("admin", "editor")),
}
