"""Readers: find one, look at one, add one by hand, let one go, erase one."""

from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts.queries import name_in
from samizdat.audience import actions, consistency, queries
from samizdat.audience.actions import bulk, leaving_alarms, preferences
from samizdat.audience.errors import AudienceError, TooManyRemovals
from samizdat.audience.models import List, Subscriber
from samizdat.audience.queries.lists import FieldView
from samizdat.audience.queries.subscriber_page import SubscriberCard
from samizdat.audience.tags_and_fields import NAMES
from samizdat.core.consent import LETTERS, PURPOSES, WAYS
from samizdat.core.content import reader_formats
from samizdat.core.fields import unfit_for_letter
from samizdat.core.mail import masking, misspelling
from samizdat.core.mail.address import BadAddress, normalize
from samizdat.delivery import queries as delivery
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.incoming import queries as incoming
from samizdat.incoming.conversations import queries as conversations
from samizdat.incoming.conversations.queries import ConversationRow
from samizdat.labels import field_label
from samizdat.privacy.labels import OFTEN
from samizdat.privacy.retention_rules import gone_from_backups
from samizdat.web import labels, params, read_limits
from samizdat.web.audience import field_types
from samizdat.web.audience.forms.audience import AddForm, EraseForm
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings import alarms
from samizdat.web.settings.views.pending_changes import waits
from samizdat.web.templatetags.desk import day

# Tags that are offered while one types.
MOST_SUGGESTIONS = 300
# Conversations on the page of a subscriber.
CONVERSATIONS = 10


def _numbered(request: DeskRequest, number: int) -> Subscriber:
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is None:
        raise Http404
    return subscriber


@door(see=EVERYONE)
def subscriber(request: DeskRequest, number: int) -> HttpResponse:
    """One reader. Opening the page is written to the log. `?hide`: as it may be seen over somebody's shoulder."""
    subscriber = read_limits.subscriber(request, number)
    card = queries.card(subscriber, timezone.now())
    known = queries.tags(request.organization)
    hidden = "hide" in request.GET
    deliveries = delivery.deliveries_of(request.organization, number)
    bounced, complained = card.suppressed == "bounce", card.suppressed == "complaint"
    complaint = incoming.complaint_of(request.organization, number) if complained else None
    facts = {
        "card": card,
        "hidden": hidden,
        "address": masking.first_letters(card.address) if hidden else card.address,
        "sees": request.role in WRITERS and not hidden,
        "source": WAYS[subscriber.source],
        "may_leave": any(standing.status in ("subscribed", "pending") for standing in card.lists),
        "sealed": [_shown(field, card.values.get(field.tag, "")) for field in queries.fields(request.organization)],
        "deliveries": deliveries,
        "cause": delivery.suppression_cause(request.organization, subscriber.id, deliveries) if bounced else None,
        "complaint": complaint,
        "complained_of": next((row for row in deliveries if complaint and row.campaign == complaint.campaign), None),
        "tags": [tag for tag in known if tag[1] in card.tags],
        "known_tags": known[:MOST_SUGGESTIONS],
        "name": " ".join(filter(None, (card.values.get(tag, "").strip() for tag in NAMES))),
        "chosen": _preferred(subscriber, card),
        "conversations": _conversations(request, subscriber),
    }
    return render(request, "web/audience/subscriber.html", facts)


def _conversations(request: DeskRequest, subscriber: Subscriber) -> list[ConversationRow]:
    """The newest, for whoever may read the inbox. The page says nothing of what is in them: it would be recorded."""
    return conversations.of_subscriber(subscriber, CONVERSATIONS) if request.role in WRITERS else []


def _shown(field: FieldView, value: str) -> tuple[str, str, bool, bool, str]:
    """A field's name, its value, whether that is one of its kind, whether it stands readable on the disk, and why no
    letter says it."""
    open_ = field.readable and bool(value)
    reasons = {"long": _("too long for emails"), "link": _("not shown in emails: contains a link or a line break")}
    unfit = reasons.get(unfit_for_letter(value), "") if field.kind != "link" else ""
    name, shown = field_label(field.tag, field.label), field_types.shown(field, value)
    return name, shown, field_types.fits(field, value), open_, unfit


