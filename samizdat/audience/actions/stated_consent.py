"""A yes that a subscriber gave elsewhere, as a program states it: in the words they were shown, when, and with the
evidence. It makes nobody active: whoever isn't subscribed to the list, hasn't confirmed or has said no stays as they
are."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience import consent_records, consent_writer, sql
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import ConsentRefused, NotAReader, TooManyRecords
from samizdat.audience.list_details import insist_open
from samizdat.audience.models import List, Subscriber
from samizdat.core import consent
from samizdat.core.consent import APPEALS, LETTERS, ConsentFact
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring

# Clocks of other machines may be ahead by so much.
AHEAD = timedelta(minutes=10)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# After all records that there are.
_LAST = 1 << 62

# left: they said no, or did so after what is stated. pending: they were asked, and haven't confirmed. suppressed:
# nobody writes to this address.
type StatedOutcome = Literal["recorded", "unchanged", "left", "pending", "suppressed"]


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """wording: what they were shown. at: when they agreed. evidence: where that can be looked up."""

    wording: str
    at: datetime
    evidence: str
    purpose: str = LETTERS


def state_consent(
    subscriber: Subscriber, list: List, stated: StatedConsent, *, now: datetime, by: Person | None = None
) -> StatedOutcome:
    """The record stands on the day on which they agreed, so it takes back no later no. The same again writes nothing.
    Errors: ConsentRefused, ListArchived, NoSuchSubscriber, NotAReader, TooManyRecords."""
    if not EARLIEST <= stated.at <= now + AHEAD:
        raise ConsentRefused(_("The time of the consent is in the future or before 1990. Correct it."))
    insist_open(list)
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if (outcome := _refused(row, list, stated, now)) is not None:
            return outcome
        words = _words(list, stated)
        if _is_recorded(row, list, stated.purpose, words):
            return "unchanged"
        if consent_writer.is_full(row):
            raise TooManyRecords
        consent_writer.write(row, [ConsentFactRow("given", "api", list, words, stated.purpose)], now, stated.at)
        detail = {"list": list.id, "purpose": stated.purpose}
        record("subscriber.consent_recorded", row.organization, about=row.id, by=by, now=now, detail=detail)
    return "recorded"


def _refused(row: Subscriber, list: List, stated: StatedConsent, now: datetime) -> StatedOutcome | None:
    """Why it isn't recorded, of a locked subscriber. Errors: NotAReader."""
    keys = keyring.keys(row.organization)
    if consent_writer.suppressed(row.organization_id, consent_writer.blinds_of(keys, row)) is not None:
        return "suppressed"
    known = consent_writer.genuine(row)
    standings = [known.standing(list.id, LETTERS, now)]
    if standings[0] == "nonsubscribed":
        raise NotAReader
    if stated.purpose == APPEALS:
        standings.append(known.standing(list.id, APPEALS, now))
    if "pending" in standings:
        return "pending"
    fact = ConsentFact("given", list.id, stated.purpose, stated.at.astimezone(UTC).date(), "api", order=_LAST)
    return None if known.standing_with(fact, now) == "subscribed" else "left"


def _words(list: List, stated: StatedConsent) -> dict[int, str]:
    at = f"{stated.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {**words_of(list, stated.wording, stated.purpose), consent.AT: at, consent.SOURCE: stated.evidence}


def _is_recorded(row: Subscriber, list: List, purpose: str, words: dict[int, str]) -> bool:
    """Whether a record says just that: a version of the wording may have come since."""
    keys, about = keyring.keys(row.organization), (list.id, consent.PURPOSES.index(purpose))
    compared = consent.AT, consent.SOURCE, consent.WORDING
    for _id, (_number, list_id, kind, of_purpose, _way, _day), blob in sql.consent_with_words([row.id]):
        if (list_id, of_purpose) == about and consent.KINDS[kind] == "given" and blob:
            held = seal.unpack(keys.open(blob, *consent_records.RECORD, row.number))
            if all(held.get(field, "") == words[field] for field in compared):
                return True
    return False
