"""The mail to whoever has not confirmed yet, for which a colleague asked (audience/actions/confirmation_reminders)."""

from datetime import date, datetime, timedelta

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import forms, mailed_words
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import List, Subscriber
from samizdat.core.crypto import tokens
from samizdat.core.mail.outcome import Deferred
from samizdat.delivery import service_senders
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.worker.inbox import signups
from samizdat.worker.mail import service_mail

# Nobody is mailed later than this for a press of today.
TRIED = timedelta(days=1)


class NotMailedYet(Exception):
    """No server took it: tried again."""


def mail(event: Event, now: datetime) -> None:
    """Errors: NotMailedYet."""
    organization, detail = event.organization, detail_of(event)
    number = int(detail["number"])
    day = forms.day_in(number)
    people = Subscriber.objects.select_related("organization").filter(organization=organization)
    subscriber = people.filter(id=event.about or 0).first()
    if organization is None or subscriber is None or now > event.at + TRIED:
        return
    wanted = forms.lists_asked(subscriber, number) or [detail["list"]]
    rows = List.objects.select_related("organization").filter(organization=organization, id__in=wanted)
    lists = [row for row in rows.order_by("id") if _waits(subscriber, row, day, now)]
    sender = service_senders.sender_for(lists[0]) if lists else None
    if sender is None or not leading(organization).public_url:
        return  # They said something meanwhile, or nobody knows from whom it would come.
    try:
        to = queries.mailbox_of(subscriber)
    except AudienceError:
        return
    keys = keyring.keys(organization)
    assert keys.link is not None
    token = tokens.make(keys.link, "confirm", number, subscriber.number)
    names, petition = [mailed_words.name_said(row) for row in lists], _petition(organization, number)
    if petition:
        names = [petition]
    appeals = next((text for row in lists if (text := audience.appeals_asked(subscriber, row, day, now))), "")
    subject, text = signups.composed(
        organization,
        ", ".join(names) if all(names) else leading(organization).name,
        token,
        phrases_override.words_to(subscriber.language, leading(organization).language),
        appeals,
        rebuilt=bool(detail.get("rebuilt")),
        signs=bool(petition),
    )
    publicdb.set_token_state(token, "pending-asks" if appeals else "pending")
    outcome = service_mail.send(organization, sender, to, subject, text, now)
    if isinstance(outcome, Deferred):
        raise NotMailedYet


def _petition(organization: Organization, number: int) -> str:
    """The title of the petition that this sign-up is about, as a mail may say it; "" for any other."""
    number = forms.without_day(number)
    form = forms.form_numbered(organization, number & ~15) if number >> 32 else None
    facts = forms.facts_of(form) if form is not None else None
    is_said = facts is not None and mailed_words.is_said(organization, facts.title, facts.agreed)
    return facts.title if facts is not None and facts.signs and is_said else ""


def _waits(subscriber: Subscriber, list_: List, day: date, now: datetime) -> bool:
    """Whether that sign-up can be confirmed, and no no of theirs or of the team came in between."""
    is_open = audience.verdict(subscriber, list_, now).reason == "not_confirmed"
    is_open = is_open and not audience.is_answered(subscriber, list_)
    return is_open and audience.waits(list_, subscriber, day, now, now)
