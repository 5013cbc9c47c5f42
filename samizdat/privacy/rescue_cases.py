"""What is kept of a case about an account that a provider closed: facts, requests, evidence. All of it is sealed.

Which laws apply, the words of requests and until when an answer is due follow from it: core/rescue.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import batched

from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import consent_writer
from samizdat.audience.actions import forms
from samizdat.audience.models import STATUSES, Subscriber, Subscription
from samizdat.core.fields import YES, in_letter
from samizdat.core.rescue import requests
from samizdat.core.rescue.case import ClosedAccount
from samizdat.core.rescue.requests import KINDS, Kind, RequestText, ResponseDeadline, Sent
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase, RescueEvidencePiece
from samizdat.vault import keyring

# Characters of a text in a case.
LONGEST = 300
# Of a line of its public page, and lines of one.
LONGEST_LINE, MOST_LINES = 1_000, 200
# Of a name in public, names of one petition, and signatories that are looked through for names.
LONGEST_NAME, MOST_NAMES, MOST_READ = 80, 2_000, 50_000


class EvidenceFile(Struct, frozen=True):
    """A file as it was added: `parts` pieces from `first` on. `sha256`: of the file, in hexadecimal."""

    name: str
    size: int
    sha256: str
    added: datetime
    first: int
    parts: int
    note: str = ""


class TimelineLine(Struct, frozen=True):
    """Something that happened, as the public reads it."""

    day: date
    text: str


class PublicTimeline(Struct, frozen=True):
    """The public page of a case, as a person released it: nothing else of a case is ever public. `day`: when it was
    last released; is_shown: False once it was taken down; has_signatures: with how many signed the petition, and the
    names of those who chose to show theirs.
    """

    slug: str
    title: str
    language: str
    lines: list[TimelineLine]
    day: date
    is_shown: bool = True
    has_signatures: bool = False


class Petition(Struct, frozen=True):
    """Whoever signs is on a list of its own, by a form that asks them to confirm by email. Numbers of all of them."""

    list: int
    form: int
    name: int
    shown: int


class CaseDetails(Struct, frozen=True, omit_defaults=True):
    """What stands in a case. Requests and files count from 1, in the order in which they were added."""

    account: ClosedAccount = ClosedAccount("", date.min, "")
    sent: list[Sent] = []
    evidence: list[EvidenceFile] = []
    finished: date | None = None
    public: PublicTimeline | None = None
    petition: Petition | None = None


class OpenRequest(Struct, frozen=True):
    """A request that waits for an answer. `days`: until its deadline; negative once that has passed."""

    case: RescueCase
    number: int
    sent: Sent
    deadline: ResponseDeadline
    days: int


def details_of(case: RescueCase) -> CaseDetails:
    """Errors: SealBroken, RecordBroken."""
    return keyring.keys(case.organization).open_json(case.details_sealed, "rescuecase", "details", case.pk, CaseDetails)


def evidence_place(case: int, number: int) -> tuple[str, str, int]:
    """What a piece of evidence is sealed to."""
    return "rescueevidencepiece", f"blob{case}", number


def cases(organization: Organization) -> Sequence[RescueCase]:
    """The newest first."""
    rows = RescueCase.objects.select_related("organization").filter(organization=organization)
    return list(rows.order_by("-pk"))


def case_numbered(organization: Organization, number: int) -> RescueCase:
    """Errors: PrivacyError."""
    rows = RescueCase.objects.select_related("organization").filter(organization=organization)
    case = rows.filter(pk=number).first() if 0 < number < 1 << 63 else None
    if case is None:
        raise PrivacyError(_("There’s no case %(n)s. Check its number.") % {"n": number}, "no_case")
    return case


def kind_named(name: str) -> Kind:
    """Errors: PrivacyError."""
    if name not in KINDS:
        raise PrivacyError(
            _("There’s no request “%(name)s”. Choose one of those of the case.") % {"name": name}, "kind"
        )
    return KINDS[name]


def draft(case: RescueCase, kind: Kind, today: date, language: str) -> RequestText:
    """The words of a request. A complaint lists what was sent and the evidence with its hashes."""
    details = details_of(case)
    evidence = [f"{file.name}, {file.added:%Y-%m-%d %H:%M} UTC, SHA-256 {file.sha256}" for file in details.evidence]
    sent = [each for each in details.sent if KINDS[each.kind].to == "provider"]
    signed = signatures_of(case, details)
    lines = requests.signed_lines(signed.count, signed.names, language) if signed.count else ()
    return requests.draft(kind, details.account, today, language, sent, evidence, lines)


def open_requests(organization: Organization, today: date) -> Iterator[OpenRequest]:
    """Requests without an answer, of cases that aren't finished; none of which was complained about since."""
    for case in cases(organization):
        details = details_of(case)
        if details.finished is None:
            yield from _open(case, details, today)


