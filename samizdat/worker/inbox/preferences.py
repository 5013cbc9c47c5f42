"""Takes up what readers decide in the preference centre, and lays out for them what it shows.

What the public process could forge is what may be taken back: how often, how it looks, which topics. What may not be
(erasing, another mailbox) and what tells who they are (their data) needs a token that was mailed to them; its purpose
is one of MAILED, whose keys the public process does not hold. So a process that is taken erases and moves nobody.
"""

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import preferences
from samizdat.audience.actions.preferences import PreferenceChoice
from samizdat.audience.errors import AudienceError, RowsAltered
from samizdat.audience.models import NUMBER_MASK, List, Subscriber
from samizdat.core.crypto import tokens
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.logs import where_it_broke
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.worker.inbox import fundraising_consent, inbox, leaving_alarm, unsubscribes
from samizdat.worker.inbox.inbox import LEAVING, TURNS, OpenedEnvelope, batch, given_up, in_batches, sort_in
from samizdat.worker.inbox.unsubscribes import Unsubscribe, all_proven, leave_appeals
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# What a mailed token does; the public process has reading keys for none of them (worker/inbox/link_keys.py).
MAILED = ("data", "erase", "move", "allow")
# Days that a mailed link works; the page says a week.
MAILED_DAYS = 8
# Hours that their settings lie in the public database for them.
SHEET_HOURS = 1
# A box that fails again and again is given up after this: the others must not pay for it each second.
GIVE_UP = timedelta(minutes=10)


def take_everything(now: datetime) -> int:
    """Takes up what readers sent for whom they wait, or a campaign: leaving and coming back, then a batch of what else
    changes who gets a campaign, then one of settings to be shown. Returns how many are done with.

    So who fills the public database with one kind keeps the others waiting for a batch of it, and leaving for no more
    than one of each. After some turns whoever called shows that it goes on.
    """
    leaving_alarm.look(now)  # Of those before: nobody waits for it.
    if publicdb.is_intake_empty():  # As it mostly is: one question in place of nine.
        return 0
    done = 0
    sort_in(now)
    for turn in range(TURNS):
        looked = 0
        for kinds, take in LANES:
            with batch(now, kinds, again=turn == 0) as some:
                done += take(some.envelopes, now)
                looked += len(some.rows)
        if not looked or stopping.is_set():
            break
    return done


def take(now: datetime) -> int:
    """Takes up asking to see, choosing and mailed links alone; returns how many are done with."""
    sort_in(now)
    done = in_batches(now, KINDS, take_up)
    leaving_alarm.look(now)
    return done


