"""What a server is answered, and for how long the key is in memory: as long as the state gives it."""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from samizdat.core.crypto.key_service import KeyAnswer, KeyRequest, KnownClient, ServiceState, may_ask
from samizdat.core.crypto.passphrase import base32
from samizdat.keyservice.store import Clock, ServiceStore, StoreError, stop

log = logging.getLogger("samizdat.keyservice")

# Lines of the log that starts and new addresses of servers write in an hour: a server that was taken fills no disk.
MOST_LINES = 30
_HOUR, _NOTED = timedelta(hours=1), timedelta(minutes=10)


@dataclass(slots=True)
class LastRequest:
    """When and from where a server last asked, since this program was started."""

    at: datetime
    address: str
    start: str


class KeyService:
    """key: the instance key; None where it was stopped when this program started."""

    def __init__(self, store: ServiceStore, key: bytearray | None, now: Clock) -> None:
        self.store, self._key, self._now = store, key, now
        self.asked: dict[str, LastRequest] = {}
        self._lines: deque[datetime] = deque(maxlen=MOST_LINES)
        self._lock = threading.Lock()

    # -- the state --

    def state(self) -> ServiceState:
        """As it is now; the key is forgotten as soon as none is given. Errors: StoreError; then as well."""
        try:
            state = self.store.state()
        except StoreError:
            self.forget()
            raise
        if state.why_not(self._now()):
            self.forget()
        return state

    @property
    def has_key(self) -> bool:
        return self._key is not None

    def forget(self) -> None:
        with self._lock:
            if self._key is not None:
                self._key[:] = bytes(len(self._key))
                self._key = None
                log.warning("No key is given any more, and it is out of memory. To go on, start the program again.")

    def look(self) -> None:
        """Once in a while: whether somebody still confirms, and what the clock says. Errors: StoreError."""
        now, state = self._now(), self.state()
        if not state.why and state.is_overdue(now):
            stop(self.store, now, f"nobody confirmed for {state.days} days", "not_confirmed")
        elif now - state.seen > _NOTED:
            self.store.note_time(now)

    # -- answers --

    def known(self, certificate: str) -> tuple[KnownClient | None, KnownClient | None]:
        """(the server, the person) with this certificate."""
        state = self.state()
        return _find(state.servers, certificate), _find(state.people, certificate)

    def answer(self, path: str, certificate: str, address: str, question: KeyRequest) -> KeyAnswer:
        """Errors: StoreError."""
        state = self.state()
        server = _find(state.servers, certificate)
        if server is None or not may_ask(server, address) or question.installation != state.installation:
            return KeyAnswer(False, "removed")
        if path == "/epochs":
            return KeyAnswer(True, names=self.store.epochs())
        if path == "/epoch":
            return self._epoch(question)
        if not state.why_not(self._now()):
            self._note(server, address, question.start)
            state = self.state()  # A stop that was written meanwhile counts.
        if why := state.why_not(self._now()):
            return KeyAnswer(False, why, stops=state.stops)
        with self._lock:
            if self._key is None:
                return KeyAnswer(False, "no_key", stops=state.stops)
            key = base32(bytes(self._key)) if question.key else ""
            return KeyAnswer(True, seconds=state.seconds, key=key, stops=state.stops)

    def _epoch(self, question: KeyRequest) -> KeyAnswer:
        if question.record:
            return KeyAnswer(self.store.write_epoch(question.name, question.record))
        record = self.store.read_epoch(question.name)
        return KeyAnswer(record is not None, record=record or "")

    def _note(self, server: KnownClient, address: str, start: str) -> None:
        """Each start of a server, and each change of its address, stands in the log."""
        now = self._now()
        with self._lock:
            before = self.asked.get(server.name)
            self.asked[server.name] = LastRequest(now, address, start)
            if before and (before.start, before.address) == (start, address):
                return
            while self._lines and now - self._lines[0] > _HOUR:
                self._lines.popleft()
            full = len(self._lines) == MOST_LINES
            if not full:
                self._lines.append(now)
        if full:
            log.warning("%s asks as if started again and again, from %s; not entered in the log.", server.name, address)
            return
        with self.store.changing(now, "asked", f"{server.name} from {address}, start {start[:8]}"):
            pass


def _find(known: list[KnownClient], certificate: str) -> KnownClient | None:
    return next((each for each in known if each.certificate == certificate), None)
