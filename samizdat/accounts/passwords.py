"""What a password has to be, said in our words, and what of it goes into Argon2."""

from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator, MinimumLengthValidator
from django.utils.translation import gettext as _

from samizdat.core import seal
from samizdat.vault import house


def bound(person: int, password: str) -> str:
    """Argon2 gets this instead of the password: nothing that was made without the instance key, or for another person,
    is a hash of it. So whoever writes the database opens no account, and whoever copies it cannot begin to guess.
    """
    assert person is not None
    return seal.keyed_hash(house.derive("password pepper"), f"{person} {password}").hex()


class LongEnough(MinimumLengthValidator):
    """Until passkeys exist a password opens everything."""

    def get_error_message(self) -> Any:
        text = _("This password is shorter than %(n)s characters. Take four or five words that do not belong together.")
        return text % {"n": self.min_length}


class NotCommon(CommonPasswordValidator):
    """None of the twenty thousand that are tried first."""

    def get_error_message(self) -> Any:
        return _("This password is one of those that are tried first. Take four or five words of your own.")
