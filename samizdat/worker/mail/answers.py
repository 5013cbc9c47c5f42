"""Answers to replies, and away texts: sent by the organization's routes, each once. A kill between the server's yes and
our record has it go again with the same Message-ID."""

import time
from datetime import datetime

from samizdat.core.mail.outcome import Accepted, Deferred, Outcome
from samizdat.incoming.conversations import outgoing
from samizdat.incoming.conversations.outgoing import DueAnswer
from samizdat.incoming.models import ConversationMessage
from samizdat.worker.mail import service_mail
from samizdat.worker.mail.service_mail import MailThread

STATES = ("live", "throttled")
# Seconds until what no route took is tried again.
WAIT = 60.0
# Mails of one look.
MANY = 50
_later: dict[int, float] = {}


def waiting(now: datetime) -> set[int]:
    """Organizations of which an answer is to go now."""
    return {number for number in outgoing.waiting() if time.monotonic() >= _later.get(number, 0.0)}


def take(now: datetime, organization: int) -> int:
    """How many went out."""
    mailed = 0
    for answer in outgoing.due(organization, now, MANY):
        match _mail(answer, now):
            case Accepted():
                outgoing.sent(answer, now)
                mailed += 1
            case Deferred():
                _later[organization] = time.monotonic() + WAIT
            case _:
                outgoing.refuse(answer.message, answer.words, "refused")
    return mailed


def _mail(answer: DueAnswer, now: datetime) -> Outcome:
    organization, words = answer.conversation.organization, answer.words
    by_person = words.kind == ConversationMessage.ANSWER
    thread = MailThread(words.references, answer.reply_to, by_person)
    local = not service_mail.leads_out(organization)
    return service_mail.send(
        organization,
        answer.sender,
        answer.to,
        answer.subject,
        words.text + "\n",
        now,
        STATES,
        local,
        words.mark,
        thread=thread,
    )
