"""A colleague's account is locked at once, since their removal waits a day: every session ends, and nothing is accepted
from it until another admin, or whoever has the machine, unlocks it (threat model, T21).

A thief must not lock everybody else out. So somebody who can undo it stays: an admin is locked at the desk only while
yet another admin, of more than a day, can sign in. Where there is none, that takes the command line.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import memberships, pending_changes, sealed_people, sign_out
from samizdat.accounts.errors import AccountError, LastAdmin
from samizdat.accounts.models import Membership, Organization, Person
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind

LOCKED: EventKind = "person.locked"
UNLOCKED: EventKind = "person.unlocked"


def lock(person: Person, organization: Organization, *, by: Person | None, now: datetime) -> None:
    """Errors: LastAdmin, AccountError."""
    if by == person:
        raise AccountError(_("You can’t lock yourself. Sign out everywhere and change your password instead."))
    with transaction.atomic():
        # Of two admins who lock each other at once, the second finds nobody left.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        row = _membership(person, organization)
        if row.locked is not None:
            return
        if row.role == "admin" and by is not None:
            _keep_another(organization, person, by, now)
        memberships.lock(row, now)
        sign_out.end_sessions(person, organization, now)
        pending_changes.stop_about(organization, "role", person.pk, now=now, by=by)
        record(LOCKED, organization, now=now, by=by, about=person.pk)


def unlock(person: Person, organization: Organization, *, by: Person | None, now: datetime) -> None:
    """By any admin but the locked one, who has no session. Errors: AccountError."""
    with transaction.atomic():
        row = _membership(person, organization)
        if row.locked is None:
            return
        if by == person:
            raise AccountError(_("Another admin has to unlock you."))
        memberships.lock(row, None)
        pending_changes.count_role(organization)
        record(UNLOCKED, organization, now=now, by=by, about=person.pk)


def _membership(person: Person, organization: Organization) -> Membership:
    rows = memberships.valid(person=person, organization=organization)
    if not rows:
        raise AccountError(_("This teammate no longer exists."))
    return rows[0]


def _keep_another(organization: Organization, person: Person, by: Person, now: datetime) -> None:
    if not [other for other in pending_changes.others(organization, by, now) if other != person]:
        sentence = _(
            "Nobody would be left to unlock %(name)s: an admin can be locked only while a third one, an admin for "
            "more than a day, can sign in. Sign them out everywhere, or lock them on the server with samizdat "
            "person lock."
        )
        raise LastAdmin(sentence % {"name": sealed_people.name_of(person)})
