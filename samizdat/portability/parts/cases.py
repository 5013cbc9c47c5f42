"""Cases about closed accounts in an export of our own format: facts, requests, and the files that prove something.

A public page comes along taken down: whoever moved decides whether to show it there. A petition keeps its list and its
form; where one of them stayed behind, so does the petition.
"""

import hashlib
import re
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from django.db import transaction
from msgspec import Meta, Struct, convert, structs, to_builtins

from samizdat.audience import queries
from samizdat.audience.actions import forms
from samizdat.audience.models import SignUpForm
from samizdat.core.rescue.case import LOST, REASONS, ClosedAccount
from samizdat.core.rescue.requests import KINDS, LANGUAGES
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import MANY, moment
from samizdat.portability.zip_stream import ZipWriter
from samizdat.privacy.actions.rescue_cases import LARGEST, MOST, put_case
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import (
    LONGEST,
    LONGEST_LINE,
    MOST_LINES,
    CaseDetails,
    EvidenceFile,
    Petition,
    PublicTimeline,
    cases,
    checked,
    details_of,
    read_evidence,
)

FILE, FOLDER = "cases.json", "cases/"
COUNTRY = re.compile(r"(?:[A-Z]{2}(?:-[A-Z]{2})?)?")
MOST_CASES, MOST_COUNTRIES = 1_000, 300


class _Petition(Struct, frozen=True):
    """list: its number in lists.json; its form is the one that signs. name, shown: merge tags."""

    list: Annotated[int, Meta(ge=0, le=MANY)]
    name: Annotated[str, Meta(max_length=LONGEST)]
    shown: Annotated[str, Meta(max_length=LONGEST)]


class _Case(Struct, frozen=True):
    number: Annotated[int, Meta(ge=0, le=MANY)]
    created: str
    details: CaseDetails
    petition: _Petition | None = None


class CasesPart:
    """cases.json tells of each; its files stand in cases/CASE/FILE, counted from 1."""

    name = "cases"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        entries = []
        tags = {field.number: field.tag for field in queries.fields(home.organization)}
        for case in cases(home.organization):
            details = details_of(case)
            for number, file in enumerate(details.evidence, 1):
                box.add(f"{FOLDER}{case.pk}/{number}", b"".join(read_evidence(case, file)))
            entries.append(_told(case, details, tags))
        if entries:
            box.add_json(FILE, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        entries = _cases(opened)
        for entry in entries:
            for number, file in enumerate(entry.details.evidence, 1):
                _content(opened, entry, number, file)
        return len(entries)

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for entry in reversed(_cases(opened)):  # The oldest first, as they were opened.
            if places.here(self.name, entry.number) is None:
                with transaction.atomic():
                    places.put(self.name, entry.number, _make(opened, places, entry))
        return len(places.all(self.name))


def _told(case: RescueCase, details: CaseDetails, tags: dict[int, str]) -> dict[str, Any]:
    petition, kept = details.petition, structs.replace(details, petition=None)
    entry = {"number": case.pk, "created": case.created.isoformat(), "details": to_builtins(kept), "petition": None}
    if petition is not None:
        names = {"name": tags.get(petition.name, ""), "shown": tags.get(petition.shown, "")}
        entry["petition"] = {"list": petition.list, **names}
    return entry


def _cases(opened: OpenedExport) -> list[_Case]:
    """Errors: ExportRefused."""
    try:
        entries = convert(opened.table(FILE) or [], list[_Case])
        if len(entries) > MOST_CASES or len({entry.number for entry in entries}) < len(entries):
            raise ValueError
        for entry in entries:
            moment(entry.created)
            _insist_on_sense(entry.details)
    except (TypeError, ValueError, PrivacyError) as wrong:
        raise altered(FILE) from wrong
    return entries


def _insist_on_sense(details: CaseDetails) -> None:
    """Errors: ValueError, PrivacyError."""
    account = details.account
    checked(account, date.max)
    countries = (account.provider_country, account.country, account.owner_country, *account.subscribers_in)
    makes_sense = (
        len(countries) <= MOST_COUNTRIES
        and all(COUNTRY.fullmatch(country) for country in countries)
        and account.reason in REASONS
        and {*account.lost} <= {*LOST}
        and len(details.sent) <= MOST
        and all(sent.kind in KINDS for sent in details.sent)
        and len(details.evidence) <= MOST
        and all(_is_file(file) for file in details.evidence)
        and (details.public is None or _is_page(details.public))
    )
    if not makes_sense:
        raise ValueError


def _is_file(file: EvidenceFile) -> bool:
    texts = len(file.name) <= LONGEST and len(file.note) <= LONGEST
    return texts and 0 < file.size <= LARGEST and file.added.tzinfo is not None


def _is_page(public: PublicTimeline) -> bool:
    lines = len(public.lines) <= MOST_LINES and all(len(line.text) <= LONGEST_LINE for line in public.lines)
    slug = re.fullmatch("[0-9a-f]{24}", public.slug)
    return lines and bool(slug) and public.language in LANGUAGES and len(public.title) <= LONGEST


def _content(opened: OpenedExport, entry: _Case, number: int, file: EvidenceFile) -> bytes:
    """As it was added, or it proves nothing. Errors: ExportRefused."""
    name = f"{FOLDER}{entry.number}/{number}"
    content = opened.member(name, LARGEST)
    if hashlib.sha256(content).hexdigest() != file.sha256 or len(content) != file.size:
        raise altered(name)
    return content


def _make(opened: OpenedExport, places: base.Places, entry: _Case) -> int:
    details, account = entry.details, checked(entry.details.account, date.max)
    public = structs.replace(details.public, is_shown=False) if details.public is not None else None
    details = structs.replace(
        details, account=_bounded(account), public=public, petition=_petition(places, entry.petition)
    )
    contents = (_content(opened, entry, number, file) for number, file in enumerate(entry.details.evidence, 1))
    created = min(moment(entry.created), places.now)
    return put_case(places.organization, details, contents, created=created, now=places.now, by=places.by).pk


def _bounded(account: ClosedAccount) -> ClosedAccount:
    return replace(account, subscribers_in=tuple(dict.fromkeys(account.subscribers_in)))


def _petition(places: base.Places, named: _Petition | None) -> Petition | None:
    if named is None or named.list not in places.lists:
        return None
    here, numbers = places.lists[named.list], {field.tag: field.number for field in queries.fields(places.organization)}
    form = next((form for form in forms.standing(places.organization) if _is_signed(form, here)), None)
    if form is None or not {named.name, named.shown} <= numbers.keys():
        return None
    return Petition(here, form.pk, numbers[named.name], numbers[named.shown])


def _is_signed(form: SignUpForm, list_id: int) -> bool:
    """Whether it's the form of the petition whose signatories are on this list."""
    facts = forms.facts_of(form)
    return facts.signs and facts.lists == (list_id,)
