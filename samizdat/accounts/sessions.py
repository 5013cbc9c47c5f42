"""Sessions in the database: the cookie's key as a keyed hash, what it holds sealed in its own row.

Whose it is, since when and until when, and the day of its last use are sealed as well: whoever writes the table makes
no session anybody else's.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.utils import timezone

from samizdat.accounts.models import Person, Session
from samizdat.core.crypto import seal
from samizdat.vault import keyring

# A session that is used ends all the same (OWASP ASVS 3.3.2, NIST SP 800-63B-4 for AAL2): a stolen one is of no use
# the next day. Without use it ends after SESSION_COOKIE_AGE.
LONGEST = timedelta(hours=24)

_INSTANCE = bytes(16)


def _hash(key: str) -> bytes:
    return seal.keyed_hash(keyring.derive("session keys"), key)


class SessionStore(SessionBase):
    """Django's session interface over accounts.Session. `began`: when its key was made, which is at each sign-in."""

    began = datetime.min.replace(tzinfo=UTC)

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(key_hash=_hash(session_key)).exists()

    def create(self) -> None:
        while True:
            self._session_key = secrets.token_urlsafe(32)
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        self.began = timezone.now() if must_create else self.began
        hashed, until = _hash(self.session_key), min(self.get_expiry_date(), self.began + LONGEST)
        values = {
            "data_sealed": _seal(data, hashed, self.began, until),
            "expires": until,
            "person_id": data.get("_auth_user_id"),
        }
        if must_create:
            if Session.objects.filter(key_hash=hashed).exists():
                raise CreateError
            Session.objects.create(key_hash=hashed, **values)
        elif not Session.objects.filter(key_hash=hashed).update(**values):
            raise UpdateError  # Ended meanwhile: by a colleague, a new password, or at sign-out.

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            Session.objects.filter(key_hash=_hash(key)).delete()

    def load(self) -> dict[str, object]:
        key = self.session_key
        row = Session.objects.filter(key_hash=_hash(key), expires__gt=timezone.now()).first() if key else None
        if row is None:
            self._session_key = None
            return {}
        payload = _open(row)
        # So that its owner sees when it was used last, to the day and no finer.
        self.modified = self.modified or (bool(payload) and payload.get("used") != _today())
        self.began = datetime.fromisoformat(payload["began"]) if payload else self.began
        return payload["data"] if payload else {}

    @classmethod
    def clear_expired(cls) -> None:
        Session.objects.filter(expires__lt=timezone.now()).delete()


@dataclass(frozen=True, slots=True)
class OwnSession:
    """What somebody sees of a session of theirs. mark: by which they end it; nothing of the cookie's key."""

    mark: str
    began: datetime
    used: date
    is_current: bool


def of_person(person: Person, current_key: str) -> list[OwnSession]:
    """Those that are open still, the newest first."""
    rows = [(row, _open(row)) for row in Session.objects.filter(person=person, expires__gt=timezone.now())]
    current = _hash(current_key)
    sessions = [
        OwnSession(
            _mark(row),
            datetime.fromisoformat(payload["began"]),
            date.fromisoformat(payload.get("used") or payload["began"][:10]),
            bytes(row.key_hash) == current,
        )
        for row, payload in rows
        if payload
    ]
    return sorted(sessions, key=lambda session: session.began, reverse=True)


def end_others(person: Person, current_key: str, mark: str = "") -> int:
    """Ends all sessions of a person but the current one, or that of a mark alone; how many."""
    others = Session.objects.filter(person=person).exclude(key_hash=_hash(current_key))
    ended = [row.key_hash for row in others if mark in ("", _mark(row))]
    return Session.objects.filter(person=person, key_hash__in=ended).delete()[0]


def _mark(row: Session) -> str:
    return bytes(row.key_hash).hex()[:32]


def _today() -> str:
    return timezone.now().astimezone(UTC).date().isoformat()


def _seal(data: Mapping[str, object], key_hash: bytes, began: datetime, until: datetime) -> bytes:
    payload = {"data": data, "began": began.isoformat(), "until": until.isoformat(), "used": _today()}
    text = json.dumps(payload).encode()
    return _key().seal(text, _where(key_hash), os.urandom(12))


def _open(row: Session) -> dict[str, Any]:
    """Empty for one that is over, is somebody else's, or does not say when it began."""
    ring = seal.KeyRing({1: _key()})
    try:
        payload: dict[str, Any] = json.loads(ring.open(bytes(row.data_sealed), _where(bytes(row.key_hash))))
    except seal.SealError:
        return {}
    is_theirs = str(payload["data"].get("_auth_user_id") or "") == str(row.person_id or "")
    lasts = "began" in payload and datetime.fromisoformat(payload["until"]) > timezone.now()
    return payload if is_theirs and lasts else {}


def _key() -> seal.Key:
    return seal.Key(1, keyring.derive("sessions"))


def _where(key_hash: bytes) -> bytes:
    """A session's row has no number but its key's hash."""
    return seal.where("session", "data", _INSTANCE, int.from_bytes(key_hash[:8]))
