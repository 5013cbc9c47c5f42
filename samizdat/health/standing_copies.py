"""What is found about copies of accounts elsewhere: whether a service still lets us in, and whether each is copied."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from samizdat.accounts.models import Organization
from samizdat.health.findings import Finding
from samizdat.portability.account_copies.records import copies_of, opened
from samizdat.portability.models import AccountCopy

# Each is copied every night: two were missed.
LATE = timedelta(days=2)

_ABOUT = _("%(organization)s, %(account)s at %(service)s")


def of_organization(organization: Organization, now: datetime) -> Iterator[Finding]:
    for row in copies_of(organization):
        yield _of(row, now)


def _of(row: AccountCopy, now: datetime) -> Finding:
    values: dict[str, object] = {"organization": row.organization.name, "number": str(row.pk)}
    known = opened(row)
    if known is None:
        about = _("%(organization)s, standing copy %(number)s")
        sentence = _(
            "Its record was changed or belongs to another key, so nothing is copied. Remove it, then add the account "
            "again: %(command)s"
        )
        values |= {"command": f"samizdat standing-copy remove {row.pk}"}
        return Finding("copy.broken", "red", about, sentence, values)
    settings, progress = known
    values |= {"account": settings.title or settings.label, "service": settings.label}
    last = progress.finished
    values |= {"at": f"{last:%Y-%m-%d %H:%M}" if last else "", "why": lambda: f" {progress.problem.sentence}".rstrip()}
    if progress.refused is not None:
        sentence = _("Access refused.%(why)s What is here becomes lists, drafts and templates: %(command)s")
        values |= {"command": f"samizdat standing-copy restore {row.pk}"}
        return Finding("copy.refused", "red", _ABOUT, sentence, values)
    if now - (last or row.created) > LATE:
        values |= {"command": f"samizdat standing-copy run {row.pk}"}
        sentence = (
            _("Not copied for two nights: last on %(at)s UTC.%(why)s Try it: %(command)s")
            if last
            else _("It has never been copied whole.%(why)s Try it: %(command)s")
        )
        return Finding("copy.late", "amber", _ABOUT, sentence, values)
    if last is None:
        return Finding("copy.first", "good", _ABOUT, _("It’s being copied for the first time."), values)
    return Finding("copy.fresh", "good", _ABOUT, _("Copied: last on %(at)s UTC."), values)
