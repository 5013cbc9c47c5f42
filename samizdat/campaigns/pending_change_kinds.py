"""Corrections that wait for an approval (accounts/pending_changes.py): what they are."""

from datetime import datetime

from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.campaigns.archive import web_corrections
from samizdat.campaigns.archive.web_corrections import CorrectedText, NoCorrection
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign


def _campaign(row: PendingChange) -> Campaign:
    rows = Campaign.objects.select_related("organization", "edition", "edition__organization")
    campaign = rows.filter(organization=row.organization, edition__isnull=False, pk=row.about or 0).first()
    if campaign is None:
        raise AccountError(_("This campaign is not here any more."))
    return campaign


def _say(row: PendingChange, text: CorrectedText) -> str:
    sentence = (
        _("on the web version of “%(subject)s”, “%(wrong)s” becomes “%(right)s”")
        if text.right
        else _("on the web version of “%(subject)s”, “%(wrong)s” is taken out")
    )
    return sentence % {**structs.asdict(text), "subject": draft_of(_campaign(row)).subject}


def _do(row: PendingChange, text: CorrectedText, now: datetime) -> None:
    try:
        web_corrections.keep(_campaign(row), text, by=row.by, now=now)
    except NoCorrection as refused:
        raise AccountError(str(refused)) from refused


KINDS = {web_corrections.CHANGE: ChangeKind(CorrectedText, _say, _do, askers=("admin", "editor"))}
