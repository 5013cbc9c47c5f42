"""What the team does with a conversation."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import limited_process
from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.audience import queries as audience
from samizdat.audience.actions import bulk
from samizdat.audience.filters import Filter
from samizdat.audience.models import BulkAction, List, Subscriber
from samizdat.core.bounce import reply_content
from samizdat.core.bounce.report import Attachment
from samizdat.core.crypto.seal import SealError
from samizdat.events.actions import record
from samizdat.incoming import intake
from samizdat.incoming.conversations import away, details, outgoing
from samizdat.incoming.conversations.details import ConversationDetails, MessageDetails
from samizdat.incoming.errors import ConversationRefused
from samizdat.incoming.models import Conversation, ConversationMessage, IncomingMail
from samizdat.vault.locks import unlocked

LONGEST = 20_000
# How long a conversation is kept after its last message.
KEPT = timedelta(days=365)
# Rows that go in one step.
SLICE = 200
# Statuses of whoever can be taken off a list.
ON_LIST = ("subscribed", "pending")


def answer(row: Conversation, text: str, *, by: Person, now: datetime, done: bool = False) -> ConversationMessage:
    """Has the worker send it. Errors: ConversationRefused."""
    text = _checked(text, _("Write a reply first."))
    known = _known(row)
    if not known.address:
        raise ConversationRefused(_("This email names no sender, so it can’t be answered."))
    if outgoing.sender_of(row.organization, known.list) is None:
        raise ConversationRefused(
            _("There is no address to answer from. An admin can choose one under Settings, Default sender.")
        )
    last = _last_received(row)
    references = (*last.references, last.message_id) if last and last.message_id else last.references if last else ()
    words = MessageDetails(
        row.pk,
        ConversationMessage.ANSWER,
        now.astimezone(UTC),
        text,
        by=by.pk,
        references=references[-reply_content.MOST_REFERENCES :],
        mark=details.new_mark(row),
    )
    with transaction.atomic():
        message = details.add(_locked(row), words, outgoing=ConversationMessage.DUE)
        row.state = Conversation.DONE if done else Conversation.ANSWERED
        row.last, row.day = message.pk, now.astimezone(UTC).date()
        row.save(update_fields=["state", "last", "day"])
        details.keep(row, details.with_newest(known, text, now, wants_to_leave=False))
        if done:
            record("conversation.done", row.organization, about=row.pk, by=by, now=now)
    return message


def try_again(row: Conversation, number: int, *, by: Person, now: datetime) -> None:
    """An answer that nobody took goes once more, as it was. One that is on its way is no matter."""
    message = row.messages.filter(pk=number, outgoing=ConversationMessage.REFUSED).first()
    words = details.opened_message(row.organization, message) if message else None
    if message is None or words is None or words.kind != ConversationMessage.ANSWER:
        return
    with transaction.atomic():
        anew = structs.replace(words, at=now.astimezone(UTC), by=by.pk, refused="")
        details.keep_message(row.organization, message, anew)
        row.messages.filter(pk=number).update(outgoing=ConversationMessage.DUE)


def note(row: Conversation, text: str, *, by: Person, now: datetime) -> None:
    """For the team alone. Errors: ConversationRefused."""
    text = _checked(text, _("Write a note first."))
    with transaction.atomic():
        words = MessageDetails(row.pk, ConversationMessage.NOTE, now.astimezone(UTC), text, by=by.pk)
        details.add(_locked(row), words)


def _checked(text: str, empty: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise ConversationRefused(empty)
    if len(text) > LONGEST:
        raise ConversationRefused(_("This text is too long: at most %(n)s characters. Shorten it.") % {"n": LONGEST})
    return text


def assign(row: Conversation, person: Person | None, *, by: Person, now: datetime) -> None:
    """None: to nobody. Errors: ConversationRefused for somebody who may not answer."""
    if person is not None and not has_role(person, row.organization, WRITERS):
        raise ConversationRefused(_("They can’t answer replies. Choose an editor or an admin."))
    with transaction.atomic():
        row.assignee = person
        row.save(update_fields=["assignee"])
        if (known := details.opened(row)) is not None and known.lost_assignee:
            details.keep(row, structs.replace(known, lost_assignee=False))
        detail = {"to": person.pk} if person else None
        record("conversation.assigned", row.organization, about=row.pk, by=by, now=now, detail=detail)


def finish(row: Conversation, *, by: Person | None, now: datetime) -> None:
    with transaction.atomic():
        _turn(row, Conversation.DONE)
        record("conversation.done", row.organization, about=row.pk, by=by, now=now)


def reopen(row: Conversation, *, by: Person, now: datetime) -> None:
    with transaction.atomic():
        _turn(row, Conversation.WAITING)
        record("conversation.reopened", row.organization, about=row.pk, by=by, now=now)


def _turn(row: Conversation, state: int) -> None:
    row.state = state
    row.save(update_fields=["state"])


def delete(row: Conversation, *, by: Person, now: datetime) -> None:
    """Spam, or what somebody asked to have deleted: gone, with the emails that it is made of."""
    with transaction.atomic():
        _drop_mails(row)
        record("conversation.deleted", row.organization, about=row.pk, by=by, now=now)
        row.delete()


def unsubscribe(row: Conversation, mailing_list: List, *, by: Person, now: datetime) -> BulkAction:
    """Takes whoever wrote off a list, as they asked. A bulk action of one, so it can be undone for a day. Where they
    asked for nothing else, and are on no other list, the conversation is done. Errors: ConversationRefused,
    BulkRefused."""
    known = _known(row)
    if not known.number:
        raise ConversationRefused(_("Nobody with this address is subscribed."))
    plan = bulk.BulkPlan(
        bulk.REMOVE, Filter(numbers=(known.number,)), list=mailing_list.pk, words=_("They asked by email.")
    )
    with transaction.atomic():
        work = bulk.begin(row.organization, plan, now=now, by=by)
        wants_more = known.wants_to_leave and bool(_lists_of(row.organization, known.number, now) - {mailing_list.pk})
        details.keep(_locked(row), structs.replace(known, removal=work.pk, wants_to_leave=wants_more))
        if known.wants_to_leave and not wants_more and work.state != "waiting":
            finish(row, by=by, now=now)
    return work


def undo_unsubscribe(row: Conversation, work: BulkAction, *, by: Person, now: datetime) -> None:
    """What was done with it is open again. Errors: BulkRefused."""
    with transaction.atomic():
        bulk.undo(work, now=now, by=by)
        if row.state == Conversation.DONE:
            reopen(row, by=by, now=now)


def finish_wishes(subscriber: audience.SealedSubscriber, now: datetime) -> None:
    """They left by an email: of what they wrote before, nothing is left to do where they asked for that alone."""
    rows = Conversation.objects.select_related("organization").filter(subscriber=subscriber.id)
    waiting = [(row, details.opened(row)) for row in rows.filter(state__lt=Conversation.DONE)]
    wishes = [row for row, known in waiting if known is not None and known.wants_to_leave]
    if wishes and not _lists_of(subscriber.organization, subscriber.number, now):
        for row in wishes:
            finish(row, by=None, now=now)


def _lists_of(organization: Organization, number: int, now: datetime) -> set[int]:
    """Those that a subscriber can still be taken off."""
    subscriber = audience.subscriber_numbered(organization, number)
    held = audience.card(subscriber, now).lists if subscriber else ()
    return {standing.list_id for standing in held if standing.status in ON_LIST}


def open_file(row: Conversation, message: int, place: int, *, by: Person, now: datetime) -> tuple[Attachment, bytes]:
    """A file that came along. Errors: ConversationRefused."""
    received = row.messages.filter(pk=message, kind=ConversationMessage.RECEIVED).first()
    words = details.opened_message(row.organization, received) if received else None
    listed = [file for file in words.files if file.place == place] if words else []
    number = words.mail if words and listed else 0
    stored = IncomingMail.objects.filter(organization=row.organization, pk=number).first()
    if stored is None:
        raise ConversationRefused(_("This file is no longer kept: emails are deleted after 30 days."))
    try:
        raw = intake.opener(row.organization).open(bytes(stored.box)).raw
        data = limited_process.work(row.organization.pk, reply_content.attachment, raw, place)
    except (KeyError, SealError, limited_process.TooMuch, limited_process.HelperBroke):
        raise ConversationRefused(_("This file couldn’t be read. Ask the sender to send it again.")) from None
    record("conversation.file_opened", row.organization, about=row.pk, by=by, now=now)
    return listed[0], data


def forget(now: datetime) -> int:
    """Deletes conversations that have had their time, and those of subscribers who were erased; how many."""
    away.forget(now)
    old = Conversation.objects.filter(day__lt=now.astimezone(UTC).date() - KEPT)
    return _drop(old.values_list("pk", flat=True)[:SLICE]) + forget_erased()


def forget_erased() -> int:
    """Deletes conversations of subscribers who are not here any more; how many. The emails that they are made of go
    along: a reply says more of somebody than a bounce."""
    here = Subscriber.objects.filter(pk=OuterRef("subscriber"))
    gone = Conversation.objects.select_related("organization").filter(
        unlocked("organization__"), ~Exists(here), subscriber__isnull=False
    )
    many = 0
    while numbers := [*gone.order_by("pk")[:SLICE]]:
        for row in numbers:
            _drop_mails(row)
        many += _drop([row.pk for row in numbers])
    return many


def _drop(numbers: Iterable[int]) -> int:
    numbers = [*numbers]
    ConversationMessage.objects.filter(conversation__in=numbers).delete()
    return Conversation.objects.filter(pk__in=numbers).delete()[0]


def _drop_mails(row: Conversation) -> None:
    mails = [words.mail for words in _messages(row) if words.mail]
    IncomingMail.objects.filter(organization=row.organization, pk__in=mails).delete()


def _locked(row: Conversation) -> Conversation:
    Conversation.objects.select_for_update(no_key=True).get(pk=row.pk)
    return row


def _known(row: Conversation) -> ConversationDetails:
    known = details.opened(row)
    if known is None:
        raise ConversationRefused(_("This conversation was changed in the database, so nothing is done with it."))
    return known


def _messages(row: Conversation) -> list[MessageDetails]:
    opened = (details.opened_message(row.organization, message) for message in row.messages.order_by("pk"))
    return [words for words in opened if words is not None]


def _last_received(row: Conversation) -> MessageDetails | None:
    received = [words for words in _messages(row) if words.kind == ConversationMessage.RECEIVED]
    return received[-1] if received else None
