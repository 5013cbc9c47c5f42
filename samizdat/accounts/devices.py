"""Device cookies (OWASP, "Slow down online guessing attacks with device cookies").

A browser in which somebody has signed in keeps a cookie that only this house can make. A try that brings one is counted
by itself, so whoever guesses from elsewhere shuts out nobody who was here before. The cookie is of one account, and not
of its address, at which others may have accounts. It opens nothing, and nothing of it is kept here but a keyed hash
beside failed tries. Two marks are on it: one names the account, and the other tells without it, and so without the
database, that the cookie was made here (web/asgi.py).
"""

import hmac
import secrets
from datetime import UTC, date, datetime, timedelta

from samizdat.accounts.models import Person
from samizdat.core.crypto import seal
from samizdat.vault import keyring

COOKIE = "device"
LASTS = timedelta(days=180)


def new(person: Person, now: datetime) -> str:
    """For a browser that has just signed in as this person."""
    payload = f"{now.astimezone(UTC).date().isoformat()}.{secrets.token_urlsafe(16)}"
    marked = f"{payload}.{_mark(f'{person.pk} {payload}')}"
    return f"{marked}.{_mark(marked)}"


def is_ours(cookie: str, now: datetime) -> bool:
    """Whether it was made here, for whomever, and is not too old."""
    marked, _dot, mark = cookie.rpartition(".")
    if not hmac.compare_digest(mark.encode(), _mark(marked).encode()):
        return False
    return date.fromisoformat(marked.partition(".")[0]) >= (now - LASTS).astimezone(UTC).date()


def is_known(cookie: str, person: Person, now: datetime) -> bool:
    """Whether it was made here, for this account, and is not too old."""
    if not is_ours(cookie, now):
        return False
    payload, _dot, mark = cookie.rpartition(".")[0].rpartition(".")
    return hmac.compare_digest(mark, _mark(f"{person.pk} {payload}"))


def _mark(text: str) -> str:
    return seal.keyed_hash(keyring.derive("device cookies"), text).hex()[:40]
