"""Asking again: a list whose consent is weak or old is counted, some are asked, and who does not answer is moved out.

    counting → counted → choosing → ready → asking → moving → moved → closing → closed
                                                        ↑        ↘ undoing ↗
The states that end in -ing but `asking` are work of a slice at a time: each slice and its place are one transaction, so
a kill loses nothing and a second worker finds the row taken. Whoever was asked carries the renewal's tag until they
answer; nothing else is kept about them. They are moved out as anybody who leaves, with their reason in the record, and
never because they were not reached: only somebody whose letter was accepted can fail to answer it. Whoever said
otherwise that they want the list, as by taking a leaving back by mail, has answered; by a link, which can be forged,
nobody has.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec import Struct

from samizdat import formatting
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import bulk_consent_writer, bulk_insert, consent_records, consent_writer, queries, removal_limit
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions.consent import SUBSCRIBER_WAYS
from samizdat.audience.errors import TagRefused
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import (
    SUBSCRIBED,
    UNSUBSCRIBED,
    List,
    Subscriber,
    SubscriberTag,
    Subscription,
    Tag,
    row_id,
)
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import queries as campaigns_queries
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import AT_ONCE
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail.ledger import State
from samizdat.delivery.models import Delivery
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.privacy import retention_rules
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Renewal
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.locks import unlocked

# Subscribers of one transaction: counting only reads; tagging writes two rows each; leaving takes some milliseconds.
COUNT, TAG, MOVE = 2000, 500, 25

# What a letter needs, so that anybody can answer it.
BUTTON = "STAY_URL"

CHANGE = "renewal"

# Days to answer.
SHORTEST, LONGEST = 7, 90

_WORKING = ("counting", "choosing", "moving", "undoing", "closing")
# The events of what people press, and of which of them each work may be the last one; and where it is left without.
STARTED: EventKind = "reconsent.started"
CHOSEN: EventKind = "reconsent.people_chosen"
DRAFTED: EventKind = "reconsent.campaign_drafted"
MOVED_OUT: EventKind = "reconsent.move_started"
TAKEN_BACK: EventKind = "reconsent.move_undone"
ENDED: EventKind = "reconsent.closed"
PRESSED = (STARTED, CHOSEN, DRAFTED, MOVED_OUT, TAKEN_BACK, ENDED)
_PRESSED: dict[str, tuple[EventKind, ...]] = {
    "counting": (STARTED,),
    "choosing": (CHOSEN,),
    "moving": (MOVED_OUT,),
    "undoing": (TAKEN_BACK,),
    "closing": (MOVED_OUT, TAKEN_BACK, ENDED),  # By the clock after a moving, too.
}
_INSTEAD = {"counting": "closed", "choosing": "closed", "moving": "asking", "undoing": "closing", "closing": "closed"}

log = logging.getLogger("samizdat.privacy")


class RenewalDetails(Struct, frozen=True):
    """What is sealed of a removal that waits: how many are taken off which list."""

    list: int
    n: int


# -- what people press ------------------------------------------------------------------------------------------


def count_consent(list: List, *, now: datetime, by: Person | None = None) -> Renewal:
    """Begins with counting how strong and how old the consent of a list is. Errors: RightsError."""
    with transaction.atomic():
        List.objects.select_for_update(no_key=True).get(id=list.id)
        if Renewal.objects.filter(list=list).exclude(state="closed").exists():
            raise PrivacyError(_("This list is already being re-confirmed. Close that first."), "renewal_open")
        renewal = Renewal.objects.create(organization=list.organization, list=list, created=_day(now), by=by)
        record(STARTED, list.organization, about=renewal.pk, by=by, now=now, detail={"list": list.id})
    return renewal


def count_again(renewal: Renewal, *, now: datetime, by: Person | None = None) -> None:
    """What was counted may be old before anybody is chosen. Errors: RightsError."""
    with transaction.atomic():
        _step(renewal, ("counted",), "counting", counts={}, after=0, created=_day(now))
        record(STARTED, renewal.organization, about=renewal.pk, by=by, now=now, detail={"list": renewal.list_id})


def choose(renewal: Renewal, pairs: Sequence[tuple[str, str]], *, now: datetime, by: Person | None = None) -> None:
    """Which strengths and ages are asked; the worker gives their people the tag. Errors: RightsError."""
    pairs = [pair for pair in pairs if renewal.counts.get(pair[0], {}).get(pair[1])]
    if not pairs:
        raise PrivacyError(_("Choose at least one group that has subscribers."), "nobody")
    organization = renewal.organization
    with override(leading(organization).language):
        name = _("re-confirmation %(day)s, no. %(n)s") % {"day": now.date().isoformat(), "n": renewal.pk}
    with transaction.atomic():
        tag = audience.tags_for(organization, [name])[name]
        columns = {"tag": tag, "chosen": [[*pair] for pair in pairs], "after": 0, "asked": 0}
        _step(renewal, ("counted",), "choosing", **columns)
        record(CHOSEN, organization, about=renewal.pk, by=by, now=now, detail=_who(renewal))


def begin_asking(renewal: Renewal, deadline: date, *, now: datetime, by: Person | None = None) -> Campaign:
    """Drafts the letter with its button; a person reads it and releases it like any other. Errors: RightsError."""
    days = (deadline - _day(now)).days
    if not SHORTEST <= days <= LONGEST:
        raise PrivacyError(
            _("Give them %(least)s to %(most)s days to answer.") % {"least": SHORTEST, "most": LONGEST}, "deadline"
        )
    _has_tag(renewal)
    if not silent(renewal):
        raise PrivacyError(
            _("None of the selected subscribers get this list anymore. Close this and count again."), "nobody"
        )
    with transaction.atomic():
        letter = _draft(renewal, deadline, now, by, again=False)
        _step(renewal, ("ready",), "asking", letter=letter, deadline=deadline)
        record(DRAFTED, renewal.organization, about=renewal.pk, by=by, now=now, detail={"letter": letter.pk})
    return letter


def remind(renewal: Renewal, *, now: datetime, by: Person | None = None) -> Campaign:
    """Drafts a second letter to those who have not answered. Errors: RightsError."""
    _has_tag(renewal)
    if renewal.state != "asking" or renewal.letter is None or renewal.letter.state != "finished":
        raise PrivacyError(_("The first campaign hasn’t finished sending yet. Send the reminder after that."), "letter")
    if renewal.reminder is not None:
        return renewal.reminder
    assert renewal.deadline is not None
    if is_over(renewal, now):
        sentence = _("The last day to answer has passed. To give subscribers more time, close this and ask again.")
        raise PrivacyError(sentence, "deadline")
    with transaction.atomic():
        reminder = _draft(renewal, renewal.deadline, now, by, again=True)
        _step(renewal, ("asking",), "asking", reminder=reminder)
        detail = {"letter": renewal.letter_id, "reminder": reminder.pk}
        record(DRAFTED, renewal.organization, about=renewal.pk, by=by, now=now, detail=detail)
    return reminder


def move_out(renewal: Renewal, *, now: datetime, by: Person | None = None) -> None:
    """The deadline has passed: who did not answer leaves the list, and can be brought back for a week as one.

    Of more than a team takes off alone it waits for an admin (audience/removal_limit.py).

    Errors: RightsError, while there is time left, or too little was given since the letter went out.
    """
    _check_may_move(renewal, now)
    organization, many = renewal.organization, silent(renewal)
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if removal_limit.is_over(organization, many, now=now, by=by):
            details = RenewalDetails(renewal.list_id, many)
            pending_changes.ask(organization, CHANGE, details, about=renewal.pk, now=now, by=by)
        else:
            _begin_moving(renewal, now, by, {"n": many})


def move_approved(renewal: Renewal, *, now: datetime, by: Person | None) -> None:
    """It waited, and may be done now. Errors: RightsError."""
    _check_may_move(renewal, now)
    with transaction.atomic():
        _begin_moving(renewal, now, by, {})


def _check_may_move(renewal: Renewal, now: datetime) -> None:
    _has_tag(renewal)
    if problem := why_not_yet(renewal, now):
        raise PrivacyError(problem, "too_early")


def _begin_moving(renewal: Renewal, now: datetime, by: Person | None, detail: dict[str, int]) -> None:
    until = _day(now) + timedelta(days=retention_rules.UNDO_DAYS)
    _step(renewal, ("asking",), "moving", after=0, moved=0, undo_until=until)
    record(MOVED_OUT, renewal.organization, about=renewal.pk, by=by, now=now, detail=detail)


def take_back(renewal: Renewal, *, now: datetime, by: Person | None = None) -> None:
    """Everybody who was moved out is on the list again. Errors: RightsError after the week."""
    if renewal.undo_until is None or _day(now) > renewal.undo_until:
        raise PrivacyError(_("The week to undo this is over."), "too_late")
    with transaction.atomic():
        _step(renewal, ("moving", "moved"), "undoing", after=0, returned=0)
        record(TAKEN_BACK, renewal.organization, about=renewal.pk, by=by, now=now)


def close(renewal: Renewal, *, now: datetime, by: Person | None = None) -> None:
    """Ends it: nobody is moved out any more, and the tag goes. Errors: RightsError."""
    with transaction.atomic():
        _step(renewal, ("counted", "ready", "asking", "moved"), "closing", after=0)
        pending_changes.stop_about(renewal.organization, CHANGE, renewal.pk, now=now, by=by)
        record(ENDED, renewal.organization, about=renewal.pk, by=by, now=now)


def insist_unused(tag: Tag) -> None:
    """Before a tag is deleted. Errors: TagRefused, while a re-confirmation finds by it who hasn't answered."""
    if Renewal.objects.filter(tag=tag).exclude(state="closed").exists():
        raise TagRefused(_("A re-confirmation uses this tag. Close it first."))


