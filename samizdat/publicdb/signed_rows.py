"""Rows of the public database are signed by the house, each with its table and all of its columns, and one that is not
is as good as none: whoever writes this database, by its password or from the public process, makes the public pages say
nothing. The public process is told the key that checks alone, so one that was taken leaves nothing behind either.

What was signed once and put back later is signed: an older text of a page, what a link's page said before.
"""

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from functools import partial

from django.db import connections, transaction

from samizdat.core.crypto import signature
from samizdat.publicdb.models import Page, SignedRow

Key = Callable[[], bytes]


def _nobody() -> bytes:
    raise RuntimeError("This process signs nothing that the public pages show.")


_seed: Key = _nobody
_public: bytes | None = None
# What gives the key that checks, and when it was asked: the instance key may be replaced beside us.
_again: Callable[[], bytes | None] | None = None
_asked = 0.0
# Seconds between two questions, whoever puts rows there that nobody signed.
PAUSE = 1.0
# Rows that were checked, by their signatures: to check one takes some 100 us, to find it here three.
MOST = 2000
# Signed anew at a time: a picture may have megabytes.
SOME = 50
_checked: dict[bytes, tuple[object, ...]] = {}


def sign_by(seed: Key) -> None:
    """From now on this process signs what it publishes, with what `seed` gives when it is first needed."""
    global _seed
    _seed = seed
    _checked.clear()


def check_by(public: bytes, again: Callable[[], bytes | None] | None = None) -> None:
    """From now on this process, which may sign nothing, believes what this key checks. again: gives the present one,
    where it can, and is asked where a key checks nothing any more."""
    global _public, _again
    _public, _again = public, again
    _checked.clear()


def digest(text: str) -> bytes:
    """Of a page's text, which the lists of pages are shown without."""
    return hashlib.sha256(text.encode()).digest()


def signed[Row: SignedRow](row: Row) -> Row:
    """The row with its signature, as it is now; not saved."""
    row.signature = signature.sign(_seed(), _message(row))
    return row


def is_ours(row: SignedRow) -> bool:
    """Whether the house has published this row as it is."""
    try:
        return _is_checked(row)
    except (AttributeError, TypeError):  # On SQLite any column holds any kind of value.
        return False


def _is_checked(row: SignedRow) -> bool:
    if isinstance(row, Page) and "html" in row.__dict__ and digest(row.html) != row.html_digest:
        return False
    mark, values = memoryview(row.signature).tobytes(), (type(row), *_values(row))
    if _checked.get(mark) == values:
        return True
    message = _message(row)
    if not signature.is_signed(_public or signature.public_key(_seed()), message, mark) and not (
        _has_another_key() and signature.is_signed(_public or b"", message, mark)
    ):
        return False
    if len(_checked) >= MOST:
        _checked.clear()
    _checked[mark] = values
    return True


def _has_another_key() -> bool:
    """Whether the key that checks became another one."""
    global _public, _asked
    if _again is None or time.monotonic() - _asked < PAUSE:
        return False
    _asked = time.monotonic()
    before = _public
    _public = _again() or before
    return _public != before


def ours[Row: SignedRow](rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if is_ours(row))


def renew() -> Iterator[None]:
    """Of all rows, once the instance key is replaced (vault/instance_exchange.py): as soon as that is certain, since
    this database is one of its own."""
    former = signature.public_key(_seed())
    yield
    transaction.on_commit(partial(sign_anew, former), robust=True)


def sign_anew(former: bytes) -> int:
    """Signs those rows that a former key checks; how many. May be repeated. A row that none of us signed stays as it
    is, and is thrown out by the worker."""
    _checked.clear()
    return sum(_sign_anew(model, former) for model in SignedRow.__subclasses__())


def _sign_anew(model: type[SignedRow], former: bytes) -> int:
    rows, count = model._default_manager.only(*_columns(model), "signature").order_by("pk"), 0
    database = connections[rows.db]
    table, key = database.ops.quote_name(model._meta.db_table), model._meta.pk.column
    with transaction.atomic(using=rows.db), database.cursor() as cursor:
        part = list(rows[:SOME])
        while part:
            news = [(bytes(signed(row).signature), row.pk) for row in part if _was_signed(row, former)]
            cursor.executemany(f"UPDATE {table} SET signature = %s WHERE {key} = %s", news)
            count += len(news)
            part = list(rows.filter(pk__gt=part[-1].pk)[:SOME])
    return count


def _was_signed(row: SignedRow, former: bytes) -> bool:
    try:
        return signature.is_signed(former, _message(row), memoryview(row.signature).tobytes())
    except (AttributeError, TypeError):  # As in is_ours.
        return False


def _message(row: SignedRow) -> bytes:
    return json.dumps([row._meta.db_table, *map(_plain, _values(row))]).encode()


def _values(row: SignedRow) -> Iterator[object]:
    """What is signed of a row; of a picture, which may have megabytes, its digest."""
    for column in _columns(type(row)):
        value = getattr(row, column)
        yield hashlib.sha256(value).digest() if column == "data" else value


@functools.cache
def _columns(model: type[SignedRow]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if field.name not in ("signature", "html")]


def _plain(value: object) -> object:
    """The same on SQLite and PostgreSQL, and before and after it is saved."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
