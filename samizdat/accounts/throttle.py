"""Wrong passwords wait: counted by address, by browser where it is a known one, and never by IP.

A try is counted before it is looked at, so of many at once no more are looked at than may be. Whoever does nothing is
forgiven four an hour: one wrong try an hour locks nobody out, and who wants to keep strangers' browsers away from an
address has to come every few minutes, without ever touching a browser that signed in before (devices.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from samizdat.accounts.models import Attempt
from samizdat.core.crypto import seal
from samizdat.vault import keyring

# After so many failures the next try waits; the wait doubles up to an hour.
FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
# More are counted as so many: the wait has its longest by then, and no power of two overflows.
MOST = 12
FORGIVEN = timedelta(minutes=15)


class Throttled(Exception):
    """Too many wrong passwords for this address; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong passwords. Try again in {seconds} seconds.")
        self.seconds = seconds


def lane(index: bytes, apart: str = "") -> bytes:
    """What failures are counted by: an address, or one browser or session of it."""
    return seal.keyed_hash(keyring.derive("tries"), f"{index.hex()} {apart}")[:16]


def _address(index: bytes, key: bytes) -> bytes:
    """Tells whether a lane is one of an address. Not its blind index: beside that of a person it would tell, in a copy
    of the database, whether an address that a stranger tried is somebody's of a team. And another one for each lane:
    only who has an account here has two."""
    return seal.keyed_hash(keyring.derive("tries of an address"), f"{index.hex()} {key.hex()}")[:16]


def wait_after(failures: int) -> timedelta:
    over = min(failures, MOST) - FREE_TRIES
    return min(FIRST_WAIT * 2**over, LONGEST_WAIT) if over >= 0 else timedelta()


def check(key: bytes, now: datetime) -> None:
    """A first look that writes nothing. Errors: Throttled."""
    attempt = Attempt.objects.filter(lane=key).first()
    if attempt is not None:
        _refuse_early(attempt, now)


@dataclass(frozen=True, slots=True)
class SignInTry:
    """One that was counted as failed: (failures, not_before) before and since."""

    lane: bytes
    before: tuple[int, datetime]
    since: tuple[int, datetime]


def take(key: bytes, index: bytes, now: datetime) -> SignInTry:
    """Counts a try as failed. Call it before the password is looked at, and give_back() what it returns, or forget(),
    where it was right. Errors: Throttled."""
    with transaction.atomic():
        Attempt.objects.get_or_create(lane=key, defaults={"address_hash": _address(index, key), "not_before": now})
        attempt = Attempt.objects.select_for_update().get(lane=key)
        _refuse_early(attempt, now)
        failures = min(_remembered(attempt, now) + 1, MOST)
        since = (failures, now + wait_after(failures))
        Attempt.objects.filter(lane=key).update(failures=since[0], not_before=since[1])
    return SignInTry(key, (attempt.failures, attempt.not_before), since)


def give_back(counted: SignInTry) -> None:
    """This try alone was right. Others' at the address still count: else anybody with an account of their own at it
    would sign in there after every four guesses at somebody else's."""
    failures, not_before = counted.before
    # Where somebody else tried meanwhile, it stays as it is.
    rows = Attempt.objects.filter(lane=counted.lane, failures=counted.since[0], not_before=counted.since[1])
    if failures:
        rows.update(failures=failures, not_before=not_before)
    else:
        rows.delete()


def forget(key: bytes) -> None:
    """Of a lane that one account has for itself."""
    Attempt.objects.filter(lane=key).delete()


def forget_all(index: bytes) -> None:
    """Of an address, wherever somebody tried: whoever has the machine gave its owner a new password."""
    rows = Attempt.objects.values_list("lane", "address_hash").iterator(chunk_size=5000)
    mine = [lane for lane, known in rows if bytes(known) == _address(index, bytes(lane))]
    Attempt.objects.filter(lane__in=mine).delete()


def _refuse_early(attempt: Attempt, now: datetime) -> None:
    wait = attempt.not_before - now
    # A clock that was set back keeps nobody waiting for longer than the longest wait.
    if timedelta() < wait <= LONGEST_WAIT:
        raise Throttled(max(1, round(wait.total_seconds())))


def _remembered(attempt: Attempt, now: datetime) -> int:
    tried = attempt.not_before - wait_after(attempt.failures)
    return max(0, attempt.failures - max(0, (now - tried) // FORGIVEN))
