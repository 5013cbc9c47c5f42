"""Release: a draft becomes an edition, its recipients become chunks, and only then may anything be sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import ab_test as contests
from samizdat.campaigns import approval, counted_links, translations
from samizdat.campaigns.agreed_people import NEWCOMERS, AgreedPeople, Key
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.models import REPLACED, WELCOME, Campaign, Edition
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.core import languages
from samizdat.delivery import complaint_stop, domain_ownership, sending_gate
from samizdat.delivery.actions import copied_installation, digest_rounds, resend_unreached, sender_checks
from samizdat.delivery.actions.chunks import clear_half_made, cut_parts, owe, settle_what_counts
from samizdat.delivery.actions.recipients import pages, seldom_on, stands_in_digest, warming, who_waits
from samizdat.delivery.actions.wait_reasons import read_quiet
from samizdat.delivery.engine.locks import only_release
from samizdat.delivery.errors import BeingReleased, NobodyToWrite, NotReleasable, WrongPace
from samizdat.delivery.models import Chunk, DigestRecipients
from samizdat.events import chain
from samizdat.events.actions import record

# Minutes.
LONGEST_HOLD = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class ReleaseWave:
    """A first wave: its per cent of everybody (0: none), how long the rest is held after it, and how many per cent of
    refusals stop it.
    """

    percent: int = 0
    hold_minutes: int = 30
    stop_above: float = 5.0


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked of `release`; its docstring says what they mean."""

    now: datetime
    by: Person | None
    at: datetime | None
    hold_minutes: int
    unsure: str | None
    quiet: str
    wave: ReleaseWave
    seen: str
    shown: int | None
    waiting: int

    @property
    def leaves(self) -> datetime:
        return max(self.at or self.now, self.now) + timedelta(minutes=self.hold_minutes)

    @property
    def start(self) -> tuple[str, datetime]:
        """The state it gets, and when it may begin."""
        if self.at is not None and self.at > self.now:
            return "scheduled", self.at
        if self.hold_minutes > 0:
            return "held", self.now + timedelta(minutes=self.hold_minutes)
        return "sending", self.now


def release(
    campaign: Campaign,
    *,
    now: datetime,
    by: Person | None = None,
    at: datetime | None = None,
    hold_minutes: int = 0,
    unsure: str | None = None,
    quiet: str = "",
    wave: ReleaseWave | None = None,
    seen: str = "",
    shown: int | None = None,
    waiting: int = 0,
) -> Campaign:
    """Freezes the letter and whom it goes to. `at`: not before then; `hold_minutes`: time to think it over;
    `unsure`: "resend" or "hold" those whose answer is lost, else as the campaign has it. `quiet`: hours in which
    nothing leaves, "22:00-07:00 Europe/Riga"; "" for the organization's, "none" for none. `wave`: who gets it first.
    `seen`: approval.bond_of, as it was shown to whoever releases it; "" where nothing was. `shown`: how many recipients
    it had there, and `waiting`: how many more whose turn it was not; the page counts sums that stand in the open, the
    release its people.

    Killed half way nothing is sendable, and the next release begins afresh. Errors: DeliveryError, and what
    campaigns.freezing.freeze raises.
    """
    copied_installation.refuse_sending(campaign.organization, now)
    if campaign.version_of_id is not None:
        sentence = _("This is a translation. Send the campaign it belongs to, No. %(number)s.")
        raise NotReleasable(sentence % {"number": campaign.version_of_id})
    if not campaign.has_audience and (at or hold_minutes or wave):
        raise NotReleasable(_("A welcome email is switched on at once: it has no schedule and no first batch."))
    quiet = "none" if quiet.strip().lower() == "none" else read_quiet(quiet)
    wave = _checked(wave or ReleaseWave())
    request = _Request(now, by, at, hold_minutes, unsure, quiet, wave, seen, shown, waiting)
    with only_release(campaign.pk) as is_ours:
        if not is_ours:
            raise BeingReleased(_("This campaign is being prepared for sending. Reload the page in a minute."))
        campaign.refresh_from_db()
        _release(campaign, request)
    campaign.refresh_from_db()
    return campaign


