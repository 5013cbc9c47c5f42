"""Mails to the admins about what may not be overlooked: a file of readers that anybody can open (threat model, T19).

The desk says it on everybody's first page, and has another admin agree; but who does not come to the desk for a week
does not see that. The mail says only that there was such an export: what is in it, why, and who it was stand at the
desk.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat import plugs
from samizdat.accounts import people
from samizdat.accounts.models import Membership, Person
from samizdat.audience.exporting.actions import EXPORTED
from samizdat.audience.exporting.models import Export
from samizdat.audience.models import List
from samizdat.campaigns import senders
from samizdat.core.outcome import Deferred
from samizdat.events.actions import readable_time
from samizdat.events.models import Event, FollowUp
from samizdat.worker import mailing

# What could not be mailed by then stands at the desk alone.
GIVE_UP = timedelta(days=1)
# Seconds until what no route took is tried again.
WAIT = 60.0
_later: dict[int, float] = {}  # Export -> when it is looked at again; never again where everybody was told.


def take(now: datetime) -> int:
    """Mails to the admins what they were not mailed yet; how many mails went out."""
    rows = Export.objects.select_related("organisation").filter(plain=True, created__gt=now - GIVE_UP)
    return sum(_tell(row, now) for row in rows if time.monotonic() >= _later.get(row.pk, 0.0))


def _tell(row: Export, now: datetime) -> int:
    event = Event.objects.filter(organisation=row.organisation, kind=EXPORTED, about=row.pk).first()
    members = Membership.objects.filter(organisation=row.organisation, role="admin", person__is_active=True)
    told = set(FollowUp.objects.filter(event=event).values_list("name", flat=True))
    waiting = [one.person for one in members.select_related("person") if _mark(one.person) not in told]
    _later[row.pk] = time.monotonic() + WAIT if waiting else float("inf")
    sender = _sender(row.organisation)
    if event is None or sender is None:
        return 0
    mailed = 0
    for person in waiting:
        if not _mail(row.organisation, sender, person, now):
            break
        at = readable_time(EXPORTED, now)
        FollowUp.objects.get_or_create(event=event, name=_mark(person), defaults={"at": at})
        mailed += 1
    return mailed


def _mark(person: Person) -> str:
    return f"mail to {person.pk}"


def _sender(organisation: Any) -> tuple[str, str] | None:
    lists = List.objects.select_related("organisation").filter(organisation=organisation).order_by("id")
    return next((sender for list_ in lists if (sender := senders.sender_of(list_))), None)


def _mail(organisation: Any, sender: tuple[str, str], person: Person, now: datetime) -> bool:
    """Whether it is done with: taken, or refused for good."""
    to = people.email_of(person)
    with override(person.language or organisation.language):
        subject = _("An export that anybody can read: %(name)s") % {"name": organisation.name}
        content = mailing.plain_mail(sender, to, subject, _text(organisation), now)
    message = plugs.Message(1, 0, organisation.return_address, to, content, utf8=not to.isascii())
    return not isinstance(mailing.carry(organisation, message, sender[1], now), Deferred)


def _text(organisation: Any) -> str:
    desk = organisation.desk_url.rstrip("/")
    where = desk + reverse("exports", args=[organisation.slug]) if desk else ""
    told = [
        _("Somebody has asked for a file with the readers of %(name)s that is not sealed: whoever has it can read it."),
        _("Who it was, when and why stands at the desk under Export. Until it is made it can be stopped there."),
        *([where] if where else []),
        _("If nobody of you can say what it is for, change the passwords of those who may export."),
    ]
    return "\n\n".join(told) % {"name": organisation.name} + "\n"