def is_over(renewal: Renewal, now: datetime) -> bool:
    """Whether the last day to answer has passed."""
    return renewal.deadline is not None and _day(now) > renewal.deadline


def why_not_yet(renewal: Renewal, now: datetime) -> str:
    """Why nobody may be moved out yet; "" when they may."""
    if renewal.letter is None or renewal.letter.state != "finished" or renewal.letter.finished is None:
        return _("The campaign hasn’t finished sending yet.")
    if not campaigns_queries.says_everywhere(renewal.letter, BUTTON):
        return _("The email went out without its button, so nobody could answer. Close this and ask again.")
    if not is_over(renewal, now):
        return _("Subscribers can answer until %(day)s.") % {"day": formatting.shaped(renewal.deadline, "day")}
    if now < (enough := renewal.letter.finished + timedelta(days=SHORTEST)):
        facts = {"n": SHORTEST, "day": formatting.shaped(enough + timedelta(days=1), "day")}
        return _("Less than %(n)s days have passed since the campaign went out. Come back on %(day)s.") % facts
    return ""


def silent(renewal: Renewal) -> int:
    """How many were asked and have not answered: the tag's total on this list."""
    if renewal.tag is None:
        return 0
    name = next((name for id, name in queries.tags(renewal.organization) if id == renewal.tag_id), None)
    return queries.count(renewal.organization, list=renewal.list, status="subscribed", tag=name) if name else 0