def _release(campaign: Campaign, request: _Request) -> None:
    """Alone with it. Nothing is written before all that may refuse it has been asked, but for what nobody sends."""
    opened = _opened(campaign, request)
    clear_half_made(campaign)
    try:
        edition, frozen, agreed = _freeze(opened, request)
    except SegmentBroken as broken:
        raise NotReleasable(str(broken)) from broken
    # Where everybody wants it gathered nobody is owed it by itself: it is over as soon as it begins, and the digest
    # of its round has it.
    if not frozen and campaign.has_audience and not stands_in_digest(campaign, opened.settings):
        raise NobodyToWrite(
            _("Nobody on this list can be emailed. Add subscribers with consent, or choose another list or tag.")
            if campaign.segment is None
            else _("Nobody in this segment can be emailed on this list. Choose another segment or list.")
        )
    settle_what_counts(campaign, edition, request.now)
    counted_links.lay_out(edition)  # Before anything can leave, so that the first reader finds their links.
    _make_sendable(opened, edition, frozen, request, agreed)
    if campaign.is_gathered:
        digest_rounds.owe(campaign.pk)


def _opened(campaign: Campaign, request: _Request) -> OpenedCampaign:
    """Errors: NotReleasable and what the checks of a release raise."""
    if campaign.state != "draft":
        raise NotReleasable(_("This campaign is already sent or scheduled. Duplicate it to send it again."))
    complaint_stop.refuse_stopped(campaign.organization, campaign.list_id)
    if campaign.resend_of is not None:
        resend_unreached.check(campaign.resend_of, but=campaign)
    opened = open_campaign(campaign)
    contests.check_release(campaign, opened.draft, request.leaves, in_waves=bool(request.wave.percent))
    _check(opened, request)  # Before anything is written, and again in the transaction that counts.
    sending_gate.refuse_unready(opened, sender_checks.kept(campaign.organization, request.now))
    return opened


def _freeze(opened: OpenedCampaign, request: _Request) -> tuple[Edition, int, AgreedPeople | None]:
    """Its edition and the chunks of its people: how many they are, and whom a second person meant."""
    campaign, now = opened.campaign, request.now
    reader = reader_of(campaign, now, opened.segment)  # Before anything is written.
    edition, asked = freeze(opened, now)
    parts: list[Key] = [*asked, *languages.load(edition.languages)]
    agreed = approval.agreed_people(campaign, opened.settings, parts)
    # One reading for all that is asked of it: whose turn it is stands in the open.
    choices = seldom_on(campaign)
    seldom = who_waits(campaign, max(request.at or now, now), choices)
    turned = who_waits(campaign, now, choices) - seldom
    if campaign.test_share:
        cut_parts(edition, pages(campaign, reader), seldom, campaign.test_share, len(opened.versions))
    domain_ownership.check_senders(opened)
    newest = warming(campaign.organization_id, edition.message_id_domain, now)
    aside = partial(digest_rounds.set_aside, campaign) if campaign.is_gathered else None
    frozen = owe(edition, pages(campaign, reader, newest), request.wave.percent, seldom, asked, agreed, aside)
    _insist_on_shown(frozen, request.shown, min(request.waiting, len(turned)))
    return edition, frozen, agreed


def _check(opened: OpenedCampaign, request: _Request, edition: Edition | None = None) -> None:
    """edition: what was compiled of it by now."""
    if opened.sources.list_details.archived:
        sentence = _("The list “%(list)s” is archived. Choose another list, or restore this one.")
        raise NotReleasable(sentence % {"list": opened.sources.list_name})
    bond = approval.bond_of(opened, edition)
    approval.check(opened, request.by, bond, now=request.now)
    if request.seen and bond != request.seen:
        raise NotReleasable(_changed())


