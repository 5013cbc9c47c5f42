"""Mails about work to whom it concerns: a campaign was sent, waits, was paused or needs approval, a route stopped
working, an import ended. Each person switches topics off in their profile (accounts/notice_choices.py).

Whoever is to get one stands in a row that follows from the event, which was written with the change; it goes once a
server took the mail. Killed between the two, the same mail goes again, with the same Message-ID. A mail says which
campaign by its number, and nothing of subscribers; what else there is to know stands at the page that it names.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import override

from samizdat.accounts import memberships, notice_choices, sealed_people
from samizdat.accounts.models import WRITERS, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.mail.outcome import Deferred, Outcome
from samizdat.delivery import service_senders
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event, Notice
from samizdat.events.queries import last_about
from samizdat.worker.mail import service_mail
from samizdat.worker.schedule.admin_alerts import FULL, WAIT, message_mark, named, where

# After that it's no news.
GIVE_UP = timedelta(days=1)
# What came and went is mailed once in this time: a route that stops and works again, a limit of an hour.
AGAIN = timedelta(days=1)
STATES = ("live", "throttled")
# Mails of one look.
MANY = 50
# Reasons of a campaign to wait that nobody chose.
WAITS = ("no_route", "barred", "limit", "warm_up", "untaken")
# Organization or row -> when it is tried again.
_later: dict[tuple[str, int], float] = {}


class Topic(NamedTuple):
    """What a kind of event is mailed as. whom: (event) -> who may get it; page: of the app, with the row's number."""

    name: str
    whom: Callable[[Event], list[Person]]
    page: str
    subject: Promise
    text: Promise


def queue(event: Event, _now: datetime) -> None:
    """Puts down who is to be mailed of it. Follows from the event (event_handlers.py)."""
    topic = TOPICS[cast(EventKind, event.kind)]
    if not _is_news(event):
        return
    people = [person for person in topic.whom(event) if topic.name not in notice_choices.unwanted(person)]
    Notice.objects.bulk_create([Notice(event=event, person=person) for person in people], ignore_conflicts=True)


def _is_news(event: Event) -> bool:
    if event.kind == "campaign.waits" and detail_of(event).get("reason") not in WAITS:
        return False
    if event.kind not in ("campaign.waits", "route.dead"):
        return True
    before = Event.objects.select_related("organization").filter(
        organization=event.organization_id, kind=event.kind, about=event.about, pk__lt=event.pk, at__gt=event.at - AGAIN
    )
    reason = detail_of(event).get("reason")
    return not any(is_genuine(other) and detail_of(other).get("reason") == reason for other in before)


def waiting(now: datetime) -> set[int]:
    """Organizations of which somebody is to be mailed."""
    rows = Notice.objects.values_list("event__organization", flat=True).distinct()
    return {number for number in rows if _is_due("organization", number)}


def take(now: datetime, organization: int) -> int:
    """Mails what is due of one organization; how many mails went out."""
    rows = Notice.objects.select_related("event__organization", "event__by", "person")
    mailed = 0
    for notice in rows.filter(event__organization=organization).order_by("pk")[:MANY]:
        if not _is_due("notice", notice.pk):
            continue
        outcome = _mail(notice, now) if _stands(notice, now) else None
        if isinstance(outcome, Deferred) and outcome.scope in service_mail.NOT_THE_RECIPIENT:
            _later["organization", organization] = time.monotonic() + WAIT
            break
        if isinstance(outcome, Deferred):
            _later["notice", notice.pk] = time.monotonic() + FULL
            continue
        notice.delete()
        mailed += outcome is not None
    if not mailed:
        _later["organization", organization] = time.monotonic() + WAIT
    return mailed


def _is_due(name: str, number: int) -> bool:
    return time.monotonic() >= _later.get((name, number), 0.0)


def _stands(notice: Notice, now: datetime) -> bool:
    """Whether it is news still, of ours, and to somebody on the team who wants it: rows stand in the open."""
    event, topic = notice.event, TOPICS.get(cast(EventKind, notice.event.kind))
    if topic is None or event.at < now - GIVE_UP or not is_genuine(event):
        return False
    return notice.person in topic.whom(event) and topic.name not in notice_choices.unwanted(notice.person)


def _mail(notice: Notice, now: datetime) -> Outcome:
    organization: Any = notice.event.organization
    sender = service_senders.own_sender(organization)
    if sender is None:
        return Deferred(0, "", "route")
    topic, person = TOPICS[cast(EventKind, notice.event.kind)], notice.person
    with override(person.language or leading(organization).language):
        facts: dict[str, Any] = {**named(organization), "number": notice.event.about or 0}
        subject = str(topic.subject) % facts
        last = _("You can turn off these emails in your profile.")
        paragraphs = [str(topic.text) % facts, *where(organization, topic.page, facts["number"]), last]
        text = "\n\n".join(paragraphs) + "\n"
    mark = message_mark(notice.event, person)
    local = not service_mail.leads_out(organization)
    return service_mail.send(
        organization, sender, sealed_people.email_of(person), subject, text, now, STATES, local, mark
    )


