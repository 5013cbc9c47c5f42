"""Every operation x every scope x own list, list that the key isn't bound to, another organization: who gets in where
is said here once more, and nobody gets in anywhere else."""

import secrets
from base64 import b64decode
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from samizdat.accounts.api_keys import SCOPES
from samizdat.accounts.sealed_settings import leading
from samizdat.api import openapi
from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord, List, Segment, Subscriber, SubscriberTag, Subscription, Tag
from samizdat.campaigns import approval
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign, Picture, Template, TemplateText
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.templates import import_template
from samizdat.core.segment import EVERYBODY
from samizdat.delivery.actions import add_route, pause, release, remote_checks
from samizdat.delivery.models import RemoteCheck, Route
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.portability.webhooks import actions as webhooks
from samizdat.publicdb.actions import publish_place
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

# Operation -> its body, with LIST and EMAIL for what belongs to the organization, and what of these is in it.
READ, WRITE = "subscribers:read", "subscribers:write"
CONSENT = "Ticked the box."
LIST, EMAIL = "LIST", "ada@reader.example"
TEAM = "clara@lantern.example"
HOOK = "https://lantern.example/hooks"
# One gray pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
BODIES: dict[tuple[str, str], Any] = {
    ("GET", "/api/v1/lists"): None,
    ("GET", "/api/v1/lists/{list_id}"): None,
    ("POST", "/api/v1/lists"): {"name": "NAME"},
    ("PATCH", "/api/v1/lists/{list_id}"): {"name": "NAME"},
    ("POST", "/api/v1/lists/{list_id}/archive"): None,
    ("POST", "/api/v1/lists/{list_id}/restore"): None,
    ("GET", "/api/v1/fields"): None,
    ("GET", "/api/v1/tags"): None,
    ("POST", "/api/v1/tags"): {"name": "NAME"},
    ("PATCH", "/api/v1/tags/{number}"): {"name": "NAME"},
    ("DELETE", "/api/v1/tags/{number}"): None,
    ("POST", "/api/v1/tags/{number}/subscribers"): {"list": LIST, "add": [EMAIL]},
    ("GET", "/api/v1/segments"): None,
    ("POST", "/api/v1/segments"): {"name": "NAME", "condition": {"all": []}},
    ("GET", "/api/v1/segments/{number}"): None,
    ("PATCH", "/api/v1/segments/{number}"): {"name": "NAME", "version": 1},
    ("DELETE", "/api/v1/segments/{number}"): None,
    ("GET", "/api/v1/segments/{number}/count"): None,
    ("GET", "/api/v1/segments/{number}/subscribers"): None,
    ("GET", "/api/v1/subscribers"): None,
    ("GET", "/api/v1/subscribers/{number}"): None,
    ("POST", "/api/v1/subscribers/lookup"): {"email": EMAIL},
    ("POST", "/api/v1/subscribers"): {"email": EMAIL, "list": LIST},
    ("PUT", "/api/v1/subscribers"): {"email": EMAIL, "list": LIST, "consent": CONSENT, "tags": ["press"]},
    ("POST", "/api/v1/subscribers/batch"): {"list": LIST, "consent": CONSENT, "subscribers": [{"email": EMAIL}]},
    ("PATCH", "/api/v1/subscribers/{number}"): {"add_tags": ["press"]},
    ("GET", "/api/v1/subscribers/{number}/consent"): None,
    ("POST", "/api/v1/subscribers/consent"): {
        "email": EMAIL,
        "list": LIST,
        "wording": CONSENT,
        "at": "2026-11-26T10:00:00Z",
        "purpose": "fundraising",
    },
    ("POST", "/api/v1/subscribers/erase"): {"email": EMAIL},
    ("POST", "/api/v1/subscribers/unsubscribe"): {"email": EMAIL, "list": LIST},
    ("GET", "/api/v1/campaigns"): None,
    ("GET", "/api/v1/campaigns/{number}"): None,
    ("GET", "/api/v1/campaigns/{number}/results"): None,
    ("GET", "/api/v1/templates"): None,
    ("GET", "/api/v1/reports"): None,
    ("POST", "/api/v1/campaigns"): {"list": LIST, "subject": "River", "body": "Hello", "from_email": "a@r.example"},
    ("PATCH", "/api/v1/campaigns/{number}"): {"version": 1, "subject": "Other"},
    ("GET", "/api/v1/campaigns/{number}/checks"): None,
    ("POST", "/api/v1/campaigns/{number}/test"): {"to": [TEAM]},
    ("GET", "/api/v1/campaigns/{number}/tests/{test}"): None,
    ("POST", "/api/v1/campaigns/{number}/request-approval"): None,
    ("POST", "/api/v1/campaigns/{number}/release"): {"seen": "", "at": "2027-03-01T10:00:00Z"},
    ("POST", "/api/v1/campaigns/{number}/undo"): None,
    ("POST", "/api/v1/campaigns/{number}/pause"): None,
    ("POST", "/api/v1/campaigns/{number}/resume"): None,
    ("POST", "/api/v1/campaigns/{number}/cancel"): None,
    ("GET", "/api/v1/webhooks"): None,
    ("POST", "/api/v1/webhooks"): {"url": HOOK, "events": ["subscriber.added"], "lists": [LIST]},
    ("GET", "/api/v1/webhooks/{number}"): None,
    ("DELETE", "/api/v1/webhooks/{number}"): None,
    ("POST", "/api/v1/webhooks/{number}/test"): None,
    ("POST", "/api/v1/webhooks/{number}/secret"): None,
    ("POST", "/api/v1/webhooks/{number}/enable"): None,
    ("GET", "/api/v1/templates/{number}"): None,
    ("POST", "/api/v1/templates"): {"name": "Spring", "html": "<p>Dear *|FNAME|*</p>"},
    ("PATCH", "/api/v1/templates/{number}"): {"name": "Summer"},
    ("DELETE", "/api/v1/templates/{number}"): None,
    ("GET", "/api/v1/media"): None,
    ("GET", "/api/v1/media/{number}"): None,
    ("POST", "/api/v1/media"): {"data": PNG, "name": "River"},
    ("PATCH", "/api/v1/media/{number}"): {"alt": "A river"},
    ("DELETE", "/api/v1/media/{number}"): None,
    ("GET", "/api/v1/routes"): None,
    ("POST", "/api/v1/routes/{number}/pause"): None,
    ("POST", "/api/v1/routes/{number}/resume"): None,
    ("GET", "/api/v1/log"): None,
}
# In which state a campaign is for it.
STATES = {"undo": "scheduled", "pause": "scheduled", "resume": "paused", "cancel": "scheduled"}
# Of these two scopes are needed together.
TOGETHER = {("PATCH", "/api/v1/subscribers/{number}"): {READ, WRITE}}
# Of all lists, so for no key that is bound to some.
OF_ALL = {
    ("POST", "/api/v1/lists"),
    ("POST", "/api/v1/segments"),
    ("GET", "/api/v1/segments/{number}"),
    ("PATCH", "/api/v1/segments/{number}"),
    ("DELETE", "/api/v1/segments/{number}"),
    ("GET", "/api/v1/segments/{number}/count"),
    ("GET", "/api/v1/segments/{number}/subscribers"),
    ("PATCH", "/api/v1/tags/{number}"),
    ("DELETE", "/api/v1/tags/{number}"),
    ("GET", "/api/v1/reports"),
    ("POST", "/api/v1/subscribers/erase"),
    ("PATCH", "/api/v1/templates/{number}"),
    ("DELETE", "/api/v1/templates/{number}"),
    ("PATCH", "/api/v1/media/{number}"),
    ("DELETE", "/api/v1/media/{number}"),
    ("GET", "/api/v1/routes"),
    ("POST", "/api/v1/routes/{number}/pause"),
    ("POST", "/api/v1/routes/{number}/resume"),
    ("GET", "/api/v1/log"),
}
# Of the organization, whichever lists a key is bound to.
OF_ORGANIZATION = {
    ("POST", "/api/v1/tags"),
    ("GET", "/api/v1/templates/{number}"),
    ("POST", "/api/v1/templates"),
    ("GET", "/api/v1/media/{number}"),
    ("POST", "/api/v1/media"),
}
OPERATIONS = [*openapi.operations()]


