"""An import that takes more subscribers off lists than a team does alone in a day, or that tells an editor who of many
is here: it waits for an admin's approval, or for a day (audience/removal_limit.py, accounts/pending_changes.py), before
it begins or where it is by then."""

import secrets
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct
from msgspec.structs import replace

from samizdat.accounts import pending_changes
from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import Organization, Person
from samizdat.audience import read_limits
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import confirmation
from samizdat.audience.imports.documents import ImportDocument, read_plan, sealed
from samizdat.audience.models import Import

CHANGE = "import_removal"


class ApprovedRemovals(Struct, frozen=True):
    """Of a whole account, whose subscribers come in by several imports: how many an admin agreed to that are left, and
    what was drawn when that was asked."""

    n: int = 0
    wait: str = ""


NONE_APPROVED = ApprovedRemovals()


class RemovalDetails(Struct, frozen=True):
    """What is sealed of an import that waits: how many it takes off lists, the list that it comes into (None: that of a
    whole account has several), how many rows it brings where those are asked about, and what was drawn for it."""

    n: int
    list: int | None
    rows: int = 0
    wait: str = ""


def tells_too_much(organization: Organization, rows: int, by: Person | None) -> bool:
    """Whether this person would learn of more people than they may open, in this file or with those before: whoever
    gives each line a tag of its own sees afterwards which of them were subscribed before."""
    if by is None or not counts_rows(organization, by):
        return False
    return rows > 0 and not read_limits.import_rows(organization, by, rows)


def counts_rows(organization: Organization, by: Person | None) -> bool:
    """Whether it matters how many rows this person imports: no more come in then than were counted."""
    return by is not None and not has_role(by, organization, ("admin",)) and pending_changes.held(organization, by)


def ask(
    row: Import,
    document: ImportDocument,
    many: int,
    *,
    now: datetime,
    by: Person | None,
    rows: int = 0,
    always: bool = False,
) -> None:
    """Call it in the transaction that takes the row into the state "held". always: as of pending_changes.ask."""
    asked = replace(document, go=0, may_remove=0, asked=many, wait=(wait := secrets.token_hex(8)))
    Import.objects.filter(pk=row.pk).update(**sealed(row, "plan", asked))
    details = RemovalDetails(many, row.list_id if document.account is None else None, rows, wait)
    pending_changes.ask(row.organization, CHANGE, details, about=row.pk, now=now, by=by, always=always)


def begin_approved(waiting: Import, details: RemovalDetails, now: datetime) -> None:
    """It waited, and may be done now; its files lie here for a day from now on. Errors: ImportRefused."""
    with transaction.atomic():
        rows = Import.objects.select_related("organization", "by").select_for_update(of=("self",))
        row = rows.get(pk=waiting.pk)
        document = read_plan(row)
        # Whoever changed its columns meanwhile, or put back how it was before, changed what was counted.
        if row.state != "held" or document.asked != details.n or document.wait != details.wait:
            raise ImportRefused("changed", _("This import was changed in the meantime. Stop it and request it again."))
        Import.objects.filter(pk=row.pk).update(state="waiting", created=now, tries=0)
        agreed = replace(document, may_remove=details.n, may_bring=details.rows, asked=0)
        confirmation.start(row, agreed, now=now, by=row.by)


def let_go(row: Import) -> None:
    """Nobody approves it: it stands where it stood before somebody asked."""
    waiting = Import.objects.filter(pk=row.pk, state="held")
    if waiting.exists():
        document = read_plan(row)
        waiting.update(state="stopped" if any(document.place) or document.account is not None else "found")
