"""Release: a draft becomes an edition, its recipients become chunks, and only then may anything be sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.condition_values import Asked
from samizdat.audience.models import NUMBER_MASK
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.audience.segments.members import MemberReader
from samizdat.campaigns import ab_test as contests
from samizdat.campaigns import approval, counted_links, translations
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.models import REPLACED, WELCOME, Campaign, Edition, is_gathered
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.core import ab_test
from samizdat.delivery import domain_ownership
from samizdat.delivery.actions import copied_installation, digest_rounds, resend_unreached
from samizdat.delivery.actions.chunks import write_chunks
from samizdat.delivery.actions.count_floor import settle_what_counts
from samizdat.delivery.actions.recipients import pages, stands_in_digest, warming, who_waits
from samizdat.delivery.actions.wait_reasons import read_quiet
from samizdat.delivery.engine.locks import only_release
from samizdat.delivery.errors import BeingReleased, NobodyToWrite, NotReleasable, WrongPace
from samizdat.delivery.models import Chunk, DigestRecipients
from samizdat.delivery.sealed_chunks import carried_now
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
) -> Campaign:
    """Freezes the letter and whom it goes to. `at`: not before then; `hold_minutes`: time to think it over;
    `unsure`: "resend" or "hold" those whose answer is lost, else as the campaign has it. `quiet`: hours in which
    nothing leaves, "22:00-07:00 Europe/Riga"; "" for the organization's, "none" for none. `wave`: who gets it first.
    `seen`: approval.bond_of, as it was shown to whoever releases it; "" where nothing was. `shown`: how many recipients
    it had there; the page counts sums that stand in the open, the release its people.

    Killed half way nothing is sendable, and the next release begins afresh. Errors: DeliveryError, and what
    campaigns.freezing.freeze raises.
    """
    copied_installation.refuse_sending(campaign.organization)
    if campaign.version_of_id is not None:
        sentence = _("This is a translation. Send the campaign it belongs to, No. %(number)s.")
        raise NotReleasable(sentence % {"number": campaign.version_of_id})
    if campaign.welcome and (at or hold_minutes or wave):
        raise NotReleasable(_("A welcome email is switched on at once: it has no schedule and no first batch."))
    quiet = "none" if quiet.strip().lower() == "none" else read_quiet(quiet)
    wave = _checked(wave or ReleaseWave())
    with only_release(campaign.pk) as ours:
        if not ours:
            raise BeingReleased(_("This campaign is being prepared for sending. Reload the page in a minute."))
        campaign.refresh_from_db()
        if campaign.state != "draft":
            raise NotReleasable(_("This campaign is already sent or scheduled. Duplicate it to send it again."))
        if campaign.resend_of is not None:
            resend_unreached.check(campaign.resend_of, but=campaign)
        opened = open_campaign(campaign)
        _check_test(opened, wave, max(at or now, now) + timedelta(minutes=hold_minutes))
        _check(opened, by, seen, now)  # Before anything is written, and again in the transaction that counts.
        clear_half_made(campaign)
        try:
            reader = reader_of(campaign, now, opened.segment)  # Before anything is written.
            edition, asked = freeze(opened, now)
            seldom = who_waits(campaign, max(at or now, now))
            if campaign.test_share:
                _cut_parts(opened, edition, pages(campaign, reader), seldom)
            domain_ownership.check_senders(opened)
            agreed = approval.agreed_people(campaign, opened.settings, asked)
            frozen = owe(opened, edition, reader, now, wave.percent, seldom, asked, agreed)
            _insist_on_shown(campaign, frozen, shown, seldom, now)
            if is_gathered(campaign):
                digest_rounds.set_aside(campaign, seldom, asked)
        except SegmentBroken as broken:
            raise NotReleasable(str(broken)) from broken
        # Where everybody wants it gathered nobody is owed it by itself: it is over as soon as it begins, and the digest
        # of its round has it.
        if not frozen and not campaign.welcome and not stands_in_digest(campaign):
            raise NobodyToWrite(
                _("Nobody on this list can be emailed. Add subscribers with consent, or choose another list or tag.")
                if campaign.segment is None
                else _("Nobody in this segment can be emailed on this list. Choose another segment or list.")
            )
        settle_what_counts(campaign, edition, now)
        columns = {
            "quiet_hours": quiet,
            **_wave_columns(edition, wave),
            "test_state": "running" if edition.marks else "",
        }
        counted_links.lay_out(edition)  # Before anything can leave, so that the first reader finds their links.
        unsure = unsure or campaign.unsure_policy
        _make_sendable(opened, edition, frozen, now, by, at, hold_minutes, unsure, columns, seen, agreed)
    campaign.refresh_from_db()
    return campaign


def _check(opened: OpenedCampaign, by: Person | None, seen: str, now: datetime, edition: Edition | None = None) -> None:
    """edition: what was compiled of it by now."""
    if opened.sources.list_details.archived:
        sentence = _("The list “%(list)s” is archived. Choose another list, or restore this one.")
        raise NotReleasable(sentence % {"list": opened.sources.list_name})
    bond = approval.bond_of(opened, edition)
    approval.check(opened, by, bond, now=now)
    if seen and bond != seen:
        raise NotReleasable(_changed())


def _insist_on_shown(campaign: Campaign, frozen: int, shown: int | None, seldom: frozenset[int], now: datetime) -> None:
    """Errors: NotReleasable where more would get it than the page said, but for a few who have just joined and those
    who get few emails and whose turn comes until it leaves."""
    if shown is None or frozen <= shown + shown // approval.NEWCOMERS:
        return
    turns = len(who_waits(campaign, now)) - len(seldom)
    if frozen - turns > shown + shown // approval.NEWCOMERS:
        raise NotReleasable(approval.grown())


def _changed() -> str:
    return _(
        "The campaign was changed while it was being prepared for sending, so nothing was sent. Check it and "
        "send it again."
    )


def _check_test(opened: OpenedCampaign, wave: ReleaseWave, leaves: datetime) -> None:
    """Errors: BadTest for one whose time does not go with the letter's."""
    campaign = opened.campaign
    if not campaign.test_share:
        return
    if campaign.welcome:
        raise contests.BadTest(_("A welcome email can’t have an A/B test. Remove the test, then switch it on."), "way")
    if campaign.ab_metric not in contests.ways(opened.draft):
        sentence = _("This campaign no longer counts clicks. Choose another way to decide the winner.")
        raise contests.BadTest(sentence, "way")
    if wave.percent:
        raise contests.BadTest(_("An A/B test already is a first batch. Choose one of the two."), "wave")
    assert campaign.test_at is not None
    if not contests.SOONEST <= campaign.test_at - leaves <= contests.LATEST:
        sentence = _("The winner has to be decided between half an hour and two weeks after sending.")
        raise contests.BadTest(sentence, "time")


