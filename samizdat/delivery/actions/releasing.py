"""Release: a draft becomes an edition, its recipients become chunks, and only then may anything be sent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience.models import AGAIN, DIGEST, MONTHLY, NUMBER_MASK, List, Suppression, row_id
from samizdat.audience.segments import audience as segmented
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import approving, counting, languages
from samizdat.campaigns import contest as contests
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.models import Campaign, Edition, is_gathered
from samizdat.core import contest, digest
from samizdat.core.ledger import CHUNK
from samizdat.delivery.actions import resending, rounds
from samizdat.delivery.actions.chunks import write_chunks
from samizdat.delivery.actions.holds import read_quiet
from samizdat.delivery.actions.pacing import left_of_warm_up
from samizdat.delivery.engine.locks import only_release
from samizdat.delivery.errors import BeingReleased, Fenced, NobodyToWrite, NotReleasable, WrongPace
from samizdat.delivery.models import Chunk, Route, SendingDomain, SetAside
from samizdat.events.actions import record

# Minutes; and so many of the newest are put first for a warm-up: all of them are in memory for a moment.
LONGEST_HOLD = 7 * 24 * 60
MOST_NEWEST = 100_000
# Ten chunks a transaction: about 20 ms, far below the 200 ms that a writer on SQLite may keep the others waiting.
PAGE = 10 * CHUNK


@dataclass(frozen=True, slots=True)
class Wave:
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
    by: Any = None,
    at: datetime | None = None,
    hold_minutes: int = 0,
    unsure: str | None = None,
    quiet: str = "",
    wave: Wave | None = None,
) -> Campaign:
    """Freezes the letter and whom it goes to. `at`: not before then; `hold_minutes`: time to think it over;
    `unsure`: "resend" or "hold" those whose answer is lost, else as the campaign has it. `quiet`: hours in which
    nothing leaves, "22:00-07:00 Europe/Riga"; "" for the organisation's, "none" for none. `wave`: who gets it first.

    Killed half way nothing is sendable, and the next release begins afresh. Errors: DeliveryError, and what
    campaigns.actions.freeze raises.
    """
    if campaign.organisation.fenced:
        raise Fenced(
            _(
                "This instance was restored from a copy and sends nothing yet. "
                "Look at what would be sent, then run: samizdat release"
            )
        )
    if campaign.version_of_id is not None:
        sentence = _("This is a version in another language. Release the letter that it belongs to, No. %(number)s.")
        raise NotReleasable(sentence % {"number": campaign.version_of_id})
    quiet = "none" if quiet.strip().lower() == "none" else read_quiet(quiet)
    wave = _checked(wave or Wave())
    with only_release(campaign.pk) as ours:
        if not ours:
            raise BeingReleased(_("This campaign is being released at this moment. Reload in a minute."))
        campaign.refresh_from_db()
        if campaign.state != "draft":
            raise NotReleasable(_("This campaign has been released already. Copy it to send it once more."))
        if campaign.again is not None:
            resending.check(campaign.again, but=campaign)
        _check_test(campaign, wave, max(at or now, now) + timedelta(minutes=hold_minutes))
        approving.check(campaign, by)  # Before anything is written, and again in the transaction that counts.
        clear_half_made(campaign)
        try:
            reader_of(campaign, now)  # Before anything is written.
            edition = campaigns.freeze(campaign, now)
            seldom = who_waits(campaign, max(at or now, now))
            _cut_parts(campaign, edition, contests.freeze(campaign, edition, now), seldom, now)
            written = languages.mark(campaign)
            languages.freeze(campaign, edition, now)
            frozen = owe(campaign, edition, wave.percent, now, seldom)
            if is_gathered(campaign):
                rounds.set_aside(campaign, seldom)
        except SegmentBroken as broken:
            raise NotReleasable(str(broken)) from broken
        if not frozen:
            raise NobodyToWrite(
                _("Nobody on this list may be written to. Add subscribers who agreed, or choose another list or tag.")
                if campaign.segment is None
                else _("Nobody of this segment on this list may be written to. Choose another segment or list.")
            )
        columns = {"quiet": quiet, **_wave_columns(edition, wave), "test_state": "running" if edition.marks else ""}
        counting.lay_out(edition)  # Before anything can leave, so that the first reader finds her links.
        unsure = unsure or campaign.unsure_policy
        _make_sendable(campaign, frozen, written, now, by, at, hold_minutes, unsure, columns)
    campaign.refresh_from_db()
    return campaign


def _check_test(campaign: Campaign, wave: Wave, leaves: datetime) -> None:
    """Errors: BadTest for one whose time does not go with the letter's."""
    if not campaign.test_share:
        return
    if campaign.test_by not in contests.ways(campaign):
        sentence = _("This letter does not count clicks any more. Choose another way in which a version can win.")
        raise contests.BadTest(sentence, "way")
    if wave.percent:
        raise contests.BadTest(_("A test of versions is a first wave already. Choose one of the two."), "wave")
    assert campaign.test_at is not None
    if not contests.SOONEST <= campaign.test_at - leaves <= contests.LATEST:
        sentence = _("The winner has to be found between half an hour and two weeks after the letter leaves.")
        raise contests.BadTest(sentence, "time")


