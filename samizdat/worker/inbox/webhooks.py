"""Takes up what sending providers delivered by webhook."""

import base64
import binascii
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.core.webhook_delivery import KIND
from samizdat.incoming import webhooks
from samizdat.incoming.webhooks import TakenDelivery
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up, in_batches
from samizdat.worker.reading_time import reading_time

log = logging.getLogger("samizdat.worker")

# Seconds of each second in which deliveries are taken up, and the same while a campaign is being sent.
TAKING, TAKING_BESIDE_A_SEND = 1.0, 0.2
# Bytes that are read and followed up before anybody looks at the time: some hundred events.
PORTION = 128 << 10
# How long one waits for the certificate of its signature, or for a clock that is set right.
GIVE_UP = timedelta(days=1)


def take(now: datetime) -> int:
    """How many deliveries are done with."""
    has_room = reading_time(TAKING, TAKING_BESIDE_A_SEND)
    return in_batches(now, (KIND,), lambda some, now: _take_portions(some, now, has_room), has_room=has_room)


def _take_portions(envelopes: list[OpenedEnvelope], now: datetime, has_room: Callable[[], bool]) -> int:
    """What is left when the time is over is put off."""
    done = 0
    for portion in _portions(envelopes):
        done += _take_up(portion, now)
        if not has_room():
            break
    return done


def _portions(envelopes: Sequence[OpenedEnvelope]) -> Iterator[list[OpenedEnvelope]]:
    portion, size = list[OpenedEnvelope](), 0
    for envelope in envelopes:
        if portion and size + len(envelope.words.body) > PORTION:
            yield portion
            portion, size = [], 0
        portion.append(envelope)
        size += len(envelope.words.body)
    if portion:
        yield portion


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Killed behind what follows, the deliveries are still there, and their events count no second time."""
    deliveries: dict[Organization, list[TakenDelivery]] = defaultdict(list)
    done = set[int]()
    for envelope in envelopes:
        delivery = _delivery(envelope)
        if delivery is None:
            done.add(envelope.row)
        else:
            deliveries[envelope.organization].append(delivery)
    for organization, some in deliveries.items():
        try:
            done |= webhooks.take_up(organization, some, now)
        except (limited_process.TooMuch, limited_process.HelperBroke) as error:
            log.warning("What a provider delivered can't be read at the moment and waits: %s", type(error).__name__)
    late = {envelope.row for envelope in envelopes if envelope.row not in done and given_up(envelope, now, GIVE_UP)}
    for organization, some in deliveries.items():
        webhooks.give_up(organization, [delivery for delivery in some if delivery.row in late], now)
    publicdb.done_with(done | late)
    return len(done | late)


def _delivery(envelope: OpenedEnvelope) -> TakenDelivery | None:
    words = envelope.words
    try:
        body = base64.b64decode(words.body, validate=True)
    except (binascii.Error, ValueError):
        return None
    return TakenDelivery(envelope.row, words.token, words.host, words.query, words.headers, body, envelope.at)
