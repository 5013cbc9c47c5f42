"""Campaigns: read with their results, and written as drafts (sending.py sends them)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey
from samizdat.api.keys import KeyAuth, KeyedRequest
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import list_for
from samizdat.campaigns import actions, queries
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.senders import default_sender
from samizdat.campaigns.templates.layout_store import begin_as_saved
from samizdat.core.totals import is_few

router = Router(tags=["Campaigns"])
READ, WRITE = KeyAuth("campaigns:read"), KeyAuth("campaigns:write")

Number = Annotated[int, Field(ge=1, lt=1 << 53)]
Line = Annotated[str, StringConstraints(max_length=500)]
Body = Annotated[str, StringConstraints(max_length=1_000_000)]
FORMAT = Literal["markdown", "html", "blocks"]
STATE = Literal["draft", "scheduled", "held", "sending", "waiting", "paused", "finished", "cancelled"]
MOST_A_PAGE = 100


class CampaignOut(Schema):
    """list: its number. recipients: how many were chosen at its release."""

    id: int
    subject: str
    state: str
    list: int
    language: str
    created: datetime
    released: datetime | None
    finished: datetime | None
    recipients: int
    version: int


class CampaignsOut(Schema):
    """next: the cursor of the page after this one; null on the last."""

    items: list[CampaignOut]
    next: str | None


class CampaignTextOut(CampaignOut):
    """format: markdown, html, or blocks (docs/content-format.md)."""

    preheader: str
    from_name: str
    from_email: str
    reply_to: str
    format: str
    body: str


class ResultsOut(Schema):
    """Totals alone: nobody is watched. accepted: the next server took it. unsubscribed: by its link; null where it was
    fewer than 20."""

    recipients: int
    accepted: int
    bounced: int
    unknown: int
    skipped: int
    waiting: int
    cancelled: int
    unsubscribed: int | None


class DraftIn(Schema):
    """Without a sender: that of the list or organization."""

    list: int
    subject: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    body: Body
    format: FORMAT = "markdown"
    preheader: Line = ""
    from_name: Line = ""
    from_email: Line = ""
    reply_to: Line = ""


class DraftChangesIn(Schema):
    """version: of the campaign as you read it; if somebody else saved since, nothing is changed (409). What isn't named
    stays as it is."""

    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    body: Body | None = None
    preheader: Line | None = None
    from_name: Line | None = None
    from_email: Line | None = None
    reply_to: Line | None = None


class CampaignPageIn(Schema):
    state: STATE | None = None
    count: int = Field(50, ge=1, le=MOST_A_PAGE)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$")] | None = None


@router.get("", response={200: CampaignsOut, ERRORS: ProblemOut}, auth=READ, summary="A page of campaigns")
def list_campaigns(request: KeyedRequest, page: Query[CampaignPageIn]) -> CampaignsOut:
    """The newest first. For a key that is bound to lists, a page can be shorter than `count`."""
    key = request.auth
    before = None if page.cursor is None else int(page.cursor)
    rows = queries.newest(key.organization, [page.state] if page.state else [], before, page.count + 1)
    following = str(rows[page.count - 1].campaign.pk) if len(rows) > page.count else None
    shown = [row for row in rows[: page.count] if api_keys.may_use(key, row.campaign.list_id)]
    return CampaignsOut(items=[CampaignOut(**_facts(row.campaign, row.subject)) for row in shown], next=following)


@router.get("/{int:number}", response={200: CampaignTextOut, ERRORS: ProblemOut}, auth=READ, summary="One campaign")
def get_campaign(request: KeyedRequest, number: Path[Number]) -> CampaignTextOut:
    """With its text."""
    return _text(campaign_for(request.auth, number))


@router.get(
    "/{int:number}/results", response={200: ResultsOut, ERRORS: ProblemOut}, auth=READ, summary="Results of a campaign"
)
def get_results(request: KeyedRequest, number: Path[Number]) -> ResultsOut:
    """What became of its emails, as totals."""
    campaign = campaign_for(request.auth, number)
    return ResultsOut(
        recipients=campaign.frozen,
        accepted=campaign.accepted,
        bounced=campaign.refused,
        unknown=campaign.unsure,
        skipped=campaign.suppressed,
        waiting=campaign.deferred + campaign.pending,
        cancelled=campaign.cancelled,
        unsubscribed=None if is_few(campaign.unsubscribes) else campaign.unsubscribes,
    )


@router.post("", response={201: CampaignTextOut, ERRORS: ProblemOut}, auth=WRITE, summary="Create a draft")
def create_campaign(request: KeyedRequest, body: DraftIn) -> tuple[int, CampaignTextOut]:
    """To everybody on a list."""
    key = request.auth
    list_ = list_for(key, body.list)
    usual = default_sender(list_, None)
    name, address = (body.from_name, body.from_email) if body.from_email else (usual.name, usual.email)
    if not address:
        raise ApiProblem(422, "no_sender", _("The campaign has no sender. Add one, or set the sender of the list."))
    draft = Draft(
        subject=body.subject,
        preheader=body.preheader,
        from_name=name,
        from_email=address,
        reply_to=body.reply_to or ("" if body.from_email else usual.reply_to),
        body=body.body,
        format=body.format,
    )
    with transaction.atomic():
        campaign = actions.create(key.organization, list_, draft, by=key.by, now=timezone.now())
        begin_as_saved(campaign)
    return 201, _text(campaign_for(key, campaign.pk))


@router.patch(
    "/{int:number}",
    response={200: CampaignTextOut, 409: ProblemOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Change a draft",
)
def change_campaign(request: KeyedRequest, number: Path[Number], body: DraftChangesIn) -> CampaignTextOut:
    """The version before is kept, as for every change in the app."""
    key = request.auth
    campaign = campaign_for(key, number)
    changes = {name: text for name, text in body.dict(exclude={"version"}).items() if text is not None}
    draft = draft_of(campaign).with_(**changes)
    try:
        actions.save(campaign, draft, version=body.version, by=key.by, now=timezone.now())
    except DraftChangedMeanwhile as overtaken:
        raise ApiProblem(409, overtaken.code, str(overtaken)) from None
    return _text(campaign_for(key, number))


def campaign_for(key: ApiKey, number: int) -> Campaign:
    """Errors: ApiProblem 404."""
    try:
        campaign = queries.campaign_of(key.organization, number)
    except CampaignError:
        campaign = None
    if campaign is None or not api_keys.may_use(key, campaign.list_id):
        raise ApiProblem(404, "no_such_campaign", _("There is no such campaign, or it goes to a list of other keys."))
    return campaign


def _facts(campaign: Campaign, subject: str) -> dict[str, Any]:
    return {
        "id": campaign.pk,
        "subject": subject,
        "state": campaign.state,
        "list": campaign.list_id,
        "language": campaign.language,
        "created": campaign.created,
        "released": campaign.released,
        "finished": campaign.finished,
        "recipients": campaign.frozen,
        "version": campaign.version,
    }


def _text(campaign: Campaign) -> CampaignTextOut:
    draft = draft_of(campaign)
    return CampaignTextOut(
        **_facts(campaign, draft.subject),
        preheader=draft.preheader,
        from_name=draft.from_name,
        from_email=draft.from_email,
        reply_to=draft.reply_to,
        format=draft.format,
        body=draft.body,
    )
