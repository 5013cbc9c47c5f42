"""Mails to one reader about themselves: links to their data, to their erasing, and for moving one to each of both
mailboxes.

A link of a letter may be in other hands, since letters are forwarded. So all of these go to the mailbox that gets their
letters; only when that one has allowed it the new one is asked.

Its loop is that of the sign-ups, and so is what keeps a flood away: one such mail a subscriber and kind in a day.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import preferences
from samizdat.audience.actions.mail_quota import few_a_day, few_in_all, may_come_back, once_a_day
from samizdat.audience.models import Subscriber
from samizdat.core.content.phrases import PhraseTable, language_for
from samizdat.core.mail import address
from samizdat.delivery import service_senders
from samizdat.privacy.subject_access import access_file
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox import fundraising_consent, signups
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up
from samizdat.worker.inbox.preferences import MAILED_DAYS, lay_out_data, mailed_token, mailed_tokens, read_mailed
from samizdat.worker.inbox.unsubscribes import all_proven

log = logging.getLogger("samizdat.worker")

KINDS = ("ask", "move", "allowed")
# Hours that a copy of their data lies in the public database, sealed with the token of the mail.
DATA_HOURS = 7 * 24
# Characters of a domain in a mail to whoever may have asked for another address.
LONGEST_HINT = 24
# Mails of a day, of an organization, about the data of people who get nothing from it any more; others wait a day.
SAID_NO_A_DAY = 100
_PATHS = {"data": "d", "erase": "e", "move": "n", "allow": "o"}


def take(now: datetime, organization: Organization | None = None) -> int:
    """Takes up what waits and is due, of all organizations or of one; returns how many are done with."""
    broke = "A mail to a reader could not be made and is tried again: %s"
    return signups.in_turn(now, KINDS, signups.one_by_one(_take, broke), organization)


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """One mail about one reader. mark: of the mailbox they want, where it is about moving; wish: itself, where it is
    asked for."""

    subscriber: Any
    list: Any
    what: str
    to: str
    mark: int = 0
    wish: str = ""


def _take(envelope: OpenedEnvelope, now: datetime) -> bool:
    """True when the box may go."""
    if envelope.words.what == fundraising_consent.PURPOSE:
        proven = next(iter(all_proven([envelope])), None)
        return proven is None or fundraising_consent.tick(
            envelope, proven.subscriber, proven.lists, signups.memory, now
        )
    wanted = _allowed(envelope, now) if envelope.kind == "allowed" else _asked(envelope, now)
    if wanted is None:
        return True
    # Both mailboxes are asked for one wish, and a newer wish is another mail to another mailbox.
    about = f" {wanted.mark}" if wanted.what == "move" else ""
    if not once_a_day(envelope.organization, f"{wanted.what} {wanted.subscriber.number}{about}", envelope.row, now):
        return True
    # Whoever moves to ada+1@, ada+2@ and so on has somebody else mailed by us.
    if wanted.what == "move" and not few_a_day(envelope.organization, "move", wanted.to, envelope.row, now):
        return True
    # Links of everyone can be made by the public process, and who said no is mailed by nobody else.
    if _said_no(wanted) and not few_in_all(envelope.organization, "said no", SAID_NO_A_DAY, envelope.row, now):
        return given_up(envelope, now)
    if wanted.wish:
        # What the mail speaks of is what they want, so it is written only where a mail goes.
        preferences.ask_to_move(wanted.subscriber, wanted.wish)
    if not signups.memory.may_send(envelope.organization.id, envelope.row):
        return False
    return _mail(envelope, wanted, now)


def _said_no(wanted: SubjectRequest) -> bool:
    if wanted.what not in ("data", "erase"):
        return False
    is_suppressed = audience_queries.suppression_of(wanted.subscriber.organization, wanted.to) is not None
    return is_suppressed or not preferences.lists_of(wanted.subscriber)


def _asked(envelope: OpenedEnvelope, now: datetime) -> SubjectRequest | None:
    """By a link that anybody may have who was forwarded a letter: so it goes to their own mailbox, whatever it is."""
    what = "allow" if envelope.kind == "move" else envelope.words.what
    # A mail about their data or its end goes to their own mailbox, whatever key the link is of.
    today = now.astimezone(UTC).date() if what == "allow" else None
    proven = next(iter(all_proven([envelope], today=today)), None)
    if proven is None or not proven.lists or what not in ("data", "erase", "allow"):
        return None
    subscriber, mark, wish = proven.subscriber, 0, ""
    if what == "allow":
        if not preferences.lists_of(subscriber):
            return None  # They have left all of them: no letter is there to move, and the page said so.
        try:
            wish = address.normalize(envelope.words.address)
        except address.BadAddress:
            return None
        mark = preferences.mark_of(envelope.organization, wish)
    return SubjectRequest(subscriber, proven.lists[0], what, audience_queries.mailbox_of(subscriber), mark, wish)


def _allowed(envelope: OpenedEnvelope, now: datetime) -> SubjectRequest | None:
    """Their own mailbox has said yes; now the new one is asked whether it is theirs."""
    text = envelope.words.token
    result = read_mailed(envelope.organization, "allow", text, now)
    if result is None:
        return None
    subscriber, mark = result
    lists, to = preferences.lists_of(subscriber), preferences.wish_of(subscriber, mark)
    if not lists or not to:
        return None
    _forget(subscriber, preferences.allow(subscriber, mark), now)
    publicdb.set_token_state(text, "allowed")
    return SubjectRequest(subscriber, lists[0], "move", to, mark)


def _forget(subscriber: Subscriber, wishes: Iterable[str], now: datetime) -> None:
    """Links that were mailed about other mailboxes lead nowhere from now on, and their pages say so."""
    days = [now - timedelta(days=back) for back in range(MAILED_DAYS + 1)]
    for wish in wishes:
        for what in ("allow", "move"):
            publicdb.forget_tokens(token for day in days for token in mailed_tokens(subscriber, what, day, wish))


def _mail(envelope: OpenedEnvelope, wanted: SubjectRequest, now: datetime) -> bool:
    subscriber, what = wanted.subscriber, wanted.what
    sender = service_senders.sender_for(wanted.list)
    kept = leading(envelope.organization)
    base = kept.public_url
    if sender is None or not base:
        return given_up(envelope, now)
    token = mailed_token(subscriber, what, now, wanted.mark)
    if what == "data":
        text = json.dumps(access_file(subscriber, now=now, by_link=True), ensure_ascii=False, indent=1)
        lay_out_data(subscriber, token, text, hours=DATA_HOURS, now=now)
    words = phrases_override.words_to(subscriber.language, kept.language)
    # The page behind the link speaks as the mail does, where it can.
    tongue = language_for(words.language)
    url = f"{base}/{_PATHS[what]}/{token}" + (f"?{tongue}" if tongue != kept.language else "")
    subject, lines = _mail_of(words, what, kept.name, url, _hinted(wanted.wish))
    # Before the mail: whoever opens it at once must not find a page that is not here yet.
    publicdb.set_token_state(token, f"asked-{what}")
    if what == "move" and not _may_come_here(envelope, wanted, now):
        # Nothing but the mail is left out, and it is counted: whoever wants to move to an address does not learn by it
        # that somebody there said no.
        signups.memory.leave_out(envelope, sender, now, about_data=True)
        return True
    body = "\n\n".join(lines) + "\n"
    return signups.memory.mail(envelope, sender, wanted.to, subject, body, now, about_data=True)


def _may_come_here(envelope: OpenedEnvelope, wanted: SubjectRequest, now: datetime) -> bool:
    """Whether the mailbox that they want to move to is asked. Its owner or the organization decided what is "objected"
    or "manual"; a form does not undo it."""
    reason = audience_queries.suppression_of(envelope.organization, wanted.to)
    may = may_come_back(envelope.organization, wanted.to, reason, envelope.row, now)
    return may and reason not in ("manual", "objected")


def _mail_of(words: PhraseTable, what: str, name: str, url: str, new: str) -> tuple[str, Iterable[str]]:
    """(subject, paragraphs). new: enough of another mailbox to know one's own by; others may read the old one."""
    subject = words[f"{what}.subject"] % {"name": name}
    asked = words[f"{what}.asked"] % ({"new": new} if what == "allow" else {})
    return subject, (asked, words[f"{what}.press"], url, words[f"{what}.otherwise"])


def _hinted(address: str) -> str:
    """The first letter and the end of the domain, by which people know their own. Not all of it: whoever types it in
    would have us mail a line of theirs to each subscriber whose number they have."""
    local, _at, domain = address.rpartition("@")
    *_below, second, _last = ["", *domain.split(".")]
    shown = ".".join(domain.split(".")[-2 if len(second) > len("com") else -3 :])[-LONGEST_HINT:]
    return f"{local[:1]}…@{'' if shown == domain else '…'}{shown}"
