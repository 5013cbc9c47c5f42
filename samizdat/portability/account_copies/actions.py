"""Standing copies: added, looked after, removed; and which of them have something to do."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat import plugins
from samizdat.accounts.models import Organization, Person
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability.account_copies import copying, erased
from samizdat.portability.account_copies.records import (
    CopyProblem,
    CopyProgress,
    CopyRefused,
    CopySettings,
    CopyTaken,
    copies_of,
    opened,
    progress_of,
    put_progress,
    sealed_settings,
    settings_of,
)
from samizdat.portability.models import AccountCopy, AccountCopyPiece
from samizdat.vault.locks import unlocked

ADDED: EventKind = "standing_copy.added"
REMOVED: EventKind = "standing_copy.removed"

MOST = 10
# When hardly anybody works, by the time zone of the organization.
NIGHT = clock_time(2, 0)
# After a run that failed, and at most, however often: it doubles.
AGAIN, LONGEST = timedelta(minutes=1), timedelta(hours=1)
# Seconds for the question whether we are still let in, and until it is asked once more before an alarm.
TIMEOUT, ONCE_MORE = 20.0, 3.0


def add(
    organization: Organization, service: str, key: str, *, now: datetime, by: Person | None = None, endpoint: str = ""
) -> AccountCopy:
    """A copy of the account that the key opens; nothing is copied yet. The service is asked first. Errors:
    ServiceRefused, CopyRefused."""
    settings = CopySettings(service, key.strip(), endpoint=endpoint)
    with contextlib.closing(settings.open(timeout=TIMEOUT, tries=2)) as account:
        account.ping()
        totals = account.totals()
    here = copies_of(organization)
    if len(here) >= MOST:
        raise CopyRefused("too_many_copies", _("There can be %(n)s standing copies. Remove one first.") % {"n": MOST})
    if any(known[0].key == settings.key for known in map(opened, here) if known):
        raise CopyRefused("copied_already", _("This account is already being copied. Run that copy."))
    with transaction.atomic():
        row = AccountCopy.objects.create(organization=organization, created=now)
        row.settings_sealed = sealed_settings(row, replace(settings, title=totals.title))
        row.owner = ""
        put_progress(row, CopyProgress(totals=totals, checked=now))
        row.save(update_fields=["settings_sealed"])
        record(ADDED, organization, about=row.pk, by=by, now=now, detail={"service": service})
    return row


def remove(row: AccountCopy, *, now: datetime, by: Person | None = None) -> None:
    """With all that was copied. In slices: one write of all pieces would keep everybody else waiting."""
    with _taken(row, now) as taken:
        while numbers := list(AccountCopyPiece.objects.filter(copy=taken).values_list("number", flat=True)[:50]):
            with transaction.atomic():
                AccountCopyPiece.objects.filter(copy=taken, number__in=numbers).delete()
        with transaction.atomic():
            record(REMOVED, taken.organization, about=taken.pk, by=by, now=now)
            AccountCopy.objects.filter(pk=taken.pk).delete()


def copy_numbered(organization: Organization, number: int | None) -> AccountCopy:
    """The one with this number; without one, the only one. Errors: CopyRefused."""
    here = copies_of(organization)
    if number is None and len(here) > 1:
        numbers = ", ".join(str(row.pk) for row in here)
        raise CopyRefused(
            "which_copy", _("There are several standing copies. Say which: %(numbers)s.") % {"numbers": numbers}
        )
    row = next((row for row in here if number in (None, row.pk)), None)
    if row is None:
        raise CopyRefused("no_such_copy", _("There’s no such standing copy. Add the account first."))
    return row


# -- by the clock -----------------------------------------------------------------------------------------------------


def organizations() -> set[int]:
    """Those that have a copy."""
    return set(AccountCopy.objects.filter(unlocked("organization__")).values_list("organization_id", flat=True))


def copy_due(organization: int, *, now: Callable[[], datetime], stop: Callable[[], bool]) -> None:
    """Copies of one organization that have something to do, one after the other. What goes wrong is noted with each."""
    for row in _copies_of(organization):
        if erased.is_due(row, progress_of(row)):
            with contextlib.suppress(CopyTaken), _taken(row, now()) as taken:
                erased.drop(taken, now())
        if not stop() and is_due(row, progress_of(row), now()):
            with contextlib.suppress(plugins.ServiceRefused, CopyTaken, copying.CopyStopped):
                copying.run(row.pk, now=now, stop=stop)


def look_at_all(organization: int, *, now: Callable[[], datetime]) -> None:
    for row in _copies_of(organization):
        with contextlib.suppress(CopyTaken):
            look(row, now=now)


def _copies_of(organization: int) -> list[AccountCopy]:
    """Those whose record opens: one that was changed keeps no other from being copied."""
    rows = AccountCopy.objects.select_related("organization").filter(organization=organization)
    return [row for row in rows.order_by("pk") if opened(row)]


def is_due(row: AccountCopy, progress: CopyProgress, now: datetime) -> bool:
    """Whether something is to be copied: at once where a run was broken off or there was none, else each night."""
    if progress.refused is not None or copying.is_alive(row, now):
        return False
    last = progress.problem.at
    if last is not None and last <= now < last + _pause(progress.failures):
        return False
    if progress.is_running or progress.began is None or progress.finished is None:
        return True
    return progress.began < last_night(now, ZoneInfo(row.organization.timezone))


def _pause(failures: int) -> timedelta:
    return min(AGAIN * (1 << max(0, min(failures - 1, 10))), LONGEST)


def last_night(now: datetime, zone: ZoneInfo) -> datetime:
    """The last time that it was NIGHT."""
    here = now.astimezone(zone)
    begins = datetime.combine(here.date(), NIGHT, zone)
    return begins if begins <= here else datetime.combine(here.date() - timedelta(days=1), NIGHT, zone)


def look(row: AccountCopy, *, now: Callable[[], datetime], sleep: Callable[[float], object] = time.sleep) -> bool:
    """Asks the service whether it still lets us in; an alarm where it does not, twice. What passes by itself is no
    reason for one. Whether it did."""
    if copying.is_alive(row, now()):
        return True  # Whoever copies is told first.
    progress = progress_of(row)
    try:
        with contextlib.closing(settings_of(row).open(timeout=TIMEOUT, tries=1)) as account:
            try:
                account.ping()
            except plugins.ServiceRefused as error:
                if not error.is_refusal or progress.refused is not None:
                    raise
                sleep(ONCE_MORE)
                account.ping()
    except plugins.ServiceRefused as error:
        if error.is_refusal and progress.refused is None:
            with _taken(row, now()) as taken:
                copying.note_failure(taken, error, now())
        return False
    if progress.refused is not None:
        with _taken(row, now()) as taken:
            put_progress(taken, _let_in(progress_of(taken), now()))
    return True


def _let_in(progress: CopyProgress, now: datetime) -> CopyProgress:
    return replace(progress, refused=None, problem=CopyProblem(), failures=0, checked=now)


@contextlib.contextmanager
def _taken(row: AccountCopy, now: datetime) -> Iterator[AccountCopy]:
    """Errors: CopyTaken, where somebody copies meanwhile, who notes it themselves."""
    taken = copying.take(row.pk, now)
    try:
        yield taken
    finally:
        copying.let_go(taken)
