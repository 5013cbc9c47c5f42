"""Fundraisers in an export of our own format: texts, ways to pay, sums by day. Their addresses stay the same, so that
links in emails go on. Whether payments arrive has to be tested again."""

import re
from datetime import date
from typing import Annotated, Any

from django.db import transaction
from msgspec import Meta, Struct, convert, structs, to_builtins

from samizdat.core import money
from samizdat.core.donations import FundraiserDetails, SumRecord
from samizdat.fundraising import actions
from samizdat.fundraising.errors import FundraisingError
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import details_of, fundraisers, sums_of
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import MANY, moment
from samizdat.portability.zip_stream import ZipWriter

FILE = "fundraisers.json"
# Days with a sum, of all ways to pay and currencies of a fundraiser.
MOST_DAYS = 200_000


class _FundraiserEntry(Struct, frozen=True):
    number: Annotated[int, Meta(ge=0, le=MANY)]
    created: str
    details: FundraiserDetails
    sums: SumRecord


class FundraisersPart:
    """fundraisers.json."""

    name = "fundraisers"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        entries = [_told(fundraiser) for fundraiser in fundraisers(home.organization)]
        if entries:
            box.add_json(FILE, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        return len(_entries(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for entry in reversed(_entries(opened)):  # The oldest first, as they were opened.
            if places.here(self.name, entry.number) is None:
                with transaction.atomic():
                    places.put(self.name, entry.number, _make(places, entry))
        return len(places.all(self.name))


def _told(fundraiser: Fundraiser) -> dict[str, Any]:
    details = details_of(fundraiser)
    methods = tuple(structs.replace(method, tested=None) for method in details.methods)
    return {
        "number": fundraiser.pk,
        "created": fundraiser.created.isoformat(),
        "details": to_builtins(structs.replace(details, methods=methods)),
        "sums": to_builtins(SumRecord(sums_of(fundraiser)), str_keys=True),
    }


def _entries(opened: OpenedExport) -> list[_FundraiserEntry]:
    """Errors: ExportRefused."""
    try:
        entries = convert(opened.table(FILE) or [], list[_FundraiserEntry])
        if len(entries) > actions.MOST or len({entry.number for entry in entries}) < len(entries):
            raise ValueError
        for entry in entries:
            moment(entry.created)
            _insist_on_sense(entry)
    except (TypeError, ValueError, FundraisingError) as wrong:
        raise altered(FILE) from wrong
    return entries


def _insist_on_sense(entry: _FundraiserEntry) -> None:
    """Errors: ValueError, FundraisingError."""
    actions.checked_details(entry.details)
    days = [
        (currency, day, each)
        for currencies in entry.sums.sums.values()
        for currency, by_day in currencies.items()
        for day, each in by_day.items()
    ]
    makes_sense = (
        re.fullmatch("[0-9a-f]{12}", entry.details.slug)
        and len(days) <= MOST_DAYS
        and all(re.fullmatch("[0-9a-f]{8}", method) for method in entry.sums.sums)
        and all(currency in money.DECIMALS and day < date.max for currency, day, _each in days)
        and all(abs(each.minor) <= money.MOST and 0 <= each.count <= money.MOST for _currency, _day, each in days)
    )
    if not makes_sense:
        raise ValueError


def _make(places: base.Places, entry: _FundraiserEntry) -> int:
    details = structs.replace(
        entry.details, methods=tuple(structs.replace(method, tested=None) for method in entry.details.methods)
    )
    created = min(moment(entry.created), places.now)
    return actions.put_fundraiser(
        places.organization, details, entry.sums, created=created, now=places.now, by=places.by
    ).pk
