"""The mails that ask one reader: when each leaves, and what slows down those that fail. A worker that is begun anew
tries all of them at once."""

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.actions import signup_alarm
from samizdat.core.mail.outcome import Deferred, Outcome
from samizdat.options import confirmations_an_hour
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import MOST, OpenedEnvelope, given_up
from samizdat.worker.mail import service_mail
from samizdat.worker.mail.departures import Departures

# Seconds between two tries of one mail.
WAITS = (5, 30, 120, 600)
# Tries of a mail that is stuck: half a minute.
STUCK = 3
# Each mail of an organization leaves at a time that was set before, also one that is left out for who somebody is: so
# many seconds after that of the one before (36,000 an hour), and so many after its look began. What is done for the
# others, and how long a server takes for them, shifts none: whoever has two mails sent to mailboxes of their own sees
# nothing by the time between them of whom they signed up in between.
SLOT, LATER = 0.1, 1.0
# Seconds that are laid down ahead.
AHEAD = 3.0
# Mails under way of one organization, and of all. Those of which one has been under way for so many seconds share half
# of it. OF_ONE is more than an alarm of sign-ups takes: whoever fills it, to see the others wait, is noticed.
OF_ONE, OF_ALL, SLOW = 100, 300, 5.0


@dataclass(slots=True)
class MailUnderWay:
    """Of a box that stays until its mail was answered. leaves: of time.monotonic()."""

    envelope: OpenedEnvelope
    leaves: float
    outcome: Outcome | None = None


