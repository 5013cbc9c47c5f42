"""Closed accounts: which laws apply, requests to send, deadlines, evidence, and what providers did to others."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import AudienceError
from samizdat.core.rescue import requests
from samizdat.core.rescue.case import EEA, LOST, ClosedAccount, laws_for
from samizdat.core.rescue.laws import LAW_OF
from samizdat.core.rescue.parties import AUTHORITIES, PROVIDERS, authority_of, provider_named
from samizdat.privacy import actions
from samizdat.privacy.actions.rescue_cases import LARGEST
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import (
    CaseDetails,
    case_numbered,
    cases,
    details_of,
    draft,
    petition_slug,
    proposed_timeline,
    public_address,
    read_evidence,
    signatures_of,
    timeline_text,
)
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, deed, door, go
from samizdat.web.privacy.forms.rescue_cases import (
    CaseForm,
    EvidenceForm,
    RequestAnswerForm,
    RequestSentForm,
    TimelineForm,
)
from samizdat.web.request import DeskRequest
from samizdat.web.uploads import MemoryUploadHandler, handler_of, takes_files

COMPLAINT = "complaint"
# Who helps groups under attack, in several languages, at any hour.
HELP = ("Access Now", "https://www.accessnow.org/help/")


@door(see=ADMINS, do=ADMINS)
def all_cases(request: DeskRequest) -> HttpResponse:
    """Those that were opened, and the form for a new one."""
    form = CaseForm(request.POST or None)
    if form.is_valid():
        account = _account(form.cleaned_data, leading(request.organization).name)
        try:
            case = actions.open_case(request.organization, account, now=timezone.now(), by=request.person)
        except PrivacyError as refused:
            refuse(form, refused.code, refused)
        else:
            messages.success(request, _("Case opened. Start with the first request below."))
            return go(request, "rescue-case", case.pk)
    opened = [(case, details_of(case)) for case in cases(request.organization)]
    rows = [(case, _provider(details.account), details, _next(details)) for case, details in opened]
    return render(
        request, "web/privacy/rescue_cases.html", {"form": form, "rows": rows}, status=422 if form.errors else 200
    )


def _account(typed: dict[str, Any], organization: str) -> ClosedAccount:
    """What was typed, with what is known of the provider and the authority."""
    known = provider_named(typed["provider"])
    return ClosedAccount(
        provider=known.id if known else typed["provider"],
        closed=typed["closed"],
        organization=organization,
        provider_country=typed["provider_country"] or (known.country if known else "US"),
        country=typed["country"],
        subscribers_in=tuple(typed["subscribers_in"]),
        owner_country=typed["owner_country"],
        reason=typed["reason"],
        lost=tuple(typed["lost"]) or LOST,
        account=typed["account"],
        owner=typed["owner"],
        reply_to=typed["reply_to"],
        signed=typed["signed"],
        authority=typed["authority"] or authority_of(typed["country"], *typed["subscribers_in"]),
    )


def _next(details: CaseDetails) -> date | None:
    """The earliest deadline of what isn't answered."""
    waiting = [requests.deadline(details.account, sent) for sent in details.sent if sent.answered is None]
    return min((until.at for until in waiting if until is not None), default=None)


@door(see=ADMINS, do=ADMINS)
def one_case(request: DeskRequest, case_id: int) -> HttpResponse:
    """One case. POST changes what is known of it."""
    case = _of(request, case_id)
    details = details_of(case)
    before = details.account
    form = CaseForm(request.POST or None, initial=_known(before))
    if form.is_valid():
        try:
            account = _account(form.cleaned_data, leading(request.organization).name)
            account = replace(account, subscribers_in=_countries(account.subscribers_in, before.subscribers_in))
            actions.change_case(case, account, now=timezone.now(), by=request.person)
        except PrivacyError as refused:
            refuse(form, refused.code, refused)
        else:
            messages.success(request, _("Saved."))
            return go(request, "rescue-case", case_id)
    return _page(request, case, details, form)


def _known(account: ClosedAccount) -> dict[str, Any]:
    """What the form shows of it."""
    return asdict(account) | {"provider": _provider(account), "subscribers_in": _ticked(account.subscribers_in)}


def _ticked(countries: Sequence[str]) -> list[str]:
    """The form asks for the EEA as a whole; a command may have named its countries."""
    return [*({"EU"} if {*EEA, "EU"}.intersection(countries) else ()), *({"GB"} & {*countries})]


