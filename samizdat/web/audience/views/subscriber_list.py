"""The list of subscribers: filters, a search for part of a name or address, and the addresses of a page.

Addresses are masked. Whoever may write sees them after a press of *Show addresses*, for that page and that answer; what
a search found is shown as well. Both are recorded and counted (read_limits).
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from django.core import signing
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience import queries
from samizdat.audience.models import NUMBER_MASK, Subscriber, row_id
from samizdat.audience.queries.lists import ListView
from samizdat.audience.queries.sorted_subscribers import MOST as MOST_SORTED
from samizdat.audience.queries.subscriber_list import SubscriberPage, SubscriberRow
from samizdat.audience.text_search import TextSearch
from samizdat.core.consent import STATUSES
from samizdat.core.mail.address import BadAddress
from samizdat.events.actions import record
from samizdat.web import labels, params, read_limits
from samizdat.web.audience import subscriber_columns, subscriber_filters, subscriber_sorting
from samizdat.web.audience.forms.audience import FindForm
from samizdat.web.audience.subscriber_filters import RequestedFilter
from samizdat.web.audience.views import bulk
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest

PAGE = 50
# What a search shows, and the seconds of one look; the page goes on by itself.
HITS, LOOKING = 20, 0.5
# Seconds for which a search can be gone on with: as long as whom it found is shown for nothing.
GOES_ON = 3600
_SALT = "samizdat.search"


@door(see=EVERYONE, do=WRITERS)
def subscribers(request: DeskRequest) -> HttpResponse:
    """The audience by pages. POST searches, or shows the addresses of the page and hides them: no address ever stands
    in a URL."""
    if "show" in request.POST or "hide" in request.POST:
        return _page(request, shown="show" in request.POST)
    form = FindForm(request.POST or None)
    return _search(request, form) if form.is_valid() else _page(request, form)


def _page(request: DeskRequest, form: FindForm | None = None, *, shown: bool = False) -> HttpResponse:
    facts = _chosen(request)
    if shown:
        page: SubscriberPage = facts["page"]
        read_limits.show_page(request, page.numbers)
        rows = queries.with_addresses(request.organization, page.rows)
        facts["page"] = replace(page, rows=subscriber_sorting.of_page(rows, request.POST["show"]))
    form = form or FindForm()
    columns = subscriber_columns.chosen(request)
    facts |= {
        "form": form,
        "hits": HITS,
        "shown": shown,
        "by": request.POST["show"] if shown and request.POST["show"] in subscriber_sorting.OF_PAGE else "",
        "of_page": subscriber_sorting.OF_PAGE.items(),
        "ticked": bulk.ticked(request.POST),
        "columns": columns,
        "offered": subscriber_columns.offered(columns),
    }
    answer = render(request, "web/audience/subscribers.html", facts, status=422 if form.errors else 200)
    subscriber_columns.keep(request, answer)
    return answer


# -- part of a name or an address --


@dataclass(slots=True)
class SearchProgress:
    """What a search has found so far. `below`: the row below which it goes on, None at the end."""

    text: str
    numbers: list[int]
    below: int | None = None
    rows: tuple[SubscriberRow, ...] = ()
    stopped: str = ""  # Why it does not go on.
    on: str = ""  # What the next look begins with.

    @property
    def many(self) -> bool:
        """More than are shown."""
        return len(self.numbers) > HITS


def _search(request: DeskRequest, form: FindForm) -> HttpResponse:
    """A look of LOOKING seconds; the page that it answers with has the next one."""
    text = form.cleaned_data["q"]
    progress = _so_far(request, text)
    if progress is None:
        read_limits.count(request)  # That nobody is found says something as well.
        record("subscribers.searched", request.organization, now=timezone.now(), by=request.person)
        subscriber = _at(request.organization, text)
        if subscriber is not None:
            return go(request, "subscriber", subscriber.number)
        progress = SearchProgress(text, [])
    try:
        _look(request, progress)
    except read_limits.TooFast as error:
        if not request.htmx:
            raise
        progress.stopped = read_limits.sentence(error.seconds)
    facts = {"search": progress, "form": form, "hits": HITS}
    return render(request, f"web/audience/{'parts/search_found' if request.htmx else 'search'}.html", facts)


def _at(organization: Organization, text: str) -> Subscriber | None:
    """Who has this very address: nobody is looked through for it."""
    try:
        return queries.subscriber_at(organization, text)
    except BadAddress:
        return None


def _look(request: DeskRequest, progress: SearchProgress) -> None:
    """Errors: TooFast, for those whom it would show."""
    organization = request.organization
    left = HITS + 1 - len(progress.numbers)
    result = TextSearch(organization, progress.text).look(progress.below, left, LOOKING)
    numbers = progress.numbers + [id & NUMBER_MASK for id in result.ids]
    read_limits.show_page(request, numbers[:HITS])
    progress.numbers, progress.below = numbers, result.below
    ids = [row_id(organization.id, number) for number in numbers[:HITS]]
    progress.rows = tuple(queries.with_addresses(organization, queries.rows_of(organization, ids)))
    if result.below is not None and not progress.many:
        place = result.below, numbers
        progress.on = signing.dumps([*place, *_searching(request, progress.text)], salt=_SALT)


def _so_far(request: DeskRequest, text: str) -> SearchProgress | None:
    """Where the look before this one ended. Another search begins anew. Signed: whoever chose the row would be told of
    everybody whether such words are theirs, with one search."""
    try:
        below, numbers, *of = signing.loads(request.POST.get("on", ""), salt=_SALT, max_age=GOES_ON)
    except signing.BadSignature:
        return None
    return SearchProgress(text, numbers, below) if of == _searching(request, text) else None


def _searching(request: DeskRequest, text: str) -> list[object]:
    mark = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
    return [mark, request.organization.pk, request.person.pk]


# -- filters --


def _chosen(request: DeskRequest) -> dict[str, Any]:
    """The part of the audience that the filters ask for, and what else can be asked for."""
    organization = request.organization
    lists, tags = queries.lists(organization, archived=True), queries.tags(organization)
    asked = subscriber_filters.read(request.GET, lists, tags)
    page, sort = _page_of(request, asked)
    offers = subscriber_filters.offers(lists, tags, asked)
    adding = next((offer for offer in offers if offer.name == request.GET.get("add")), None)
    tabs = _tabs(organization, asked, lists, tags) if asked.filter.plain else _tabs_uncounted(asked)
    everybody, *parts = (tab["count"] or 0 for tab in tabs)
    return {
        "asked": asked,
        "offers": offers,
        "adding": adding,
        "kept": [pair for pair in asked.parts.items() if adding and pair[0] not in adding.inputs],
        "everyone": asked.query(whom="all"),
        "here": asked.query(**{name: request.GET.get(name, "") for name in ("before", "at")}),
        "too_many_to_sort": bool(asked.sort) and not sort,
        "sorted_by": next(order for order in subscriber_sorting.offers(sort, asked.sorted) if order.direction),
        "most_sorted": MOST_SORTED,
        "headings": subscriber_sorting.headings(sort, asked.sorted),
        "orders": subscriber_sorting.offers(sort, asked.sorted),
        "chosen": next((list_view for list_view in lists if list_view.id == asked.filter.list), None),
        "page": page,
        "tabs": tabs,
        "counted": next(tab["count"] for tab in tabs if tab["on"]) is not None,
        "overlap": sum(parts) > everybody,
        "following": asked.query(**{"at" if sort else "before": str(page.next)}) if page.next else "",
        "total": sum(list_view.total for list_view in lists),
        "everybody": queries.count_subscribers(organization),
        "subscribed": None if asked.chips else next((tab["count"] for tab in tabs if tab["status"] == "subscribed"), 0),
    }


def _page_of(request: DeskRequest, asked: RequestedFilter) -> tuple[SubscriberPage, str]:
    """The page in the order that is asked for, and which order that is: the newest first where too many fit."""
    organization = request.organization
    if asked.sort:
        at = min(params.number(request.GET.get("at", "")) or 0, MOST_SORTED)
        page = queries.sorted_page(organization, asked.filter, asked.sort, subscriber_sorting.word, at=at, limit=PAGE)
        if page is not None:
            return page, asked.sort
    before = _number(request.GET.get("before", ""))
    return queries.filtered(organization, asked.filter, before=before, limit=PAGE), ""


def _number(text: str) -> int | None:
    """A subscriber's number; what is too large for one would lead into another organization's rows."""
    number = params.number(text)
    return number if number is not None and number <= NUMBER_MASK else None


def _tabs(
    organization: Organization, asked: RequestedFilter, lists: list[ListView], tags: list[tuple[int, str]]
) -> list[dict[str, Any]]:
    """The statuses with how many people have each, as far as that is known at once."""
    among = queries.list_by_id(organization, asked.filter.list) if asked.filter.list else None
    name = dict(tags).get(asked.filter.tag or 0)
    tabs = _tabs_uncounted(asked)
    if among is not None or len(lists) < 2:
        # Of one list the sum of the parts, not a count of rows: that would walk through a million of them.
        counts = {other: queries.count(organization, list=among, status=other, tag=name) for other in STATUSES}
        tabs[0]["count"] = sum(counts.values())
    else:
        counts = queries.people_by_status(organization, name) or {}
        tabs[0]["count"] = queries.count_subscribers(organization, tag=name)
    for tab in tabs[1:]:
        tab["count"] = counts.get(tab["status"])
    return [tab for tab in tabs if tab["count"] != 0 or tab["on"] or not tab["status"]]


def _tabs_uncounted(asked: RequestedFilter) -> list[dict[str, Any]]:
    status = asked.values.get("status", "")
    tabs = [{"name": _("All"), "status": "", "on": not status, "query": asked.query(status=""), "count": None}]
    for other in STATUSES:
        word, query = labels.subscription_state(other)[1], asked.query(status=other)
        tabs.append({"name": word, "status": other, "on": other == status, "query": query, "count": None})
    return tabs


# Seconds of one look of a count.
COUNTING = 0.3


@door(see=EVERYONE)
def count_subscribers(request: DeskRequest) -> HttpResponse:
    """How many fit the filters, exactly; where there are millions, in several looks."""
    organization = request.organization
    asked = subscriber_filters.read(request.GET, queries.lists(organization, archived=True), queries.tags(organization))
    so_far = _number(request.GET.get("found", "")) or 0
    match_count, following = queries.count_filtered(
        organization, asked.filter, _number(request.GET.get("before", "")), COUNTING
    )
    facts = {
        "asked": asked,
        "found": so_far + match_count,
        "following": asked.query(before=str(following), found=str(so_far + match_count))
        if following is not None
        else "",
    }
    name = "web/audience/parts/count.html" if request.htmx else "web/audience/count.html"
    return render(request, name, facts)