def _cut_parts(campaign: Campaign, edition: Edition, versions: int, seldom: frozenset[int], now: datetime) -> None:
    """Writes into the edition who gets which version. Up to contest.COUNTED people the parts are counted out, so that
    they are equal; that reads the audience once more.

    Errors: BadTest where a version would go to nobody.
    """
    if not versions:
        return
    draws: list[int] | None = []
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in _pages(campaign, 0, now):
        assert draws is not None
        draws += [contest.draw(edition.pk, number) for number in page if number not in left_out]
        if len(draws) > contest.COUNTED:
            draws = None
            break
    if draws is not None and len(draws) * campaign.test_share // 100 < versions:
        sentence = _("That is too few people for a test: %(people)s. Make its part larger, or send one version.")
        raise contests.BadTest(sentence % {"people": len(draws)}, "share")
    edition.marks = contest.dump(contest.marks(draws, campaign.test_share, versions))
    edition.save(update_fields=["marks"])


def clear_half_made(campaign: Campaign) -> None:
    """Takes away what a release left that was killed: its chunks in slices, then the edition."""
    if not campaign.is_digest:
        SetAside.objects.filter(campaign=campaign).delete()
    for edition in Edition.objects.filter(campaign=campaign).values_list("pk", flat=True):
        while page := list(Chunk.objects.filter(edition=edition).values_list("pk", flat=True)[:100]):
            Chunk.objects.filter(pk__in=page).delete()
        Edition.objects.filter(pk=edition).delete()


def _checked(wave: Wave) -> Wave:
    if not (0 <= wave.percent < 100 and 0 <= wave.hold_minutes <= LONGEST_HOLD and 0 <= wave.stop_above <= 100):
        text = _(
            "A first wave is 1 to 99 per cent, held for at most a week, and stops above 0 to 100 per cent refused."
        )
        raise WrongPace(text, "wave")
    return wave


def _wave_columns(edition: Edition, wave: Wave) -> dict[str, Any]:
    rest = bool(wave.percent) and Chunk.objects.filter(edition=edition, wave=2).exists()
    return {
        "wave_percent": wave.percent,
        "wave_hold": wave.hold_minutes,
        "wave_stop": wave.stop_above,
        "wave_state": "running" if rest else "",
    }


