"""What follows from what: event kind -> follow-ups, the whole of it in one table.

An event row carries `handled`; the clock rings again for what is not. Each follow-up is keyed by (event, name) and
is written down once it is done. All of them may be repeated: a crash between the deed and the row does it again.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import cast

from django.db import transaction

from samizdat.accounts import api_requests
from samizdat.audience import data_quality
from samizdat.delivery.actions import running
from samizdat.events import queries
from samizdat.events.actions import is_genuine, readable_time, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event, FollowUp
from samizdat.incoming import held_reports
from samizdat.incoming.conversations import actions as conversations
from samizdat.incoming.conversations import auto_replies
from samizdat.logs import where_it_broke
from samizdat.vault.errors import OrganizationLocked
from samizdat.worker.inbox import confirmation_reminders, preferences, reconsent, unsubscribes
from samizdat.worker.publishing import fundraisers, publish, rescue_cases
from samizdat.worker.schedule import notices
from samizdat.worker.schedule.vacuum import sweep, sweep_copies

log = logging.getLogger("samizdat.worker")

Deed = Callable[[Event, datetime], None]


def look_for_typos(event: Event, _now: datetime) -> None:
    """Those that an import brought in may be full of typos; the day's look may be over."""
    assert event.organization is not None
    data_quality.look_again(event.organization)


def pause_what_they_released(event: Event, now: datetime) -> None:
    """Whoever has an account that was locked sends nothing more by it."""
    assert event.organization is not None
    running.pause_released_by(event.organization, event.about or 0, now=now, by=event.by)


def pause_what_they_scheduled(event: Event, now: datetime) -> None:
    """Whoever is no longer on the team, or may only look, has nothing begin in their name."""
    assert event.organization is not None
    running.pause_left_by(event.organization, event.about or 0, now=now)


def drop_conversations(event: Event, now: datetime) -> None:
    """What they wrote goes with them, whoever it was."""
    conversations.forget_erased()
    if event.organization is not None:
        auto_replies.forget_erased(event.organization, now)


def drop_answers(event: Event, _now: datetime) -> None:
    """A program may have been answered with what was known of them."""
    if event.organization is not None:
        api_requests.forget_answers(event.organization)


FOLLOW_UPS: dict[EventKind, tuple[Deed, ...]] = {
    "organization.created": (publish.place,),
    "organization.changed": (publish.place,),
    "keys.rotated": (publish.place,),
    "brand.changed": (publish.place,),
    "list.changed": (publish.form,),
    "list.renamed": (publish.form,),
    "list.form_changed": (publish.form,),
    "list.archived": (publish.form, publish.sign_up_forms),
    "list.restored": (publish.form, publish.sign_up_forms),
    "form.created": (publish.sign_up_form,),
    "form.changed": (publish.sign_up_form,),
    "form.removed": (publish.sign_up_form,),
    "tag.removed": (publish.sign_up_forms,),
    "tag.renamed": (publish.sign_up_forms,),
    "subscriber.erased": (preferences.drop_data, drop_conversations, drop_answers, rescue_cases.erased, sweep),
    "subscribers.erased": (preferences.drop_data, drop_conversations, drop_answers, rescue_cases.erased, sweep),
    "subscriber.address_changed": (preferences.drop_data,),  # It lies there for whoever has the mailbox that they left.
    "subscriber.returned": (reconsent.back,),
    "subscriber.asked_again": (confirmation_reminders.mail,),
    "subscriber.forgotten": (sweep,),
    "subscriber.merged": (sweep,),
    "standing_copy.erased": (sweep_copies,),
    "standing_copy.removed": (sweep_copies,),
    # A door asks for it: record("subscribers.left_undo", organization, about=number of the alarm's event, by=person).
    "subscribers.left_undo": (unsubscribes.undo,),
    "campaign.released": (publish.letter, publish.pictures),
    "campaign.started": (publish.pictures,),
    "campaign.resumed": (publish.pictures,),
    "campaign.first_sent": (publish.letter,),
    "campaign.cancelled": (publish.cancelled,),
    "campaign.unreleased": (publish.taken_back,),
    "subscribers.imported": (look_for_typos, notices.queue),
    "person.locked": (pause_what_they_released,),
    "person.removed": (pause_what_they_scheduled,),
    "person.role_changed": (pause_what_they_scheduled,),
    "publicdb.lost": (publish.all_letters, rescue_cases.all_timelines, fundraisers.all_pages),
    "fundraiser.opened": (fundraisers.page,),
    "fundraiser.changed": (fundraisers.page,),
    "fundraiser.closed": (fundraisers.page,),
    "fundraiser.reopened": (fundraisers.page,),
    "fundraiser.method_changed": (fundraisers.page,),
    "fundraiser.method_removed": (fundraisers.page,),
    "rescue_case.published": (rescue_cases.timeline,),
    "rescue_case.unpublished": (rescue_cases.timeline,),
    "campaigns.restored": (publish.all_letters,),
    "campaign.corrected": (publish.letter,),
    "campaign.bounces_settled": (held_reports.suppress,),
    "campaign.archive_listed": (publish.listing,),
    "campaign.archive_unlisted": (publish.listing,),
    "campaign.tested": (publish.pictures,),
    "picture.removed": (publish.picture_gone,),
    **{kind: (notices.queue,) for kind in notices.TOPICS if kind != "subscribers.imported"},
}

