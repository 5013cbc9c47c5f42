"""Subscribers: read, asked to confirm, brought with their consent, changed, unsubscribed and erased.

An address stands in no path and in no query: servers on the way write those into their logs.
"""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, Organization
from samizdat.api.donors import refuse_donors
from samizdat.api.idempotency import HEADER
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_list, no_such_list, spend
from samizdat.api.problems import ApiProblem
from samizdat.api.reading import note_reading
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.signups import ask_to_confirm, insist_on_form
from samizdat.audience import actions, queries
from samizdat.audience.actions.grouped_upserts import WantedSubscriber, upsert_with_others
from samizdat.audience.actions.upserts import UpsertRow, upsert, upsert_many
from samizdat.audience.errors import AudienceError
from samizdat.audience.limits import LONGEST_VALUE, TAGS_EACH
from samizdat.audience.models import List, Subscriber
from samizdat.audience.queries.subscriber_records import SubscriberRecord, number_at, records

router = Router(tags=["Subscribers"])
READ, WRITE = KeyAuth("subscribers:read"), KeyAuth("subscribers:write")
STATUS = Literal["pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed"]

# Rows of one batch, and how many requests they count as.
BATCH, BATCH_COSTS = 500, 5
MOST_A_PAGE = 500

Email = Annotated[str, StringConstraints(min_length=3, max_length=500)]
FieldTag = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,9}$")]
FieldText = Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Tags = Annotated[list[TagName], Field(max_length=TAGS_EACH)]
Fields = Annotated[dict[FieldTag, FieldText], Field(max_length=200)]
Language = Annotated[str, StringConstraints(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,4})?)?$")]
Words = Annotated[str, StringConstraints(min_length=3, max_length=2000)]
Number = Annotated[int, Field(ge=0, lt=1 << 40)]


class SubscriptionOut(Schema):
    """verdict: "yes", or why they get no mail of this list."""

    list: int
    status: str
    since: date
    verdict: str


class SubscriberOut(Schema):
    """number: stays the same for ever, also after a move to another server."""

    number: int
    email: str
    language: str
    joined: date
    fields: dict[str, str]
    tags: list[str]
    lists: list[SubscriptionOut]


class SubscribersOut(Schema):
    """next: the cursor of the page after this one; null on the last."""

    items: list[SubscriberOut]
    next: str | None


class EmailIn(Schema):
    email: Email


class SignUpIn(Schema):
    """language: of the email that asks them, like "en"."""

    email: Email
    list: int
    language: Language = ""
    fields: Fields = {}


class SignUpOut(Schema):
    result: Literal["asked"]


class SubscriberIn(Schema):
    email: Email
    fields: Fields = {}
    tags: Tags = []
    language: Language = ""


class UpsertIn(SubscriberIn):
    """consent: what they agreed to, and how; it is kept word for word."""

    list: int
    consent: Words


class UpsertOut(Schema):
    """result: added, updated, unchanged; left: they unsubscribed, so nothing was changed; suppressed: nobody writes to
    this address. number and result are null for a key that can't read subscribers."""

    number: int | None
    result: str | None


class BatchIn(Schema):
    """At most 500 at once."""

    list: int
    consent: Words
    subscribers: Annotated[Sequence[SubscriberIn], Field(min_length=1, max_length=BATCH)]


class RejectOut(Schema):
    """index: its place in the batch, from 0."""

    index: int
    code: str
    detail: str


class BatchOut(Schema):
    """added, updated, unchanged and left are null for a key that can't read subscribers."""

    received: int
    rejected: int
    added: int | None
    updated: int | None
    unchanged: int | None
    left: int | None
    rejects: list[RejectOut]


class ChangesIn(Schema):
    """What isn't named stays as it is. An empty text takes a value away."""

    fields: Fields = {}
    language: Language | None = None
    add_tags: Tags = []
    remove_tags: Tags = []


class LeavingIn(EmailIn):
    """list: null for all lists that the key may use."""

    list: int | None = None


class PageIn(Schema):
    list: int | None = None
    status: STATUS | None = None
    tag: TagName | None = None
    count: int = Field(100, ge=1, le=MOST_A_PAGE)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,13}$")] | None = None


@router.get("", response={200: SubscribersOut, ERRORS: ProblemOut}, auth=READ, summary="A page of subscribers")
def list_subscribers(request: KeyedRequest, page: Query[PageIn]) -> SubscribersOut:
    """By falling number. Who signed up and hasn't confirmed is not among them."""
    key = request.auth
    list_ = None if page.list is None and not key.lists else list_for(key, _list_asked(key, page.list))
    before = None if page.cursor is None else _cursor(page.cursor)
    rows = queries.page(key.organization, list_, page.status, page.tag, before, page.count)
    note_reading(key)
    items = [subscriber_out(each) for each in records(key.organization, rows.numbers, key.lists or None)]
    return SubscribersOut(items=items, next=None if rows.next is None else str(rows.next))


