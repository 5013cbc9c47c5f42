"""A standing copy becomes lists, drafts, templates and sent campaigns: reviewed at the desk, or by a command."""

import os
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import confirmation
from samizdat.audience.imports.documents import (
    NO_OPTIONS,
    AccountRules,
    ImportDocument,
    ImportOptions,
    read_plan,
    sealed,
)
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.models import STATUSES, Import, List
from samizdat.audience.queries import name_of
from samizdat.core.account_copy import DELETED, OUT, UNTICKED
from samizdat.portability.account import run
from samizdat.portability.account.documents import COPY, AccountReport, FoundAudience
from samizdat.portability.account.writer import AccountImportTotals
from samizdat.portability.account_copies.records import CopyRefused, progress_of, settings_of
from samizdat.portability.account_copies.source import CopiedAccount, list_names
from samizdat.portability.models import AccountCopy


def propose(copy: AccountCopy, *, now: datetime, by: Person | None) -> Import:
    """An import that waits for somebody to look at it. Of one copy there is one. Errors: CopyRefused."""
    _insist_on_contacts(copy)
    names = list_names(copy)
    source = CopiedAccount(copy, names, NO_OPTIONS)
    report = AccountReport(
        contents=source.contents(),
        audiences=[
            FoundAudience(
                id,
                name,
                sum(statuses.values()),
                _statuses(statuses),
                deleted=statuses.get(DELETED, 0),
                unticked=statuses.get(UNTICKED, 0),
            )
            for id, name, statuses in ((id, name, progress_of(copy).people.get(id, {})) for id, name in names.items())
        ],
        service=source.service,
    )
    rules = AccountRules(lists=names, copy=copy.pk)
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=copy.organization_id)
        row = _proposed(copy) or _created(copy, now, by)
        document = ImportDocument([_title(copy)], account=rules)
        kept = sealed(row, "plan", document) | sealed(row, "report", report)
        Import.objects.filter(pk=row.pk, state="found").update(rows_total=_contacts(copy), **kept)
    row.refresh_from_db()
    return row


def restore(
    copy: AccountCopy,
    *,
    only: str = "",
    to: List | None = None,
    people_only: bool = False,
    listed: bool = False,
    keep_deleted: bool = False,
    keep_unticked: bool = False,
    options: ImportOptions = NO_OPTIONS,
    now: Callable[[], datetime],
    by: Person | None = None,
    tell: run.Tell | None = None,
    stop: Callable[[], bool] | None = None,
) -> AccountImportTotals:
    """All lists of the account, or the one called `only`, come into lists of the same name, or into `to`. Again after a
    kill, or a day later: who is here already is compared, and the strongest no holds. keep_deleted, keep_unticked: as
    of AccountRules. Errors: CopyRefused, and those of run.bring."""
    _insist_on_contacts(copy)
    all_names = list_names(copy)
    names = {id: name for id, name in all_names.items() if not only or only.casefold() in (name.casefold(), id)}
    if not names:
        sentence = _("The account has no list called “%(name)s”. It has: %(names)s.")
        raise CopyRefused("no_such_list", sentence % {"name": only, "names": ", ".join(all_names.values())})
    if to is not None:
        names = dict.fromkeys(names, name_of(to))
    rules = AccountRules(names, listed, copy.pk, people_only, keep_deleted, keep_unticked)
    mark = HeldUpload("", f"standing copy {copy.pk} {rules} {options}".encode())
    document = ImportDocument([_title(copy)], options=options, account=rules)
    row = run.begun(copy.organization, COPY, mark, document, now=now(), by=by)
    with transaction.atomic():  # So the worker goes on with it where this process is killed.
        Import.objects.filter(pk=row.pk).update(rows_total=_contacts(copy))
        confirmation.start(row, read_plan(row), now=now(), by=by)
    row.refresh_from_db()
    return run.bring(row, source_of(row), now=now, tell=tell, stop=stop)


def source_of(row: Import) -> CopiedAccount:
    """Errors: ImportRefused."""
    document = read_plan(row)
    rules = document.account or AccountRules()
    copy = AccountCopy.objects.select_related("organization").filter(organization=row.organization, pk=rules.copy)
    if not copy:
        raise ImportRefused("no_such_copy", _("This standing copy was removed, so nothing can be imported from it."))
    return CopiedAccount(
        copy[0],
        rules.lists,
        document.options,
        keep_deleted=rules.keep_deleted,
        keep_unticked=rules.keep_unticked,
    )


def _insist_on_contacts(copy: AccountCopy) -> None:
    if not _contacts(copy):
        raise CopyRefused("nothing_copied", _("Nobody has been copied yet. Run the copy first."))


def _contacts(copy: AccountCopy) -> int:
    """At most."""
    progress = progress_of(copy)
    counted = sum(sum(statuses.values()) for statuses in progress.people.values())
    return counted or progress.lines.get("contacts", 0)


def _statuses(there: dict[str, int]) -> dict[str, int]:
    """As they come in."""
    counts = dict.fromkeys(STATUSES, 0)
    for status, many in there.items():
        mine = status if status in STATUSES else "unsubscribed" if status in OUT else "nonsubscribed"
        counts[mine] += many
    return counts


def _proposed(copy: AccountCopy) -> Import | None:
    rows = Import.objects.select_related("organization").filter(
        organization=copy.organization, source=COPY, state="found"
    )
    for row in rows:
        rules = read_plan(row).account
        if rules is not None and rules.copy == copy.pk:
            return row
    return None


def _created(copy: AccountCopy, now: datetime, by: Person | None) -> Import:
    return Import.objects.create(
        organization=copy.organization, list=None, state="found", source=COPY, fingerprint=os.urandom(32), counts={},
        by=by, created=now,
    )  # fmt: skip


def _title(copy: AccountCopy) -> str:
    settings = settings_of(copy)
    return _("Standing copy: %(account)s") % {"account": settings.title or settings.label}
