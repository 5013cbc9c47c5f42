"""What waits for others' servers: that of an organization in a thread of its own, so that a route, a mailbox or a
provider that doesn't answer keeps no other organization and no other work waiting."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime

from django.db import connections

from samizdat import dbclock
from samizdat.delivery.actions import spare_check
from samizdat.incoming import listed_bounces
from samizdat.incoming.seeds import copies
from samizdat.logs import where_it_broke
from samizdat.portability.account_copies import actions as account_actions
from samizdat.portability.webhooks import delivering
from samizdat.vault import locks
from samizdat.vault.errors import OrganizationLocked
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Organizations at a time.
MOST = 5
# Seconds from one round of an organization to the next.
AGAIN = 20.0


class OrganizationRounds:
    """The rounds of this process. Two processes may look at once: whoever settles something first has settled it.

    name: what goes on, for the log. organizations: numbers of those that have something to do. go_on: does it for one.
    """

    def __init__(
        self,
        name: str,
        organizations: Callable[[datetime], Collection[int]],
        go_on: Callable[[int, datetime], object],
        again: float = AGAIN,
    ) -> None:
        self._name, self._organizations, self._go_on, self._again = name, organizations, go_on, again
        self._running: set[int] = set()
        self._due: dict[int, float] = {}
        self._lock = threading.Lock()

    def look(self, now: datetime) -> None:
        """Begins rounds for those that have waited longest."""
        open_ones = {*self._organizations(now)} - {*locks.numbers()}
        with self._lock:
            self._due = {number: self._due.get(number, 0.0) for number in open_ones} | {
                number: self._due[number] for number in self._running
            }
            for number in sorted(self._due, key=self._due.__getitem__):
                is_due = number not in self._running and self._due[number] <= time.monotonic()
                if is_due and len(self._running) < MOST:
                    self._running.add(number)
                    threading.Thread(
                        target=self._run, args=(number,), name=f"{self._name} {number}", daemon=True
                    ).start()

    def _run(self, number: int) -> None:
        try:
            self._go_on(number, dbclock.now())
        except OrganizationLocked:
            pass  # Meanwhile. It goes on once it is unlocked.
        except Exception as error:
            log.error("Work with others’ servers (%s) waits for another try: %s", self._name, where_it_broke(error))
        finally:
            connections.close_all()
            with self._lock:
                self._running.discard(number)
                self._due[number] = time.monotonic() + self._again


def _copy_accounts(number: int, now: datetime) -> None:
    account_actions.copy_due(number, now=dbclock.now, stop=stopping.is_set)


def _look_at_accounts(number: int, now: datetime) -> None:
    account_actions.look_at_all(number, now=dbclock.now)


def _with_copies(_now: datetime) -> set[int]:
    return account_actions.organizations()


def _with_webhooks(_now: datetime) -> set[int]:
    return delivering.organizations()


def _deliver_webhooks(number: int, now: datetime) -> None:
    delivering.deliver_due(number, now=dbclock.now, stop=stopping.is_set)


seeds = OrganizationRounds("seeds", copies.organizations, copies.go_on)
bounces = OrganizationRounds("listed bounces", listed_bounces.organizations, listed_bounces.fetch_due, 60.0)
spares = OrganizationRounds("spare domains", spare_check.organizations, spare_check.look, 86_400.0)
account_copies = OrganizationRounds("standing copies", _with_copies, _copy_accounts)
# A closed account is an alarm within a minute.
account_looks = OrganizationRounds("accounts elsewhere", _with_copies, _look_at_accounts)
# Whoever pressed a button waits for its test.
event_webhooks = OrganizationRounds("webhooks", _with_webhooks, _deliver_webhooks, 5.0)