def _insist_on_shown(frozen: int, shown: int | None, turned: int) -> None:
    """Errors: NotReleasable where more would get it than the page said, but for a few who have just joined. turned: who
    waited there, and whose turn comes until it leaves."""
    if shown is not None and frozen - turned > shown + shown // NEWCOMERS:
        raise NotReleasable(approval.grown())


def _changed() -> str:
    return _(
        "The campaign was changed while it was being prepared for sending, so nothing was sent. Check it and "
        "send it again."
    )


def _replace_others(campaign: Campaign, now: datetime, by: Person | None) -> None:
    """Of the welcome emails of a list one is on. Whoever waits for the one before still gets it, and then it ends."""
    list_, organization = campaign.list_id, campaign.organization
    mine = Campaign.objects.filter(organization=organization, list=list_, welcome=WELCOME).exclude(pk=campaign.pk)
    mine.filter(state="paused", pending=0, deferred=0).update(state="sending", reason="", changed=now)
    mine.filter(state__in=("sending", "waiting", "paused")).update(welcome=REPLACED, changed=now)
    record("list.welcome_on", organization, now=now, by=by, about=list_, detail={"campaign": campaign.pk})


def _checked(wave: ReleaseWave) -> ReleaseWave:
    if not (0 <= wave.percent < 100 and 0 <= wave.hold_minutes <= LONGEST_HOLD and 0 <= wave.stop_above <= 100):
        text = _(
            "A first batch is 1 to 99 percent of recipients. The wait after it is at most a week, and the bounce "
            "limit is 0 to 100 percent."
        )
        raise WrongPace(text, "wave")
    return wave


def _wave_columns(edition: Edition, wave: ReleaseWave) -> dict[str, object]:
    rest = bool(wave.percent) and Chunk.objects.filter(edition=edition, wave=2).exists()
    return {
        "canary_percent": wave.percent,
        "canary_hold": wave.hold_minutes,
        "canary_stop": wave.stop_above,
        "canary_state": "running" if rest else "",
    }


def _make_sendable(
    opened: OpenedCampaign, edition: Edition, frozen: int, request: _Request, agreed: AgreedPeople | None
) -> None:
    """The one transaction that counts. The version is the lock: a draft saved meanwhile is not what was frozen."""
    campaign, others = opened.campaign, [version.campaign for version in opened.translations]
    now, (state, due) = request.now, request.start
    columns = _wave_columns(edition, request.wave)
    with transaction.atomic():
        _check(opened, request, edition)
        if agreed:
            Organization.objects.select_for_update(no_key=True).get(pk=campaign.organization_id)
            agreed.refuse_corrected()
        if campaign.resend_of_id is not None:
            # The first letter, held: nobody settles its doubtful ones, and no other letter goes to them meanwhile.
            resend_unreached.check(Campaign.objects.select_for_update().get(pk=campaign.resend_of_id), but=campaign)
        # The version of the letter, and the plan of its test: what was read before is what goes.
        as_it_was = {"version": campaign.version, "test_plan": campaign.test_plan}
        changed = Campaign.objects.filter(pk=campaign.pk, state="draft", **as_it_was).update(
            state=state,
            reason="",
            not_before=due,
            frozen=frozen,
            pending=frozen,
            unsure_policy=request.unsure or campaign.unsure_policy,
            quiet_hours=request.quiet,
            test_state="running" if edition.marks else "",
            released=now,
            changed=now,
            **columns,
        )
        if not changed or not translations.close(campaign, others, now):
            raise NotReleasable(_changed())
        if campaign.is_digest:
            DigestRecipients.objects.filter(campaign=campaign).delete()
        if campaign.welcome:
            _replace_others(campaign, now, request.by)
        if state == "sending":
            digest_rounds.enter_round(campaign.pk)
        record(
            "campaign.released",
            campaign.organization,
            now=now,
            by=request.by,
            about=campaign.pk,
            detail={
                "edition": edition.pk,
                "frozen": frozen,
                "state": state,
                "due": due.isoformat(),
                "logged": chain.length(campaign.organization),  # What comes after stands behind this.
            },
        )
