"""What the page *Standing copies* says of each: what is there, what is here, and what would be lost now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import SealError
from samizdat.portability.account_copies import pieces
from samizdat.portability.account_copies.records import CopyProgress, copies_of, progress_of, settings_of
from samizdat.portability.models import AccountCopy
from samizdat.vault.errors import VaultError
from samizdat.web.templatetags.desk import moment

# Copied each night, and some hours more.
LATE = timedelta(hours=36)
SECTIONS: dict[str, Promise] = {
    "campaigns": lazy("Campaigns"),
    "templates": lazy("Templates"),
    "files": lazy("Images and files"),
    "reports": lazy("Reports (totals)"),
}
# What no interface gives.
UNCOPIED: dict[str, Promise] = {"automations": lazy("Automations"), "landing_pages": lazy("Landing pages")}


@dataclass(frozen=True, slots=True)
class Comparison:
    """there: as the service counted when it was last asked; here: in the copy."""

    name: str
    there: int
    here: int

    @property
    def lost(self) -> int:
        return max(0, self.there - self.here)


@dataclass(frozen=True, slots=True)
class AccountCopyView:
    """state, word: how it is. problem: what the service answered instead; refused: since when it does."""

    number: int
    account: str
    service: str
    state: str
    word: str
    problem: str = ""
    refused: datetime | None = None
    finished: datetime | None = None
    comparisons: tuple[Comparison, ...] = ()
    is_broken: bool = False


def views(organization: Organization, now: datetime) -> list[AccountCopyView]:
    return [_view(row, now) for row in copies_of(organization)]


def _view(row: AccountCopy, now: datetime) -> AccountCopyView:
    try:
        settings, progress = settings_of(row), progress_of(row)
        comparisons = (_contacts(progress), *_things(row, progress), *_uncopied(progress))
    except (SealError, VaultError):
        return AccountCopyView(row.pk, "", "", "stop", _("can’t be opened"), is_broken=True)
    state, word = _state(progress, now)
    return AccountCopyView(
        row.pk,
        settings.title or settings.label,
        settings.label,
        state,
        word,
        progress.problem.sentence if progress.problem.code else "",
        progress.refused,
        progress.finished,
        comparisons,
    )


def _state(progress: CopyProgress, now: datetime) -> tuple[str, str]:
    if progress.refused:
        return "stop", _("access refused")
    if progress.finished is None:
        return "now", _("being copied for the first time")
    if now - progress.finished > LATE:
        return "care", _("not copied since %(at)s") % {"at": moment(progress.finished)}
    return "good", _("up to date")


def _contacts(progress: CopyProgress) -> Comparison:
    # Until it was whole once, by what was written: nobody is in it twice then.
    counted = sum(sum(statuses.values()) for statuses in progress.people.values())
    here = counted if progress.finished else progress.lines.get("contacts", 0)
    return Comparison(_("Contacts"), progress.totals.contacts, min(here, progress.totals.contacts))


def _things(row: AccountCopy, progress: CopyProgress) -> list[Comparison]:
    there = {name: progress.totals.sections.get(name, 0) for name in SECTIONS}
    return [Comparison(str(SECTIONS[name]), total, _here(row, name, total)) for name, total in there.items() if total]


def _here(row: AccountCopy, section: str, most: int) -> int:
    """What has a body that could not be had is not here."""
    return min(most, sum(not kept.missing for kept in pieces.items(row, section).values()))


def _uncopied(progress: CopyProgress) -> list[Comparison]:
    return [
        Comparison(str(UNCOPIED.get(name, name)), total, 0) for name, total in progress.totals.uncopied.items() if total
    ]