def _step(renewal: Renewal, before: Sequence[str], state: str, **columns: object) -> None:
    """WHERE is the lock: of two who press at once one finds nothing to change."""
    changed = Renewal.objects.filter(pk=renewal.pk, state__in=before).update(
        state=state, **{f"{name}_id" if name == "tag" else name: value for name, value in columns.items()}
    )
    if not changed:
        raise PrivacyError(_("Someone else was faster, or this step is already done. Reload the page."), "state")
    renewal.refresh_from_db()


def _has_tag(renewal: Renewal) -> None:
    # Without it a letter would go to the whole list.
    if renewal.tag_id is None:
        raise PrivacyError(_("The tag for this re-confirmation was deleted. Close it and start again."), "tag_gone")


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


# -- the letter -------------------------------------------------------------------------------------------------


def _draft(renewal: Renewal, deadline: date, now: datetime, by: Person | None, *, again: bool) -> Campaign:
    organization = renewal.organization
    name = queries.name_of(renewal.list)
    sender = _sender(renewal)
    with override(leading(organization).language):
        values = {"list": name, "day": formatting.shaped(deadline, "day"), "organization": leading(organization).name}
        subject = (
            _("Last question: do you want to keep getting “%(list)s”?")
            if again
            else _("Do you want to keep getting “%(list)s”?")
        )
        body = _(
            "Some time ago your address was added to the list “%(list)s” of %(organization)s. We only want to "
            "email people who want it, so we’re asking you.\n\n**[Yes, keep emailing me]({{ stay }})**\n\nThe link "
            "opens a page with one button. If we hear nothing until %(day)s, we’ll stop emailing you.\n\nTo "
            "unsubscribe right now: [unsubscribe]({{ unsubscribe }}).\n"
        )
        draft = Draft(subject=subject % values, body=_filled(body, values), **sender)
    return campaigns.create(organization, renewal.list, draft, by=by, now=now, tag=renewal.tag)


