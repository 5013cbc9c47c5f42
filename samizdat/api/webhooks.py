"""Webhooks of the organization: those that the key's lists are enough for."""

import os
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey
from samizdat.api.keys import KeyAuth, KeyedRequest
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import list_for
from samizdat.core.event_webhooks import EVENTS, LONGEST_URL
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.actions import MOST_LISTS, EventWebhookView
from samizdat.portability.webhooks.delivering import sentence_of

router = Router(tags=["Webhooks"])
MANAGE = KeyAuth("webhooks")
_WITH_ADDRESSES = "subscribers:read"

Number = Annotated[int, Field(ge=1, le=(1 << 63) - 1)]


class WebhookTryOut(Schema):
    """at: to the minute. status: of the answer; 0 where none came. problem: what went wrong; null: it was taken."""

    at: datetime
    type: str
    status: int
    problem: str | None
    milliseconds: int
    turn: int


class WebhookOut(Schema):
    """state: active, failing, disabled, waiting (for another admin), ended (whoever added it is no longer an admin) or
    broken. lists: empty for all. waiting: events that are still to be told. tries: the newest first."""

    id: int
    url: str
    events: list[str]
    lists: list[int]
    addresses: bool
    created: date
    state: str
    failing_since: datetime | None
    waiting: int
    tries: list[WebhookTryOut]


class WebhooksOut(Schema):
    items: list[WebhookOut]


class WebhookIn(Schema):
    """lists: none for all that the key may use. addresses: whether a subscriber's address comes along; for a key that
    can read subscribers."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)]
    events: Annotated[Sequence[str], Field(min_length=1, max_length=len(EVENTS))]
    lists: Annotated[Sequence[int], Field(max_length=MOST_LISTS)] = ()
    addresses: bool = False


class WebhookAddedOut(Schema):
    """secret: with which each request is signed. It is shown now and never again. state: waiting, where another admin
    approves it first."""

    id: int
    secret: str
    state: str


class WebhookSecretOut(Schema):
    secret: str


@router.get("", response={200: WebhooksOut, ERRORS: ProblemOut}, auth=MANAGE, summary="All webhooks")
def all_webhooks(request: KeyedRequest) -> WebhooksOut:
    """In the order in which they were added, each with its last tries."""
    views = actions.views(request.auth.organization, timezone.now())
    return WebhooksOut(items=[_out(view) for view in views if _may_use(request.auth, view)])


@router.post("", response={201: WebhookAddedOut, ERRORS: ProblemOut}, auth=MANAGE, summary="Add a webhook")
def add_webhook(request: KeyedRequest, body: WebhookIn) -> tuple[int, WebhookAddedOut]:
    """Nothing is sent to it before another admin approved it, where your team approves API keys."""
    key, now = request.auth, timezone.now()
    if body.addresses and _WITH_ADDRESSES not in api_keys.scopes_of(key):
        sentence = _("This key may not do that. Create a key with the access %(scopes)s.")
        raise ApiProblem(403, "scope_missing", sentence % {"scopes": _WITH_ADDRESSES})
    lists = [list_for(key, number).pk for number in body.lists] or key.lists
    secret, row = actions.add(
        key.organization, body.url, body.events, lists=lists, addresses=body.addresses, now=now, by=key.by
    )
    return 201, WebhookAddedOut(id=row.pk, secret=secret, state=_view(key, row.pk).state)


@router.get("/{int:number}", response={200: WebhookOut, ERRORS: ProblemOut}, auth=MANAGE, summary="One webhook")
def one_webhook(request: KeyedRequest, number: Path[Number]) -> WebhookOut:
    """With its last 50 tries."""
    return _out(_view(request.auth, number))


@router.delete("/{int:number}", response={204: None, ERRORS: ProblemOut}, auth=MANAGE, summary="Remove a webhook")
def remove_webhook(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """What it was still to be told is dropped."""
    _view(request.auth, number)
    actions.remove(request.auth.organization, number, now=timezone.now(), by=request.auth.by)
    return HttpResponse(status=204)


@router.post("/{int:number}/test", response={202: None, ERRORS: ProblemOut}, auth=MANAGE, summary="Send a test")
def test_webhook(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """It is sent within seconds; see `tries` for what came of it."""
    _view(request.auth, number)
    actions.test(request.auth.organization, number, chance=os.urandom(16))
    return HttpResponse(status=202)


@router.post(
    "/{int:number}/secret",
    response={200: WebhookSecretOut, ERRORS: ProblemOut},
    auth=MANAGE,
    summary="Replace the secret of a webhook",
)
def replace_webhook_secret(request: KeyedRequest, number: Path[Number]) -> WebhookSecretOut:
    """The secret before it signs as well for a day."""
    _view(request.auth, number)
    secret = actions.replace_secret(request.auth.organization, number, now=timezone.now(), by=request.auth.by)
    return WebhookSecretOut(secret=secret)


@router.post(
    "/{int:number}/enable", response={204: None, ERRORS: ProblemOut}, auth=MANAGE, summary="Switch a webhook on again"
)
def enable_webhook(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """One that was switched off since its address took nothing for days. It is told all that happened meanwhile."""
    _view(request.auth, number)
    actions.enable(request.auth.organization, number, now=timezone.now(), by=request.auth.by)
    return HttpResponse(status=204)


def _view(key: ApiKey, number: int) -> EventWebhookView:
    """Errors: EventWebhookRefused, which is a 404."""
    view = actions.view_of(key.organization, number, timezone.now())
    if view is None or not _may_use(key, view):
        raise actions.no_such_webhook()
    return view


def _may_use(key: ApiKey, view: EventWebhookView) -> bool:
    """A key that is bound to lists sees what tells of these alone, and addresses only where it may read them."""
    is_bound = not key.lists or (bool(view.lists) and {*view.lists} <= {*key.lists})
    return is_bound and (not view.addresses or _WITH_ADDRESSES in api_keys.scopes_of(key))


def _out(view: EventWebhookView) -> WebhookOut:
    return WebhookOut(
        id=view.id,
        url=view.url,
        events=[*view.events],
        lists=[*view.lists],
        addresses=view.addresses,
        created=view.created,
        state=view.state,
        failing_since=view.failing_since,
        waiting=view.waiting,
        tries=[
            WebhookTryOut(
                at=each.at,
                type=each.type,
                status=each.status,
                problem=sentence_of(each.problem) if each.problem else None,
                milliseconds=each.milliseconds,
                turn=each.turn,
            )
            for each in view.tries
        ],
    )
