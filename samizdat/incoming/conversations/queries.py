"""Named reads of the inbox."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from samizdat.accounts.models import Organization, Person
from samizdat.audience.models import Subscriber
from samizdat.incoming.conversations import details
from samizdat.incoming.conversations.details import ConversationDetails, MessageDetails
from samizdat.incoming.models import Conversation, ConversationMessage, IncomingMail

FOLDERS = ("open", "mine", "done")
PAGE = 25


@dataclass(frozen=True, slots=True)
class ConversationRow:
    row: Conversation
    known: ConversationDetails

    @property
    def waits(self) -> bool:
        return self.row.state == Conversation.WAITING

    @property
    def is_done(self) -> bool:
        return self.row.state == Conversation.DONE


@dataclass(frozen=True, slots=True)
class MessageView:
    """`has_files`: they can still be opened."""

    row: ConversationMessage
    words: MessageDetails
    has_files: bool


@dataclass(frozen=True, slots=True)
class InboxPage[Row]:
    """`first`: of the first row, counted from 1."""

    rows: tuple[Row, ...]
    page: int
    first: int
    total: int

    @property
    def older(self) -> int | None:
        return self.page + 1 if self.first + PAGE <= self.total else None

    @property
    def newer(self) -> int | None:
        return self.page - 1 if self.page > 1 else None

    @property
    def last(self) -> int:
        return min(self.first + PAGE - 1, self.total)


def rows_of(organization: Organization) -> QuerySet[Conversation]:
    """Without those of subscribers who were erased, which are about to be deleted."""
    rows = Conversation.objects.select_related("organization", "assignee").filter(organization=organization)
    return _here(rows)


def _here(rows: QuerySet[Conversation]) -> QuerySet[Conversation]:
    here = Subscriber.objects.filter(pk=OuterRef("subscriber"))
    return rows.filter(Q(subscriber__isnull=True) | Exists(here))


def waiting(organization: Organization) -> int:
    """How many wait for an answer."""
    return Conversation.objects.filter(organization=organization, state=Conversation.WAITING).count()


def counts(organization: Organization, person: Person) -> dict[str, int]:
    """Of each folder but *done*."""
    open_ = _here(Conversation.objects.filter(organization=organization, state__lt=Conversation.DONE))
    return dict(open_.aggregate(open=Count("pk"), mine=Count("pk", filter=Q(assignee=person))))


def page(organization: Organization, folder: str, person: Person | None, number: int) -> InboxPage[ConversationRow]:
    """folder: of FOLDERS. person: whose *mine* is. number: of the page, from 1. The newest first."""
    every = _here(Conversation.objects.filter(organization=organization))
    open_ = every.filter(state__lt=Conversation.DONE)
    rows = {"open": open_, "mine": open_.filter(assignee=person)}.get(folder, every.filter(state=Conversation.DONE))
    first = (number - 1) * PAGE
    # The index has all that is asked for until here: rows that aren't shown, of which there may be thousands, aren't
    # read.
    numbers = [*rows.order_by("-last").values_list("pk", flat=True)[first : first + PAGE]]
    shown = rows_of(organization).filter(pk__in=numbers).order_by("-last")
    return InboxPage(tuple(_opened(shown)), number, first + 1, rows.count())


def _opened(rows: QuerySet[Conversation]) -> Iterator[ConversationRow]:
    for row in rows:
        if (known := details.opened(row)) is not None:
            yield ConversationRow(row, known)


def numbered(organization: Organization, number: int) -> ConversationRow | None:
    return next(_opened(rows_of(organization).filter(pk=number)), None)


def of_subscriber(subscriber: Subscriber, most: int | None = None) -> list[ConversationRow]:
    """Theirs, the newest first; so many of them."""
    rows = rows_of(subscriber.organization).filter(subscriber=subscriber.pk).order_by("-last")
    return [*_opened(rows[:most])]


def messages(row: Conversation) -> list[MessageView]:
    """In their order."""
    opened = [
        (message, words)
        for message in row.messages.order_by("pk")
        if (words := details.opened_message(row.organization, message)) is not None
    ]
    mails = [words.mail for _message, words in opened if words.files]
    kept = {*IncomingMail.objects.filter(organization=row.organization, pk__in=mails).values_list("pk", flat=True)}
    return [MessageView(message, words, words.mail in kept) for message, words in opened]
