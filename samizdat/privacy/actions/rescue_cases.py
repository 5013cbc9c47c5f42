"""A case about a closed account is opened, and what happens in it is written down beside it."""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import IO

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions.fields import FieldShape
from samizdat.audience.actions.fields import add_field as new_field
from samizdat.audience.actions.forms import (
    LONGEST_INTRO,
    LONGEST_TITLE,
    LONGEST_WORDING,
    FormFacts,
    make_form,
)
from samizdat.audience.actions.lists import new_list
from samizdat.core.rescue import requests
from samizdat.core.rescue.case import ClosedAccount
from samizdat.core.rescue.requests import Sent
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase, RescueEvidencePiece
from samizdat.privacy.rescue_cases import (
    LONGEST,
    CaseDetails,
    EvidenceFile,
    Petition,
    PublicTimeline,
    checked,
    details_of,
    evidence_place,
    kind_named,
    timeline_lines,
)
from samizdat.vault import keyring

# Bytes of a piece, and of a file. Enough for a screenshot, an email with attachments, a signed PDF.
PIECE, LARGEST = 1 << 20, 20 << 20
# Requests, and files, of a case.
MOST = 200


def open_case(
    organization: Organization, account: ClosedAccount, *, now: datetime, by: Person | None = None
) -> RescueCase:
    """Errors: PrivacyError."""
    account = checked(account, now.date())
    with transaction.atomic():
        case = RescueCase.objects.create(organization=organization, created=now, by=by)
        _seal(case, CaseDetails(account=account))
        record("rescue_case.opened", organization, about=case.pk, by=by, now=now)
    return case


def put_case(
    organization: Organization,
    details: CaseDetails,
    contents: Iterable[bytes],
    *,
    created: datetime,
    now: datetime,
    by: Person | None = None,
) -> RescueCase:
    """A case that was opened in another installation, with the content of each of its files."""
    with transaction.atomic():
        case = RescueCase.objects.create(organization=organization, created=created, by=by)
        files, keys, number = [], keyring.keys(organization), 0
        for file, content in zip(details.evidence, contents, strict=True):
            first = number
            for start in range(0, len(content), PIECE):
                sealed = keys.seal(content[start : start + PIECE], *evidence_place(case.pk, number))
                RescueEvidencePiece.objects.create(case=case, number=number, blob=sealed)
                number += 1
            files.append(msgspec.structs.replace(file, first=first, parts=number - first))
        _seal(case, msgspec.structs.replace(details, evidence=files))
        record("rescue_case.opened", organization, about=case.pk, by=by, now=now)
    return case


def change_case(case: RescueCase, account: ClosedAccount, *, now: datetime, by: Person | None = None) -> None:
    """What is known by now. Errors: PrivacyError."""
    account = checked(account, now.date())
    _change(case, "rescue_case.changed", lambda details: msgspec.structs.replace(details, account=account), now, by)


def note_sent(
    case: RescueCase,
    kind: str,
    sent: date,
    received: date | None = None,
    *,
    now: datetime,
    by: Person | None = None,
) -> int:
    """Its number in the case. received: the day on which it reached them; the day of sending, if nobody says. Errors:
    PrivacyError.
    """
    kind_named(kind)
    received = received or sent
    _check_days(now.date(), sent, received)
    added = Sent(kind, sent, received)
    return len(
        _change(
            case,
            "rescue_case.request_sent",
            lambda details: msgspec.structs.replace(details, sent=_with(details.sent, added)),
            now,
            by,
            kind=kind,
            day=sent.isoformat(),
        ).sent
    )


def note_answered(
    case: RescueCase, number: int, day: date | None, *, extended: bool = False, now: datetime, by: Person | None = None
) -> None:
    """They answered on a day; or extended the time to answer, which the law allows within the first period alone.
    Errors: PrivacyError.
    """

    def answered(details: CaseDetails) -> CaseDetails:
        sent = _numbered(details.sent, number)
        if day is not None:
            _check_days(now.date(), sent.sent, day)
        rows = list(details.sent)
        rows[number - 1] = replace(sent, extended=True) if extended else replace(sent, answered=day)
        return msgspec.structs.replace(details, sent=rows)

    _change(case, "rescue_case.request_answered", answered, now, by, number=number)


def add_evidence(
    case: RescueCase, name: str, file: IO[bytes], *, note: str = "", now: datetime, by: Person | None = None
) -> EvidenceFile:
    """Keeps a file sealed. Its SHA-256 and the moment stand in the case, and in the log, whose lines are chained: so it
    can be shown later that the file was there then. Errors: PrivacyError.
    """
    hashed, size = hashlib.sha256(), 0
    with transaction.atomic():
        case, details = _locked(case)
        if len(details.evidence) >= MOST:
            raise PrivacyError(_("A case takes %(n)s files. Open another case.") % {"n": MOST}, "many_files")
        first = number = sum(each.parts for each in details.evidence)
        while piece := file.read(PIECE):
            size += len(piece)
            if size > LARGEST:
                raise PrivacyError(
                    _("“%(name)s” is larger than %(n)s MB. Add a smaller file.") % {"name": name, "n": LARGEST >> 20},
                    "large_file",
                )
            hashed.update(piece)
            sealed = keyring.keys(case.organization).seal(piece, *evidence_place(case.pk, number))
            RescueEvidencePiece.objects.create(case=case, number=number, blob=sealed)
            number += 1
        if not size:
            raise PrivacyError(_("“%(name)s” is empty. Choose another file.") % {"name": name}, "empty_file")
        added = EvidenceFile(
            name[:LONGEST], size, hashed.hexdigest(), now, first, number - first, " ".join(note.split())[:LONGEST]
        )
        _seal(case, msgspec.structs.replace(details, evidence=[*details.evidence, added]))
        detail = {"sha256": added.sha256, "size": size}
        record("rescue_case.evidence_added", case.organization, about=case.pk, by=by, now=now, detail=detail)
    return added


