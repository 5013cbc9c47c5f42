"""Takes up what readers decide in the preference centre, and lays out for them what it shows.

What the public process could forge is what may be taken back: how often, how it looks, which topics. What may not be
(erasing, another mailbox) and what tells who she is (her data) needs a token that was mailed to her; its purpose is
one of MAILED, whose keys the public process does not hold. So a process that is taken erases and moves nobody.
"""

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import preferring
from samizdat.audience.actions.preferring import Choice
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import NUMBER_MASK
from samizdat.core import link
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.logs import where_it_broke
from samizdat.vault import house
from samizdat.worker import appeals, intake
from samizdat.worker.boxes import LEAVING, TURNS, Said, batch, given_up, in_batches, sort_in
from samizdat.worker.intake import Leaving, all_proven, leave_appeals
from samizdat.worker.tasks import stopping

log = logging.getLogger("samizdat.worker")

# What a mailed token does; the public process has reading keys for none of them (worker/links.py).
MAILED = ("data", "erase", "move", "allow")
# Days that a mailed link works; the page says a week.
MAILED_DAYS = 8
# Hours that her settings lie in the gate for her.
SHEET_HOURS = 1
# A box that fails again and again is given up after this: the others must not pay for it each second.
GIVE_UP = timedelta(minutes=10)


def take_everything(now: datetime) -> int:
    """Takes up what readers sent for whom they wait, or a campaign: leaving and coming back, then a batch of what else
    changes who gets a campaign, then one of settings to be shown. Returns how many are done with.

    So who fills the gate with one kind keeps the others waiting for a batch of it, and leaving for no more than one of
    each. After some turns whoever called shows that it goes on.
    """
    done = 0
    sort_in(now)
    for turn in range(TURNS):
        looked = 0
        for kinds, take in LANES:
            with batch(now, kinds, again=turn == 0) as some:
                done += take(some.said, now)
                looked += len(some.rows)
        if not looked or stopping.is_set():
            break
    return done


def take(now: datetime) -> int:
    """Takes up asking to see, choosing and mailed links alone; returns how many are done with."""
    sort_in(now)
    return in_batches(now, KINDS, take_up)


def take_up(said: list[Said], now: datetime) -> int:
    """Does what boxes of KINDS ask for; returns how many are done with."""
    done = 0
    for one in said:
        try:
            DEEDS[one.kind](one, now)
        except AudienceError:
            pass  # She was erased meanwhile: nothing is left to change.
        except (OperationalError, InterfaceError):
            raise  # A database that does not answer: nothing of this counts as looked through.
        except Exception as error:
            log.error("What a reader chose could not be taken up: %s", where_it_broke(error))
            if not given_up(one, now, GIVE_UP):
                continue
        gate.done_with([one.row])
        done += 1
    return done


# -- showing and choosing ---------------------------------------------------------------------------------------


def _show(said: Said, now: datetime) -> None:
    token, secret = str(said.words.get("token", "")), str(said.words.get("secret", ""))
    if not (len(secret) == 26 and secret.isalnum() and _is_token(token)):
        return
    proven = _proven(said)
    shown = _sheet(proven) if proven else {"gone": True}
    if shown is None:
        shown = {"gone": True}
    uid, text = bytes(said.organisation.uid), json.dumps(shown, ensure_ascii=False)
    gate.lay_out(uid, link.spelled(token) + secret, text, hours=SHEET_HOURS, now=now, nonce=os.urandom(12))


def _sheet(proven: Leaving) -> dict[str, Any] | None:
    """What the page shows: of one list, without address, fields or days of consent."""
    for list_ in proven.lists:
        found = preferring.settings_of(proven.subscriber, list_)
        if found is not None:
            return {
                "list": list_.id,
                "status": found.status,
                "often": found.often,
                "until": found.until.isoformat() if found.until else "",
                "language": found.language,
                "wishes": found.wishes,
                "topics": found.topics,
                "gathers": found.gathers,
                "appeals": _appeals(proven.subscriber, list_, found),
            }
    return None


def _appeals(subscriber: Any, list_: Any, found: preferring.Settings) -> dict[str, Any] | None:
    """Her box for appeals for money and the words beside it; None where nobody asks her."""
    return None if found.appeals is None else {"on": found.appeals, "words": appeals.words_to(subscriber, list_)}


