"""The instance key is ours for as long as a key service says so: asked again and again, in a thread of the supervisor.

Once it is stopped, or none answers for longer than the last answer counts, the key is forgotten here, and whoever has
keys of organizations ends. Public pages and listeners go on: what they have opens nothing. Where it was stopped, the
organizations are locked as by `keys lock`; where it could not be reached, all goes on by itself once it can.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from django.db import connections

from samizdat import processes
from samizdat.core.crypto import signature
from samizdat.delivery.actions import key_service, strict_keys
from samizdat.logs import where_it_broke
from samizdat.vault import keyring
from samizdat.vault.errors import KeyServiceStopped, KeyServiceUnreachable, VaultError
from samizdat.vault.models import VaultKey
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources import service_stops
from samizdat.vault.sources.key_service import (
    PATIENCE,
    STOPPED,
    KeyStanding,
    PairedService,
    ask_all,
    clock,
)
from samizdat.worker.inbox.link_keys import box_key, own_mailboxes, reader_links

log = logging.getLogger("samizdat.worker")

# Seconds between two questions, at most. Before an answer is over, whoever has keys needs so long to end.
INTERVAL, TO_END = 10.0, 12.0
# Seconds that writing it down may take, before the key is forgotten all the same.
TO_RECORD = 10.0
_MISSED = "The key service was stopped and started again meanwhile."
_WAIT = f"{_MISSED} Wait ten seconds, then try again."
_UNREACHABLE = "No key service can be reached, so nothing encrypted can be read. It goes on by itself once one can."


class RememberedKeys:
    """What public pages and listeners get of the key server. While the key is forgotten they get what they got last."""

    def __init__(self, source: InstanceSource, is_lost: Callable[[], bool]) -> None:
        self._source, self._is_lost = source, is_lost
        self._kept: dict[str, object] = {}

    def links(self) -> list[dict[str, object]]:
        return self._remembered("links", lambda: reader_links(self._source))

    def checks(self) -> bytes:
        return self._remembered("checks", lambda: signature.public_key(self._source.derive("public pages")))

    def mailboxes(self) -> list[dict[str, object]]:
        return self._remembered("mailboxes", own_mailboxes)

    def box_key(self, uid: bytes) -> tuple[int, bytes]:
        return self._remembered(f"box {uid.hex()}", lambda: box_key(self._source, uid))

    def prepare(self) -> None:
        """Before the key is forgotten: also what nobody asked for yet."""
        rows = VaultKey.objects.filter(kind="box", current=True).values_list("organization__uid", flat=True)
        for ask in (
            self.links,
            self.checks,
            self.mailboxes,
            *(lambda uid=uid: self.box_key(bytes(uid)) for uid in rows),
        ):
            try:
                ask()
            except Exception as error:
                log.error("The public pages can't be told a key: %s", where_it_broke(error))

    def _remembered[T](self, name: str, ask: Callable[[], T]) -> T:
        if not self._is_lost():
            self._kept[name] = ask()
        elif name not in self._kept:
            raise KeyServiceUnreachable(_UNREACHABLE)
        return self._kept[name]  # type: ignore[return-value]


class KeyLease:
    """lost: "" while the key is there, else why it isn't: "stopped" or "unreachable". on_change: called in this thread,
    when it was lost and when it is there again. while_watching: gives False while the instance key is being replaced:
    then nothing is written down, and whoever had keys has ended."""

    def __init__(
        self,
        source: InstanceSource,
        paired: list[PairedService],
        standing: KeyStanding,
        now: Callable[[], datetime],
        on_change: Callable[[], object],
        while_watching: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
    ) -> None:
        self._source, self._paired, self._until = source, paired, standing.until
        self._stops = standing.stops
        self._now, self._on_change, self._while_watching = now, on_change, while_watching
        self._lost, self._why = "", VaultError(_UNREACHABLE)
        self._was_locked = True
        self._length = max(1.0, standing.until - clock())
        self._ended = threading.Event()
        self.trouble = ""  # What one of them says, or doesn't say, while another one gives the key.
        self.remembered = RememberedKeys(source, lambda: bool(self._lost))

    @property
    def lost(self) -> str:
        return self._lost

    def refusal(self) -> VaultError | None:
        """Why nobody gets a key; None: they do."""
        return self._why if self._lost else None

    def catch_up(self) -> None:
        """Before anybody is given a key: a stop that was over before we asked counts like any other. Errors:
        DatabaseError, OSError."""
        if service_stops.was_missed(self._stops):
            log.warning(_MISSED)
            key_service.lock_all(self._now())
        service_stops.remember(self._stops)

    def _heard(self, stops: Mapping[str, int]) -> None:
        """What they asked for is done."""
        try:
            service_stops.remember(stops)
        except OSError as error:  # At the next start, the organizations are locked once more.
            log.error("How often the key service was stopped could not be written down: %s", where_it_broke(error))
        self._stops = {**self._stops, **stops}

    def start(self) -> None:
        threading.Thread(target=self._run, name="key service", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._pause()):
            try:
                with self._while_watching() as may_look:
                    if may_look:
                        self.look()
            except Exception as error:
                log.error("The key service could not be asked: %s", where_it_broke(error))

    @property
    def _left(self) -> float:
        """Until whoever has keys has to end, so that none has any when the answer is over."""
        return self._until - min(TO_END, self._length / 3) - clock()

    def _pause(self) -> float:
        longest = min(INTERVAL, self._length / 6)
        return longest if self._lost else min(longest, max(0.1, self._left))

    def look(self) -> None:
        """Asks once, and does what follows."""
        seconds = PATIENCE if self._lost else min(PATIENCE, max(0.5, self._left))
        try:
            standing = ask_all(self._paired, with_key=bool(self._lost), seconds=seconds)
        except VaultError as error:  # Another key than that of our database: nobody gives us ours.
            standing = KeyStanding(0.0, "", (str(error),))
        self.trouble = " ".join(standing.unreachable)
        if self._lost:
            self._look_while_lost(standing)
        elif standing.stopped:
            self._lose("stopped", KeyServiceStopped(STOPPED[standing.stopped]))
        elif service_stops.was_stopped(self._stops, standing.stops):
            self._lose("stopped", KeyServiceStopped(_WAIT))
        elif standing.until:
            self._until, self._length = standing.until, max(1.0, standing.until - clock())
            if {**self._stops, **standing.stops} != self._stops:  # Another service, or one that counts anew.
                self._heard(standing.stops)
        elif self._left <= 0:
            self._lose("unreachable", KeyServiceUnreachable(_UNREACHABLE))

    # -- losing it --

    def _lose(self, lost: str, why: VaultError) -> None:
        """Nobody gets a key from now on; those that have some end while it is written down."""
        log.warning("%s Processes that have keys end.", why)
        self.remembered.prepare()
        self._why, self._lost = why, lost
        self._on_change()
        self._was_locked = False
        recording = threading.Thread(target=self._record, args=(lost,), name="key service log", daemon=True)
        recording.start()
        recording.join(TO_RECORD)
        self._source.forget()
        keyring.use(self._source)  # Forgets what was derived and opened so far.
        processes.write_over_freed()

    def _record(self, lost: str) -> None:
        try:
            if lost == "stopped":
                key_service.lock_all(self._now())
            else:
                key_service.note(key_service.UNREACHABLE, self._now())
            self._was_locked = True
        except Exception as error:  # The database is away, too. It is made up for once the key is back.
            log.error("That the key is gone could not be written down: %s", where_it_broke(error))
        finally:
            connections.close_all()

    # -- getting it back --

    def _look_while_lost(self, standing: KeyStanding) -> None:
        if standing.stopped and self._lost != "stopped":
            log.warning("%s", STOPPED[standing.stopped])
            self._lost, self._why = "stopped", KeyServiceStopped(STOPPED[standing.stopped])
            self._was_locked = False
        elif self._lost != "stopped" and service_stops.was_stopped(self._stops, standing.stops):
            self._lost, self._why = "stopped", KeyServiceStopped(_WAIT)
            self._was_locked = False
        if not standing.keys or not standing.until or standing.stopped:
            return
        self._source.remember(standing.keys[0])
        self._source.remember_next(keyring.next_key(self._source))
        try:
            if keyring.belongs(self._source) is not True:
                raise VaultError("The key service has the key of another database.")
            if self._lost == "stopped" and not self._was_locked:
                key_service.lock_all(self._now())
            strict_keys.lock_all(self._now())
            key_service.note(key_service.BACK, self._now())
        except Exception:
            self._source.forget()
            raise
        finally:
            connections.close_all()
        log.warning("The key service gives the key again.")
        self._heard(standing.stops)
        self._until, self._length = standing.until, max(1.0, standing.until - clock())
        self._lost = ""
        self._on_change()