def who_waits(campaign: Campaign, when: datetime) -> frozenset[int]:
    """Row ids of readers who get this letter, leaving at `when`, gathered in a digest, or who want one letter a month
    and it is not that one.

    That one is the first of the month, in the organisation's zone, which goes to the whole list: whoever reads little
    should not get what was meant for a few.
    """
    seldom = [] if campaign.is_digest or campaign.again_id is not None else dialect.seldom_of(campaign.list_id)
    if not seldom:
        return frozenset()
    monthly, gathered = bool(waits(campaign, MONTHLY, when)), is_gathered(campaign)
    round = List.objects.values_list("digest_round", flat=True).get(id=campaign.list_id)
    return frozenset(
        row
        for row, often, turn in seldom
        if (monthly and often == MONTHLY) or (gathered and digest.in_digest(often, turn, round))
    )


def waits(campaign: Campaign, often: int, when: datetime) -> str:
    """Why this letter, leaving at `when`, is none of those that somebody with this frequency gets by itself: "digest",
    "monthly". "" where it is one of them.
    """
    if campaign.again_id is not None or campaign.is_digest:
        return ""  # It was hers and did not come, or goes to whom it was made for.
    if often in (DIGEST, AGAIN) and is_gathered(campaign):
        return "digest"
    to_all = is_gathered(campaign) and _first_of_month(campaign, when)
    return "monthly" if often == MONTHLY and not to_all else ""


def _first_of_month(campaign: Campaign, when: datetime) -> bool:
    there = when.astimezone(ZoneInfo(campaign.organisation.timezone))
    begin = there.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    others = Campaign.objects.filter(list=campaign.list_id, tag=None, segment=None, due__gte=begin, due__lte=when)
    others = others.filter(is_digest=False, again=None)
    return not others.exclude(pk=campaign.pk).exclude(state__in=("draft", "cancelled")).exists()


def owe(
    campaign: Campaign,
    edition: Edition,
    first: int = 0,
    now: datetime | None = None,
    seldom: frozenset[int] = frozenset(),
) -> int:
    """Writes the chunks of everybody who may get this letter now, but for the rows of `seldom`. How many people.

    first: per cent of each page that go in the first wave; the others may not be claimed before it has passed.
    """
    frozen = position = 0
    newest = _warming(campaign.organisation_id, edition.message_id_domain, now) if now else 0
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in _pages(campaign, newest, now):
        numbers = [number for number in page if number not in left_out] if left_out else page
        position += write_chunks(edition, position, numbers, first)
        frozen += len(numbers)
    return frozen


def _warming(organisation: int, domain: str, now: datetime) -> int:
    """How many at the most go by routes or from a domain that are being warmed up: so many of the newest come first."""
    routes = Route.objects.filter(organisation=organisation, state__in=("live", "throttled")).exclude(warm_up="")
    domains = SendingDomain.objects.filter(organisation=organisation, name=domain).exclude(warm_up="")
    left = sum(left_of_warm_up(route, now) for route in routes.select_related("organisation"))
    left += sum(left_of_warm_up(row, now) for row in domains.select_related("organisation"))
    return min(MOST_NEWEST, left)


def _pages(campaign: Campaign, newest: int, now: datetime | None) -> Iterator[list[int]]:
    """Subscriber numbers by key pages, so that no reading transaction stays open. The `newest` come first: whoever
    agreed last is least likely to be gone, and a new sender is judged by how many of its first letters bounce.
    """
    organisation = campaign.organisation_id
    suppressions = Suppression.objects.filter(organisation=organisation).exists()
    if campaign.is_digest:
        yield from _of_digest(campaign, suppressions)
        return
    if campaign.again is not None:
        yield from _unreached(campaign, suppressions)
        return
    if campaign.segment is not None:
        reader = reader_of(campaign, now or campaign.changed)
        assert reader is not None
        yield from segmented.numbers(campaign.list_id, campaign.tag_id, reader, PAGE, suppressions, newest)
        return
    first: list[int] = []
    if newest:
        first = dialect.release_newest(organisation, campaign.list_id, campaign.tag_id, newest, suppressions)
        for at in range(0, len(first), PAGE):
            yield [row & NUMBER_MASK for row in first[at : at + PAGE]]
    known = set(first)
    after = 0
    while True:
        rows = dialect.release_page(organisation, campaign.list_id, campaign.tag_id, after, PAGE, suppressions)
        if not rows:
            return
        if fresh := [row & NUMBER_MASK for row in rows if row not in known]:
            yield fresh
        after = rows[-1]


