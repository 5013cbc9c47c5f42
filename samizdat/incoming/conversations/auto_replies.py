"""Automatic replies: out-of-office texts, and filters that ask whether a person wrote. Nobody waits for an answer, so
they are no conversations: there is the report, and the email, whose text is read when somebody looks and goes with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import limited_process
from samizdat.accounts.models import Organization, Person
from samizdat.audience import queries as audience
from samizdat.audience.models import NUMBER_BITS, Subscriber
from samizdat.core.bounce import reading
from samizdat.core.bounce.report import KINDS, ReplyContent
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.incoming_envelope import MOST, Envelope
from samizdat.events.actions import record
from samizdat.incoming import intake, report_details
from samizdat.incoming.conversations import take_up
from samizdat.incoming.conversations.queries import PAGE, InboxPage
from samizdat.incoming.errors import ConversationRefused
from samizdat.incoming.helper_reading import ORDINARY, read_each
from samizdat.incoming.models import Conversation, IncomingMail, MailReport
from samizdat.incoming.processing import KEPT
from samizdat.incoming.report_details import ReportDetails

# Of MailReport.kind; the index of its table says the same.
KIND = KINDS.index("auto-reply")
# Bytes of an email whose beginning the list shows: 25 are opened for a page.
SHORT = 100_000
# And of one that is opened, sealed and padded.
LONG = 2 * MOST
# Of one subscriber, the newest that a copy of their data has: whoever has a token of ours may send as many as they
# like, and each is read.
COPIED = 100


@dataclass(frozen=True, slots=True)
class AutoReply:
    """`number`: of the subscriber, 0 where no email of ours is proven. `address`: of whoever sent it, "" where the
    report is about a subscriber. `content`: None where the email is no longer kept or can't be read, and in a list for
    long ones."""

    report: int
    mail: int
    details: ReportDetails
    content: ReplyContent | None

    @property
    def number(self) -> int:
        return self.details.number

    @property
    def day(self) -> date:
        return self.details.day

    @property
    def address(self) -> str:
        return (self.content.sender if self.content else "") or self.details.recipient

    @property
    def asks(self) -> bool:
        """Whether a filter holds our email back until a person confirms it."""
        return self.details.reason == "challenge"


def rows_of(organization: Organization, now: datetime) -> QuerySet[MailReport]:
    """While the email is kept, without those of subscribers who were erased."""
    since = now.astimezone(UTC).date() - KEPT
    rows = MailReport.objects.filter(organization=organization, kind=KIND, day__gte=since)
    here = Subscriber.objects.filter(pk=OuterRef("number") + (organization.pk << NUMBER_BITS))
    return rows.filter(Q(number__isnull=True) | Exists(here))


def count(organization: Organization, now: datetime) -> int:
    return rows_of(organization, now).count()


def page(organization: Organization, number: int, now: datetime) -> InboxPage[AutoReply]:
    """number: of the page, from 1. The newest first, each with how it begins."""
    rows, first = rows_of(organization, now).order_by("-day", "-id"), (number - 1) * PAGE
    shown = _opened(organization, rows[first : first + PAGE], SHORT)
    return InboxPage(tuple(shown), number, first + 1, rows.count())


def numbered(organization: Organization, number: int, now: datetime) -> AutoReply | None:
    """By the number of its report."""
    rows = rows_of(organization, now).filter(pk=number)
    return next(iter(_opened(organization, rows)), None)


def of_subscriber(subscriber: Subscriber, now: datetime) -> Iterator[AutoReply]:
    """Theirs, the newest first, without those whose email is no longer kept. Each is read alone: together they may have
    a gigabyte."""
    organization = subscriber.organization
    rows = rows_of(organization, now).filter(number=subscriber.number).order_by("-day", "-id")
    for row in rows[:COPIED]:
        yield from (shown for shown in _opened(organization, [row]) if shown.content)


def move(organization: Organization, number: int, *, by: Person, now: datetime) -> Conversation:
    """A person wrote it after all: it becomes a conversation, and counts as a reply. Errors: ConversationRefused."""
    shown = numbered(organization, number, now)
    gone = ConversationRefused(_("This email is no longer kept: emails are deleted after 30 days."))
    if shown is None or shown.content is None:
        raise gone
    message = take_up.sent_message(organization, shown.details.edition, shown.number) if shown.number else None
    content = structs.replace(shown.content, may_be_answered=False)  # What a program may have written.
    details = structs.replace(shown.details, kind="reply", reason="person")
    facts = {"kind": KINDS.index("reply"), "details_sealed": report_details.sealer(organization)(number, details)}
    with transaction.atomic():
        if not MailReport.objects.filter(pk=number, kind=KIND).update(**facts):
            raise gone  # Somebody else moved it.
        conversation = take_up.add(organization, shown.mail, content, message, now)
        if conversation is None:
            raise ConversationRefused(_("The inbox takes in no more of these today. Try again tomorrow."))
        record("inbox.auto_reply_moved", organization, about=conversation.pk, by=by, now=now)
    return conversation


def forget_erased(organization: Organization, now: datetime) -> int:
    """Deletes the emails of subscribers who are not here any more; how many."""
    since = now.astimezone(UTC).date() - KEPT
    every = MailReport.objects.filter(organization=organization, kind=KIND, day__gte=since)
    gone = every.exclude(pk__in=rows_of(organization, now).values("pk"))
    return IncomingMail.objects.filter(organization=organization, pk__in=gone.values("mail")).delete()[0]


def _opened(organization: Organization, rows: Iterable[MailReport], most: int = LONG) -> list[AutoReply]:
    """most: bytes of an email that is read."""
    details_of = report_details.details_reader(organization)
    known = [
        (row, details)
        for row in rows
        if (details := details_of(row.pk, row.edition_id, row.number, bytes(row.details_sealed))) is not None
        and details.kind == "auto-reply"
    ]
    contents = _contents(organization, {row.mail: details.email for row, details in known}, most)
    return [AutoReply(row.pk, row.mail, details, contents.get(row.mail)) for row, details in known]


def _contents(organization: Organization, mails: Mapping[int, str], most: int) -> dict[int, ReplyContent | None]:
    """mails: number -> ReportDetails.email. By number; without those that are no longer kept, break whoever reads them,
    or were put in the place of another one: a copy of their own data would read somebody else's email to whoever writes
    the database."""
    opener, envelopes = intake.opener(organization), dict[int, Envelope]()
    rows = IncomingMail.objects.filter(organization=organization, pk__in=[*mails], size__lte=most)
    for number, box in rows.values_list("pk", "box"):
        try:
            envelope = opener.open(bytes(box))
        except (KeyError, SealError, msgspec.DecodeError):
            continue
        if report_details.digest_of(envelope.raw) == mails[number]:
            envelopes[number] = envelope

    def read(some: Sequence[Envelope]) -> Sequence[ReplyContent | None]:
        return limited_process.work(organization.pk, reading.contents, [envelope.raw for envelope in some])

    if not envelopes:
        return {}
    try:
        contents = read_each([*envelopes.values()], read, ORDINARY)
    except (limited_process.TooMuch, limited_process.HelperBroke):
        return {}
    return dict(zip(envelopes, contents, strict=True))


def subscribers(organization: Organization, shown: Iterable[AutoReply]) -> Mapping[int, audience.SealedSubscriber]:
    """Whose they are, by number."""
    return audience.subscribers_numbered(organization, {row.number for row in shown if row.number})
