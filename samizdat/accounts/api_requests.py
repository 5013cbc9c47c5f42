"""Requests of programs that may come twice (Idempotency-Key): the second one gets the answer of the first.

A row is written in the transaction of what was asked, so after a kill there are both or neither. Only keyed hashes of
the request are kept, and its answer sealed, for a day; where somebody is erased, all answers go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from msgspec import Struct

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, IdempotentRequest, Organization
from samizdat.vault import keyring

# First half of the advisory lock's key on PostgreSQL, "SMZ6"; the second is part of the mark.
_KIND = 0x534D5A36
KEPT = timedelta(days=2)  # At least a whole day: of a row the day alone is known.


class StoredAnswer(Struct, frozen=True):
    """mark and digest: of its row, which nobody can put another answer into."""

    mark: bytes
    digest: bytes
    status: int
    media_type: str
    body: bytes


class RequestMark:
    """What is kept of a request: under the present instance key, and under each former one."""

    def __init__(self, key: ApiKey, idempotency_key: str, request: bytes) -> None:
        self.key = key
        self._marks = api_keys.hashes(f"idempotency {key.pk} {idempotency_key}")
        self._digests = api_keys.hashes(f"request {key.pk} {request.hex()}")

    @property
    def mark(self) -> bytes:
        return self._marks[0]

    def row(self) -> IdempotentRequest | None:
        return IdempotentRequest.objects.filter(api_key=self.key, mark__in=self._marks).first()

    def is_of(self, row: IdempotentRequest) -> bool:
        """Whether the request was this one."""
        return bytes(row.digest) in self._digests

    def begin(self, now: datetime) -> IdempotentRequest:
        return IdempotentRequest.objects.create(
            organization_id=self.key.organization_id,
            api_key=self.key,
            mark=self.mark,
            digest=self._digests[0],
            day=self.key.organization.day_of(now),
        )


def try_lock(mark: bytes) -> bool:
    """In a transaction, until its end: whether no other process is at this request. SQLite has one writer anyway."""
    return _ask("SELECT pg_try_advisory_xact_lock(%s, %s)", mark)


@contextmanager
def locked(mark: bytes) -> Iterator[bool]:
    """The same outside of one. On SQLite one process answers programs."""
    is_ours = _ask("SELECT pg_try_advisory_lock(%s, %s)", mark)
    try:
        yield is_ours
    finally:
        if is_ours:
            _ask("SELECT pg_advisory_unlock(%s, %s)", mark)


def _ask(sql: str, mark: bytes) -> bool:
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(sql, [_KIND, int.from_bytes(mark[:4]) % 2**31])
        return bool(cursor.fetchone()[0])


def keep(row: IdempotentRequest, organization: Organization, status: int, media_type: str, body: bytes) -> None:
    answer = StoredAnswer(bytes(row.mark), bytes(row.digest), status, media_type, body)
    row.answer_sealed = keyring.keys(organization).seal_json(answer, "idempotentrequest", "answer", row.pk)
    row.save(update_fields=["answer_sealed"])


def answer_of(row: IdempotentRequest, organization: Organization) -> StoredAnswer | None:
    """None: it isn't there yet, is no longer kept, or is another row's."""
    if not row.answer_sealed:
        return None
    keys = keyring.keys(organization)
    answer = keys.open_json(row.answer_sealed, "idempotentrequest", "answer", row.pk, StoredAnswer)
    return answer if (answer.mark, answer.digest) == (bytes(row.mark), bytes(row.digest)) else None


def forget_answers(organization: Organization) -> None:
    """Somebody may be named in them who was erased. The requests themselves stay known."""
    IdempotentRequest.objects.filter(organization=organization).exclude(answer_sealed=b"").update(answer_sealed=b"")


def forget(now: datetime) -> None:
    """Rows of more than a day ago."""
    IdempotentRequest.objects.filter(day__lt=(now - KEPT).date()).delete()
