"""Takes up what sending providers delivered by webhook."""

import base64
import binascii
from collections import defaultdict
from datetime import datetime, timedelta

from samizdat.accounts.models import Organization
from samizdat.core.webhook_delivery import KIND
from samizdat.incoming import webhooks
from samizdat.incoming.webhooks import TakenDelivery
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up, in_batches
from samizdat.worker.reading_time import reading_time

# Seconds of each second in which deliveries are taken up, and the same while a campaign is being sent.
TAKING, TAKING_BESIDE_A_SEND = 1.0, 0.2
# How long one waits for the certificate of its signature.
GIVE_UP = timedelta(hours=1)


def take(now: datetime) -> int:
    """How many deliveries are done with."""
    return in_batches(now, (KIND,), _take_up, has_room=reading_time(TAKING, TAKING_BESIDE_A_SEND))


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Killed behind what follows, the deliveries are still there, and their events count no second time."""
    deliveries: dict[Organization, list[TakenDelivery]] = defaultdict(list)
    done: set[int] = set()
    for envelope in envelopes:
        delivery = _delivery(envelope)
        if delivery is None:
            done.add(envelope.row)
        else:
            deliveries[envelope.organization].append(delivery)
    for organization, some in deliveries.items():
        done |= webhooks.take_up(organization, some, now)
    done |= {envelope.row for envelope in envelopes if envelope.row not in done and given_up(envelope, now, GIVE_UP)}
    publicdb.done_with(done)
    return len(done)


def _delivery(envelope: OpenedEnvelope) -> TakenDelivery | None:
    words = envelope.words
    try:
        body = base64.b64decode(words.body, validate=True)
    except (binascii.Error, ValueError):
        return None
    return TakenDelivery(envelope.row, words.token, words.host, words.query, words.headers, body, envelope.at)