def _team(event: Event, wanted: tuple[str, ...]) -> list[Person]:
    rows = memberships.valid(organization=event.organization, role__in=wanted, locked=None, person__is_active=True)
    return [row.person for row in rows]


def _sender(event: Event) -> list[Person]:
    """Who released the campaign or resumed it last; the admins where it was nobody who is here."""
    assert event.organization is not None
    kinds: tuple[EventKind, ...] = ("campaign.released", "campaign.resumed")
    last = last_about(event.organization, kinds, event.about or 0)
    return [person for person in _team(event, WRITERS) if last and person.pk == last.by_id] or _admins(event)


def _admins(event: Event) -> list[Person]:
    return _team(event, ("admin",))


def _sender_and_admins(event: Event) -> list[Person]:
    """But not who did it: they know."""
    return [person for person in {*_sender(event), *_admins(event)} if person.pk != event.by_id]


def _others(event: Event) -> list[Person]:
    """Who may approve what this person asks for."""
    return [person for person in _team(event, WRITERS) if person.pk != event.by_id]


def _who_did_it(event: Event) -> list[Person]:
    return [person for person in _team(event, WRITERS) if person.pk == event.by_id]


def _of_campaign(
    name: str, subject: Promise, text: Promise, whom: Callable[[Event], list[Person]] = _sender_and_admins
) -> Topic:
    return Topic(name, whom, "report", subject, text)


def _paused(text: Promise) -> Topic:
    return _of_campaign("paused", lazy("Paused: campaign No. %(number)s (%(name)s)"), text)


def _of_import(subject: Promise, text: Promise) -> Topic:
    return Topic("import", _who_did_it, "import", subject, text)


TOPICS: dict[EventKind, Topic] = {
    "campaign.finished": _of_campaign(
        "finished",
        lazy("Sent: campaign No. %(number)s (%(name)s)"),
        lazy("Sending of campaign No. %(number)s has finished. The report says how many emails were accepted."),
        _sender,
    ),
    "campaign.waits": _of_campaign(
        "waiting",
        lazy("Waiting: campaign No. %(number)s (%(name)s)"),
        lazy(
            "Campaign No. %(number)s is waiting: a sending limit is reached, or no sending route is working. The "
            "report says which, and when it resumes."
        ),
    ),
    "campaign.paused": _paused(
        lazy(
            "Campaign No. %(number)s was paused. No more emails are sent until someone on your team resumes it in "
            "the report."
        )
    ),
    "campaign.sender_left": _paused(
        lazy(
            "Campaign No. %(number)s was paused: the person who scheduled it can no longer send campaigns. Check "
            "it, then resume it in the report."
        )
    ),
    "campaign.start_missed": _paused(
        lazy(
            "Campaign No. %(number)s was paused: its time passed while Samizdat wasn’t running. Check it, then "
            "resume it in the report."
        )
    ),
    "campaign.unreadable": _paused(
        lazy("Campaign No. %(number)s was paused: it can’t be opened. The report says why. Ask your server admin.")
    ),
    "campaign.wave_stopped": _paused(
        lazy(
            "Campaign No. %(number)s was paused: too many emails in the first batch bounced. Check the reasons in "
            "the report, then resume or cancel it."
        )
    ),
    "campaign.approval_asked": Topic(
        "approval",
        _others,
        "send",
        lazy("Approval requested: campaign No. %(number)s (%(name)s)"),
        lazy("A teammate asks you to approve campaign No. %(number)s. Check its text and recipients."),
    ),
    "route.dead": Topic(
        "route",
        _admins,
        "edit-route",
        lazy("A sending route isn’t working (%(name)s)"),
        lazy("A sending route of %(name)s stopped working. Its page says why, and what to do."),
    ),
    "subscribers.imported": _of_import(
        lazy("Import finished: No. %(number)s (%(name)s)"),
        lazy("Your import No. %(number)s has finished. Its page says what was added and what was left out."),
    ),
    "subscribers.import.stopped": _of_import(
        lazy("Import stopped: No. %(number)s (%(name)s)"),
        lazy("Your import No. %(number)s stopped before its end. Its page says why, and how to continue."),
    ),
    "subscribers.import.failed": _of_import(
        lazy("Import failed: No. %(number)s (%(name)s)"),
        lazy("Your import No. %(number)s couldn’t be read. Its page says what to correct."),
    ),
}
