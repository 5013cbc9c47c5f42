"""What a password has to be, said in our words, and how it is kept.

Stretched by Argon2id, once for all accounts at an address (an address may have several, docs/team.md): with a salt of
the address, so signing in takes as long for an address without an account as for one with three. Then bound to its
person: what another row holds, or was made without the instance key, is nobody's password. Argon2 gets no password but
a keyed hash of it, so whoever copies the database cannot begin to guess.

Where the instance key is replaced, what is kept is bound once more, with the new key: whoever has the former one makes
no password with it. It is kept by the new key alone once its owner has signed in (Person.check_password).
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
    return _stretched(_pepper(), index, password, like)


def bound(person: int, stretched: str) -> str:
    """As it is kept: figures stay readable. Around the hash and not before it, or each account would need one of its
    own. The salt is the same of all accounts at an address, so another one takes its place."""
    return _bound(_pepper(), person, stretched)


def made_by(person: int, kept: str) -> int | None:
    """The number of the instance key with which it was stretched, by what stands in place of the salt; None for what
    the present one has not bound."""
    present, salt = keyring.instance_number(), kept.split("$")[-2:][0]
    for number in _peppers():
        if salt == _salt(_pepper(), person, number if number < present else None):
            return number
    return None


def kept_as(person: int, index: bytes, password: str, *, like: str, number: int) -> str:
    """What is kept of a password that was set while the instance key had this number. index: by the key of then."""
    peppers = _peppers()
    kept = _bound(peppers[number], person, _stretched(peppers[number], index, password, like))
    for later in range(number + 1, keyring.instance_number() + 1):
        kept = _bound(peppers[later], person, kept, number)
    return kept


def bound_again(person: int, kept: str, number: int) -> str:
    """What is kept of a password once the instance key is replaced. number: of the key that it was set by."""
    return _bound(_pepper(), person, kept, number)


def is_of_now(kept: str, person: int) -> bool:
    """Whether it is kept by today's figures, and the present key alone."""
    then, now = _hasher(kept), _hasher()
    figures = all(getattr(then, figure) == getattr(now, figure) for figure in _FIGURES)
    return figures and made_by(person, kept) in (None, keyring.instance_number())


def _stretched(pepper: bytes, index: bytes, password: str, like: str) -> str:
    salt = _keyed(pepper, "salt", index.hex())[:22]
    return _hasher(like).encode(_keyed(pepper, "password", index.hex(), password), salt)


def _bound(pepper: bytes, person: int, stretched: str, number: int | None = None) -> str:
    assert person is not None
    figures = stretched.rsplit("$", 2)[0]
    return f"{figures}${_salt(pepper, person, number)}${_keyed(pepper, 'person', str(person), stretched)}"


def _salt(pepper: bytes, person: int, number: int | None) -> str:
    """number: of the former instance key that it was set by; None: it was set by that of this pepper."""
    by = () if number is None else (str(number),)
    return _keyed(pepper, "no salt", str(person), *by)[:22]


_FIGURES = ("time_cost", "memory_cost", "parallelism")


def _hasher(like: str = "") -> Argon2:
    hasher = Argon2()
    for figure in _FIGURES if like else ():
        setattr(hasher, figure, hasher.decode(like)[figure])
    return hasher


def _pepper() -> bytes:
    return keyring.derive("password pepper")


def _peppers() -> dict[int, bytes]:
    """By the number of the instance key, the present one first."""
    former = {each.number: each.key for each in keyring.former("password pepper")}
    return {keyring.instance_number(): _pepper(), **former}


def _keyed(pepper: bytes, *parts: str) -> str:
    """43 letters and digits: as many as the hash that they take the place of."""
    return base64.b64encode(seal.keyed_hash(pepper, json.dumps(parts))).decode().rstrip("=")


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
