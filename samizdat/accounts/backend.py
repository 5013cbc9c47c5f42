"""Signing in by address and password, throttled by address and never by IP."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from samizdat.accounts import people
from samizdat.accounts.models import Attempt, Person
from samizdat.core.address import BadAddress

# After this many failures in a row the next try waits; the wait doubles up to an hour. Slow enough against guessing,
# short enough that a stranger who types her address wrong cannot lock a colleague out for a day.
FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)


class Throttled(Exception):
    """Too many wrong passwords for this address; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong passwords. Try again in {seconds} seconds.")
        self.seconds = seconds


class BlindIndexBackend(BaseBackend):
    """Finds a person by the blind index of her address. Raises Throttled."""

    def authenticate(self, request: Any, email: str = "", password: str = "", **_ignored: Any) -> Person | None:
        now = timezone.now()
        try:
            index = people.index_of(email)
        except BadAddress:
            make_password(password)  # As slow as a real one: the time must not say whether an address is known.
            return None
        seconds = wait_for(index, now)
        if seconds:
            raise Throttled(seconds)
        person = Person.objects.filter(email_index=index, is_active=True).first()
        if person is None:
            make_password(password)
        elif person.check_password(password):
            Attempt.objects.filter(email_index=index).delete()
            return person
        _count_failure(index, now)
        return None

    def get_user(self, user_id: Any) -> Person | None:
        return Person.objects.filter(pk=user_id, is_active=True).first()


def wait_for(index: bytes, now: datetime) -> int:
    attempt = Attempt.objects.filter(email_index=index).first()
    return max(0, round((attempt.not_before - now).total_seconds())) if attempt else 0


def _count_failure(index: bytes, now: datetime) -> None:
    attempt, _made = Attempt.objects.get_or_create(email_index=index, defaults={"not_before": now})
    failures = attempt.failures + 1
    wait = min(FIRST_WAIT * 2 ** (failures - FREE_TRIES), LONGEST_WAIT) if failures >= FREE_TRIES else timedelta()
    Attempt.objects.filter(email_index=index).update(failures=failures, not_before=now + wait)