def _preferred(subscriber: Subscriber, card: SubscriberCard) -> list[str]:
    """What they chose about their letters, where that is not what everybody gets."""
    wishes = preferences.looks_of(subscriber).wishes
    texts = [_("plain text only")] if reader_formats.TEXT in wishes else []
    if reader_formats.DISCREET in wishes:
        texts.append(_("neutral subject and sender name"))
    for standing in card.lists:
        often, _until = preferences.often_of(subscriber, standing.list_id)
        if often in OFTEN:
            texts.append(f"{standing.name}: {OFTEN[often]}")
    return texts


def _added(request: DeskRequest, form: AddForm) -> Subscriber:
    """Their row, with what they agreed to. Errors: AudienceError, BadAddress."""
    answers, organization = form.cleaned_data, request.organization
    choice = answers["purpose"] or LETTERS
    for purpose in PURPOSES if choice == "both" else (choice,):
        added = actions.add_subscriber(
            organization,
            answers["address"],
            queries.list_by_id(organization, answers["list"]),
            consent=answers["consent"],
            purpose=purpose,
            values=form.values(),
            tags=form.tag_names(),
            now=timezone.now(),
            by=request.person,
        )
    return added


@door(see=WRITERS, do=WRITERS)
def add_subscriber(request: DeskRequest) -> HttpResponse:
    organization = request.organization
    lists = queries.lists(organization)
    form = AddForm(request.POST or None, lists=lists, fields=queries.fields(organization))
    if form.is_valid():
        answers = form.cleaned_data
        read_limits.count(request)  # The page that follows tells whether they were here.
        try:
            added = _added(request, form)
        except (AudienceError, BadAddress) as refused:
            refuse(form, "address", refused)
        else:
            messages.success(request, _("Subscriber added."))
            if better := misspelling.meant(normalize(answers["address"])):
                text = _("Check the address: did they mean %(address)s? Correct it before the first email.")
                messages.warning(request, text % {"address": better})
            return go(request, "subscriber", added.number)
    facts = {"form": form, "lists": lists}
    return render(request, "web/audience/add.html", facts, status=422 if form.errors else 200)


@deed(WRITERS)
def unsubscribe(request: DeskRequest, number: int) -> HttpResponse:
    """Takes the subscriber off one list, whose number comes in the form, or off all of them."""
    subscriber = _numbered(request, number)
    if request.POST.get("all"):
        return _unsubscribe_from_all(request, subscriber)
    chosen = _list(request)
    purpose = request.POST.get("purpose", "newsletter")
    if purpose not in PURPOSES:
        raise Http404
    try:
        actions.unsubscribe(subscriber, chosen, purpose=purpose, now=timezone.now(), by=request.person)
    except TooManyRemovals as refused:
        messages.error(request, str(refused))
        return go(request, "subscriber", number)
    if purpose == "fundraising":
        messages.success(request, _("They won’t get fundraising appeals any more. Newsletters continue as before."))
    else:
        messages.success(request, _("They won’t get any more emails from this list."))
    return go(request, "subscriber", number)


def _list(request: DeskRequest) -> List:
    """The one whose number comes in the form. Errors: Http404."""
    try:
        return queries.list_by_id(request.organization, params.number(request.POST.get("list", "")) or 0)
    except AudienceError:
        raise Http404 from None