def _filled(text: str, values: dict[str, str]) -> str:
    """Merge tags keep their braces, so a plain % would do; what is filled in must not become a tag of its own."""
    return text % {name: value.replace("{{", "{ {").replace("*|", "* |") for name, value in values.items()}


def _sender(renewal: Renewal) -> dict[str, str]:
    """Who letters to this list come from: its own sender, else that of its newest campaign."""
    details = queries.details_of(renewal.list)
    if details.from_email:
        return {"from_name": details.from_name, "from_email": details.from_email}
    rows = Campaign.objects.filter(list=renewal.list).select_related("organization").defer("places_sealed")
    for campaign in rows.order_by("-pk")[:20].iterator(chunk_size=AT_ONCE):
        draft = draft_of(campaign)
        if draft.from_email:
            return {"from_name": draft.from_name, "from_email": draft.from_email}
    return {}


# -- the answer -------------------------------------------------------------------------------------------------


def stay(organization: Organization, campaign: Campaign | None, subscriber: Subscriber, *, now: datetime) -> bool:
    """The reader pressed the button. False when the question is not open, was not put to them, or they left since:
    an old link brings nobody back."""
    if campaign is None:
        return False
    rows = Renewal.objects.select_related("list", "organization").filter(organization=organization, list=campaign.list)
    renewal = rows.filter(state__in=("asking", "moving", "moved")).first()
    if renewal is None or renewal.tag_id is None or not _is_open(renewal, campaign, now):
        return False
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if not SubscriberTag.objects.filter(subscriber=row, tag=renewal.tag_id).exists():
            return False
        # By the records: the status beside them stands in the open.
        status = bulk_consent_writer.statuses_of(renewal.list, [row.id], now)[row.id]
        if status != SUBSCRIBED and not (status == UNSUBSCRIBED and _moved_out(row, renewal.list, now)):
            return False
        with override(campaign.language):
            words = _("Yes, I want to keep getting “%(list)s”.") % {"list": queries.name_of(renewal.list)}
        audience.confirm(row, renewal.list, now=now, way="form", wording=words)
        consent_writer.retag(row, remove=[renewal.tag_id])
    return True


def _is_open(renewal: Renewal, letter: Campaign, now: datetime) -> bool:
    """Whether this email asks, and may be answered still, as the log says: the row stands in the open."""
    drafted = events.about(renewal.organization, DRAFTED, renewal.pk)
    last = events.last_about(renewal.organization, PRESSED, renewal.pk)
    if drafted is None or last is None or letter.pk not in detail_of(drafted).values():
        return False
    # Nobody presses anything at the end of the week to undo, which the worker closes.
    undone = _day(last.at) + timedelta(days=retention_rules.UNDO_DAYS)
    return last.kind == DRAFTED or (last.kind == MOVED_OUT and _day(now) <= undone)