# Told in the log as they are followed up: of letters, ways out and machines, never of people.
SAID = ("campaign.", "route.", "domain.", "worker.")

# Somebody who has no keys wrote an event; it is told once in this time.
FORGED: EventKind = "event.forged"
TOLD = timedelta(hours=1)

# Events of one look.
MANY = 200

# Seconds until a follow-up that failed is tried again; the last one counts on.
WAITS = (1, 5, 30, 120, 600)
_failed: dict[int, tuple[int, float]] = {}


def follow(now: datetime, limit: int = MANY) -> int:
    """Does what follows from events that nobody has followed up yet; returns how many are done with. Those that rest
    after a failure are passed over: however many fail for good, they hold up nothing that came later.
    """
    events = [*islice((event for event in queries.unhandled(limit) if _due(event.id)), limit)]
    done = [event for event in events if _all(event, now)]
    if done:
        Event.objects.filter(id__in=[event.id for event in done]).update(handled=True)
    for event in done:
        if event.kind.startswith(SAID) and is_genuine(event):
            log.info("%s %s", event.kind, event.about or "")
    return len(done)


def _due(number: int) -> bool:
    return time.monotonic() >= _failed.get(number, (0, 0.0))[1]


def _all(event: Event, now: datetime) -> bool:
    """Whether everything that follows from this event is done: of one that we did not write, nothing does."""
    try:
        if not is_genuine(event):
            _tell_forged(event, now)
            return True
        for deed in FOLLOW_UPS.get(cast(EventKind, event.kind), ()):
            _once(event, deed, now)
    except publish.Unfinished:
        _failed[event.id] = (0, time.monotonic() + WAITS[0])
        return False
    except OrganizationLocked:  # Meanwhile. From now on it is passed over until it is unlocked.
        return False
    except Exception as error:  # One that fails must not keep the others waiting.
        tries = _failed.get(event.id, (0, 0.0))[0]
        _failed[event.id] = (tries + 1, time.monotonic() + WAITS[min(tries, len(WAITS) - 1)])
        log.error("What follows from %s failed and is tried again: %s", event.kind, where_it_broke(error))
        return False
    _failed.pop(event.id, None)
    return True


def _tell_forged(event: Event, now: datetime) -> None:
    """In the log and in an event that `doctor` tells of, once an hour."""
    if not queries.was_said(event.organization, FORGED, now - TOLD):
        record(FORGED, event.organization, now=now, about=event.pk)
        log.error("Somebody without keys wrote an event into the database; nothing followed. Run: samizdat doctor")


def _once(event: Event, deed: Deed, now: datetime) -> None:
    name = deed.__name__
    if FollowUp.objects.filter(event=event, name=name).exists():
        return
    deed(event, now)
    with transaction.atomic():
        at = readable_time(event.kind, now)  # Seconds after the event, so no finer than the event's own.
        FollowUp.objects.get_or_create(event=event, name=name, defaults={"at": at})
