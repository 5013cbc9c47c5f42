"""Somebody's sessions end where an admin says so: in that admin's organization, and not in the others they work for.

Whoever stole an admin's session must not keep the other admins out by it: one person is signed out by another a few
times a day, and signs in once more.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import memberships, sealed_people, sessions
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Membership, Organization, Person, Session
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

# Of each person by each other one, in a day.
MOST, DAY = 3, timedelta(days=1)

SIGNED_OUT: EventKind = "person.signed_out"
ENDED: EventKind = "person.sessions_ended"


def sign_out_everywhere(person: Person, organization: Organization, *, by: Person | None, now: datetime) -> None:
    """All sessions of a person end at once, a stolen one too; they sign in again with their password. Errors:
    AccountError."""
    with transaction.atomic():
        # Of several presses at once each sees the one before.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if by is not None and by != person:
            _refuse_often(person, organization, by, now)
        end_sessions(person, organization, now)
        record(SIGNED_OUT, organization, now=now, by=by, about=person.pk)


def _refuse_often(person: Person, organization: Organization, by: Person, now: datetime) -> None:
    done = Event.objects.filter(organization=organization, kind=SIGNED_OUT, by=by, about=person.pk)
    if len([*filter(is_genuine, done.filter(at__gt=now - DAY))]) >= MOST:
        sentence = _(
            "You signed %(name)s out %(n)s times today. Ask them to change their password, or lock their account."
        )
        raise AccountError(sentence % {"name": sealed_people.name_of(person), "n": MOST})


def end_sessions(person: Person, organization: Organization, now: datetime) -> None:
    """Of an organization. Whoever works for no other one has no session any more."""
    for row in memberships.valid(person=person, organization=organization):
        memberships.sign_out(row, now)
    elsewhere = [row for row in memberships.valid(person=person, locked=None) if row.organization != organization]
    if not elsewhere:
        Session.objects.filter(person=person).delete()


def end_own(person: Person, current_key: str, mark: str, now: datetime) -> int:
    """Somebody ends their other sessions, or that of a mark; how many. Admins see that in the log."""
    with transaction.atomic():
        ended = sessions.end_others(person, current_key, mark)
        for row in memberships.valid(person=person, locked=None) if ended else ():
            record(ENDED, row.organization, now=now, by=person, about=person.pk)
    return ended


def is_over(row: Membership, began: datetime, now: datetime) -> bool:
    """Whether a session that began then opens this organization no more. A clock that was ahead when somebody was
    signed out keeps nobody out."""
    return row.signed_out is not None and began < row.signed_out <= now