def heard(list: int, subscriber: int) -> None:
    """They took a leaving back: where this list asks them and they did it by mail, that is their answer, and they are
    not reminded any more."""
    renewal = Renewal.objects.select_related("letter").filter(list=list, state="asking").first()
    if renewal is None or not _heard(renewal, [subscriber]):
        return
    with transaction.atomic():
        for row in Subscriber.objects.select_for_update().filter(id=subscriber):
            consent_writer.retag(row, remove=[renewal.tag_id or 0])


def _moved_out(row: Subscriber, list: List, now: datetime) -> bool:
    """Whether their last word about this list is that they did not answer: ours, and not theirs. Whoever had left
    before, or by a no that somebody changed since, has said no."""
    keys, rows = keyring.keys(row.organization), audience_sql.digested_consent_of([row.id])
    about = [digested for digested in rows if digested[1][1] in (list.id, None)]
    noes = [digested for digested in about if digested[1][2] in consent_records.NO]
    # A no whose words were exchanged is nobody's silence.
    if not noes or noes[-1] is not about[-1] or not all(map(consent_records.is_ours, noes)):
        return False
    _id, silence, _organization, blob, _mark = about[-1]
    details = seal.unpack(keys.open(blob, *consent_records.RECORD, row.number)) if blob else {}
    if details.get(consent.REASON) != consent.NO_ANSWER:
        return False
    before = consent_records.records(known for _, known in consent_records.believed(rows) if known != silence)
    return consent_records.verdict_of(before, list.id, now, None)[0] == SUBSCRIBED


# -- the worker's part ------------------------------------------------------------------------------------------


def working(now: datetime) -> list[int]:
    """Renewals with work to do; those whose week of undoing is over are closed."""
    Renewal.objects.filter(state="moved", undo_until__lt=_day(now)).update(state="closing", after=0)
    return [
        *Renewal.objects.filter(unlocked("organization__"), state__in=_WORKING)
        .order_by("pk")
        .values_list("pk", flat=True)
    ]


def work(number: int, now: Callable[[], datetime], stop: Callable[[], bool]) -> None:
    """Goes on with one renewal until its step is done or `stop()`."""
    while not stop():
        with transaction.atomic():
            row = Renewal.objects.select_for_update(of=("self",)).select_related("organization", "list", "letter")
            renewal = row.filter(pk=number, state__in=_WORKING).first()
            if renewal is None:
                return
            if _is_asked_for(renewal):
                _SLICES[renewal.state](renewal, now())
            else:
                log.error("Nobody asked for “%s” in asking again no. %d: it is not done", renewal.state, renewal.pk)
                renewal.state = _INSTEAD[renewal.state]
            renewal.save(update_fields=["state", "after", "counts", "asked", "moved", "returned"])


def _is_asked_for(renewal: Renewal) -> bool:
    """The row stands in the open: its work is done where the log says last that somebody pressed for it, and for the
    people whom they chose."""
    last = events.last_about(renewal.organization, PRESSED, renewal.pk)
    if last is None or last.kind not in _PRESSED[renewal.state]:
        return False
    if renewal.state == "counting":
        return bool(detail_of(last) == {"list": renewal.list_id})
    chosen = events.about(renewal.organization, CHOSEN, renewal.pk)
    # A tag that was removed since, or was not made yet, is nobody's.
    return renewal.tag_id is None or (chosen is not None and detail_of(chosen) == _who(renewal))


def _who(renewal: Renewal) -> dict[str, object]:
    return {"list": renewal.list_id, "tag": renewal.tag_id, "chosen": renewal.chosen}


