"""Signing in by address and password. How often it may be tried: throttle.py, password_queues.py and devices.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import devices, passwords, sealed_people, throttle
from samizdat.accounts.errors import AccountLocked
from samizdat.accounts.memberships import people_at, who_may_sign_in
from samizdat.accounts.models import Person
from samizdat.accounts.password_queues import queues
from samizdat.core.mail.address import BadAddress


class BlindIndexBackend(BaseBackend):
    """Finds a person by the blind index of their address. Raises throttle.Throttled, password_queues.QueueFull and, to
    whoever knows the password, AccountLocked."""

    def authenticate(
        self, request: object, email: str = "", password: str = "", device: str = "", **_ignored: object
    ) -> Person | None:
        try:
            index = sealed_people.index_of(email)
        except BadAddress:
            return None  # Nobody's: the form says so before, and quickly, to everybody.
        return owner(index, password, timezone.now(), device)

    def get_user(self, user_id: Any) -> Person | None:
        return who_may_sign_in().filter(pk=user_id).first()


def owner(index: bytes, password: str, now: datetime, device: str = "") -> Person | None:
    """Whose password it is, of those who have an account at an address. What is done and counted is the same, and takes
    the same time, for none, one and many of them. Errors: Throttled, Crowded and, to whoever knows the password,
    AccountLocked."""
    person = _looked_at(index, password, now, device)
    if person is not None and not who_may_sign_in().filter(pk=person.pk).exists():
        raise AccountLocked(_("Your account is locked. Ask an admin of your organization to unlock it."))
    return person


def _looked_at(index: bytes, password: str, now: datetime, device: str) -> Person | None:
    accounts = list(people_at(index).filter(is_active=True).order_by("pk"))
    known = next((person for person in accounts if devices.is_known(device, person, now)), None)
    lane = throttle.lane(index, device if known else "")
    throttle.check(lane, now)
    with queues.turn(known is not None):
        counted = throttle.take(lane, index, now)
        stretched = passwords.stretched(index, password)
        if known is None:
            return _found(accounts, password, stretched, counted)
        if _found([known], password, stretched, counted):
            throttle.forget(lane)
            return known
        try:  # Of another account at the address this browser is a stranger's.
            account = _found(accounts, password, stretched, throttle.take(throttle.lane(index), index, now))
        except throttle.Throttled:
            return None
        if account:
            throttle.give_back(counted)
        return account


def _found(accounts: Sequence[Person], password: str, stretched: str, counted: throttle.SignInTry) -> Person | None:
    """The one whose password it is; then the try, which was counted as failed, is given back."""
    matches = [person for person in accounts if person.holds(stretched)]
    # What was kept by other figures or a former key takes time of its own, until its owner has signed in once.
    matches = matches or [person for person in accounts if _is_old(person) and person.check_password(password)]
    if not matches:
        return None
    throttle.give_back(counted)
    return matches[0]


def _is_old(person: Person) -> bool:
    return person.has_usable_password() and not passwords.is_of_now(person.password, person.pk)


def is_current_password(person: Person, password: str, apart: str) -> bool:
    """Asked of somebody who is signed in. What is wrong counts in this session (`apart`) alone: whoever stole another
    one shuts them out of nothing. Errors: Throttled, Crowded."""
    now, index = timezone.now(), sealed_people.index_of_person(person)
    lane = throttle.lane(index, apart)
    throttle.check(lane, now)
    with queues.turn(known=True):
        throttle.take(lane, index, now)
        right = person.check_password(password)
    if right:
        throttle.forget(lane)
    return right