@router.get("/{int:number}", response={200: SubscriberOut, ERRORS: ProblemOut}, auth=READ, summary="One subscriber")
def get_subscriber(request: KeyedRequest, number: Path[Number]) -> SubscriberOut:
    """By their number."""
    return _read(request.auth, number)


@router.post(
    "/lookup", response={200: SubscriberOut, ERRORS: ProblemOut}, auth=READ, summary="The subscriber of an address"
)
def look_up_subscriber(request: KeyedRequest, body: EmailIn) -> SubscriberOut:
    """The address is in the body, so that it's in nobody's log."""
    return _read(request.auth, number_at(request.auth.organization, body.email))


@router.post("", response={202: SignUpOut, ERRORS: ProblemOut}, auth=WRITE, summary="Sign up somebody who confirms")
def sign_up_subscriber(request: KeyedRequest, body: SignUpIn) -> tuple[int, SignUpOut]:
    """Samizdat emails them a link to confirm, once a day at most, as after a form. The answer is the same whoever it
    is. The list needs a sign-up form, which has the words that they agree to."""
    key = request.auth
    list_ = list_for(key, body.list)
    insist_on_form(list_)
    _insist_on_fields(key.organization, body.fields, ())
    ask_to_confirm(key.organization, list_, body.email, body.fields, body.language, timezone.now())
    return 202, SignUpOut(result="asked")


@router.put("", response={200: UpsertOut, ERRORS: ProblemOut}, auth=WRITE, summary="Add or change one who has agreed")
def put_subscriber(request: KeyedRequest, body: UpsertIn) -> UpsertOut:
    """Who is new is subscribed; of who is here, fields, tags and language are set. Who unsubscribed stays so: they come
    back when they confirm themselves. The same request again changes nothing."""
    key = request.auth
    insist_on_list(key, body.list)
    _insist_on_fields(key.organization, body.fields, body.tags)
    wanted = WantedSubscriber(body.email, body.consent, body.fields, body.tags, body.language)
    # With an Idempotency-Key it stands in a transaction of its own, which others can't write in.
    is_alone = HEADER in request.headers
    done = None if is_alone else upsert_with_others(key.organization, body.list, wanted, by=key.by)
    outcome, number = done or _upsert_alone(key, body)
    reads = "subscribers:read" in api_keys.scopes_of(key)
    return UpsertOut(number=number if reads else None, result=outcome if reads else None)


def _upsert_alone(key: ApiKey, body: UpsertIn) -> tuple[str | None, int | None]:
    """Outcome and number, where there are any."""
    list_ = list_for(key, body.list)
    try:
        done = upsert(
            key.organization,
            body.email,
            list_,
            consent=body.consent,
            values=body.fields,
            tags=body.tags,
            language=body.language,
            now=timezone.now(),
            by=key.by,
        )
    except AudienceError as refused:
        if refused.code == "erased" and "subscribers:read" not in api_keys.scopes_of(key):
            return None, None  # Whoever may only write learns of nobody whether they were here.
        raise
    return done.outcome, done.subscriber.number if done.subscriber else None