@pytest.fixture
def here(program: Program, clara: Any) -> tuple[Program, Any]:
    """With Ada on Letter, whose form is open."""
    letter = program.lists["Letter"]
    audience.give_form(letter, "letter", now=NOW)
    publish_place(bytes(program.organization.uid), host="", name="L", language="en", accent="#b3261e")
    ada = audience.add_subscriber(program.organization, EMAIL, letter, consent=CONSENT, now=NOW)
    draft = Draft(subject="The winter list", from_email="a@lantern.example", body="Hello")
    campaign = create(program.organization, letter, draft, by=None, now=NOW)
    add_route(program.organization, "out", "folder:///tmp/nothing", now=NOW)
    remote_checks.ask(program.organization, "test", campaign.pk, now=timezone.now(), by=clara, then="", to=[TEAM])
    hook_of(letter)
    return program, ada


def hook_of(list_: Any) -> int:
    """The number of a webhook that tells of this list alone."""
    here = next((view.id for view in webhooks.views(list_.organization, NOW) if list_.pk in view.lists), None)
    if here is None:
        _secret, row = webhooks.add(list_.organization, HOOK, ["subscriber.added"], lists=[list_.pk], now=NOW, by=None)
        here = row.pk
    return here


def numbered(kind: str, list_: Any) -> int | None:
    """The number of a template, image or route of its organization; None for what belongs to a list."""
    organization = list_.organization
    if kind == "templates":
        here = Template.objects.filter(organization=organization).first()
        return here.pk if here else _template(organization)
    if kind == "media":
        picture = Picture.objects.filter(organization=organization).first()
        return (
            picture.pk
            if picture
            else library.take_in(organization, b64decode(PNG), NOW, name=f"{leading(organization).name} image").pk
        )
    if kind == "routes":
        return Route.objects.filter(organization=organization).values_list("pk", flat=True).first()
    if kind == "segments":
        return _segment(organization)
    if kind == "tags":
        return _tag(organization)
    return hook_of(list_) if kind == "webhooks" else None