def finish_case(case: RescueCase, day: date, *, now: datetime, by: Person | None = None) -> None:
    """Nothing more is asked for, and nobody is reminded. Everything stays. Errors: PrivacyError."""
    _check_days(now.date(), day, day)
    _change(case, "rescue_case.finished", lambda details: msgspec.structs.replace(details, finished=day), now, by)


def open_petition(case: RescueCase, language: str, *, now: datetime, by: Person | None = None) -> Petition:
    """Makes a list and its form, on which people sign; they confirm by email as any subscriber does. A case that has
    one keeps it. Errors: AudienceError, with its kinds.
    """
    with transaction.atomic():
        case, details = _locked(case)
        if details.petition is not None:
            return details.petition
        organization, words = case.organization, requests.petition_words(details.account, language)
        fields = {field.tag: field.number for field in audience.fields(organization)}
        name = fields.get("SIGNAS") or new_field(organization, "SIGNAS", words.name, now=now, by=by)
        yes_or_no = FieldShape("yesno")
        shown = fields.get("SHOWNAME") or new_field(
            organization, "SHOWNAME", words.shown, now=now, by=by, shape=yes_or_no
        )
        taken = {row.name for row in audience.lists(organization, archived=True)}
        named = words.list if words.list not in taken else f"{words.list} ({case.pk})"
        signatories = new_list(organization, named, now=now, by=by)
        form = make_form(
            organization,
            FormFacts(
                title=words.form[:LONGEST_TITLE],
                language=language,
                lists=(signatories.pk,),
                wording=words.wording[:LONGEST_WORDING],
                intro=words.intro[:LONGEST_INTRO],
                thanks=words.thanks,
                fields=(name, shown),
                signs=True,
            ),
            now=now,
            by=by,
        )
        petition = Petition(signatories.pk, form.pk, name, shown)
        _seal(case, msgspec.structs.replace(details, petition=petition))
        record("rescue_case.petition_opened", organization, about=case.pk, by=by, now=now)
    return petition


def publish_timeline(
    case: RescueCase,
    title: str,
    text: str,
    language: str,
    *,
    signatures: bool = False,
    now: datetime,
    by: Person | None = None,
) -> None:
    """Shows these lines (rescue_cases.timeline_lines) on the public pages, under an address that stays the same; the
    worker does it within seconds. signatures: with those of the petition. Errors: PrivacyError.
    """
    title, lines = " ".join(title.split())[:LONGEST], timeline_lines(text)
    if not title:
        raise PrivacyError(_("Enter a title for the page."), "title")
    if not leading(case.organization).public_url:
        raise PrivacyError(_("Your public pages have no address yet. Set it under Settings."), "no_site")

    def published(details: CaseDetails) -> CaseDetails:
        slug = details.public.slug if details.public else secrets.token_hex(12)
        public = PublicTimeline(slug, title, language, lines, now.date(), has_signatures=signatures)
        return msgspec.structs.replace(details, public=public)

    _change(case, "rescue_case.published", published, now, by)


def withdraw_timeline(case: RescueCase, *, now: datetime, by: Person | None = None) -> None:
    """Takes the public page down. Its lines are kept in the case. Errors: PrivacyError."""

    def withdrawn(details: CaseDetails) -> CaseDetails:
        if details.public is None or not details.public.is_shown:
            raise PrivacyError(_("This case has no public page."), "no_page")
        return msgspec.structs.replace(details, public=msgspec.structs.replace(details.public, is_shown=False))

    _change(case, "rescue_case.unpublished", withdrawn, now, by)


def _with(rows: list[Sent], added: Sent) -> list[Sent]:
    if len(rows) >= MOST:
        raise PrivacyError(_("A case takes %(n)s requests. Open another case.") % {"n": MOST}, "many_requests")
    return [*rows, added]


def _numbered(rows: list[Sent], number: int) -> Sent:
    if not 1 <= number <= len(rows):
        raise PrivacyError(_("There’s no request %(n)s in this case. Check its number.") % {"n": number}, "no_request")
    return rows[number - 1]


def _check_days(today: date, first: date, then: date) -> None:
    """Nothing happens before what it follows, or in the future; a clock may be a day apart."""
    if first > then or (then - today).days > 1 or first.year < 2000:
        raise PrivacyError(_("These days can’t be right. Check them, and that they aren’t in the future."), "day")


def _change(
    case: RescueCase,
    event: EventKind,
    change: Callable[[CaseDetails], CaseDetails],
    now: datetime,
    by: Person | None,
    **detail: object,
) -> CaseDetails:
    with transaction.atomic():
        case, details = _locked(case)
        changed = change(details)
        _seal(case, changed)
        record(event, case.organization, about=case.pk, by=by, now=now, detail=detail)
    return changed


def _locked(case: RescueCase) -> tuple[RescueCase, CaseDetails]:
    """As it stands now: of two who write, the second finds what the first one wrote."""
    case = RescueCase.objects.select_related("organization").select_for_update(of=("self",)).get(pk=case.pk)
    return case, details_of(case)


def _seal(case: RescueCase, details: CaseDetails) -> None:
    sealed = keyring.keys(case.organization).seal_json(details, "rescuecase", "details", case.pk)
    RescueCase.objects.filter(pk=case.pk).update(details_sealed=sealed)
    case.details_sealed = sealed
