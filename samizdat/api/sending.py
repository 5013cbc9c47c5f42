"""Campaigns on their way: checked, tested, released, paused and stopped, by the rules of the app.

What takes a person stays with them: a program can ask for an approval and can't give one.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router, Schema
from pydantic import AwareDatetime, Field, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, Organization, Person
from samizdat.api.campaigns import Number, campaign_for
from samizdat.api.keys import KeyAuth, KeyedRequest, spend
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import Email
from samizdat.campaigns import approval
from samizdat.campaigns.agreed_people import NotApproved
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.core.mail.address import domain, normalize
from samizdat.delivery import actions, campaign_checks, queries, sending_gate
from samizdat.delivery.actions import outside_tests, remote_checks, sender_checks
from samizdat.delivery.actions.releasing import LONGEST_HOLD, ReleaseWave
from samizdat.delivery.models import RemoteCheck
from samizdat.delivery.recipients_breakdown import whom

router = Router(tags=["Campaigns"])
READ, SEND = KeyAuth("campaigns:read", "campaigns:send"), KeyAuth("campaigns:send")
# Requests that counting the recipients of a campaign counts as.
COUNT_COSTS = 5
# Further ahead nobody plans a campaign: it is a mistyped year.
FURTHEST = timedelta(days=730)


class FindingOut(Schema):
    """severity: stop (it can't be sent so), care or note. place: subject, body, from and so on. line: from 1; 0 where
    it is of no line."""

    severity: str
    code: str
    place: str
    line: int
    detail: str
    accepted: bool


class ChecksOut(Schema):
    """seen: of the campaign as it was checked; release takes it. recipients: how many would get it now, and waiting:
    how many more once it is their turn; null where the audience is a segment and the key may read no subscribers.
    approval: none, asked, given, changed (the campaign was, since) or old. approval_needed: before it is released."""

    version: int
    seen: str
    recipients: int | None
    waiting: int | None
    approval: str
    approval_needed: bool
    findings: list[FindingOut]


class AskedOut(Schema):
    """id: of this test, for its result."""

    id: int


class TestIn(Schema):
    """to: addresses of people of your team, who can write and have been on it for a day."""

    to: Annotated[list[Email], Field(min_length=1, max_length=5)]


class TestedOut(Schema):
    """index: place of the address in the request, from 0."""

    index: int
    accepted: bool
    detail: str


class TestOut(Schema):
    """state: waiting, done, refused (detail says why) or lost (no worker answers)."""

    state: Literal["waiting", "done", "refused", "lost"]
    detail: str
    tested: list[TestedOut]


class FirstBatchIn(Schema):
    """percent: of the recipients. hold_minutes: until the rest is sent. stop_above: percent of bounces."""

    percent: Annotated[int, Field(ge=1, le=99)]
    hold_minutes: Annotated[int, Field(ge=0, le=LONGEST_HOLD)] = 30
    stop_above: Annotated[float, Field(ge=0, le=100)] = 5.0


class ReleaseIn(Schema):
    """seen, recipients and waiting: as the checks had them; if the campaign has changed or grown since, nothing is
    sent. at: with an offset; without it, it is sent at once. hold_minutes: time to take it back. quiet_hours: in which
    nothing leaves, like "22:00-07:00 Europe/Riga"; "none" for none, empty for the organization's. unknown: emails
    whose outcome is unknown. again: it was sent to this list within a day, and that is meant."""

    seen: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    recipients: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None
    waiting: Annotated[int, Field(ge=0, lt=1 << 40)] = 0
    at: AwareDatetime | None = None
    hold_minutes: Annotated[int, Field(ge=0, le=24 * 60)] = 0
    quiet_hours: Annotated[str, StringConstraints(max_length=100)] = ""
    unknown: Literal["resend", "hold"] | None = None
    first_batch: FirstBatchIn | None = None
    again: bool = False


class StateOut(Schema):
    """not_before: when it begins. reason: why it is held or waits."""

    id: int
    state: str
    reason: str
    not_before: datetime | None
    recipients: int


# What each operation answers that changes the state of a campaign.
STATES = {200: StateOut, 409: ProblemOut, ERRORS: ProblemOut}


@router.get(
    "/{int:number}/checks", response={200: ChecksOut, ERRORS: ProblemOut}, auth=READ, summary="Check a campaign"
)
def check_campaign(request: KeyedRequest, number: Path[Number]) -> ChecksOut:
    """What the app says under Checks. Counts as five requests."""
    key, now = request.auth, timezone.now()
    spend(key, COUNT_COSTS - 1)
    campaign = campaign_for(key, number)
    opened = open_campaign(campaign)
    may_count = campaign.segment_id is None or "subscribers:read" in api_keys.scopes_of(key)
    reach = whom(campaign, now) if may_count and campaign.state == "draft" else None
    return ChecksOut(
        version=campaign.version,
        seen=approval.bond_of(opened),
        recipients=reach.may if reach else None,
        waiting=reach.waiting if reach else None,
        approval=approval.standing(opened, now=now).state,
        approval_needed=approval.is_needed(opened),
        findings=_findings(campaign, now, may_count),
    )


def _findings(campaign: Campaign, now: datetime, may_count: bool) -> list[FindingOut]:
    checked = campaign_checks.look(campaign, now, counted=may_count)
    return [
        FindingOut(
            severity=each.severity,
            code=each.code,
            place=each.place,
            line=each.line,
            detail=each.sentence,
            accepted=each.accepted,
        )
        for each in checked.findings
    ]


@router.post("/{int:number}/test", response={202: AskedOut, ERRORS: ProblemOut}, auth=SEND, summary="Send a test")
def test_campaign(request: KeyedRequest, number: Path[Number], body: TestIn) -> tuple[int, AskedOut]:
    """To people of your team. The worker sends it within seconds; the next operation tells what came of it."""
    key, now = request.auth, timezone.now()
    campaign, by = campaign_for(key, number), _person(key)
    addresses = [normalize(each) for each in body.to]
    if outside_tests.outside(key.organization, addresses, now):
        sentence = _("A key sends tests to people of your team alone. Send one to others in the app.")
        raise ApiProblem(422, "not_of_team", sentence)
    letters = [(campaign.pk, version) for version in range(campaign.variants.count() or 1)]
    asked = remote_checks.ask(
        key.organization, "test", campaign.pk, now=now, by=by, then="", to=addresses, letters=letters, reader=0
    )
    return 202, AskedOut(id=asked.pk)


@router.get(
    "/{int:number}/tests/{int:test}",
    response={200: TestOut, ERRORS: ProblemOut},
    auth=READ,
    summary="What came of a test",
)
def get_test(request: KeyedRequest, number: Path[Number], test: Path[Number]) -> TestOut:
    """Kept for an hour."""
    key = request.auth
    campaign = campaign_for(key, number)
    rows = RemoteCheck.objects.select_related("organization").filter(organization=key.organization, kind="test")
    row = rows.filter(pk=test, about=campaign.pk).first()
    if row is None:
        raise ApiProblem(404, "no_such_test", _("There is no such test, or it was more than an hour ago."))
    if row.done is None:
        state: Literal["waiting", "lost"] = "lost" if remote_checks.is_lost(row, timezone.now()) else "waiting"
        return TestOut(state=state, detail="", tested=[])
    answer = remote_checks.answer_of(row)
    if "refused" in answer:
        return TestOut(state="refused", detail=str(answer["refused"]), tested=[])
    to: list[str] = remote_checks.words_of(row)["to"]
    tested = [
        TestedOut(index=to.index(each["address"]), accepted=each["ok"], detail=each["sentence"])
        for each in answer["tried"]
    ]
    return TestOut(state="done", detail="", tested=tested)


@router.post(
    "/{int:number}/request-approval",
    response=STATES,
    auth=SEND,
    summary="Ask for an approval",
)
def request_campaign_approval(request: KeyedRequest, number: Path[Number]) -> StateOut:
    """Teammates see it on Home in the app, and one of them approves it there. A program can't."""
    campaign = campaign_for(request.auth, number)
    approval.ask(campaign, by=request.auth.by, now=timezone.now())
    return _state(campaign)


@router.post(
    "/{int:number}/release",
    response=STATES,
    auth=SEND,
    summary="Send or schedule a campaign",
)
def release_campaign(request: KeyedRequest, number: Path[Number], body: ReleaseIn) -> StateOut:
    """By all rules of the app. Where a person has to do something first, the answer is 409 and says who and what."""
    key, now = request.auth, timezone.now()
    campaign = campaign_for(key, number)
    if campaign.state != "draft":
        raise ApiProblem(
            409, "wrong_state", _("This campaign is already sent or scheduled. Duplicate it to send it again.")
        )
    if campaign.welcome:
        raise ApiProblem(409, "needs_person", _("A welcome email is switched on in the app, under its list."))
    if body.at is not None and not now - timedelta(minutes=1) <= body.at <= now + FURTHEST:
        raise ApiProblem(422, "bad_time", _("This time is in the past, or more than two years ahead. Choose another."))
    opened = open_campaign(campaign)
    _insist_on_ready(key, opened, body, now)
    batch = body.first_batch
    try:
        released = actions.release(
            campaign,
            now=now,
            by=key.by,
            at=body.at,
            hold_minutes=0 if body.at else body.hold_minutes,
            unsure=body.unknown,
            quiet=body.quiet_hours,
            wave=ReleaseWave(batch.percent, batch.hold_minutes, batch.stop_above) if batch else None,
            seen=body.seen,
            shown=body.recipients,
            waiting=body.waiting,
        )
    except NotApproved as refused:
        raise ApiProblem(409, "needs_approval", f"{refused} {_who_approves()}") from None
    return _state(released)


def _insist_on_ready(key: ApiKey, opened: OpenedCampaign, body: ReleaseIn, now: datetime) -> None:
    """What the app shows as a stop beside the text. Errors: ApiProblem 409."""
    organization, campaign = key.organization, opened.campaign
    if not opened.settings.public_url:
        sentence = _("Nobody can unsubscribe without an address for your public pages. An admin sets it in the app.")
        raise ApiProblem(409, "needs_person", sentence)
    _insist_on_route(organization, domain(normalize(opened.draft.from_email)))
    if not body.again and queries.sent_lately(campaign, now) is not None:
        sentence = _("The same campaign was sent to this list within a day. If you mean it, send `again: true`.")
        raise ApiProblem(409, "sent_lately", sentence)
    if key.by is None:
        return  # Name servers are asked in the release itself, as for a command.
    kept = sender_checks.kept(organization, now)
    if sending_gate.waits_for_dns(opened, kept, now):
        senders = sending_gate.senders(opened)
        sender_checks.ask(organization, sender_checks.CAMPAIGN, campaign.pk, senders, now=now, by=key.by, then="")
        sentence = _("Name servers are being asked about the sender. Send the request again in a few seconds.")
        raise ApiProblem(409, "sender_being_checked", sentence, wait=5)


def _insist_on_route(organization: Organization, name: str) -> None:
    """Errors: ApiProblem 409."""
    living = [row for row in queries.routes(organization) if row.state in ("live", "throttled")]
    if not [row for row in living if name not in (bar.domain for bar in row.barred)]:
        sentence = _("No sending route can send this. An admin adds or fixes one in the app, under Routes.")
        raise ApiProblem(409, "needs_person", sentence)


@router.post(
    "/{int:number}/undo",
    response=STATES,
    auth=SEND,
    summary="Take a campaign back",
)
def undo_campaign(request: KeyedRequest, number: Path[Number]) -> StateOut:
    """A draft again, as long as nothing has been sent."""
    return _state(actions.take_back(campaign_for(request.auth, number), now=timezone.now(), by=request.auth.by))


@router.post(
    "/{int:number}/pause",
    response=STATES,
    auth=SEND,
    summary="Pause a campaign",
)
def pause_campaign(request: KeyedRequest, number: Path[Number]) -> StateOut:
    """Nothing more is sent; emails under way are finished."""
    return _state(actions.pause(campaign_for(request.auth, number), now=timezone.now(), by=request.auth.by))


@router.post(
    "/{int:number}/resume",
    response=STATES,
    auth=SEND,
    summary="Resume a campaign",
)
def resume_campaign(request: KeyedRequest, number: Path[Number]) -> StateOut:
    """One that a program or person paused. What was stopped for another reason, a person looks at in the app."""
    campaign = campaign_for(request.auth, number)
    if campaign.state == "paused" and campaign.reason != "person":
        sentence = _("This campaign was stopped for a reason. Somebody looks at it in the app and resumes it there.")
        raise ApiProblem(409, "needs_person", sentence)
    if campaign.state != "paused":
        raise ApiProblem(409, "wrong_state", _("You can only resume a paused campaign."))
    return _state(actions.resume(campaign, now=timezone.now(), by=request.auth.by))


@router.post(
    "/{int:number}/cancel",
    response=STATES,
    auth=SEND,
    summary="Cancel a campaign",
)
def cancel_campaign(request: KeyedRequest, number: Path[Number]) -> StateOut:
    """Nobody else gets it, for good."""
    return _state(actions.cancel(campaign_for(request.auth, number), now=timezone.now(), by=request.auth.by))


def _person(key: ApiKey) -> Person:
    """Errors: ApiProblem 409."""
    if key.by is None:
        sentence = _(
            "This key was created on the server, so nobody of the team stands behind it. Create one in the app."
        )
        raise ApiProblem(409, "needs_person", sentence)
    return key.by


def _who_approves() -> str:
    return _("Someone else of the team, an admin or editor, approves it in the app; `request-approval` asks them.")


def _state(campaign: Campaign) -> StateOut:
    return StateOut(
        id=campaign.pk,
        state=campaign.state,
        reason=campaign.reason,
        not_before=campaign.not_before,
        recipients=campaign.frozen,
    )
