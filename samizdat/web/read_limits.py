"""Subscribers' addresses at the desk: opened faster than anybody reads, pages say no (audience/read_limits.py).

Each page that opens a subscriber does it by one of these. `TooFast` becomes a page of its own in the middleware; what
was typed into a form travels inside of it, to be sent again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import queries, read_limits
from samizdat.audience.models import Subscriber
from samizdat.audience.segments import lookup
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns.models import Campaign
from samizdat.core import segment
from samizdat.core.mail.address import BadAddress
from samizdat.events.actions import record
from samizdat.web import params, resume_after_sign_in
from samizdat.web.permissions import WRITERS, address
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.auth import says


class TooFast(Exception):
    """More than anybody reads; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Subscribers are opened too fast. Wait {seconds} seconds.")
        self.seconds = seconds


def count(request: DeskRequest, many: int = 1) -> None:
    """Somebody opens so many, or learns of so many addresses whether they are here. Errors: TooFast."""
    if seconds := read_limits.open_some(request.organization, request.person, many, timezone.now()):
        raise TooFast(seconds)


def spend(request: DeskRequest, many: int) -> None:
    """The same, once it is done: whatever comes next has to wait for it."""
    read_limits.spend(request.organization, request.person, many)


def learn(request: DeskRequest, kind: str, about: int, many: int) -> None:
    """The same of a page that says how many of somebody's addresses are here, however often it is looked at. Half of
    what they may open at once is left to them: they only looked at a file."""
    read_limits.learn(request.organization, request.person, kind, about, min(many, read_limits.AT_ONCE // 2))


def ask(request: DeskRequest, question: str) -> None:
    """Somebody is told how many subscribers have such values. The same question is answered again for nothing.
    Errors: TooFast."""
    if seconds := read_limits.ask(request.organization, request.person, question, timezone.now()):
        raise TooFast(seconds)


def ask_segment(request: DeskRequest, tree: segment.Tree, among: str = "") -> None:
    """Somebody is told how many of some subscribers are in a segment. One that asks for a sealed value would tell
    a name or a number letter by letter, where something else singles one subscriber out. Errors: TooFast."""
    if any(isinstance(leaf, segment.SealedCondition) for leaf in segment.leaves(tree)):
        ask(request, f"segment {segment_mark(tree)} {among}".strip())


def segment_mark(tree: segment.Tree) -> str:
    return hashlib.sha256(json.dumps(segment.dump(tree)).encode()).hexdigest()[:12]


def ask_audience(request: DeskRequest, campaign: Campaign) -> None:
    """The same of how many get a campaign. Errors: TooFast."""
    if campaign.segment is None:
        return
    with suppress(SegmentBroken):  # Nobody gets it, which is said where they would be counted.
        among = f"of {campaign.list_id} {campaign.tag_id} {campaign.purpose} {campaign.resend_of_id}"
        ask_segment(request, lookup.tree_of(campaign.segment), among)


def may_count(request: DeskRequest, campaign: Campaign) -> bool:
    """Whether a page that somebody writes on may say how many get it: if not, it goes without the number."""
    try:
        ask_audience(request, campaign)
    except TooFast:
        return False
    return True


def subscriber(request: DeskRequest, number: int) -> Subscriber:
    """The subscriber whose page is opened: counted and recorded once an hour, on however many pages somebody works at
    them. Errors: Http404, TooFast."""
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is None:
        raise Http404
    if show(request, [number]):
        record("subscriber.opened", request.organization, now=timezone.now(), by=request.person, about=subscriber.id)
    return subscriber


def show(request: DeskRequest, numbers: Iterable[int]) -> set[int]:
    """Somebody is shown these; whom they were not shown in the last hour. Errors: TooFast."""
    seconds, anew = read_limits.show(request.organization, request.person, numbers, timezone.now())
    if seconds:
        raise TooFast(seconds)
    return anew


def show_page(request: DeskRequest, numbers: Iterable[int]) -> None:
    """Somebody is shown a page of these, or a search found them: recorded, with whom they were not shown in the last
    hour. Errors: TooFast."""
    now = timezone.now()
    seconds, anew = read_limits.show_page(request.organization, request.person, numbers, now)
    if seconds:
        raise TooFast(seconds)
    if anew:
        detail = {"numbers": sorted(anew)}
        record("subscribers.addresses_shown", request.organization, now=now, by=request.person, detail=detail)


def show_conversations(request: DeskRequest, numbers: Iterable[int]) -> None:
    """Somebody is shown how these replies begin: recorded, and counted as a page of subscribers is. Errors:
    TooFast."""
    marks = {-3 * number: number for number in numbers}  # Of no subscriber, as all that are below 0.
    if anew := _page_anew(request, marks):
        detail = {"conversations": anew}
        record("conversations.listed", request.organization, now=timezone.now(), by=request.person, detail=detail)


def open_conversation(request: DeskRequest, number: int) -> None:
    """Somebody reads this one: counted and recorded once an hour, as of a subscriber. Errors: TooFast."""
    if show(request, [-3 * number - 1]):
        record("conversation.opened", request.organization, now=timezone.now(), by=request.person, about=number)


def show_auto_replies(request: DeskRequest, numbers: Iterable[int]) -> None:
    """The same of auto-replies, by the numbers of their reports: the list has most of what is in them. Errors:
    TooFast."""
    marks = {-3 * number - 2: number for number in numbers}
    if anew := _page_anew(request, marks):
        detail = {"reports": anew}
        record("inbox.auto_replies_shown", request.organization, now=timezone.now(), by=request.person, detail=detail)


def _page_anew(request: DeskRequest, marks: Mapping[int, int]) -> list[int]:
    """Mark -> number: the numbers that they were not shown in the last hour. Errors: TooFast."""
    seconds, anew = read_limits.show_page(request.organization, request.person, marks, timezone.now())
    if seconds:
        raise TooFast(seconds)
    return sorted(marks[mark] for mark in anew)


def reader_numbered(request: DeskRequest, asked: str, *, mailed: bool = False) -> Subscriber | None:
    """The subscriber for whom a letter is made out, by the number as the desk writes it; None for nobody, and for
    whoever may not see a reader's values. Recorded once an hour, and each time where it is mailed. Errors: TooFast."""
    number = number_in(asked)
    if number is None or request.role not in WRITERS:
        return None
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is not None and (show(request, [number]) or mailed):
        record("subscriber.previewed", request.organization, now=timezone.now(), by=request.person, about=subscriber.id)
    return subscriber


def number_in(text: str) -> int | None:
    """A subscriber's number as the desk writes it: No. 37,560."""
    return params.number("".join(sign for sign in text.removeprefix("No.").removeprefix("№") if sign not in _GAPS))


def asked_for(request: DeskRequest, text: str) -> int | None:
    """The number of whom somebody named by it or by their address, which is a search. Errors: TooFast."""
    if "@" not in text:
        return number_in(text)
    count(request)
    record("subscribers.searched", request.organization, now=timezone.now(), by=request.person)
    with suppress(BadAddress):
        subscriber = queries.subscriber_at(request.organization, text)
        return subscriber.number if subscriber else None
    return None


_GAPS = " \xa0\u202f,"


def answer(request: DeskRequest, seconds: int) -> HttpResponse:
    return refusal(request, _("Too many subscribers opened"), sentence(seconds), 429)


def refusal(request: DeskRequest, title: str, sentence: str, status: int) -> HttpResponse:
    """A page of its own, with what was typed."""
    home = address(request.organization, "home")
    if request.method != "POST":
        return says(request, title, sentence, status, home)
    facts = {
        "title": title,
        "sentence": sentence,
        "typed": resume_after_sign_in.typed_into(request),
        "home": home,
    }
    return render(request, "web/rate_limited.html", facts, status=status)


def sentence(seconds: int) -> str:
    text = _(
        "You opened more subscribers than anyone can read in that time. The admins were notified. Wait %(n)s min, "
        "then continue."
    )
    return text % {"n": -(-seconds // 60)}
