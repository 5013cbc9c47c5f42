"""Throws rows out of the public database that the house did not sign as they are: somebody else wrote them there. The
public pages show none of them meanwhile; what stood there before is published anew, and `doctor` says that it was so.

Organizations and forms are compared whole (compare.py). Of the rest some are looked at every ten seconds, in turn.
"""

import logging
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.publicdb.models import (
    DonationPage,
    EditionName,
    LinkTarget,
    Page,
    PrivatePage,
    PublicPicture,
    SignedRow,
    TokenState,
)
from samizdat.publicdb.signed_rows import is_ours
from samizdat.vault.locks import unlocked
from samizdat.worker.publishing import compare

log = logging.getLogger("samizdat.worker")

# So many at a time: some 40 ms of work, and a picture has megabytes.
SOME: dict[type[SignedRow], int] = {
    Page: 50,
    EditionName: 100,
    DonationPage: 50,
    LinkTarget: 100,
    PublicPicture: 5,
    TokenState: 100,
    PrivatePage: 20,
}
# The last that was looked at.
_reached: dict[type[SignedRow], object] = {}


def throw_out(now: datetime) -> int:
    """How many rows."""
    gone = sum(_look(model, some) for model, some in SOME.items())
    for organization in Organization.objects.filter(unlocked()) if gone else ():
        # Whose they were is one of the things that may have been written: so all of them.
        compare.tell(organization, now)
        if not Event.objects.filter(kind="publicdb.lost", handled=False, organization=organization).exists():
            record("publicdb.lost", organization, now=now)
    return gone


def _look(model: type[SignedRow], some: int) -> int:
    rows = model._default_manager.order_by("pk")
    if model in _reached:
        rows = rows.filter(pk__gt=_reached[model])
    part = list(rows[:some])
    _reached.pop(model, None)
    if len(part) == some:
        _reached[model] = _key(part[-1])
    foreign = [_key(row) for row in part if not is_ours(row)]
    if foreign:
        model._default_manager.filter(pk__in=foreign).delete()
        log.error("%d rows of %s were not signed by us; they were thrown away.", len(foreign), model._meta.db_table)
    return len(foreign)


def _key(row: SignedRow) -> object:
    return bytes(row.pk) if isinstance(row.pk, memoryview) else row.pk
