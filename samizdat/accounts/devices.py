"""Device cookies (OWASP, "Slow down online guessing attacks with device cookies").

A browser in which somebody has signed in keeps a cookie that only this house can make. A try that brings one is counted
by itself, so whoever guesses from elsewhere shuts out nobody who was here before. The cookie is of one account, and not
of its address, at which others may have accounts. It opens nothing, and nothing of it is kept here but a keyed hash
beside failed tries.
"""

import hmac
import secrets
from datetime import UTC, date, datetime, timedelta

from samizdat.accounts.models import Person
from samizdat.core.crypto import seal
from samizdat.vault import keyring

LASTS = timedelta(days=180)


def new(person: Person, now: datetime) -> str:
    """For a browser that has just signed in as this person."""
    payload = f"{now.astimezone(UTC).date().isoformat()}.{secrets.token_urlsafe(16)}"
    return f"{payload}.{_mark(payload, person)}"


def is_known(cookie: str, person: Person, now: datetime) -> bool:
    """Whether it was made here, for this account, and is not too old."""
    payload, _dot, mark = cookie.rpartition(".")
    if not hmac.compare_digest(mark.encode(), _mark(payload, person).encode()):
        return False
    issue_date = date.fromisoformat(payload.partition(".")[0])
    return issue_date >= (now - LASTS).astimezone(UTC).date()


def _mark(payload: str, person: Person) -> str:
    return seal.keyed_hash(keyring.derive("device cookies"), f"{person.pk} {payload}").hex()[:40]