def _tag(organization: Any) -> int:
    here = Tag.objects.filter(organization=organization, removed=False).first()
    name = f"{leading(organization).name} tag"
    return here.pk if here else audience.tags_for(organization, [name])[name]


def _segment(organization: Any) -> int:
    here = Segment.objects.filter(organization=organization, removed=False).first()
    name = f"{leading(organization).name} segment"
    return (here or audience.add_segment(organization, name, EVERYBODY, now=NOW)).pk


def _template(organization: Any) -> int:
    text = TemplateText(f"{leading(organization).name} template", "")
    return import_template.add(organization, text, "template.saved", by=None, now=NOW).pk


def _call(asking: Program, operation: openapi.Operation, list_: Any, number: int) -> tuple[int, Any]:
    body = BODIES[operation.method, operation.path]
    if body is not None and "list" in body:
        body = body | {"list": list_.pk}
    if body is not None and "lists" in body:
        body = body | {"lists": [list_.pk]}
    if body is not None and body.get("name") == "NAME":
        body = body | {"name": secrets.token_hex(4)}
    number = numbered(operation.path.split("/")[3], list_) or number
    if body is not None and "version" in body and "/segments/" in operation.path:
        body = body | {"version": Segment.objects.get(pk=number).version}
    if "/campaigns/" in operation.path:
        campaign = Campaign.objects.filter(list=list_).earliest("pk")
        number = campaign.pk
        body = _about(operation, campaign, body)
    path = operation.path.removeprefix("/api/v1").format(
        list_id=list_.pk, number=number, test=RemoteCheck.objects.latest("pk").pk
    )
    if operation.path == "/api/v1/subscribers" and operation.method == "GET":
        path += f"?list={list_.pk}"
    return asking.ask(operation.method, path, body)


