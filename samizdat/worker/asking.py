"""Mails to one reader about herself: a link to her data, one that erases her, and one that proves a new mailbox.

Its loop is that of the sign-ups, and so is what keeps a flood away: one such mail a subscriber and kind in a day.
"""

import json
import logging
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat import plugs
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import preferring
from samizdat.audience.actions.mailed import once_a_day
from samizdat.audience.errors import AudienceError
from samizdat.core import address
from samizdat.core.outcome import Accepted, Refused, Unsure
from samizdat.gate import actions as gate
from samizdat.logs import where_it_broke
from samizdat.rights.access import access_file
from samizdat.worker import signups
from samizdat.worker.choosing import mailed_token
from samizdat.worker.intake import Leaving, Said, all_proven, opened

log = logging.getLogger("samizdat.worker")

# Hours that a copy of her data lies in the gate, sealed with the token of the mail.
DATA_HOURS = 7 * 24
_PATHS = {"data": "d", "erase": "e", "move": "n"}


def take(now: datetime) -> int:
    """Takes up what waits and is due; returns how many are done with."""
    done = 0
    for one in opened(now, ("ask", "move"), skip=lambda row: not signups.memory.due(row)):
        try:
            finished = _take(one, now)
        except AudienceError:
            finished = True
        except Exception as error:
            log.error("A mail to a reader could not be made and is tried again: %s", where_it_broke(error))
            finished = now - one.at > signups.GIVE_UP
        if finished:
            gate.done_with([one.row])
            signups.memory.tries.pop(one.row, None)
            done += 1
        else:
            signups.memory.put_off(one.row)
    return done


def _take(said: Said, now: datetime) -> bool:
    """True when the box may go."""
    proven = next(iter(all_proven([said])), None)
    what = "move" if said.kind == "move" else str(said.words.get("what", ""))
    if proven is None or not proven.lists or what not in _PATHS:
        return True
    subscriber = proven.subscriber
    if not once_a_day(said.organisation, f"{what} {subscriber.number}", said.row, now):
        return True
    if not signups.memory.may_send(said.organisation.id):
        return False
    return _mail(said, proven, what, now)


def _mail(said: Said, proven: Leaving, what: str, now: datetime) -> bool:
    organisation, subscriber = said.organisation, proven.subscriber
    sender = signups.sender_of(proven.lists[0])
    if sender is None:
        return now - said.at > signups.GIVE_UP
    own, mark = audience_queries.address_of(subscriber), 0
    to = own
    if what == "move":
        try:
            to = preferring.ask_to_move(subscriber, str(said.words.get("address", "")))
        except address.BadAddress:
            return True
        if audience_queries.suppression_of(organisation, to) in ("manual", "objected"):
            return True  # Its owner or the organisation decided that; a form does not undo it.
        mark = preferring.mark_of(organisation, to)
    token = mailed_token(organisation, what, subscriber.number, now, mark)
    if what == "data":
        text = json.dumps(access_file(subscriber, now=now), ensure_ascii=False, indent=1)
        gate.lay_out(bytes(organisation.uid), token, text, hours=DATA_HOURS, now=now, nonce=os.urandom(12))
    language = subscriber.language if subscriber.language in ("en", "ru") else organisation.language
    with override(language):
        subject, lines = _words(what, organisation.name, f"{organisation.public_url}/{_PATHS[what]}/{token}")
        if not _carried(organisation, sender, to, subject, lines, now):
            return now - said.at > signups.GIVE_UP
        gate.set_token_state(token, "asked")
        if what == "move" and address.comparable(to) != address.comparable(own):
            _carried(organisation, sender, own, *_told(organisation.name), now)
    return True


def _words(what: str, name: str, url: str) -> tuple[str, Iterable[str]]:
    """(subject, paragraphs) in the language that is active."""
    subject, why, press, otherwise = {
        "data": (
            _("What %(name)s knows about you"),
            _("Somebody asked for a copy of everything that we have about this mailbox."),
            _("If it was you, open this page within a week and press the button:"),
            _("If not, do nothing. Nobody else can open it."),
        ),
        "erase": (
            _("Shall %(name)s erase you?"),
            _("Somebody asked that everything about this mailbox be erased."),
            _("If it was you, open this page within a week and press the button:"),
            _("If not, do nothing: all stays as it is."),
        ),
        "move": (
            _("Is this mailbox yours? %(name)s"),
            _("Somebody asked that letters to another mailbox should come to this one instead."),
            _("If it was you, open this page within a week and press the button:"),
            _("If not, do nothing: nothing comes."),
        ),
    }[what]
    return subject % {"name": name}, (why, press, url, otherwise)


def _told(name: str) -> tuple[str, Iterable[str]]:
    """For the old mailbox. The new address is not named: somebody else may read this one."""
    return _("Your letters from %(name)s") % {"name": name}, (
        _("Somebody who has one of our letters to you asked that they go to another mailbox."),
        _("If it was you, confirm it there. If not, answer this mail: we will see to it."),
    )


def _carried(
    organisation: Any, sender: tuple[str, str], to: str, subject: str, lines: Iterable[str], now: datetime
) -> bool:
    """Whether it may be forgotten: taken, or refused for good."""
    content = signups.plain_mail(sender, to, subject, "\n\n".join(lines) + "\n", now)
    message = plugs.Message(1, 0, organisation.return_address, to, content, utf8=not to.isascii())
    outcome = signups.carry(organisation, message, sender[1], now)
    if isinstance(outcome, Accepted | Unsure):
        signups.memory.wrote(organisation.id)
    return isinstance(outcome, Accepted | Unsure | Refused)