@dataclass(slots=True)
class SignupMemory:
    """What this process remembers of mails: tries by box, boxes that were counted, times by organization, and whether
    each was about somebody's data; what holds up a box (organization, why), and what was told of that last; when the
    look of an organization began and its last mail leaves; and what is under way, by box.

    departures: without it a mail is carried before the next is looked at.
    """

    tries: dict[int, tuple[int, float]] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)
    sent: dict[int, deque[tuple[float, bool]]] = field(default_factory=dict)
    held: dict[int, tuple[int, str]] = field(default_factory=dict)
    counts: Mapping[tuple[int, str], int] | None = None
    departures: Departures | None = None
    began: dict[int, float] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    under_way: dict[int, MailUnderWay] = field(default_factory=dict)

    def due(self, row: int) -> bool:
        return row not in self.under_way and time.monotonic() >= self.tries.get(row, (0, 0.0))[1]

    def put_off(self, row: int) -> None:
        if row in self.under_way:
            return
        tries = self.tries.get(row, (0, 0.0))[0]
        if len(self.tries) > MOST:  # Of what somebody made up: who forgets tries again.
            self.tries.clear()
        self.tries[row] = (tries + 1, time.monotonic() + WAITS[min(tries, len(WAITS) - 1)])

    def forget(self, row: int) -> None:
        self.tries.pop(row, None)
        self.counted.discard(row)

    def hold(self, row: int, organization: int, why: str) -> None:
        if len(self.held) > MOST:
            self.held.clear()
        self.held[row] = organization, why

    @property
    def stuck(self) -> int:
        """Mails that were tried several times, for half a minute or longer."""
        return sum(tries >= STUCK for tries, _until in [*self.tries.values()])

    def waiting(self) -> Mapping[tuple[int, str], int]:
        """How many are held up, by organization and why. A route may be back at the next try; a sender is not."""
        held = self.held.copy()  # Other lanes go on meanwhile.
        tried = {row: self.tries.get(row, (0, 0.0))[0] for row in held}
        return Counter(of for row, of in held.items() if of[1] == "sender" or tried[row] >= STUCK)

    def may_send(self, organization: int, row: int) -> bool:
        """Also once more, where the mail of this box was counted."""
        times = self.sent.setdefault(organization, deque())
        while times and time.monotonic() - times[0][0] > 3600:
            times.popleft()
        return row in self.counted or len(times) < confirmations_an_hour()

    def mailed(self, organization: int) -> int:
        """In the last hour, as far as `may_send` has looked."""
        return len(self.sent.get(organization, ()))

    def about_data(self, organization: int) -> int:
        """Of those."""
        return sum(is_about_data for _at, is_about_data in self.sent.get(organization, ()))

    def first_try(self, organization: Organization, row: int, now: datetime, *, about_data: bool = False) -> bool:
        """Counts the mail of a box, once and however it ends: too many in an hour are an alarm. One that is left out
        for who somebody is counts alike, or the alarm would tell that. False: it was counted before."""
        if row in self.counted:
            return False
        if len(self.counted) > MOST:
            self.counted.clear()
        self.counted.add(row)
        self.sent.setdefault(organization.id, deque()).append((time.monotonic(), about_data))
        mailed = self.mailed(organization.id)
        if mailed >= signup_alarm.FEW:
            signup_alarm.look(organization, mailed, self.about_data(organization.id), now)
        return True

    # -- when a mail leaves --

    def begin(self, organization: int, departures: Departures, now: datetime) -> None:
        """A look at the boxes of an organization; those whose mail was answered are done with first."""
        self.departures, self.began[organization] = departures, time.monotonic()
        for row, mail in self._of(organization).items():
            if mail.outcome is None:
                continue
            is_over = self._is_over(mail.envelope, mail.outcome, now)
            if is_over:
                publicdb.done_with([row])
                self.held.pop(row, None)
            del self.under_way[row]
            (self.forget if is_over else self.put_off)(row)

    def answered(self) -> set[int]:
        """Organizations with such mails."""
        mails = self.under_way.copy().values()
        return {mail.envelope.organization.id for mail in mails if mail.outcome is not None}

    def has_room(self, organization: int) -> bool:
        """Whether more boxes of it are to be looked at now."""
        now, mails = time.monotonic(), [*self.under_way.copy().values()]
        slow = {mail.envelope.organization.id for mail in mails if now - mail.leaves > SLOW}
        if organization in slow and sum(mail.envelope.organization.id in slow for mail in mails) >= OF_ALL // 2:
            return False
        is_ahead = self.last.get(organization, now) > now + LATER + AHEAD
        return not is_ahead and len(self._of(organization)) < OF_ONE and len(mails) < OF_ALL

    def _of(self, organization: int) -> dict[int, MailUnderWay]:
        mails = self.under_way.copy().items()
        return {row: mail for row, mail in mails if mail.envelope.organization.id == organization}

    def _leaves(self, organization: int) -> float:
        """The next slot, used by whoever asks."""
        began = self.began.get(organization, time.monotonic())
        slot = max(self.last.get(organization, 0.0) + SLOT, began + LATER)
        self.last[organization] = slot
        return slot

    def leave_out(
        self, envelope: OpenedEnvelope, sender: tuple[str, str], now: datetime, *, about_data: bool = False
    ) -> None:
        """In place of `mail`, for whom nothing is mailed for who they are: all but the mail."""
        if self.first_try(envelope.organization, envelope.row, now, about_data=about_data):
            self._leaves(envelope.organization.id)
            service_mail.count_unsent(envelope.organization, sender[1], now)

    def mail(
        self,
        envelope: OpenedEnvelope,
        sender: tuple[str, str],
        to: str,
        subject: str,
        text: str,
        now: datetime,
        *,
        about_data: bool = False,
        reply_to: str = "",
        answers: bool = False,
    ) -> bool:
        """True when the box may go: taken, or refused for good. It may not while its mail is under way."""
        organization = envelope.organization
        first = self.first_try(organization, envelope.row, now, about_data=about_data)
        # Tried again it uses no slot, or those behind it would tell that it was sent.
        leaves = self._leaves(organization.id) if first else time.monotonic() + secrets.randbelow(1000) / 1000
        thread = service_mail.MailThread(reply_to=reply_to, is_first=not answers, is_last=answers)
        mail = service_mail.ready(organization, sender, to, subject, text, now, counts=first, thread=thread)
        if self.departures is None:
            return self._is_over(envelope, asyncio.run(mail.carry()), now)
        under_way = self.under_way[envelope.row] = MailUnderWay(envelope, leaves)

        def answered(outcome: Outcome) -> None:
            under_way.outcome = outcome

        self.departures.leave(leaves, mail, answered)
        return False

    def _is_over(self, envelope: OpenedEnvelope, outcome: Outcome, now: datetime) -> bool:
        """Without such a mailbox a request is forgotten with the other unconfirmed ones."""
        if not isinstance(outcome, Deferred):
            return True
        if envelope.kind == "signup" and outcome.scope in service_mail.NOT_THE_RECIPIENT:
            self.hold(envelope.row, envelope.organization.id, "route")
        return given_up(envelope, now)