@deed(WRITERS)
def invite(request: DeskRequest, number: int) -> HttpResponse:
    """Asks the subscriber for their confirmation once more; the list's number comes in the form."""
    subscriber, chosen = _numbered(request, number), _list(request)
    try:
        actions.ask_again(subscriber, chosen, now=timezone.now(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The confirmation email is on its way to them again."))
    return go(request, "subscriber", number)


def _unsubscribe_from_all(request: DeskRequest, subscriber: Subscriber) -> HttpResponse:
    try:
        many = actions.unsubscribe_from_all(subscriber, now=timezone.now(), by=request.person)
    except TooManyRemovals as refused:
        messages.error(request, str(refused))
    else:
        text = _("They are unsubscribed from all lists.") if many else _("They weren’t subscribed to any list.")
        messages.success(request, text)
    return go(request, "subscriber", subscriber.number)


@deed(WRITERS)
def suppress(request: DeskRequest, number: int) -> HttpResponse:
    """Puts the subscriber on the stop list, or takes them off it again."""
    subscriber, now = _numbered(request, number), timezone.now()
    if request.POST.get("lift"):
        try:
            actions.lift(request.organization, "manual", subscriber=subscriber, now=now, by=request.person)
        except TooManyRemovals as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("Address removed from the suppression list."))
    else:
        try:
            actions.suppress(request.organization, "manual", subscriber=subscriber, now=now, by=request.person)
        except TooManyRemovals as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("They won’t get any more emails."))
    return go(request, "subscriber", number)


@door(see=WRITERS, do=WRITERS)
def erase(request: DeskRequest, number: int) -> HttpResponse:
    """A page of its own: what goes, the smaller step first, a typed word."""
    subscriber = read_limits.subscriber(request, number)
    form = EraseForm(request.POST or None)
    if form.is_valid():
        try:
            bulk.erase_one(subscriber, now=dbclock.asked(), by=request.person)
        except bulk.BulkRefused as refused:
            refuse(form, None, refused)
        else:
            until = day(gone_from_backups(timezone.localdate()))
            text = _("Personal data erased. Older backups still contain it, encrypted: delete them by %(day)s.")
            messages.success(request, text % {"day": until})
            return go(request, "subscribers")
    card = queries.card(subscriber, timezone.now())
    facts = {"form": form, "card": card, "fields": len(card.values), "records": len(card.timeline)}
    return render(request, "web/audience/erase.html", facts, status=422 if form.errors else 200)


@door(see=EVERYONE, do=ADMINS)
def review_mass_unsubscribe(request: DeskRequest, alarm_id: int) -> HttpResponse:
    """Unusually many left at once: the numbers, and an admin's decision about them as one."""
    leaving_alarm, now = alarms.leaving_at(request.organization, alarm_id, timezone.now()), dbclock.asked()
    if request.method == "POST":
        if request.POST.get("how") == "keep":
            leaving_alarms.keep(leaving_alarm.alarm, now=now, by=request.person)
        else:
            _undo_leaving(request, leaving_alarm.alarm, now)
        return go(request, "mass-unsubscribe", alarm_id)
    by = name_in(request.organization, leaving_alarm.answer.by) if leaving_alarm.answer else ""
    before, did, rest = alarms.figures(leaving_alarm.what, leaving_alarm.appeals)
    rows = [labels.LabelRow(before, leaving_alarm.before), labels.LabelRow(did, leaving_alarm.left, minus=True)]
    facts = {"leaving": leaving_alarm, "rows": rows, "rest": rest, "by": by}
    facts["title"] = alarms.title(leaving_alarm.what, leaving_alarm.appeals, leaving_alarm.span)
    return render(request, "web/audience/mass_unsubscribe.html", facts)


def _undo_leaving(request: DeskRequest, alarm: Event, now: datetime) -> None:
    try:
        change = leaving_alarms.undo(alarm, now=now, by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        if change is not None:
            waits(request, change)


@door(see=EVERYONE, do=ADMINS)
def show_consistency(request: DeskRequest) -> HttpResponse:
    """What the nightly comparison found; POST has it put right by the worker."""
    if request.method == "POST":
        with transaction.atomic():
            record(consistency.MEND, request.organization, now=timezone.now(), by=request.person)
        return go(request, "consistency")
    return render(request, "web/audience/consistency.html", {"seen": consistency.compared(request.organization)})
