"""The inbox: replies to campaigns, and the team's answers. Editors and admins read it; what they read is recorded."""

from urllib.parse import quote

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts import queries as accounts
from samizdat.accounts.models import WRITERS as MAY_ANSWER
from samizdat.accounts.models import Organization, Person
from samizdat.audience import queries as audience
from samizdat.audience.actions import bulk
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import BulkAction
from samizdat.audience.queries.subscriber_page import SubscriberCard, SubscriptionStatus
from samizdat.core.mail import masking
from samizdat.events.actions import record
from samizdat.incoming.conversations import actions, auto_replies, away, outgoing, queries, strangers
from samizdat.incoming.conversations.auto_replies import AutoReply
from samizdat.incoming.conversations.away import AwaySettings
from samizdat.incoming.conversations.details import ConversationDetails
from samizdat.incoming.conversations.queries import ConversationRow, InboxPage, MessageView
from samizdat.incoming.errors import ConversationRefused
from samizdat.web import params, read_limits
from samizdat.web.audience.views.bulk import AT_ONCE
from samizdat.web.base_form import refuse
from samizdat.web.inbox.forms import AnswerForm, AwayForm, NoteForm
from samizdat.web.permissions import WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.activity import DIGITS
from samizdat.web.settings.views.pending_changes import tell_waiting

# Messages of a conversation from which on the earlier ones are folded, and how many stay open: who answers wants the
# newest, and the form below.
NOT_FOLDED, UNFOLDED = 8, 5
# The folder of auto-replies, as an address names it.
AUTO = "auto"

type MessageShown = tuple[MessageView, str, str]


@door(see=WRITERS)
def inbox(request: DeskRequest) -> HttpResponse:
    """The list alone."""
    if request.GET.get("folder") == AUTO:
        return render(request, "web/inbox/auto_replies.html", _auto_replies(request))
    return render(request, "web/inbox/inbox.html", _listed(request))


def _listed(request: DeskRequest) -> dict[str, object]:
    """What the list shows. Who is shown the beginnings of replies is recorded once an hour for each."""
    asked = request.GET.get("folder", "")
    folder = asked if asked in queries.FOLDERS else "open"
    page = queries.page(request.organization, folder, request.person, _page_number(request))
    read_limits.show_conversations(request, [shown.row.pk for shown in page.rows])
    return _frame(request) | {"page": page, "folder": folder, "rows": _named(request.organization, page)}


def _page_number(request: DeskRequest) -> int:
    return max(1, params.number(request.GET.get("page", ""), 6) or 1)


def _frame(request: DeskRequest, autos: int | None = None) -> dict[str, object]:
    """What stands around every list. autos: how many auto-replies there are, where the list has counted them."""
    organization, now = request.organization, timezone.now()
    counted = auto_replies.count(organization, now) if autos is None else autos
    return {
        "counts": queries.counts(organization, request.person) | {AUTO: counted},
        "page_number": _page_number(request),
        "is_limited": strangers.is_limited(organization, now),
    }


def _auto_replies(request: DeskRequest) -> dict[str, object]:
    """Their list, recorded as that of replies."""
    organization = request.organization
    page = auto_replies.page(organization, _page_number(request), timezone.now())
    read_limits.show_auto_replies(request, [shown.report for shown in page.rows])
    whose = auto_replies.subscribers(organization, page.rows)
    rows = [(shown, _auto_sender(shown, whose.get(shown.number))) for shown in page.rows]
    return _frame(request, page.total) | {"page": page, "folder": AUTO, "rows": rows}


def _auto_sender(shown: AutoReply, subscriber: audience.SealedSubscriber | None) -> str:
    address = shown.address or (audience.address_of(subscriber) if subscriber else "")
    name = shown.content.sender_name if shown.content else ""
    return name or (masking.first_letters(address) if address else _("Unknown sender"))


@door(see=WRITERS)
def auto_reply(request: DeskRequest, report_id: int) -> HttpResponse:
    """What a program wrote, beside whoever it wrote for."""
    organization, now = request.organization, timezone.now()
    shown = auto_replies.numbered(organization, report_id, now)
    if shown is None:
        raise Http404
    read_limits.show_auto_replies(request, [report_id])
    subscriber = audience.subscriber_numbered(organization, shown.number) if shown.number else None
    facts = _auto_replies(request) | {
        "shown": shown,
        "name": _auto_sender(shown, subscriber),
        "card": audience.card(subscriber, now) if subscriber else None,
        "title": (shown.content.subject if shown.content else "") or _("No subject"),
    }
    return render(request, "web/inbox/auto_replies.html", facts)


@deed(WRITERS)
def move_auto_reply(request: DeskRequest, report_id: int) -> HttpResponse:
    """To the open replies."""
    now = dbclock.asked()
    if not auto_replies.rows_of(request.organization, now).filter(pk=report_id).exists():
        raise Http404
    try:
        row = auto_replies.move(request.organization, report_id, by=request.person, now=now)
    except ConversationRefused as refused:
        messages.error(request, str(refused))
        return go(request, "auto-reply", report_id)
    messages.success(request, _("Moved to the open replies."))
    return go(request, "conversation", row.pk)


