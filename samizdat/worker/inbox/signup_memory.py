"""What slows down mails to new readers that fail. A worker that is begun anew tries all of them at once."""

import contextlib
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.actions import signup_alarm
from samizdat.options import confirmations_an_hour
from samizdat.worker.inbox.inbox import MOST

# Seconds between two tries of one mail.
WAITS = (5, 30, 120, 600)
# Tries of a mail that is stuck: half a minute.
STUCK = 3
# Of so many mails of an organization it is remembered how long they took; nobody waits longer than so many seconds.
TIMED, LONGEST = 20, 5.0


@dataclass(slots=True)
class SignupMemory:
    """What this process remembers of mails: tries by box, boxes that were counted, times by organization, and whether
    each was about somebody's data; how long the last ones of an organization took; what holds up a box (organization,
    why), and what was told of that last."""

    tries: dict[int, tuple[int, float]] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)
    sent: dict[int, deque[tuple[float, bool]]] = field(default_factory=dict)
    took: dict[int, deque[float]] = field(default_factory=dict)
    held: dict[int, tuple[int, str]] = field(default_factory=dict)
    counts: Mapping[tuple[int, str], int] | None = None

    def due(self, row: int) -> bool:
        return time.monotonic() >= self.tries.get(row, (0, 0.0))[1]

    def put_off(self, row: int) -> None:
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

    @contextlib.contextmanager
    def timed(self, organization: int) -> Iterator[None]:
        """Around a mail that is sent."""
        began = time.monotonic()
        yield
        self.took.setdefault(organization, deque(maxlen=TIMED)).append(time.monotonic() - began)

    def take_as_long(self, organization: int) -> None:
        """In place of a mail that is not sent: as long as one of the last. The mails of a lane follow each other, and
        whoever has two of them sent sees how long it took what they asked for in between."""
        if took := list(self.took.get(organization, ())):
            time.sleep(min(secrets.choice(took), LONGEST))

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