def _countries(ticked: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """Those that were named before stay, unless what they are in was unticked."""
    kept = [code for code in before if code not in {*EEA, "EU", "GB"} or {code} & {*ticked} or _in_ticked(code, ticked)]
    return tuple(dict.fromkeys([*kept, *(code for code in ticked if code != "EU" or not EEA.intersection(kept))]))


def _in_ticked(code: str, ticked: Sequence[str]) -> bool:
    return code in EEA and "EU" in ticked


def _page(
    request: DeskRequest,
    case: RescueCase,
    details: CaseDetails,
    form: CaseForm,
    timeline_form: TimelineForm | None = None,
) -> HttpResponse:
    today, language, ours = timezone.localdate(), _language(request), _ours()
    account = details.account
    page = {
        "case": case,
        "details": details,
        "provider": _provider(account),
        "form": form,
        "language": language,
        "laws": [(applied.law.name[ours], applied.law.says[ours], applied.law.source) for applied in laws_for(account)],
        "asks": [
            (kind, requests.label(kind.id, ours), requests.about(kind.id, ours), draft(case, kind, today, language))
            for kind in requests.kinds_for(account)
        ],
        "sent": [
            (number, sent, requests.label(sent.kind, ours), requests.deadline(account, sent), today)
            for number, sent in enumerate(details.sent, 1)
        ],
        "may_complain": _may_complain(details, today),
        "authorities": [each for code, each in AUTHORITIES.items() if code == account.country],
        "evidence_form": EvidenceForm(),
        "timeline_form": timeline_form or _timeline_form(case, today, language),
        "public": details.public,
        "petition": details.petition,
        "petition_form": _petition_form(case, details),
        "signed": signatures_of(case, details),
        "public_address": public_address(case),
        "today": today,
        "law_of": LAW_OF,
        "help_name": HELP[0],
        "help_site": HELP[1],
    }
    is_refused = bool(form.errors or (timeline_form and timeline_form.errors))
    return render(request, "web/privacy/rescue_case.html", page, status=422 if is_refused else 200)


def _may_complain(details: CaseDetails, today: date) -> bool:
    """A deadline passed without an answer, an authority can be asked, and was not."""
    late = _next(details)
    kinds = {kind.id for kind in requests.kinds_for(details.account)}
    return late is not None and late < today and COMPLAINT in kinds - {sent.kind for sent in details.sent}


def _petition_form(case: RescueCase, details: CaseDetails) -> str:
    """The address at which people sign; "" where nobody can."""
    slug, site = petition_slug(case, details), leading(case.organization).public_url
    return f"{site}/f/{slug}" if slug and site else ""


def _timeline_form(case: RescueCase, today: date, language: str) -> TimelineForm:
    title, lines = proposed_timeline(case, today, language)
    public = details_of(case).public
    with_signatures = public is not None and public.has_signatures
    return TimelineForm(
        initial={"title": title, "lines": timeline_text(lines), "signatures": with_signatures},
    )


def _provider(account: ClosedAccount) -> str:
    known = PROVIDERS.get(account.provider)
    return known.name if known else account.provider


@deed(ADMINS)
def case_sent(request: DeskRequest, case_id: int) -> HttpResponse:
    """A request went out."""
    form = RequestSentForm(request.POST)
    if not form.is_valid():
        return _refused(request, case_id, str(next(iter(form.errors.values()))[0]))
    typed = form.cleaned_data
    try:
        actions.note_sent(
            _of(request, case_id),
            request.POST.get("kind", ""),
            typed["sent"],
            typed["received"],
            now=timezone.now(),
            by=request.person,
        )
    except PrivacyError as refused:
        return _refused(request, case_id, str(refused))
    messages.success(request, _("Saved. Admins are reminded of the deadline."))
    return go(request, "rescue-case", case_id)


@deed(ADMINS)
def case_answered(request: DeskRequest, case_id: int) -> HttpResponse:
    """They answered, or said that they need longer."""
    extended = "extended" in request.POST
    form = RequestAnswerForm(request.POST)
    if not form.is_valid() and not extended:
        return _refused(request, case_id, str(next(iter(form.errors.values()))[0]))
    number = request.POST.get("request", "")
    try:
        actions.note_answered(
            _of(request, case_id),
            int(number) if number.isdecimal() and len(number) < 9 else 0,
            None if extended else form.cleaned_data["answered"],
            extended=extended,
            now=timezone.now(),
            by=request.person,
        )
    except PrivacyError as refused:
        return _refused(request, case_id, str(refused))
    messages.success(request, _("Saved."))
    return go(request, "rescue-case", case_id)


@deed(ADMINS)
@takes_files(lambda request: MemoryUploadHandler(request, limit=LARGEST))
def case_evidence(request: DeskRequest, case_id: int) -> HttpResponse:
    """A file is kept."""
    form = EvidenceForm(request.POST, request.FILES)
    if handler_of(request, MemoryUploadHandler).too_large:
        return _refused(request, case_id, _("The file is larger than 20 MB. Add a smaller one."))
    if not form.is_valid():
        return _refused(request, case_id, str(next(iter(form.errors.values()))[0]))
    file = form.cleaned_data["file"]
    try:
        actions.add_evidence(
            _of(request, case_id),
            file.name,
            file,
            note=form.cleaned_data["note"],
            now=timezone.now(),
            by=request.person,
        )
    except PrivacyError as refused:
        return _refused(request, case_id, str(refused))
    messages.success(request, _("Kept, encrypted. Its SHA-256 and the time are in the case and in the log."))
    return go(request, "rescue-case", case_id)


@door(see=ADMINS)
def evidence_file(request: DeskRequest, case_id: int, file_number: int) -> HttpResponse:
    """A file as it was added: to save, never shown by the browser as a page of ours."""
    case = _of(request, case_id)
    files = details_of(case).evidence
    if not 1 <= file_number <= len(files):
        raise Http404
    file = files[file_number - 1]
    try:
        content = b"".join(read_evidence(case, file))
    except PrivacyError as refused:
        return _refused(request, case_id, str(refused))
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return response


@deed(ADMINS)
def publish_timeline(request: DeskRequest, case_id: int) -> HttpResponse:
    """Shows what was written on a public page, or takes it down."""
    case, form, now = _of(request, case_id), TimelineForm(request.POST), timezone.now()
    try:
        if "withdraw" in request.POST:
            actions.withdraw_timeline(case, now=now, by=request.person)
            messages.success(request, _("The public page is taken down."))
            return go(request, "rescue-case", case_id)
        if form.is_valid():
            typed, language = form.cleaned_data, request.POST.get("language", "")
            actions.publish_timeline(
                case,
                typed["title"],
                typed["lines"],
                language if language in requests.LANGUAGES else "en",
                signatures=typed["signatures"],
                now=now,
                by=request.person,
            )
            messages.success(request, _("Published. The page is there within seconds."))
            return go(request, "rescue-case", case_id)
    except PrivacyError as refused:
        refuse(form, refused.code, refused)
    return _page(request, case, details_of(case), CaseForm(initial=_known(details_of(case).account)), form)


@deed(ADMINS)
def open_petition(request: DeskRequest, case_id: int) -> HttpResponse:
    """A list and its form, on which people sign."""
    language = request.POST.get("language", "")
    language = language if language in requests.LANGUAGES else "en"
    try:
        actions.open_petition(_of(request, case_id), language, now=timezone.now(), by=request.person)
    except AudienceError as refused:
        return _refused(request, case_id, str(refused))
    messages.success(request, _("The petition is open for signatures. Share the address of its form."))
    return go(request, "rescue-case", case_id)


@deed(ADMINS)
def finish_case(request: DeskRequest, case_id: int) -> HttpResponse:
    """Nobody is reminded any more."""
    try:
        actions.finish_case(_of(request, case_id), timezone.localdate(), now=timezone.now(), by=request.person)
    except PrivacyError as refused:
        return _refused(request, case_id, str(refused))
    messages.success(request, _("Case finished. Everything in it is kept."))
    return go(request, "rescue-cases")


@door(see=ADMINS)
def providers(request: DeskRequest) -> HttpResponse:
    """What providers did to groups like ours, with sources."""
    ours = _ours()
    rows = [(provider, [(line, line.says[ours]) for line in provider.lines]) for provider in PROVIDERS.values()]
    return render(request, "web/privacy/providers.html", {"rows": rows})


def _of(request: DeskRequest, case_id: int) -> RescueCase:
    try:
        return case_numbered(request.organization, case_id)
    except PrivacyError:
        raise Http404 from None


def _refused(request: DeskRequest, case_id: int, sentence: str) -> HttpResponse:
    _of(request, case_id)
    messages.error(request, sentence)
    return go(request, "rescue-case", case_id)


def _ours() -> str:
    """Of the page: laws and labels stand in these languages."""
    language = (get_language() or "en")[:2]
    return language if language in requests.LANGUAGES else "en"


def _language(request: DeskRequest) -> str:
    """Of the drafts. A provider is written to in English, unless somebody asks."""
    asked = request.GET.get("language", "en")
    return asked if asked in requests.LANGUAGES else "en"