def _named(organization: Organization, page: InboxPage[ConversationRow]) -> list[tuple[ConversationRow, str, str]]:
    """Each with the name of its sender and of who is to answer."""
    names: dict[int, str] = {}
    for shown in page.rows:
        person = shown.row.assignee
        if person is not None and person.pk not in names:
            names[person.pk] = accounts.name_in(organization, person)
    return [(shown, sender_name(shown.known), names.get(shown.row.assignee_id or 0, "")) for shown in page.rows]


def sender_name(known: ConversationDetails) -> str:
    """As they call themselves, else the address with nothing but its first letters."""
    return known.name or (masking.first_letters(known.address) if known.address else _("Unknown sender"))


def _numbered(request: DeskRequest, number: int) -> ConversationRow:
    shown = queries.numbered(request.organization, number)
    if shown is None:
        raise Http404
    return shown


@door(see=WRITERS, do=WRITERS)
def conversation(request: DeskRequest, conversation_id: int) -> HttpResponse:
    """Messages and notes, beside whoever wrote. POST answers, or shows the address: that stands in no URL."""
    shown = _numbered(request, conversation_id)
    if "show" in request.POST:
        _show_address(request, shown.known)
        return _page(request, shown, AnswerForm(), reveals=True)
    form = AnswerForm(request.POST or None)
    if form.is_valid():
        done = request.POST.get("then") == "done"
        try:
            actions.answer(shown.row, form.cleaned_data["text"], by=request.person, now=dbclock.asked(), done=done)
        except ConversationRefused as refused:
            refuse(form, "text", refused)
        else:
            messages.success(request, _("Your reply is on its way."))
            return go(request, "inbox") if done else go(request, "conversation", conversation_id, anchor="end")
    return _page(request, shown, form)


def _page(request: DeskRequest, shown: ConversationRow, form: AnswerForm, *, reveals: bool = False) -> HttpResponse:
    read_limits.open_conversation(request, shown.row.pk)
    known, organization = shown.known, request.organization
    card = _card(request, known)
    sender = outgoing.sender_of(organization, known.list)
    earlier, newest = _messages(organization, shown)
    facts = _listed(request) | {
        "shown": shown,
        "known": known,
        "name": sender_name(known),
        "address": known.address if reveals else masking.first_letters(known.address) if known.address else "",
        "reveals": reveals,
        "card": card,
        "lists": _lists(known, card),
        "earlier": earlier,
        "newest": newest,
        "assignee": accounts.name_in(organization, shown.row.assignee),
        "team": [member for member in accounts.members(organization) if member.role in MAY_ANSWER],
        "form": form,
        "note_form": NoteForm(),
        "sender": sender,
        "removal": _removal(organization, known.removal),
        "title": known.subject or _("No subject"),
    }
    return render(request, "web/inbox/conversation.html", facts, status=422 if form.errors else 200)


def _messages(organization: Organization, shown: ConversationRow) -> tuple[list[MessageShown], list[MessageShown]]:
    """(those that are folded, the newest), each with its author and why it was not sent. None is folded that waits for
    a person."""
    views = queries.messages(shown.row)
    writers = {number: _writer(organization, number) for number in {view.words.by for view in views}}
    every = [(view, writers[view.words.by], str(outgoing.SENTENCES.get(view.words.refused, ""))) for view in views]
    if len(every) <= NOT_FOLDED:
        return [], every
    waits = next((place for place, (_view, _writer, problem) in enumerate(every) if problem), len(every))
    fold = min(len(every) - UNFOLDED, waits)
    return every[:fold], every[fold:]


def _show_address(request: DeskRequest, known: ConversationDetails) -> None:
    if known.number:
        read_limits.show_page(request, [known.number])
        return
    read_limits.count(request)
    record("subscribers.addresses_shown", request.organization, now=timezone.now(), by=request.person)


def _card(request: DeskRequest, known: ConversationDetails) -> SubscriberCard | None:
    subscriber = audience.subscriber_numbered(request.organization, known.number) if known.number else None
    return audience.card(subscriber, timezone.now()) if subscriber else None


def _lists(known: ConversationDetails, card: SubscriberCard | None) -> list[SubscriptionStatus]:
    """Those that they can be taken off, the one whose email they answered first."""
    held = [standing for standing in card.lists if standing.status in actions.ON_LIST] if card else []
    return sorted(held, key=lambda standing: standing.list_id != known.list)


def _writer(organization: Organization, number: int) -> str:
    return accounts.name_in(organization, Person.objects.filter(pk=number).first()) if number else ""


def _removal(organization: Organization, number: int) -> BulkAction | None:
    """The unsubscribing that can be undone."""
    rows = BulkAction.objects.select_related("organization").filter(organization=organization, pk=number)
    work = rows.first() if number else None
    return work if work is not None and bulk.may_undo(work, timezone.now()) else None


