"""Mailboxes that are polled: each in a thread of its own for the time of a session, so that a slow one keeps none
waiting but itself."""

import logging
import threading
import time
from collections.abc import Callable

from django.db import connections
from django.db.models import QuerySet

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto.seal import SealError
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import open_state
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import PolledMailbox
from samizdat.logs import where_it_broke
from samizdat.vault.errors import OrganizationLocked, RecordBroken
from samizdat.vault.locks import unlocked
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Sessions at a time. While there are more mailboxes, none is kept open to hear of news.
MOST = 20
# Seconds from one look to the next where the server doesn't tell of news, and for which news are waited for.
AGAIN, NEWS = 300.0, 300.0
# The same while the organization sends a campaign: who leaves by mail has left within a minute, with the ten seconds
# until we look, and the ten until what came in is read.
SENDING = 30.0
# Seconds until a mailbox is tried again: after the first failure, and at most. Some providers lock an account after a
# few wrong passwords. Where nobody was rejected it is never longer than from one look to the next: once a server or a
# name server is back after an hour, who left by mail meanwhile waits no further hour.
FIRST, REJECTED, LAST = 60.0, 900.0, 3600.0
REJECTIONS = ("password", "token", "token_expired", "oauth_client")
# Seconds after which a session ends, also in the middle of a full mailbox: below connection.SESSION with one more wait.
KEPT_OPEN = 1200.0
# Seconds in which a server may open a mailbox. By POP3 some read every message first, to know how long it is: Dovecot
# on a busy machine took more than a minute for 200,000 in a maildir, and began anew each time that we hung up.
OPENING = 600.0


def pause(code: str, failures: int) -> float:
    """Seconds until a mailbox is tried again that failed so often in a row."""
    first, most = (REJECTED, LAST) if code in REJECTIONS else (FIRST, AGAIN)
    return min(first * 2.0 ** min(failures - 1, 10), most)


def _is_hurried(row: PolledMailbox) -> bool:
    """Whether somebody waits at the desk for a test message."""
    try:
        state = open_state(row)
    except (SealError, RecordBroken):
        return False
    return state.awaits(dbclock.now()) and not state.fault


def _sending() -> QuerySet[Campaign, int]:
    """Organizations with a campaign on its way."""
    return Campaign.objects.filter(state="sending").values_list("organization", flat=True)


class MailboxPolls:
    """The sessions of this process. Two processes may read one mailbox at once: see polling._take."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._running: set[int] = set()
        self._due: dict[int, float] = {}
        self._due_while_sending: dict[int, float] = {}
        self._settings: dict[int, bytes] = {}  # Sealed, as a session last began with them.
        self._changed: set[int] = set()  # Since then.
        self._lock = threading.Lock()

    def look(self) -> None:
        """Begins sessions with mailboxes that are due, as far as there is room; who waited longest comes first."""
        rows = PolledMailbox.objects.select_related("organization").filter(organization__sending_locked=False)
        rows = rows.filter(unlocked("organization__"))
        sealed, hurried = dict[int, bytes](), set[int]()
        for row in rows.iterator(chunk_size=100):
            sealed[row.pk] = bytes(row.settings_sealed)
            hurried |= {row.pk} if _is_hurried(row) else set()
        keeps_open = len(sealed) <= self._most
        sending = {*rows.filter(organization__in=_sending()).values_list("pk", flat=True)}
        with self._lock:
            self._changed = {number for number, now in sealed.items() if self._settings.get(number, now) != now}
            hurried |= self._changed
            self._due = {number: 0.0 if number in hurried else self._when(number, sending) for number in sealed}
            for number in sorted(sealed, key=self._due.__getitem__):
                is_due = number not in self._running and self._due[number] <= time.monotonic()
                if is_due and len(self._running) < self._most:
                    self._running.add(number)
                    self._settings[number] = sealed[number]
                    self._changed.discard(number)
                    name = f"mailbox {number}"
                    threading.Thread(target=self._run, args=(number, keeps_open), name=name, daemon=True).start()

    def _when(self, number: int, sending: set[int]) -> float:
        due = self._due.get(number, 0.0)
        return min(due, self._due_while_sending.get(number, due)) if number in sending else due

    def _run(self, number: int, keeps_open: bool) -> None:
        wait = LAST
        try:
            wait = read(number, keeps_open, connections.close_all, lambda: number in self._changed)
        except (polling.MailboxRemoved, polling.MailboxPaused, OrganizationLocked):
            pass  # Once it is resumed, it is one whose settings changed.
        except Exception as error:
            log.error("A mailbox could not be read and is tried again: %s", where_it_broke(error))
        finally:
            connections.close_all()
            with self._lock:
                self._running.discard(number)
                self._due[number] = time.monotonic() + wait
                # After a fault it waits as long as ever.
                self._due_while_sending[number] = time.monotonic() + (SENDING if wait == AGAIN else wait)


def read(
    number: int,
    keeps_open: bool,
    rests: Callable[[], object] = lambda: None,
    is_changed: Callable[[], bool] = lambda: False,
) -> float:
    """A session with a mailbox; seconds until the next. rests: called before news are waited for. is_changed: whether
    its settings are others now, with which the next session begins at once."""
    settings = polling.settings_of(number)
    try:
        return _read(number, settings, keeps_open, rests, lambda: stopping.is_set() or is_changed())
    except MailboxFault as fault:
        if fault.code == "token_expired" and polling.settings_of(number) != settings:
            return 0.0  # Another process was given a newer one.
        state = polling.note(number, dbclock.now(), fault.code)
        log.warning("Mailbox %d can't be read (%s) and is tried again.", number, fault.code)
        return pause(fault.code, state.failures)


def _read(
    number: int,
    settings: MailboxSettings,
    keeps_open: bool,
    rests: Callable[[], object],
    stops: Callable[[], bool],
) -> float:
    until = time.monotonic() + KEPT_OPEN

    def ends() -> bool:
        return stops() or time.monotonic() > until

    with polling.session(settings, opening=OPENING) as source:
        polling.keep_renewed(number, settings)
        while not ends():
            polling.take_in(number, source, dbclock.now, ends)
            polling.note(number, dbclock.now())
            rests()
            if ends():
                break  # The next session goes on with what still waits.
            if not keeps_open or not source.wait(NEWS, stops):
                return AGAIN
    return 0.0


polls = MailboxPolls()