@router.post(
    "/batch", response={200: BatchOut, ERRORS: ProblemOut}, auth=WRITE, summary="Add or change many who have agreed"
)
def put_subscribers(request: KeyedRequest, body: BatchIn) -> BatchOut:
    """As one by one; who is refused stops no other, and is in `rejects` with the reason. Counts as five requests."""
    key = request.auth
    spend(key, BATCH_COSTS - 1)
    list_ = list_for(key, body.list)
    fields = {tag: "" for row in body.subscribers for tag in row.fields}
    _insist_on_fields(key.organization, fields, {tag for row in body.subscribers for tag in row.tags})
    rows = [UpsertRow(row.email, row.fields, row.tags, row.language) for row in body.subscribers]
    source = f"API key {key.pk}"
    done = upsert_many(
        key.organization, list_, rows, consent=body.consent, source=source, now=timezone.now(), by=key.by
    )
    reads = "subscribers:read" in api_keys.scopes_of(key)
    counts = done.counts if reads else dict.fromkeys(done.counts)
    shown = [reject for reject in done.rejects if reads or reject[1] != "erased"]
    return BatchOut(
        received=len(rows),
        rejected=len(shown),
        added=counts["added"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        left=counts["left"],
        rejects=[RejectOut(index=place, code=code, detail=sentence) for place, code, sentence in shown],
    )


@router.patch(
    "/{int:number}", response={200: SubscriberOut, ERRORS: ProblemOut}, auth=WRITE, summary="Change a subscriber"
)
def change_subscriber(request: KeyedRequest, number: Path[Number], body: ChangesIn) -> SubscriberOut:
    """Fields, language and tags. For a key that can read subscribers as well."""
    key = request.auth
    if "subscribers:read" not in api_keys.scopes_of(key):
        sentence = _("This key may not do that. Create a key with the access %(scopes)s.")
        raise ApiProblem(403, "scope_missing", sentence % {"scopes": "subscribers:read"})
    subscriber, now = subscriber_for(key, number), timezone.now()
    _insist_on_fields(key.organization, body.fields, body.add_tags)
    with transaction.atomic():
        if body.fields or body.language is not None:
            actions.change_values(subscriber, body.fields, now=now, by=key.by, language=body.language)
        if body.add_tags:
            actions.add_tags(subscriber, body.add_tags, now=now, by=key.by)
        if body.remove_tags:
            actions.remove_tags(subscriber, body.remove_tags, now=now, by=key.by)
    return _read(key, number)


@router.post("/unsubscribe", response={204: None, ERRORS: ProblemOut}, auth=WRITE, summary="Unsubscribe an address")
def unsubscribe_subscriber(request: KeyedRequest, body: LeavingIn) -> HttpResponse:
    """From one list, or from all. The answer is the same whoever it is. Counts toward what your team may remove in a
    day, unless the key was created on the command line."""
    key, now = request.auth, timezone.now()
    lists = [list_for(key, each) for each in ([body.list] if body.list is not None else key.lists)]
    number = number_at(key.organization, body.email)
    if number is None or not records(key.organization, [number], [each.pk for each in lists] or None):
        return HttpResponse(status=204)
    subscriber = subscriber_for(key, number)
    if lists:
        actions.unsubscribe_from(subscriber, lists, now=now, way="api", by=key.by)
    else:
        actions.unsubscribe_from_all(subscriber, now=now, way="api", by=key.by)
    return HttpResponse(status=204)


def list_for(key: ApiKey, number: int) -> List:
    """Errors: ApiProblem 404."""
    insist_on_list(key, number)
    try:
        return queries.list_by_id(key.organization, number)
    except (AudienceError, OverflowError):
        raise no_such_list() from None


def _list_asked(key: ApiKey, number: int | None) -> int:
    """The list of a page: of a key that is bound to one, that one. Errors: ApiProblem 422."""
    if number is not None:
        return number
    if len(key.lists) > 1:
        sentence = _("This key is bound to several lists. Choose one of them.")
        raise ApiProblem(422, "list_missing", sentence)
    return int(key.lists[0])


def _cursor(text: str) -> int:
    """Errors: ApiProblem 422."""
    if int(text) >= 1 << 40:
        raise ApiProblem(422, "invalid", _("This cursor is none of ours. Begin again without one."))
    return int(text)


def subscriber_for(key: ApiKey, number: int) -> Subscriber:
    """One that the key may see. Errors: ApiProblem 404."""
    subscriber = queries.subscriber_numbered(key.organization, number)
    if subscriber is None or not records(key.organization, [number], key.lists or None):
        raise no_such_subscriber()
    return subscriber


def _read(key: ApiKey, number: int | None) -> SubscriberOut:
    """Errors: ApiProblem 404."""
    here = [] if number is None else records(key.organization, [number], key.lists or None)
    if not here:
        raise no_such_subscriber()
    note_reading(key)
    return subscriber_out(here[0])


def no_such_subscriber() -> ApiProblem:
    return ApiProblem(404, "no_such_subscriber", _("There is no such subscriber, or not on a list of this key."))


def _insist_on_fields(
    organization: Organization, fields: dict[str, str], tags: "list[str] | set[str] | tuple[()]"
) -> None:
    """A new field is created in the app alone. Errors: ApiProblem 422."""
    known = {view.tag: view.label for view in queries.fields(organization)} if fields else {}
    if unknown := sorted(fields.keys() - known.keys()):
        sentence = _("There is no field %(tag)s. Create it in the app first.") % {"tag": unknown[0]}
        raise ApiProblem(422, "no_such_field", sentence)
    refuse_donors([(tag, known[tag]) for tag in fields], tags)


def subscriber_out(each: SubscriberRecord) -> SubscriberOut:
    lists = [
        SubscriptionOut(list=row.list_id, status=row.status, since=row.since, verdict=row.verdict) for row in each.lists
    ]
    return SubscriberOut(
        number=each.number,
        email=each.address,
        language=each.language,
        joined=each.joined,
        fields=each.fields,
        tags=each.tags,
        lists=lists,
    )
