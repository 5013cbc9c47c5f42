"""Consent records of a subscriber: read, and a yes that they gave elsewhere, which makes nobody active."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from django.utils import timezone
from ninja import Path, Router, Schema
from pydantic import AwareDatetime, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey
from samizdat.api.keys import KeyAuth, KeyedRequest
from samizdat.api.problems import ApiProblem
from samizdat.api.reading import note_reading
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import Email, Number, Words, list_for, no_such_subscriber, subscriber_for
from samizdat.audience import queries
from samizdat.audience.actions.stated_consent import StatedConsent, state_consent
from samizdat.audience.errors import NoSuchSubscriber, NotAReader, TooManyRecords
from samizdat.audience.models import List
from samizdat.audience.queries import ConsentEntry
from samizdat.audience.queries.subscriber_records import number_at

router = Router(tags=["Subscribers"])
READ, WRITE = KeyAuth("subscribers:read"), KeyAuth("subscribers:write")


class ConsentRecordOut(Schema):
    """kind: asked (signed up, not confirmed yet), given, confirmed, withdrawn, objected, cleaned (the address is dead),
    returned or undone (the last no, or what your team wrote down, was taken back). list: null for all lists. purpose:
    newsletter, or fundraising: appeals for money. way: import, form, desk (your team), api, mail, one-click or bounce.
    at: null where nobody said when. asked_at: of a confirmation, when they had signed up. wording: what they were
    shown; version and language: of it, where it is a consent text of the list. source: where it can be looked up.
    reason: what they said when they left."""

    day: date
    kind: str
    list: int | None
    purpose: str
    way: str
    at: datetime | None
    asked_at: datetime | None
    wording: str
    version: str
    language: str
    source: str
    reason: str


class ConsentRecordsOut(Schema):
    items: list[ConsentRecordOut]


class ConsentIn(Schema):
    """wording: what they were shown, word for word. at: when they agreed. evidence: where that can be looked up, like
    the number of a form."""

    email: Email
    list: int
    wording: Words
    at: AwareDatetime
    purpose: Literal["newsletter", "fundraising"] = "newsletter"
    evidence: Annotated[str, StringConstraints(max_length=500)] = ""


class ConsentRecordedOut(Schema):
    """result: recorded, unchanged (it was already); left: they said no, or did so later than that; pending: they were
    asked and haven't confirmed; suppressed: nobody writes to this address. null for a key that can't read
    subscribers."""

    result: str | None


@router.get(
    "/{int:number}/consent",
    response={200: ConsentRecordsOut, ERRORS: ProblemOut},
    auth=READ,
    summary="Consent records of a subscriber",
)
def list_consent(request: KeyedRequest, number: Path[Number]) -> ConsentRecordsOut:
    """The newest first: about the lists that the key may use, and what speaks for all lists."""
    key = request.auth
    entries = queries.consent_entries(subscriber_for(key, number))
    note_reading(key)
    shown = [entry for entry in entries if entry.list_id is None or api_keys.may_use(key, entry.list_id)]
    return ConsentRecordsOut(items=[_out(entry) for entry in shown])


@router.post(
    "/consent",
    response={200: ConsentRecordedOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Record a consent given elsewhere",
)
def record_consent(request: KeyedRequest, body: ConsentIn) -> ConsentRecordedOut:
    """Of somebody who is subscribed to the list: that they agreed anew, or to appeals for money as well. Nobody becomes
    active by it. The same request again changes nothing."""
    key = request.auth
    list_ = list_for(key, body.list)
    if "subscribers:read" in api_keys.scopes_of(key):
        return ConsentRecordedOut(result=_record(key, list_, body))
    with suppress(ApiProblem, NoSuchSubscriber, NotAReader, TooManyRecords):  # Whoever may only write learns of nobody.
        _record(key, list_, body)
    return ConsentRecordedOut(result=None)


def _record(key: ApiKey, list_: List, body: ConsentIn) -> str:
    """Errors: as state_consent; ApiProblem 404, BadAddress."""
    number = number_at(key.organization, body.email)
    if number is None:
        raise no_such_subscriber()
    subscriber = subscriber_for(key, number)
    evidence = body.evidence.strip() or f"API key {key.pk}"
    stated = StatedConsent(body.wording, body.at, evidence, body.purpose)
    return state_consent(subscriber, list_, stated, now=timezone.now(), by=key.by)


def _out(entry: ConsentEntry) -> ConsentRecordOut:
    return ConsentRecordOut(
        day=entry.day,
        kind=entry.kind,
        list=entry.list_id,
        purpose=entry.purpose,
        way=entry.way,
        at=_moment(entry.at),
        asked_at=_moment(entry.asked_at),
        wording=entry.wording,
        version=entry.version,
        language=entry.language,
        source=entry.source,
        reason=entry.reason,
    )


def _moment(text: str) -> datetime | None:
    """What a file told may be no time."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