def _count(renewal: Renewal, now: datetime) -> None:
    ids = _next(renewal, COUNT)
    counts = {strength: Counter(renewal.counts.get(strength, {})) for strength in consent.STRENGTHS}
    for _id, (strength, age) in _weighed(renewal, ids, now):
        counts[strength][age] += 1
    renewal.counts = {strength: dict(by_age) for strength, by_age in counts.items() if by_age}
    _went_on(renewal, ids, COUNT, "counted")


def _choose(renewal: Renewal, now: datetime) -> None:
    ids = _next(renewal, TAG)
    chosen = {tuple(pair) for pair in renewal.chosen}
    if renewal.tag_id is None:
        renewal.state = "closing"
        return
    held = audience_sql.hold_subscribers(renewal.organization_id, ids)
    mine = [id for id, pair in _weighed(renewal, held, now) if pair in chosen]
    renewal.asked += _tagged(mine, renewal.tag_id)
    _went_on(renewal, ids, TAG, "ready")


def _tagged(ids: Sequence[int], tag: int) -> int:
    """Gives the tag to those who have not got it, with their totals."""
    held: dict[int, set[int]] = {id: set() for id in ids}
    for id, other in audience_sql.tags_of(ids):
        held[id].add(other)
    fresh = [id for id in ids if tag not in held[id]]
    lists: dict[int, dict[int, int]] = {id: {} for id in fresh}
    for id, list_id, status, _may in audience_sql.subscriptions_of(fresh):
        lists[id][list_id] = status
    bulk_insert.insert_subscriber_tags([(id, tag) for id in fresh])
    totals = ListTotals()
    for id in fresh:
        totals.move(lists[id], held[id], lists[id], held[id] | {tag})
    totals.write()
    return len(fresh)


def _move(renewal: Renewal, now: datetime) -> None:
    ids = _carriers(renewal, MOVE)
    here = bulk_consent_writer.on_list(renewal.list, ids, now, (SUBSCRIBED,))
    heard = _heard(renewal, here)
    for row in _people(renewal, heard).select_for_update().order_by("id"):
        consent_writer.retag(row, remove=[renewal.tag_id or 0])
    for row in _reached(renewal, [id for id in here if id not in heard]):
        if audience.unsubscribe(row, renewal.list, now=now, way="desk", reason=consent.NO_ANSWER):
            renewal.moved += 1
    _went_on(renewal, ids, MOVE, "moved")


# Facts that answer the question without its button: they signed up again, took a leaving back by mail, or told
# somebody. Leaving and coming back by a link is none: whoever holds the public process can make both for everybody.
_YES_OTHERWISE = frozenset(
    (consent.KINDS.index(kind), consent.WAYS.index(way))
    for kind, ways in (("confirmed", SUBSCRIBER_WAYS), ("returned", ("mail",)), ("given", ("desk",)))
    for way in ways
)


def _heard(renewal: Renewal, ids: Sequence[int]) -> set[int]:
    """Of these, those who said since the letter went out that they want this list, by another way than its button."""
    if renewal.letter is None or renewal.letter.released is None:
        return set()
    since = _day(renewal.letter.released).isoformat()
    return {
        id
        for id, (_order, list_id, kind, purpose, way, day) in audience_sql.consent_of(ids)
        if list_id == renewal.list_id
        and purpose == consent_records.NEWSLETTER
        and day >= since
        and (kind, way) in _YES_OTHERWISE
    }


def _reached(renewal: Renewal, ids: Sequence[int]) -> list[Subscriber]:
    """Of these, those whose letter the next server took."""
    numbers = [id - row_id(renewal.organization_id, 0) for id in ids]
    deliveries = Delivery.objects.filter(edition__campaign=renewal.letter, number__in=numbers, state=State.ACCEPTED)
    rows = [row_id(renewal.organization_id, number) for number in deliveries.values_list("number", flat=True)]
    return [*_people(renewal, rows).select_related("organization").order_by("id")]


