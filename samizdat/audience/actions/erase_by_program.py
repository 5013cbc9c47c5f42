"""Somebody erased by a program with an API key. It can't be undone, so programs of an organization erase no more people
in a day than a team without anybody's approval, whoever created their keys: a stolen key must not empty a list."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, Organization
from samizdat.audience import consent_writer
from samizdat.audience.actions.bulk import BulkRefused, erase_one, needs_approval
from samizdat.audience.models import Subscriber
from samizdat.audience.removal_limit import ALONE_A_DAY
from samizdat.events.actions import record, whole_day
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

ERASED: EventKind = "subscribers.erased_by_program"


def erase_by_program(subscriber: Subscriber, key: ApiKey, *, now: datetime) -> None:
    """With an entry in the log that names the key. Errors: BulkRefused, NoSuchSubscriber."""
    organization = subscriber.organization
    with transaction.atomic():
        consent_writer.lock(subscriber)  # Before the organization, as an import does.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        insist_on_room(organization, key, now=now)
        erase_one(subscriber, now=now, by=key.by)
        detail = {"name": api_keys.name_of(key)}
        record(ERASED, organization, now=now, by=key.by, about=key.pk, detail=detail)


def insist_on_room(organization: Organization, key: ApiKey, *, now: datetime) -> None:
    """Whoever is asked about: so a refusal tells nothing of them. Errors: BulkRefused."""
    # Of these events the day alone is readable.
    today = Event.objects.filter(organization=organization, kind=ERASED, at__gte=whole_day(now))
    if today.count() >= ALONE_A_DAY or needs_approval(organization, 1, now=now, by=key.by):
        text = _("%(n)s people were erased today. Erase this one in the app, or continue tomorrow.")
        raise BulkRefused("too_many", text % {"n": ALONE_A_DAY})
