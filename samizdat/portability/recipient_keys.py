"""Keys that exports may be sealed to without anybody's approval: another admin has approved them, they waited for a
day with everybody told, or the command line used them. A key that one stolen session brings along is none of these."""

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto import seal
from samizdat.core.crypto.seal import SealError
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.portability.models import RecipientKey
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError

FORGOTTEN: EventKind = "subscribers.export.key_forgotten"


def are_known(organization: Organization, keys: Iterable[str]) -> bool:
    """By what is sealed of them: the mark that stands beside it, whoever writes the database could put onto another
    row. None is, where the log lacks an event by which one was forgotten."""
    if (forgotten := _forgotten(organization)) is None:
        return False
    rows = RecipientKey.objects.select_related("organization").filter(organization=organization)
    there = {_mark(organization, text) for row in rows if (text := _standing(row, forgotten)) is not None}
    return there.issuperset(_mark(organization, key) for key in keys)


def _forgotten(organization: Organization) -> set[int | None] | None:
    """Numbers of those that were forgotten, of which the settings seal how many there are."""
    rows = Event.objects.select_related("organization").filter(organization=organization, kind=FORGOTTEN)
    events = [event for event in rows if is_genuine(event)]
    is_whole = len(events) == sealed_settings.how_many(organization, "forgotten")
    return {event.about for event in events} if is_whole else None


def _standing(row: RecipientKey, forgotten: Container[int | None]) -> str | None:
    """None where it was forgotten and put back since, under its number; under any other one its text does not open."""
    try:
        return None if row.pk in forgotten else _text(row)
    except SealError:
        return None


def know(organization: Organization, keys: Iterable[str], *, now: datetime) -> None:
    # By their texts: an organization that was locked when the instance key was replaced has the marks of then.
    there = {
        _mark(organization, text) for _row, text in _opened(RecipientKey.objects.filter(organization=organization))
    }
    for key in keys:
        if (mark := _mark(organization, key)) in there:
            continue
        with transaction.atomic():
            row, created = RecipientKey.objects.get_or_create(
                organization=organization, mark=mark, defaults={"since": now.date(), "key_sealed": b""}
            )
            if created:
                row.key_sealed = keyring.keys(organization).seal(key.strip().encode(), "recipientkey", "key", row.pk)
                row.save(update_fields=["key_sealed"])


def known(organization: Organization) -> list[tuple[RecipientKey, str]]:
    """Each with its text, the oldest first."""
    rows = RecipientKey.objects.select_related("organization").filter(organization=organization).order_by("id")
    return [(row, _text(row)) for row in rows]


def _text(row: RecipientKey) -> str:
    keys = keyring.keys(row.organization)
    return keys.open(bytes(row.key_sealed), "recipientkey", "key", row.pk).decode()


def forget(row: RecipientKey, *, now: datetime, by: Person | None) -> None:
    """The next export to it needs an approval again."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=row.organization_id)
        sealed_settings.count_another(row.organization, "forgotten")
        record(FORGOTTEN, row.organization, about=row.pk, by=by, now=now)
        row.delete()


def renew() -> Iterator[None]:
    """The marks, once the instance key is replaced (vault/instance_exchange.py). Those of a locked organization stay as
    they are: nobody can open the keys themselves, by which they are known all the same."""
    opened = [*_opened(RecipientKey.objects.all())]
    ours = [(row, text) for row, text in opened if bytes(row.mark) == _mark(row.organization, text)]
    yield
    for row, text in ours:
        row.mark = _mark(row.organization, text)
    RecipientKey.objects.bulk_update([row for row, _text in ours], ["mark"], batch_size=500)


def _opened(rows: QuerySet[RecipientKey]) -> Iterator[tuple[RecipientKey, str]]:
    """Those that open, with their texts."""
    for row in rows.select_related("organization").order_by("id"):
        with suppress(SealError, VaultError):
            yield row, _text(row)


def _mark(organization: Organization, key: str) -> bytes:
    """Of the key alone: what stands behind an SSH key is a remark."""
    text = " ".join(key.split()[:2]) if key.strip().startswith("ssh-") else key.strip().lower()
    return seal.keyed_hash(keyring.derive("recipient keys"), f"{organization.pk} {text}")[:16]