def _undo(renewal: Renewal, now: datetime) -> None:
    ids = _carriers(renewal, MOVE)
    left = _standing(renewal, ids, UNSUBSCRIBED)
    for row in _people(renewal, left).select_related("organization").order_by("id"):
        # Who left of their own accord, before or since, stays away.
        if _moved_out(row, renewal.list, now) and audience.undo_unsubscribe(row, renewal.list, now=now, way="desk"):
            renewal.returned += 1
    _went_on(renewal, ids, MOVE, "closing")


def _close(renewal: Renewal, now: datetime) -> None:
    ids = _carriers(renewal, MOVE)
    for row in _people(renewal, ids).select_for_update().order_by("id"):
        consent_writer.retag(row, remove=[renewal.tag_id or 0])
    _went_on(renewal, ids, MOVE, "closed")


_SLICES = {"counting": _count, "choosing": _choose, "moving": _move, "undoing": _undo, "closing": _close}


def _next(renewal: Renewal, limit: int) -> list[int]:
    """The next who get this list, along the index of its statuses."""
    beyond = max(renewal.after, row_id(renewal.organization_id, 0))
    rows = Subscription.objects.filter(list=renewal.list, status=SUBSCRIBED, subscriber__gt=beyond)
    subscriber_ids = rows.order_by("subscriber_id").values_list("subscriber_id", flat=True)
    return [*subscriber_ids[:limit]]


def _carriers(renewal: Renewal, limit: int) -> list[int]:
    """The next who carry the tag, along its index; nobody where it is gone."""
    rows = SubscriberTag.objects.filter(tag=renewal.tag_id, subscriber__gt=renewal.after)
    subscriber_ids = rows.order_by("subscriber_id").values_list("subscriber_id", flat=True)
    return [*subscriber_ids[:limit]] if renewal.tag_id is not None else []


def _people(renewal: Renewal, ids: Iterable[int]) -> QuerySet[Subscriber]:
    return Subscriber.objects.filter(organization=renewal.organization_id, id__in=ids)


def _standing(renewal: Renewal, ids: Sequence[int], status: int) -> list[int]:
    rows = Subscription.objects.filter(list=renewal.list, status=status, subscriber__in=ids)
    return [*rows.values_list("subscriber_id", flat=True)]


def _went_on(renewal: Renewal, ids: Sequence[int], limit: int, then: str) -> None:
    if len(ids) < limit:
        renewal.state, renewal.after = then, 0
    else:
        renewal.after = ids[-1]


def _weighed(renewal: Renewal, ids: Sequence[int], now: datetime) -> list[tuple[int, tuple[str, str]]]:
    """(subscriber, (strength, age)) of those who agreed, as core/consent reads their records."""
    keys = keyring.keys(renewal.organization)
    # Who may not be written to for another reason (stop list, a pause of their own) is not asked, either.
    may = [
        id
        for id, list_id, _s, may in audience_sql.subscriptions_of(ids)
        if (list_id, may) == (renewal.list_id, consent.YES)
    ]
    log: dict[int, list[tuple[consent_records.Known, bytes]]] = {id: [] for id in may}
    for id, known, blob in audience_sql.consent_with_words(may):
        log[id].append((known, blob))
    results = []
    for id, records in log.items():
        yes = consent.may(
            consent_records.records(known for known, _blob in records), renewal.list_id, "newsletter", now
        )
        if isinstance(yes, consent.Permission):
            blob = next(blob for known, blob in records if known[0] == yes.record.order)
            consent_day = _told(keys, blob, id - row_id(renewal.organization_id, 0), yes.record)
            results.append((id, (consent.strength(yes), consent.age(consent_day, _day(now)))))
    return results


def _told(keys: OrganizationKeys, blob: bytes, number: int, fact: consent.ConsentFact) -> date | None:
    """When they agreed, as far as anybody told: of an import the readable day is that of the import."""
    at = seal.pick(keys.open(blob, *consent_records.RECORD, number), consent.AT) if blob else ""
    if at:
        return min(date.fromisoformat(at[:10]), fact.day)
    return None if fact.way == "import" else fact.day