def _about(operation: openapi.Operation, campaign: Campaign, body: Any) -> Any:
    """The body, about the campaign as it is now, in the state that the operation takes."""
    wanted = STATES.get(operation.path.rpartition("/")[2], "draft")
    if campaign.state == "draft" and wanted != "draft":
        release(campaign, now=timezone.now(), at=timezone.now() + timedelta(days=1))
        if wanted == "paused":
            pause(campaign, now=timezone.now())
    if body and "seen" in body:
        return body | {"seen": approval.bond_of(open_campaign(campaign)), "recipients": 1}
    return body | {"version": campaign.version} if body and "version" in body else body


# Rows that a program could change, and how each leads to its organization.
ROWS = {
    Subscriber: "organization",
    Subscription: "subscriber__organization",
    SubscriberTag: "subscriber__organization",
    ConsentRecord: "organization",
    List: "organization",
    Segment: "organization",
    Tag: "organization",
    Campaign: "organization",
    Template: "organization",
    Picture: "organization",
    Route: "organization",
    EventWebhook: "organization",
    EventWebhookMessage: "webhook__organization",
}


def facts(organization: Any = None) -> list[Any]:
    """All rows that a program could change; of one organization, if asked."""
    narrow = [{} if organization is None else {path: organization} for path in ROWS.values()]
    return [
        sorted(map(repr, model._default_manager.filter(**only).values_list()))
        for model, only in zip(ROWS, narrow, strict=True)
    ]


def _name(operation: openapi.Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_every_operation_is_in_the_matrix() -> None:
    assert {(each.method, each.path) for each in OPERATIONS} == BODIES.keys()


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_each_scope_opens_its_operations_alone(
    here: tuple[Program, Any], clara: Any, operation: openapi.Operation
) -> None:
    program, ada = here
    letter = program.lists["Letter"]
    needed = TOGETHER.get((operation.method, operation.path), set())
    lists = () if (operation.method, operation.path) in OF_ALL else (letter,)
    for scope in SCOPES:
        asking = program.bound(*lists, scopes=(scope,), by=clara)
        may = scope in operation.scopes and needed <= {scope}
        status, answer = _call(asking, operation, letter, ada.number)
        assert (status < 300) == may, (scope, answer)
        if not may:
            assert (status, answer["code"]) == (403, "scope_missing")
        if may and operation.path.endswith(("/release", "/undo", "/cancel", "/pause", "/resume")):
            return  # It is done.
    assert _call(program.bound(*lists, scopes=tuple(SCOPES), by=clara), operation, letter, ada.number)[0] < 300


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_no_key_of_another_list_or_organization_reaches_anything(
    here: tuple[Program, Any], bell: Program, operation: openapi.Operation
) -> None:
    program, ada = here
    _call(Program(program.organization, token=""), operation, program.lists["Letter"], ada.number)  # In its state.
    numbered(operation.path.split("/")[3], program.lists["Letter"])
    name = operation.method, operation.path
    before = facts(program.organization)
    bound = program.bound(program.lists["Appeals"], scopes=tuple(SCOPES))
    for asking in (bell.bound(scopes=tuple(SCOPES)), *([] if name in OF_ORGANIZATION else [bound])):
        status, answer = _call(asking, operation, program.lists["Letter"], ada.number)
        shown = str(answer)
        assert EMAIL not in shown
        assert "'Letter'" not in shown
        assert "winter list" not in shown
        assert str(program.lists["Letter"].pk) not in shown
        if asking is bound and name in OF_ALL:
            assert (status, answer["code"]) == (403, "key_bound")
        elif operation.path.count("{") or "LIST" in str(BODIES[operation.method, operation.path]):
            assert status == 404, answer
        assert status < 500
    assert facts(program.organization) == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_without_a_key_nothing_opens(here: tuple[Program, Any], operation: openapi.Operation) -> None:
    program, ada = here
    _call(Program(program.organization, token=""), operation, program.lists["Letter"], ada.number)  # In its state.
    before = facts()
    for token in ("", "smz_" + "a" * 40):
        asking = Program(program.organization, token=token)
        assert _call(asking, operation, program.lists["Letter"], ada.number)[0] == 401
    assert facts() == before
