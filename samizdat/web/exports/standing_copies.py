"""What the page *Standing copies* says of each: what is there, what is here, and what would be lost now."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.core.account_copy import DELETED
from samizdat.core.crypto.seal import SealError
from samizdat.portability.account_copies import pieces
from samizdat.portability.account_copies.records import CopyProgress, CopySettings, copies_of, opened
from samizdat.portability.models import AccountCopy
from samizdat.web.templatetags.desk import moment

# Copied each night, and some hours more.
LATE = timedelta(hours=36)
SECTIONS: dict[str, Promise] = {
    "campaigns": lazy("Campaigns"),
    "templates": lazy("Templates"),
    "files": lazy("Images and files"),
    "reports": lazy("Reports (totals)"),
}
# What the account has and is never copied: `lacks` of importers/accounts.
LACKS: dict[str, Promise] = {
    "unlisted": lazy("contacts that are on no list"),
    "times": lazy("when somebody agreed or unsubscribed"),
    "tags": lazy("tags"),
    "campaigns": lazy("campaigns"),
    "templates": lazy("templates"),
    "designs": lazy("the design of templates"),
    "files": lazy("images and files"),
    "automations": lazy("automations"),
    "forms": lazy("sign-up forms"),
    "surveys": lazy("surveys"),
}
# What stays out of the copy, by the kind.
LEFT_OUT: dict[str, Promise] = {
    "donor_fields": lazy("fields that show who donates or is a member"),
    "donor_tags": lazy("tags that show who donates or is a member"),
    "donor_groups": lazy("groups that show who donates or is a member"),
    "no_address": lazy("contacts without an email address"),
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
    """state, word: how it is. problem: what the service answered instead; refused: since when it does. lacks: what is
    never copied; left_out: what stayed out, and how much of it. asked: when the service said how much there is.
    has_contacts: something can be imported. deleted: contacts whom the service no longer has."""

    number: int
    account: str
    service: str
    state: str
    word: str
    problem: str = ""
    refused: datetime | None = None
    finished: datetime | None = None
    comparisons: tuple[Comparison, ...] = ()
    lacks: tuple[str, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    asked: datetime | None = None
    is_broken: bool = False
    has_contacts: bool = False
    deleted: int = 0


def refused(organization: Organization) -> list[CopySettings]:
    """Accounts whose service no longer lets us in."""
    known = filter(None, map(opened, copies_of(organization)))
    return [settings for settings, progress in known if progress.refused is not None]


def views(organization: Organization, now: datetime) -> list[AccountCopyView]:
    return [_view(row, now) for row in copies_of(organization)]


def _view(row: AccountCopy, now: datetime) -> AccountCopyView:
    known = opened(row)
    with suppress(SealError):
        if known is not None:
            return _opened(row, *known, now)
    return AccountCopyView(row.pk, "", "", "stop", _("can’t be opened"), is_broken=True)


def _opened(row: AccountCopy, settings: CopySettings, progress: CopyProgress, now: datetime) -> AccountCopyView:
    """Errors: SealError, of what was copied."""
    state, word = _state(progress, now)
    kind = plugins.account_kinds().get(settings.service)
    return AccountCopyView(
        row.pk,
        settings.title or settings.label,
        settings.label,
        state,
        word,
        progress.problem.sentence,
        progress.refused,
        progress.finished,
        (_contacts(progress), *_things(row, progress), *_uncopied(progress)),
        tuple(str(LACKS.get(code, code)) for code in (kind.lacks if kind else ())),
        tuple((str(LEFT_OUT.get(code, code)), many) for code, many in progress.left_out.items() if many),
        progress.began or row.created,
        has_contacts=bool(progress.lines.get("contacts")),
        deleted=sum(statuses.get(DELETED, 0) for statuses in progress.people.values()),
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
