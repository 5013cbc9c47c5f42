"""Whoever has not confirmed yet is asked by mail once more, when a colleague presses *Invite again*.

It is the link of their sign-up, which is forgotten when it would have been. Who came unconfirmed by a file, and was
asked elsewhere, is asked here for the first time, and stays. Nobody is asked who is on no list, or said no: that would
be mail which nobody agreed to.
"""

import secrets
from datetime import UTC, datetime

from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.audience import consent_records, consent_writer, sql, waiting
from samizdat.audience.actions import forms
from samizdat.audience.actions.consent import verdict
from samizdat.audience.actions.mail_quota import few_a_day, few_in_all, once_a_day
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import AskedEnough, AskedToday, NothingWaits
from samizdat.audience.list_details import insist_open, open_details
from samizdat.audience.models import List, Subscriber
from samizdat.core import consent
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring

EVENT: EventKind = "subscriber.asked_again"
# A stolen session has no more mailed in a day, to whomever.
A_DAY = 20


def ask_again(subscriber: Subscriber, list: List, *, now: datetime, by: Person | None = None) -> None:
    """Records that their mail is to go, which the worker sends. Errors: NothingWaits, AskedToday, AskedEnough,
    ListArchived, NoSuchSubscriber."""
    insist_open(list)
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if verdict(row, list, now).reason != "not_confirmed" or waiting.is_answered(row, list):
            raise NothingWaits
        number = _number(row, list, now)
        _take_quota(row, now)
        detail = {"list": list.id, "number": number}
        record(EVENT, row.organization, about=row.id, by=by, now=now, detail=detail)


def _number(row: Subscriber, list: List, now: datetime) -> int:
    """What their link names: the sign-up that waits, else a question of today."""
    known = consent_records.records(known for _id, known in sql.consent_of([row.id]))
    days = [day for day in consent.asked_on(known, list.id, now) if day > consent.last_day(now)]
    if days:
        return forms.number_asked(row, list, max(days)) or forms.dated(list.id, max(days))
    by_form = any((fact.kind, fact.way, fact.list) == ("asked", "form", list.id) for fact in known)
    if by_form or consent_writer.is_full(row):
        raise NothingWaits  # Their week is over: another question would keep what a stranger typed.
    words = {**words_of(list, open_details(keyring.keys(row.organization), list).purpose), consent.SOURCE: "desk"}
    consent_writer.write(row, [ConsentFactRow("asked", "desk", list, words)], now)
    return forms.dated(list.id, now.astimezone(UTC).date())


def _take_quota(row: Subscriber, now: datetime) -> None:
    organization = row.organization
    address = consent_writer.address_of(keyring.keys(organization), row)
    box = -1 - secrets.randbits(62)  # Rows of the public database are counted upwards.
    if not once_a_day(organization, f"confirm {addresses.comparable(address)}", box, now):
        raise AskedToday
    if not few_a_day(organization, "confirm", address, box, now):
        raise AskedToday
    if not few_in_all(organization, "asked again", A_DAY, box, now):
        raise AskedEnough(A_DAY)