def take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Does what boxes of KINDS ask for; returns how many are done with."""
    done = 0
    for envelope in envelopes:
        try:
            DEEDS[envelope.kind](envelope, now)
        except AudienceError:
            pass  # They were erased meanwhile: nothing is left to change.
        except (OperationalError, InterfaceError):
            raise  # A database that does not answer: nothing of this counts as looked through.
        except Exception as error:
            log.error("What a reader chose could not be taken up: %s", where_it_broke(error))
            if not given_up(envelope, now, inbox.GIVE_UP if isinstance(error, RowsAltered) else GIVE_UP):
                continue
        publicdb.done_with([envelope.row])
        done += 1
    return done


# -- showing and choosing ---------------------------------------------------------------------------------------


def _show(envelope: OpenedEnvelope, now: datetime) -> None:
    token, secret = envelope.words.token, envelope.words.secret
    if not (len(secret) == 26 and secret.isalnum() and _is_token(token)):
        return
    proven = _proven(envelope, now)
    shown = _sheet(proven, now) if proven else {"gone": True}
    if shown is None:
        shown = {"gone": True}
    uid, text = bytes(envelope.organization.uid), json.dumps(shown, ensure_ascii=False)
    publicdb.lay_out(uid, tokens.spelled(token) + secret, text, hours=SHEET_HOURS, now=now, nonce=os.urandom(12))


def _sheet(proven: Unsubscribe, now: datetime) -> dict[str, object] | None:
    """What the page shows: of one list, without address, fields or days of consent."""
    for list_ in proven.lists:
        settings = preferences.settings_of(proven.subscriber, list_, now)
        if settings is not None:
            return {
                "list": list_.id,
                "status": settings.status,
                "often": settings.often,
                "until": settings.until.isoformat() if settings.until else "",
                "language": settings.language,
                "wishes": settings.wishes,
                "topics": settings.topics,
                "gathers": settings.gathers,
                "appeals": _appeals(proven.subscriber, list_, settings),
            }
    return None


def _appeals(subscriber: Subscriber, list_: List, settings: preferences.ReaderPreferences) -> dict[str, object] | None:
    """Their box for appeals for money and the words beside it; None where nobody asks them."""
    return (
        None
        if settings.appeals is None
        else {"on": settings.appeals, "words": fundraising_consent.words_to(subscriber, list_)}
    )


def _prefer(envelope: OpenedEnvelope, now: datetime) -> None:
    proven = _proven(envelope, now)
    if proven is None:
        return
    words = envelope.words
    choice = PreferenceChoice(
        often=words.often,
        until=_day(words.until),
        language=_language(words.language),
        wishes=words.wishes[:8],
        topics=frozenset(words.topics),
        offered=frozenset(words.offered),
    )
    unsubscribes.prefer(proven, choice, now)
    # To take that back works at once. To agree takes their mailbox: worker/inbox/fundraising_consent.
    if words.appeals == "no":
        leave_appeals(proven, now)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _language(text: str) -> str:
    return text if text.isascii() and text.replace("-", "").isalpha() and len(text) <= 8 else ""


def _is_token(text: str) -> bool:
    try:
        return bool(tokens.spelled(text))
    except tokens.BadToken:
        return False


def _proven(envelope: OpenedEnvelope, now: datetime) -> Unsubscribe | None:
    return next(iter(all_proven([envelope], today=now.astimezone(UTC).date())), None)


# -- what a mailbox proved --------------------------------------------------------------------------------------


def mailed_token(subscriber: Subscriber, purpose: str, now: datetime, mark: int = 0) -> str:
    """A token for one of MAILED. It says on which day it was made, and for moving which address it is about; and it is
    of their mailbox alone: whoever writes the database can have a number stand for somebody else."""
    return _of_number(subscriber.organization, purpose, subscriber.number, now, mark ^ _mailbox(subscriber))


def mailed_tokens(subscriber: Subscriber, purpose: str, now: datetime, wish: str) -> list[str]:
    """All that were mailed for this wish on that day: the index key may have been replaced since."""
    organization = subscriber.organization
    owns = preferences.marks_of(organization, audience_queries.address_of(subscriber))
    marks = zip(preferences.marks_of(organization, wish), owns, strict=True)
    return [_of_number(organization, purpose, subscriber.number, now, mark ^ own) for mark, own in marks]


def _of_number(organization: Organization, purpose: str, number: int, now: datetime, mark: int) -> str:
    keys = keyring.keys(organization)
    assert keys.link is not None
    day = (now.astimezone(UTC).date() - date(1970, 1, 1)).days
    return tokens.make(keys.link, purpose, day << 32 | mark, number)


def _mailbox(subscriber: Subscriber) -> int:
    return preferences.mark_of(subscriber.organization, audience_queries.address_of(subscriber))


def lay_out_data(subscriber: Subscriber, token: str, text: str, *, hours: int, now: datetime) -> None:
    """The copy of their data for the token that is mailed. Beside it lies, for a token that nobody is mailed, which one
    that is: once they are erased, nothing else tells."""
    organization = subscriber.organization
    mark = _of_number(organization, "data", subscriber.number, now, 0)
    for secret, words in ((token, text), (mark, token)):
        publicdb.lay_out(bytes(organization.uid), secret, words, hours=hours, now=now, nonce=os.urandom(12))


def drop_data(event: Event, now: datetime) -> None:
    """What follows from erasing them: the copy of their data that waits behind a mailed link goes, and so the link."""
    if event.organization is None or event.about is None:
        return
    numbers = detail_of(event).get("numbers", [event.about & NUMBER_MASK])
    today = (now.astimezone(UTC).date() - date(1970, 1, 1)).days
    makers = [tokens.TokenMaker(key, "data") for key in keyring.keys(event.organization).links.values()]
    days = [today - back << 32 for back in range(MAILED_DAYS + 1)]
    publicdb.drop_sheets(token for maker in makers for day in days for token in maker.many(day, numbers))


def read_mailed(organization: Organization, purpose: str, text: str, now: datetime) -> tuple[Any, int] | None:
    """(subscriber, mark) of a mailed token; None when it is not ours, too old, they are not here any more, or their
    number has another mailbox by now."""
    if purpose not in MAILED:
        return None
    try:
        token = tokens.read(keyring.keys(organization).own_links, purpose, text)
    except tokens.BadToken:
        return None
    mailing_day = date(1970, 1, 1) + timedelta(days=min(token.edition >> 32, 100_000))
    if not timedelta(0) <= now.astimezone(UTC).date() - mailing_day <= timedelta(days=MAILED_DAYS):
        return None
    subscriber = audience_queries.subscriber_numbered(organization, token.number)
    if subscriber is None:
        return None
    seen = token.edition & 0xFFFFFFFF
    owns = preferences.marks_of(organization, audience_queries.address_of(subscriber))
    if purpose not in ("move", "allow"):
        return (subscriber, 0) if seen in owns else None
    marks = (preferences.current_mark(subscriber, seen ^ own, place) for place, own in enumerate(owns))
    return subscriber, next((mark for mark in marks if mark is not None), seen ^ owns[0])


def _done(envelope: OpenedEnvelope, now: datetime) -> None:
    """Erases the reader, writes to their new mailbox from now on, or asks them for money as well."""
    purpose, text = envelope.words.purpose, envelope.words.token
    if purpose == fundraising_consent.PURPOSE:
        fundraising_consent.proven(envelope, now)
        return
    result = read_mailed(envelope.organization, purpose, text, now)
    if result is None:
        return
    subscriber, mark = result
    if purpose == "erase":
        with transaction.atomic():
            audience.erase(envelope.organization, subscriber=subscriber, now=now)
        publicdb.set_token_state(text, "erased")
    elif purpose == "move" and preferences.move(subscriber, mark, now=now):
        publicdb.set_token_state(text, "moved")


DEEDS: dict[str, Callable[[OpenedEnvelope, datetime], None]] = {"show": _show, "prefer": _prefer, "proven": _done}
KINDS = tuple(DEEDS)
type Take = Callable[[list[OpenedEnvelope], datetime], int]


def _confirm_or_choose(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    confirmed = [envelope for envelope in envelopes if envelope.kind in unsubscribes.KINDS]
    return unsubscribes.take_up(confirmed, now) + take_up(
        [envelope for envelope in envelopes if envelope.kind in KINDS], now
    )


# In the order in which they are taken up; leaving before everything else.
LANES: tuple[tuple[tuple[str, ...], Take], ...] = (
    (LEAVING, unsubscribes.take_up),
    (("confirm", "prefer", "proven"), _confirm_or_choose),
    (("show",), take_up),
)
