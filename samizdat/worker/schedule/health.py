"""Looks at the whole installation once an hour, as `samizdat doctor` does, and when an admin asks for it on the page
Health. In a thread: name servers, the public pages and backup places are asked."""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connections

from samizdat import dbclock
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.health import reports
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

HOURLY = timedelta(hours=1)
# Seconds between two questions whether it is time, and before the first look: a start has enough to do, and what it
# starts is found missing meanwhile.
EVERY, CALM = 60.0, 600.0

_thread: threading.Thread | None = None
_began = time.monotonic()
_last = float("-inf")


def look(_now: datetime) -> None:
    """In each slow round."""
    global _thread, _last
    if (_thread is not None and _thread.is_alive()) or time.monotonic() < max(_began + CALM, _last + EVERY):
        return
    _last = time.monotonic()
    if reports.due(dbclock.now(), HOURLY):
        _thread = threading.Thread(target=_run, name="health", daemon=True)
        _thread.start()


def _run() -> None:
    try:
        reports.look(dbclock.now())
    except Exception as error:
        log.error("The installation could not be looked at: %s", where_it_broke(error))
    finally:
        connections.close_all()


def answer(_question: RemoteCheck, _words: Mapping[str, object], now: datetime) -> dict[str, object]:
    """For an admin who asked. The page shows the report."""
    reports.look(now)
    return {}


remote_checks.register(lambda: {"health": answer})