def _cut_parts(
    opened: OpenedCampaign, edition: Edition, readers: Iterable[Sequence[int]], seldom: frozenset[int]
) -> None:
    """Writes into the edition who gets which version. Up to ab_test.COUNTED people the parts are counted out, so that
    they are equal; that reads the audience once more.

    Errors: BadTest where a version would go to nobody.
    """
    share, versions = opened.campaign.test_share, len(opened.versions)
    draws: list[int] | None = []
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in readers:
        assert draws is not None
        draws += [ab_test.draw(edition.pk, number) for number in page if number not in left_out]
        if len(draws) > ab_test.COUNTED:
            draws = None
            break
    if draws is not None and len(draws) * share // 100 < versions:
        sentence = _("That’s too few people for a test: %(people)s. Make the test larger, or send one version.")
        raise contests.BadTest(sentence % {"people": len(draws)}, "share")
    edition.marks = ab_test.dump(ab_test.marks(draws, share, versions))
    edition.save(update_fields=["marks"])


def clear_half_made(campaign: Campaign) -> None:
    """Takes away what a release left that was killed: its chunks in slices, then the edition."""
    if not campaign.is_digest:
        DigestRecipients.objects.filter(campaign=campaign).delete()
    for edition in Edition.objects.filter(campaign=campaign).values_list("pk", flat=True):
        while page := list(Chunk.objects.filter(edition=edition).values_list("pk", flat=True)[:100]):
            Chunk.objects.filter(pk__in=page).delete()
        Edition.objects.filter(pk=edition).delete()


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


def owe(
    opened: OpenedCampaign,
    edition: Edition,
    reader: MemberReader | None,
    now: datetime,
    first: int,
    seldom: frozenset[int],
    asked: Asked,
    agreed: approval.AgreedPeople | None,
) -> int:
    """Writes the chunks of everybody who may get this letter now, but for the rows of `seldom`. How many people.
    Errors: NotApproved where a second person did not mean them. reader: its segment.

    first: per cent of each page that go in the first wave; the others may not be claimed before it has passed. asked:
    for which tags its conditions ask. agreed: whom a second person meant.
    """
    campaign, frozen, position = opened.campaign, 0, 0
    newest = warming(campaign.organization_id, edition.message_id_domain, now)
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in pages(campaign, reader, newest):
        numbers = [number for number in page if number not in left_out] if left_out else page
        tags = carried_now(campaign.organization_id, page, list(asked))
        if agreed:
            agreed.compare(page, tags.masks)
        position += write_chunks(edition, position, numbers, first, tags)
        frozen += len(numbers)
    if agreed:
        agreed.refuse_others()
    return frozen


def _make_sendable(
    opened: OpenedCampaign,
    edition: Edition,
    frozen: int,
    now: datetime,
    by: Person | None,
    at: datetime | None,
    hold_minutes: int,
    unsure: str,
    columns: Mapping[str, object],
    seen: str,
    agreed: approval.AgreedPeople | None,
) -> None:
    """The one transaction that counts. The version is the lock: a draft saved meanwhile is not what was frozen."""
    campaign, others = opened.campaign, [version.campaign for version in opened.translations]
    if at is not None and at > now:
        state, due = "scheduled", at
    elif hold_minutes > 0:
        state, due = "held", now + timedelta(minutes=hold_minutes)
    else:
        state, due = "sending", now
    with transaction.atomic():
        _check(opened, by, seen, now, edition)
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
            unsure_policy=unsure,
            released=now,
            changed=now,
            **columns,
        )
        if not changed or not translations.close(campaign, others, now):
            raise NotReleasable(_changed())
        if campaign.is_digest:
            DigestRecipients.objects.filter(campaign=campaign).delete()
        if campaign.welcome:
            _replace_others(campaign, now, by)
        if state == "sending":
            digest_rounds.enter_round(campaign.pk)
        record(
            "campaign.released",
            campaign.organization,
            now=now,
            by=by,
            about=campaign.pk,
            detail={
                "edition": edition.pk,
                "frozen": frozen,
                "state": state,
                "due": due.isoformat(),
                "logged": chain.length(campaign.organization),  # What comes after stands behind this.
            },
        )
