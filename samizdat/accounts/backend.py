"""Signing in by address and password. How often it may be tried: throttle.py, queues.py and devices.py."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import devices, people, throttle
from samizdat.accounts.errors import AccountLocked
from samizdat.accounts.grants import who_may_sign_in
from samizdat.accounts.models import Person
from samizdat.accounts.queues import queues
from samizdat.core.address import BadAddress


class BlindIndexBackend(BaseBackend):
    """Finds a person by the blind index of their address. Raises throttle.Throttled, queues.Crowded and, to whoever
    knows the password, AccountLocked."""

    def authenticate(
        self, request: Any, email: str = "", password: str = "", device: str = "", **_ignored: Any
    ) -> Person | None:
        now = timezone.now()
        try:
            index = people.index_of(email)
        except BadAddress:
            return None  # Nobody's: the form says so before, and quickly, to everybody.
        known = devices.is_known(device, index, now)
        lane = throttle.lane(index, device if known else "")
        throttle.check(lane, now)
        with queues.turn(known):
            throttle.take(lane, index, now)
            person = Person.objects.filter(email_index=index, is_active=True).first()
            if person is None:
                make_password(password)  # As slow as a real one: the time must not say whether an address is known.
            elif person.check_password(password):
                throttle.forget(lane)
                if not who_may_sign_in().filter(pk=person.pk).exists():
                    raise AccountLocked(_("Your account is locked. Ask an admin of your organization to unlock it."))
                return person
        return None

    def get_user(self, user_id: Any) -> Person | None:
        return who_may_sign_in().filter(pk=user_id).first()


def is_her_password(person: Person, password: str, apart: str) -> bool:
    """Asked of somebody who is signed in. What is wrong counts in this session (`apart`) alone: whoever stole another
    one shuts them out of nothing. Errors: Throttled, Crowded."""
    now, index = timezone.now(), bytes(person.email_index)
    lane = throttle.lane(index, apart)
    throttle.check(lane, now)
    with queues.turn(known=True):
        throttle.take(lane, index, now)
        right = person.check_password(password)
    if right:
        throttle.forget(lane)
    return right
