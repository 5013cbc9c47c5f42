"""Sign-ups by a form have their week to be confirmed: which ones there are, apart from the long log of consent."""

from collections.abc import Iterable
from datetime import date

from samizdat.audience.models import ConsentRecord, SignUp
from samizdat.core import consent

ASKED, FORM = consent.KINDS.index("asked"), consent.WAYS.index("form")


def keep(subscribers: Iterable[int], day: date | None = None) -> None:
    """Those of these subscribers, of a day or all, in the transaction that wrote them. One that has no words is
    forgotten already.
    """
    records = ConsentRecord.objects.filter(subscriber__in=[*subscribers], kind=ASKED, channel=FORM).exclude(sealed=b"")
    if day is not None:
        records = records.filter(day=day)
    rows = [SignUp(record_id=id, day=of) for id, of in records.values_list("id", "day")]
    SignUp.objects.bulk_create(rows, ignore_conflicts=True)