def _open(case: RescueCase, details: CaseDetails, today: date) -> Iterator[OpenRequest]:
    complained = max((each.sent for each in details.sent if each.kind == "complaint"), default=date.min)
    for number, sent in enumerate(details.sent, 1):
        until = requests.deadline(details.account, sent)
        over = sent.kind != "complaint" and until is not None and until.at < complained
        if until is not None and sent.answered is None and not over:
            yield OpenRequest(case, number, sent, until, (until.at - today).days)


class Signatures(Struct, frozen=True):
    """Who signed: how many confirmed it, and the names of those who chose to show theirs, in the order of signing."""

    count: int = 0
    names: list[str] = []


def signatures_of(case: RescueCase, details: CaseDetails) -> Signatures:
    """Those who confirmed by email and haven't left; whoever is erased is no longer among them."""
    petition = details.petition
    if petition is None:
        return Signatures()
    signed = Subscription.objects.filter(list=petition.list, list__organization=case.organization)
    signed = signed.filter(status=STATUSES.index("subscribed"))
    numbers = list(signed.order_by("since", "subscriber_id").values_list("subscriber_id", flat=True)[:MOST_READ])
    names = [name for some in batched(numbers, 500) for name in _names(case, petition, some)]
    return Signatures(signed.count(), names[:MOST_NAMES])


def _names(case: RescueCase, petition: Petition, numbers: Sequence[int]) -> Iterator[str]:
    """Strangers write them: none that leads anywhere, or is as long as a text."""
    keys = keyring.keys(case.organization)
    rows = Subscriber.objects.filter(organization=case.organization, pk__in=numbers)
    known = {row.pk: row for row in rows}
    for number in numbers:
        if number in known:
            values = consent_writer.values_of(keys, known[number])
            name = in_letter(values.get(petition.name, ""))
            if name and len(name) <= LONGEST_NAME and values.get(petition.shown) == YES:
                yield name


def proposed_timeline(case: RescueCase, today: date, language: str) -> tuple[str, list[TimelineLine]]:
    """(Title, lines): what stands on its public page; of a case that has none, what could."""
    details = details_of(case)
    if details.public is not None:
        return details.public.title, details.public.lines
    lines = requests.timeline(details.account, details.sent, today, language)
    return requests.timeline_title(details.account, language), [TimelineLine(day, text) for day, text in lines]


def timeline_text(lines: Sequence[TimelineLine]) -> str:
    """To be edited: a line for each, which begins with its day."""
    return "".join(f"{line.day.isoformat()} {line.text}\n" for line in lines)


def timeline_lines(text: str) -> list[TimelineLine]:
    """What was edited, oldest first. Errors: PrivacyError, which names the line."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        day, _blank, words = " ".join(line.split()).partition(" ")
        if not day:
            continue
        try:
            lines.append(TimelineLine(date.fromisoformat(day), words[:LONGEST_LINE]))
        except ValueError:
            lines.append(TimelineLine(date.min, ""))
        if not lines[-1].text or len(day) != len("2026-12-03"):
            raise PrivacyError(
                _("Line %(n)s needs a day and a text. Write it as: 2026-12-03 What happened.") % {"n": number}, "lines"
            )
    if not 0 < len(lines) <= MOST_LINES:
        raise PrivacyError(_("Write between 1 and %(n)s lines.") % {"n": MOST_LINES}, "lines")
    return sorted(lines, key=lambda line: line.day)


def public_address(case: RescueCase) -> str:
    """Of its public page; "" if it has none, or the organization has no public pages."""
    public, site = details_of(case).public, leading(case.organization).public_url
    return f"{site}/a/{public.slug}" if public is not None and public.is_shown and site else ""


def petition_slug(case: RescueCase, details: CaseDetails) -> str:
    """Of the form on which people sign; "" where nobody can."""
    form = forms.form_numbered(case.organization, details.petition.form) if details.petition is not None else None
    return form.slug if form is not None else ""


def read_evidence(case: RescueCase, file: EvidenceFile) -> Iterator[bytes]:
    """The file, a piece at a time. Errors: PrivacyError if pieces are missing, SealBroken."""
    keys = keyring.keys(case.organization)
    rows = RescueEvidencePiece.objects.filter(case=case)
    for number in range(file.first, file.first + file.parts):
        blob = rows.filter(number=number).values_list("blob", flat=True).first()
        if blob is None:
            raise PrivacyError(
                _("A part of “%(name)s” is missing. Restore it from a newer backup, or add the file again.")
                % {"name": file.name},
                "no_piece",
            )
        yield keys.open(bytes(blob), *evidence_place(case.pk, number))


def checked(account: ClosedAccount, today: date) -> ClosedAccount:
    """With texts of bounded length. Errors: PrivacyError."""
    if not account.provider.strip():
        raise PrivacyError(_("Enter who closed the account."), "provider")
    if account.closed > today:
        raise PrivacyError(_("The account can’t have been closed in the future. Check the day."), "closed")
    return replace(
        account,
        provider=_text(account.provider),
        organization=_text(account.organization),
        account=_text(account.account),
        owner=_text(account.owner),
        reply_to=_text(account.reply_to),
        signed=_text(account.signed),
        authority=_text(account.authority),
    )


def _text(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
