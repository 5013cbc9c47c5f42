"""Asks the backup places which copy of the installation may send, in a thread: one that doesn't answer keeps no step
waiting."""

import logging
import threading
import time
from datetime import datetime

from django.db import connections

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.delivery import epochs
from samizdat.delivery.actions import copied_installation
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

# Seconds between two looks: while a campaign is being sent, and else.
WHILE_SENDING, AT_REST = 10.0, 60.0

_look: threading.Thread | None = None
_last = float("-inf")


def look(_now: datetime) -> None:
    """In each slow round."""
    global _look, _last
    if _look is not None and _look.is_alive():
        return
    every = WHILE_SENDING if Campaign.objects.filter(state="sending").exists() else AT_REST
    if time.monotonic() < _last + every:
        return
    _last = time.monotonic()
    _look = threading.Thread(target=_ask, name="epochs", daemon=True)
    _look.start()


def _ask() -> None:
    try:
        copied_installation.ask_places(dbclock.now(), epochs.AT_EASE)
    except Exception as error:
        log.error("Which copy may send could not be asked: %s", where_it_broke(error))
    finally:
        connections.close_all()
