"""What a password has to be, said in our words, and how it is kept.

Stretched by Argon2id, once for all accounts at an address (an address may have several, docs/team.md): with a salt of
the address, so signing in takes as long for an address without an account as for one with three. Then bound to its
person: what another row holds, or was made without the instance key, is nobody's password. Argon2 gets no password but
a keyed hash of it, so whoever copies the database cannot begin to guess.
"""

import base64
import json

from django.contrib.auth import password_validation
from django.contrib.auth.password_validation import CommonPasswordValidator, MinimumLengthValidator
from django.utils.translation import gettext as _

from samizdat.accounts.hashers import Argon2
from samizdat.core.crypto import seal
from samizdat.vault import keyring


def stretched(index: bytes, password: str, like: str = "") -> str:
    """What is compared with each account at an address. like: a kept one, by whose figures instead of today's."""
    return _hasher(like).encode(_keyed("password", index.hex(), password), _keyed("salt", index.hex())[:22])


def bound(person: int, stretched: str) -> str:
    """As it is kept: figures stay readable. Around the hash and not before it, or each account would need one of its
    own. The salt is the same of all accounts at an address, so another one takes its place."""
    assert person is not None
    figures, _salt, _hash = stretched.rsplit("$", 2)
    return f"{figures}${_keyed('no salt', str(person))[:22]}${_keyed('person', str(person), stretched)}"


def is_of_now(kept: str) -> bool:
    """Whether it is kept by today's figures."""
    then, now = _hasher(kept), _hasher()
    return all(getattr(then, figure) == getattr(now, figure) for figure in _FIGURES)


_FIGURES = ("time_cost", "memory_cost", "parallelism")


def _hasher(like: str = "") -> Argon2:
    hasher = Argon2()
    for figure in _FIGURES if like else ():
        setattr(hasher, figure, hasher.decode(like)[figure])
    return hasher


def _keyed(*parts: str) -> str:
    """43 letters and digits: as many as the hash that they take the place of."""
    digest = seal.keyed_hash(keyring.derive("password pepper"), json.dumps(parts))
    return base64.b64encode(digest).decode().rstrip("=")


class LongEnough(MinimumLengthValidator):
    """Until passkeys exist a password opens everything."""

    def get_error_message(self) -> str:
        text = _("This password is shorter than %(n)s characters. Use four or five unrelated words.")
        return text % {"n": self.min_length}


class NotCommon(CommonPasswordValidator):
    """None of the twenty thousand that are tried first."""

    def get_error_message(self) -> str:
        return _("This password is one of the first that attackers try. Use four or five words of your own.")


def shortest() -> int:
    """Characters that a password has at least."""
    checks = password_validation.get_default_password_validators()
    return next(check.min_length for check in checks if isinstance(check, LongEnough))