def _prefer(said: Said, now: datetime) -> None:
    proven = _proven(said)
    if proven is None:
        return
    words = said.words
    topics, offered = (
        frozenset(int(number) for number in str(words.get(name, "")).split(",") if number.isdecimal())
        for name in ("topics", "offered")
    )
    choice = Choice(
        often=str(words.get("often", "")),
        until=_day(str(words.get("until", ""))),
        language=_language(str(words.get("language", ""))),
        wishes=str(words.get("wishes", ""))[:8],
        topics=topics,
        offered=offered,
    )
    intake.prefer(proven, choice, now)
    # To take that back works at once. To agree takes her mailbox: worker/appeals.
    if words.get("appeals") == "no":
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
        return bool(link.spelled(text))
    except link.BadToken:
        return False


def _proven(said: Said) -> Leaving | None:
    return next(iter(all_proven([said])), None)


# -- what her mailbox proved ------------------------------------------------------------------------------------


def mailed_token(organisation: Any, purpose: str, number: int, now: datetime, mark: int = 0) -> str:
    """A token for one of MAILED. It says on which day it was made, and for moving which address it is about."""
    keys = house.keys(organisation)
    assert keys.link is not None
    day = (now.astimezone(UTC).date() - date(1970, 1, 1)).days
    return link.make(keys.link, purpose, day << 32 | mark, number)


def drop_data(event: Event, now: datetime) -> None:
    """What follows from erasing her: the copy of her data that waits behind a mailed link goes, and so the link."""
    if event.organisation is None or event.about is None:
        return
    numbers = detail_of(event).get("numbers", [event.about & NUMBER_MASK])
    today = (now.astimezone(UTC).date() - date(1970, 1, 1)).days
    makers = [link.Maker(key, "data") for key in house.keys(event.organisation).links.values()]
    gate.drop_sheets(
        token
        for maker in makers
        for back in range(MAILED_DAYS + 1)
        for token in maker.many(today - back << 32, numbers)
    )


def read_mailed(organisation: Any, purpose: str, text: str, now: datetime) -> tuple[Any, int] | None:
    """(subscriber, mark) of a mailed token; None when it is not ours, too old, or she is not here any more."""
    if purpose not in MAILED:
        return None
    try:
        token = link.read(house.keys(organisation).links, purpose, text)
    except link.BadToken:
        return None
    made = date(1970, 1, 1) + timedelta(days=min(token.edition >> 32, 100_000))
    if not timedelta(0) <= now.astimezone(UTC).date() - made <= timedelta(days=MAILED_DAYS):
        return None
    subscriber = audience_queries.subscriber_numbered(organisation, token.number)
    return (subscriber, token.edition & 0xFFFFFFFF) if subscriber is not None else None


def _done(said: Said, now: datetime) -> None:
    """Erases her, writes to her new mailbox from now on, or asks her for money as well."""
    purpose, text = str(said.words.get("purpose", "")), str(said.words.get("token", ""))
    if purpose == appeals.PURPOSE:
        appeals.proven(said, now)
        return
    found = read_mailed(said.organisation, purpose, text, now)
    if found is None:
        return
    subscriber, mark = found
    if purpose == "erase":
        with transaction.atomic():
            audience.erase(said.organisation, subscriber=subscriber, now=now)
        gate.set_token_state(text, "erased")
    elif purpose == "move" and preferring.move(subscriber, mark, now=now):
        gate.set_token_state(text, "moved")


DEEDS: dict[str, Callable[[Said, datetime], None]] = {"show": _show, "prefer": _prefer, "proven": _done}
KINDS = tuple(DEEDS)
type Take = Callable[[list[Said], datetime], int]


def _confirm_or_choose(said: list[Said], now: datetime) -> int:
    confirmed = [one for one in said if one.kind in intake.KINDS]
    return intake.take_up(confirmed, now) + take_up([one for one in said if one.kind in KINDS], now)


# In the order in which they are taken up; leaving before everything else.
LANES: tuple[tuple[tuple[str, ...], Take], ...] = (
    (LEAVING, intake.take_up),
    (("confirm", "prefer", "proven"), _confirm_or_choose),
    (("show",), take_up),
)
