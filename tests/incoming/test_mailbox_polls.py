"""When mailboxes are read, without any mail server."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from samizdat.campaigns.models import Campaign
from samizdat.incoming.mailboxes import actions
from samizdat.incoming.models import PolledMailbox
from samizdat.worker.mail import mailbox_polls
from tests.delivery.conftest import House, until
from tests.incoming.conftest import now

URL = "pop3s://news%40lantern.example:secret@pop.lantern.example"


class Polls(mailbox_polls.MailboxPolls):
    """With a clock of the test, and sessions that last a moment or until their mailbox is changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wait: float) -> None:
        super().__init__()
        self.clock, self.wait, self.stays, self.read = 1000.0, wait, False, list[int]()
        monkeypatch.setattr(mailbox_polls, "time", SimpleNamespace(monotonic=lambda: self.clock))
        monkeypatch.setattr(mailbox_polls, "read", self._read)

    def _read(self, number: int, _keeps_open: bool, _rests: object, is_changed: Callable[[], bool]) -> float:
        self.read.append(number)
        if self.stays:
            until(is_changed)
        return self.wait

    def look_and_wait(self) -> int:
        """How many sessions there were by then."""
        self.look()
        until(lambda: not self._running)
        return len(self.read)


@pytest.fixture
def row(house: House) -> PolledMailbox:
    return actions.add(house.organization, "news", URL, now=now())


@pytest.mark.parametrize(("state", "seconds", "count"), [("sending", 31, 2), ("sending", 29, 1), ("paused", 31, 1)])
def test_a_mailbox_that_tells_of_no_news_is_read_twice_a_minute_while_a_campaign_is_sent(
    house: House, row: PolledMailbox, monkeypatch: pytest.MonkeyPatch, state: str, seconds: float, count: int
) -> None:
    house.draft()
    Campaign.objects.update(state=state)
    polls = Polls(monkeypatch, mailbox_polls.AGAIN)
    assert polls.look_and_wait() == 1
    polls.clock += seconds
    assert polls.look_and_wait() == count


def test_a_fault_is_waited_out_also_while_a_campaign_is_sent(
    house: House, row: PolledMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some providers lock an account after a few wrong passwords."""
    house.draft()
    Campaign.objects.update(state="sending")
    polls = Polls(monkeypatch, mailbox_polls.REJECTED)
    assert polls.look_and_wait() == 1
    polls.clock += 60
    assert polls.look_and_wait() == 1


def test_a_mailbox_that_was_changed_is_tried_at_once(row: PolledMailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch, mailbox_polls.LAST)
    assert [polls.look_and_wait(), polls.look_and_wait()] == [1, 1]
    actions.edit(row, now=now(), password="the right one")
    assert [polls.look_and_wait(), polls.look_and_wait()] == [2, 2]


def test_a_session_that_waits_for_news_ends_when_its_mailbox_is_changed(
    row: PolledMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch, 0.0)
    polls.stays = True
    polls.look()
    until(lambda: polls.read)
    actions.edit(row, now=now(), url=URL.replace("pop3s", "imaps"), move_to="Read")
    assert polls.look_and_wait() == 1
    polls.stays = False
    assert polls.look_and_wait() == 2