def spoken(campaign: Campaign, now: datetime, when: datetime) -> Counter[str]:
    """Language -> how many of those who get this letter, leaving at `when`, have it. Errors: SegmentBroken."""
    seldom = who_waits(campaign, when)
    if campaign.segment_id is None and campaign.again_id is None and not campaign.is_digest:
        where = campaign.organisation_id, campaign.list_id, campaign.tag_id
        found = Counter(dialect.count_languages(*where, suppressions=True))
        found.subtract(dialect.count_languages(*where, suppressions=True, rows=list(seldom)) if seldom else {})
        return found
    found, known = Counter[str](), 0
    for page in _pages(campaign, 0, now):
        rows = [row for number in page if (row := row_id(campaign.organisation_id, number)) not in seldom]
        found.update(language for _row, language in dialect.languages_of(rows))
        known += len(rows)
    found[""] = known - found.total()
    return found


def _unreached(campaign: Campaign, suppressions: bool) -> Iterator[list[int]]:
    """Those whom another letter did not reach, as far as they may still be written to."""
    assert campaign.again is not None
    after, edition = 0, campaign.again.edition.pk
    where = campaign.organisation_id, campaign.list_id, None
    while rows := dialect.release_page(*where, after, PAGE, suppressions, edition):
        yield [row & NUMBER_MASK for row in rows]
        after = rows[-1]


def _of_digest(campaign: Campaign, suppressions: bool) -> Iterator[list[int]]:
    """Those for whom letters were gathered, as far as they may still be written to."""
    where = campaign.organisation_id, campaign.list_id
    for rows in rounds.aside_of(campaign):
        yield [row & NUMBER_MASK for row in dialect.release_among(*where, rows, suppressions)]


def _make_sendable(
    campaign: Campaign,
    frozen: int,
    written: str,
    now: datetime,
    by: Any,
    at: datetime | None,
    hold_minutes: int,
    unsure: str,
    columns: dict[str, Any],
) -> None:
    """The one transaction that counts. The version is the lock: a draft saved meanwhile is not what was frozen.
    written: the mark of its other languages.
    """
    if at is not None and at > now:
        state, due = "scheduled", at
    elif hold_minutes > 0:
        state, due = "held", now + timedelta(minutes=hold_minutes)
    else:
        state, due = "sending", now
    with transaction.atomic():
        approving.check(campaign, by)
        if campaign.again_id is not None:
            # The first letter, held: nobody settles its doubtful ones, and no other letter goes to them meanwhile.
            resending.check(Campaign.objects.select_for_update().get(pk=campaign.again_id), but=campaign)
        # The version of the letter, and the plan of its test: what was read before is what goes.
        as_it_was = {"version": campaign.version, "test_plan": campaign.test_plan}
        changed = Campaign.objects.filter(pk=campaign.pk, state="draft", **as_it_was).update(
            state=state,
            reason="",
            due=due,
            frozen=frozen,
            pending=frozen,
            unsure_policy=unsure,
            released=now,
            changed=now,
            **columns,
        )
        if not changed or not languages.close(campaign, written, now):
            raise NotReleasable(
                _(
                    "The letter was changed while it was being released, so nothing was sent. "
                    "Look at it and release again."
                )
            )
        if campaign.is_digest:
            SetAside.objects.filter(campaign=campaign).delete()
        if state == "sending":
            rounds.enter_round(campaign.pk)
        record(
            "campaign.released",
            campaign.organisation,
            now=now,
            by=by,
            about=campaign.pk,
            detail={"frozen": frozen, "state": state, "due": due.isoformat()},
        )
