"""What the public pages show, compared with what we published: who may write the public database could show something
else.

Where the public process is the same user as the rest, whoever takes it could put a mailbox of their own there, through
any number of restarts. So organizations and forms are published anew at every start and every ten seconds, and `doctor`
says when that changed something which nobody here had changed. Of the rest the signatures are looked at (unsigned.py).
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from samizdat.accounts.forged_rows import tell_altered
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import publish as publish_place
from samizdat.audience.actions import forms
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said
from samizdat.publicdb.models import Form, Site
from samizdat.vault import locks
from samizdat.worker.publishing.publish import all_forms

log = logging.getLogger("samizdat.worker")

ALTERED: EventKind = "publicdb.altered"  # doctor looks for it.
# Told once in this time, however often somebody does it.
TOLD = timedelta(hours=1)
# What is shown follows a change here within seconds; after a start nobody knows since when the last look was.
FOLLOWS, FIRST = timedelta(minutes=1), timedelta(days=1)
# Kinds of events that change what is shown.
_CHANGES = ("organization.", "keys.", "list.", "form.", "field.", "tag.", "brand.", "picture.")
_looked: dict[int, datetime] = {}


def compare(now: datetime) -> int:
    """Rewrites organizations and forms that differ from ours; of how many organizations something was altered."""
    known = set(Site.objects.values_list("uid", flat=True))
    organizations = list(Organization.objects.all())
    strangers = {bytes(uid) for uid in known} - {bytes(row.uid) for row in organizations}
    if strangers:
        Site.objects.filter(uid__in=strangers).delete()
        log.warning("The public database held an organization that is not here; it was thrown away.")
    locked = {*locks.numbers()}
    return sum(_compare_one(organization, now) for organization in organizations if organization.pk not in locked)


def _compare_one(organization: Organization, now: datetime) -> bool:
    if wrong := forms.put_back(organization):
        tell_altered(organization, wrong, now)
    since = _looked.get(organization.id, now - FIRST) - FOLLOWS
    altered = _rewrite(organization)
    _looked[organization.id] = now
    if not altered or _changed_here(organization, since):
        return False
    tell(organization, now)
    return True


def tell(organization: Organization, now: datetime) -> None:
    if not was_said(organization, ALTERED, now - TOLD):
        record(ALTERED, organization, now=now)
        log.error(
            "The public pages of an organization were not as they were published; they are again. Somebody else may "
            "have the public process in hand or write the database: stop serve and look at that machine."
        )


def _rewrite(organization: Organization) -> bool:
    """Whether anything was shown that we had not published. What is missing is added, as after a loss of the public
    database."""
    with transaction.atomic(using="publicdb"):
        before = _shown(organization)
        if not before:
            return False  # publish.missing_places looks after it.
        Form.objects.filter(place_id=bytes(organization.uid)).delete()
        publish_place(organization)
        all_forms(organization)
        after = _shown(organization)
        if before == after:
            transaction.set_rollback(True, using="publicdb")  # Nothing to write to the disk.
    return not before <= after


def _shown(organization: Organization) -> set[tuple[object, ...]]:
    """Its rows as values that can be compared: PostgreSQL gives bytes as memory views."""
    uid = bytes(organization.uid)
    rows = [*Site.objects.filter(uid=uid).values_list(), *Form.objects.filter(place_id=uid).values_list()]
    return {tuple(bytes(part) if isinstance(part, memoryview) else part for part in row) for row in rows}


def _changed_here(organization: Organization, since: datetime) -> bool:
    """Whether an event of ours explains it, that was followed up lately or not yet."""
    kinds = Q()
    for kind in _CHANGES:
        kinds |= Q(kind__startswith=kind)
    recent = Q(handled=False) | Q(at__gte=since)
    return any(map(is_genuine, Event.objects.filter(kinds, recent, organization=organization).iterator()))
