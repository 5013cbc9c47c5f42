"""Keys that exports may be sealed to without anybody's approval: another admin has approved them, they waited for a
day with everybody told, or the command line used them. A key that one stolen session brings along is none of these."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from samizdat.audience.exporting.models import RecipientKey
from samizdat.core import seal
from samizdat.events.actions import record
from samizdat.vault import house


def are_known(organisation: Any, keys: Iterable[str]) -> bool:
    marks = {_mark(organisation, key) for key in keys}
    return RecipientKey.objects.filter(organisation=organisation, mark__in=list(marks)).count() == len(marks)


def know(organisation: Any, keys: Iterable[str], *, now: datetime) -> None:
    for key in keys:
        mark = _mark(organisation, key)
        with transaction.atomic():
            row, made = RecipientKey.objects.get_or_create(
                organisation=organisation, mark=mark, defaults={"since": now.date(), "key_sealed": b""}
            )
            if made:
                row.key_sealed = house.keys(organisation).seal(key.strip().encode(), "recipientkey", "key", row.pk)
                row.save(update_fields=["key_sealed"])


def known(organisation: Any) -> list[tuple[RecipientKey, str]]:
    """Each with its text, the oldest first."""
    keys = house.keys(organisation)
    rows = RecipientKey.objects.select_related("organisation").filter(organisation=organisation).order_by("id")
    return [(row, keys.open(bytes(row.key_sealed), "recipientkey", "key", row.pk).decode()) for row in rows]


def forget(row: RecipientKey, *, now: datetime, by: Any) -> None:
    """The next export to it needs an approval again."""
    with transaction.atomic():
        record("subscribers.export.key_forgotten", row.organisation, about=row.pk, by=by, now=now)
        row.delete()


def _mark(organisation: Any, key: str) -> bytes:
    """Of the key alone: what stands behind an SSH key is a remark."""
    text = " ".join(key.split()[:2]) if key.strip().startswith("ssh-") else key.strip().lower()
    return seal.keyed_hash(house.derive("recipient keys"), f"{organisation.pk} {text}")[:16]