@deed(WRITERS)
def add_note(request: DeskRequest, conversation_id: int) -> HttpResponse:
    row = _numbered(request, conversation_id).row
    try:
        actions.note(row, request.POST.get("note", ""), by=request.person, now=dbclock.asked())
    except ConversationRefused as refused:
        messages.error(request, str(refused))
    return go(request, "conversation", conversation_id, anchor="end")


@deed(WRITERS)
def assign(request: DeskRequest, conversation_id: int) -> HttpResponse:
    row = _numbered(request, conversation_id).row
    wanted = params.number(request.POST.get("person", ""), DIGITS) or 0
    people = {member.person.pk: member.person for member in accounts.members(request.organization)}
    try:
        actions.assign(row, people.get(wanted), by=request.person, now=timezone.now())
    except ConversationRefused as refused:
        messages.error(request, str(refused))
    return go(request, "conversation", conversation_id)


@deed(WRITERS)
def finish(request: DeskRequest, conversation_id: int) -> HttpResponse:
    """Marks as done, or opens again."""
    row = _numbered(request, conversation_id).row
    if request.POST.get("open"):
        actions.reopen(row, by=request.person, now=timezone.now())
        return go(request, "conversation", conversation_id)
    actions.finish(row, by=request.person, now=timezone.now())
    messages.success(request, _("Marked as done. If they write again, it’s open again."))
    return go(request, "inbox")


@deed(WRITERS)
def unsubscribe(request: DeskRequest, conversation_id: int) -> HttpResponse:
    """From the list whose number comes in the form."""
    row = _numbered(request, conversation_id).row
    try:
        chosen = audience.list_by_id(request.organization, params.number(request.POST.get("list", "")) or 0)
        work = actions.unsubscribe(row, chosen, by=request.person, now=dbclock.asked())
    except (AudienceError, ConversationRefused) as refused:
        messages.error(request, str(refused))
        return go(request, "conversation", conversation_id)
    bulk.run(work.pk, timezone.now, seconds=AT_ONCE)
    tell_waiting(request, bulk.CHANGES[bulk.REMOVE], work.pk)
    return go(request, "conversation", conversation_id)


@deed(WRITERS)
def undo_unsubscribe(request: DeskRequest, conversation_id: int) -> HttpResponse:
    shown = _numbered(request, conversation_id)
    work = _removal(request.organization, shown.known.removal)
    try:
        if work is not None:
            actions.undo_unsubscribe(shown.row, work, by=request.person, now=timezone.now())
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        if work is not None:
            bulk.run(work.pk, timezone.now, seconds=AT_ONCE)
            messages.success(request, _("Undone: they’re subscribed again."))
    return go(request, "conversation", conversation_id)


@deed(WRITERS)
def try_again(request: DeskRequest, conversation_id: int, message_id: int) -> HttpResponse:
    row = _numbered(request, conversation_id).row
    actions.try_again(row, message_id, by=request.person, now=dbclock.asked())
    return go(request, "conversation", conversation_id, anchor="end")


@deed(WRITERS)
def open_file(request: DeskRequest, conversation_id: int, message_id: int, place: int) -> HttpResponse:
    """A download, whatever it is: what strangers send is shown by no page of ours."""
    row = _numbered(request, conversation_id).row
    try:
        listed, data = actions.open_file(row, message_id, place, by=request.person, now=timezone.now())
    except ConversationRefused as refused:
        messages.error(request, str(refused))
        return go(request, "conversation", conversation_id)
    response = HttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(listed.name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store"
    return response


@door(see=WRITERS, do=WRITERS)
def delete(request: DeskRequest, conversation_id: int) -> HttpResponse:
    shown = _numbered(request, conversation_id)
    if request.method == "POST":
        actions.delete(shown.row, by=request.person, now=timezone.now())
        messages.success(request, _("Conversation deleted."))
        return go(request, "inbox")
    facts = {"shown": shown, "known": shown.known, "name": sender_name(shown.known)}
    return render(request, "web/inbox/delete.html", facts)


@door(see=WRITERS, do=WRITERS)
def away_text(request: DeskRequest) -> HttpResponse:
    settings = away.settings_of(request.organization)
    kept = {"text": settings.text, "first": settings.first, "last": settings.last}
    form = AwayForm(request.POST or None, initial=kept)
    if form.is_valid():
        answers = form.cleaned_data
        chosen = AwaySettings(answers["text"].replace("\r\n", "\n").strip(), answers["first"], answers["last"])
        try:
            away.choose(request.organization, chosen, now=timezone.now(), by=request.person)
        except ConversationRefused as refused:
            refuse(form, "first", refused)
        else:
            messages.success(request, _("Away text saved.") if chosen.text else _("Away text turned off."))
            return go(request, "inbox")
    return render(request, "web/inbox/away.html", {"form": form}, status=422 if form.errors else 200)
