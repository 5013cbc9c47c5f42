"""What the public pages show, compared with what we published: who may write the gate could show something else.

Where the public process is the same user as the rest, whoever takes it could put a mailbox of their own there, through
any number of restarts. So organisations and forms are published anew at every start and every ten seconds, and `doctor`
says when that changed something which nobody here had changed. The rest (web copies of letters, their pictures and
links) is not compared: with a user of its own the public process may only read.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from samizdat.accounts.models import Organisation
from samizdat.accounts.place import publish as publish_place
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.gate.models import Form, Place
from samizdat.worker.publish import all_forms

log = logging.getLogger("samizdat.worker")

ALTERED = "gate.altered"  # doctor looks for it.
# Told once in this time, however often somebody does it.
TOLD = timedelta(hours=1)
# What is shown follows a change here within seconds; after a start nobody knows since when the last look was.
FOLLOWS, FIRST = timedelta(minutes=1), timedelta(days=1)
# Kinds of events that change what is shown.
_CHANGES = ("organisation.", "keys.", "list.", "form.", "field.", "tag.")
_looked: dict[int, datetime] = {}


def compare(now: datetime) -> int:
    """Rewrites organisations and forms that differ from ours; of how many organisations something was altered."""
    known = set(Place.objects.values_list("uid", flat=True))
    organisations = list(Organisation.objects.all())
    strangers = {bytes(uid) for uid in known} - {bytes(one.uid) for one in organisations}
    if strangers:
        Place.objects.filter(uid__in=strangers).delete()
        log.warning("The gate held an organization that is not here; it was thrown away.")
    return sum(_compare_one(organisation, now) for organisation in organisations)


def _compare_one(organisation: Any, now: datetime) -> bool:
    since = _looked.get(organisation.id, now - FIRST) - FOLLOWS
    altered = _rewrite(organisation)
    _looked[organisation.id] = now
    if not altered or _changed_here(organisation, since):
        return False
    if not Event.objects.filter(organisation=organisation, kind=ALTERED, at__gt=now - TOLD).exists():
        record(ALTERED, organisation, now=now)
        log.error(
            "The public pages of an organization were not as they were published; they are again. Somebody else may "
            "have the public process in hand: stop serve and look at that machine."
        )
    return True


def _rewrite(organisation: Any) -> bool:
    """Whether anything was shown that we had not published. What is missing is added, as after a loss of the gate."""
    with transaction.atomic(using="gate"):
        before = _shown(organisation)
        if not before:
            return False  # publish.missing_places looks after it.
        Form.objects.filter(place_id=bytes(organisation.uid)).delete()
        publish_place(organisation)
        all_forms(organisation)
        after = _shown(organisation)
        if before == after:
            transaction.set_rollback(True, using="gate")  # Nothing to write to the disk.
    return not before <= after


def _shown(organisation: Any) -> set[tuple[Any, ...]]:
    """Its rows as values that can be compared: PostgreSQL gives bytes as memory views."""
    uid = bytes(organisation.uid)
    rows = [*Place.objects.filter(uid=uid).values_list(), *Form.objects.filter(place_id=uid).values_list()]
    return {tuple(bytes(part) if isinstance(part, memoryview) else part for part in row) for row in rows}


def _changed_here(organisation: Any, since: datetime) -> bool:
    """Whether an event explains it, that was followed up lately or not yet."""
    kinds = Q()
    for kind in _CHANGES:
        kinds |= Q(kind__startswith=kind)
    recent = Q(handled=False) | Q(at__gte=since)
    return Event.objects.filter(kinds, recent, organisation=organisation).exists()
