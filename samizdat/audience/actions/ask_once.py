"""Whoever stands on a rebuilt list without a proven yes (importers/services/evidence) is asked once by mail.

It is the mail of a sign-up with other words: only their own confirmation makes them a subscriber. The record that they
were asked is written with the event that has the mail sent, so that a kill asks nobody twice, and nobody is asked who
has left, complained, or was asked before.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.audience import consent_writer, tags_and_fields
from samizdat.audience.actions import forms
from samizdat.audience.actions.confirmation_reminders import EVENT
from samizdat.audience.actions.consent import verdict
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.list_details import insist_open, open_details
from samizdat.audience.models import NONSUBSCRIBED, ConsentRecord, List, Subscriber, SubscriberTag, Subscription
from samizdat.audience.open_signups import ASKED
from samizdat.core import consent
from samizdat.events.actions import record
from samizdat.vault import keyring

# Of one list in a day: old addresses bounce, and a provider that meets many of them takes no mail of ours any more.
A_DAY = 500
DESK = consent.WAYS.index("desk")
PAGE = 200


class AskedOnce(NamedTuple):
    """`asked`: now; `passed_over`: of those who were looked at, who said no meanwhile, or has the fullest of records;
    `waiting`: who are not asked yet; `today`: asked on this day, by earlier runs too."""

    asked: int
    passed_over: int
    waiting: int
    today: int


def ask_once(list: List, tag: str, most: int, *, now: datetime, by: Person | None = None) -> AskedOnce:
    """Asks up to `most` of those with this tag who stand on the list without consent. Errors: ListArchived."""
    insist_open(list)
    keys = keyring.keys(list.organization)
    number = tags_and_fields.known_tags(list.organization, keys, [tag]).get(tag)
    known = _asked_today(list, now)
    room, asked, passed, after = min(most, A_DAY - known), 0, 0, 0
    while number is not None and asked < room and (page := _waiting(list, number, after)[:PAGE]):
        for row in Subscriber.objects.select_related("organization").filter(id__in=[*page]).order_by("id"):
            if asked >= room:
                break
            after = row.id
            is_asked = _ask(row, list, now, by)
            asked, passed = asked + is_asked, passed + (not is_asked)
    waiting = 0 if number is None else _waiting(list, number, 0).count() - (passed if asked < room else 0)
    return AskedOnce(asked, passed, waiting, known + asked)


def waiting_to_be_asked(list: List, tag: str, *, now: datetime) -> tuple[int, int]:
    """(who stand on the list with this tag and without consent, how many were asked on this day)."""
    number = tags_and_fields.known_tags(list.organization, keyring.keys(list.organization), [tag]).get(tag)
    return (0 if number is None else _waiting(list, number, 0).count()), _asked_today(list, now)


def _asked_today(list: List, now: datetime) -> int:
    today = now.astimezone(UTC).date()
    return ConsentRecord.objects.filter(list=list, kind=ASKED, channel=DESK, day=today).count()


def _waiting(list: List, tag: int, after: int):  # type: ignore[no-untyped-def]
    tagged = SubscriberTag.objects.filter(tag=tag).values("subscriber")
    rows = Subscription.objects.filter(list=list, status=NONSUBSCRIBED, subscriber__in=tagged, subscriber__gt=after)
    return rows.order_by("subscriber_id").values_list("subscriber_id", flat=True)


def _ask(subscriber: Subscriber, list: List, now: datetime, by: Person | None) -> bool:
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if verdict(row, list, now).reason != "never_agreed" or consent_writer.is_full(row):
            return False
        purpose = open_details(keyring.keys(row.organization), list).purpose
        words = {**words_of(list, purpose), consent.SOURCE: "rebuilt"}
        consent_writer.write(row, [ConsentFactRow("asked", "desk", list, words)], now)
        detail = {"list": list.id, "number": forms.dated(list.id, now.astimezone(UTC).date()), "rebuilt": True}
        record(EVENT, row.organization, about=row.id, by=by, now=now, detail=detail)
    return True
