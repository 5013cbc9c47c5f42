"""A test of several versions: what is different in them, who gets them, how one wins. Planned while it is a draft."""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns import actions, counted_links, edition_details, sealed_clicks
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, NotADraft
from samizdat.campaigns.models import Campaign, Edition, Variant
from samizdat.core import ab_test
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.events.actions import record
from samizdat.vault import keyring

# The winner is looked for at least so long after the letter leaves, and at most: a reader has to have had the time.
SOONEST, LATEST = timedelta(minutes=30), timedelta(days=14)


class BadTest(CampaignError):
    """`field`: what of it is wrong, for a form."""

    code = "bad_test"

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class TestLink(Struct, frozen=True):
    url: str = ""


class VersionWords(Struct, frozen=True, omit_defaults=True):
    """What is sealed of a version; nothing of what is as in the letter."""

    subject: str = ""
    from_name: str = ""
    from_email: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What is different in a version; "" is as in the letter. letter: another draft, whose text it has."""

    subject: str = ""
    from_name: str = ""
    from_email: str = ""
    letter: Any = None
    title: str = ""  # Of that draft, for the report: the draft itself may be gone by then.


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it stands. name: A, B …"""

    place: int
    change: VersionChange
    left: int = 0
    replies: int = 0
    presses: int = 0  # When it was decided.

    @property
    def name(self) -> str:
        return ab_test.NAMES[self.place]


def ways(draft: Draft) -> tuple[str, ...]:
    """How a winner of this letter can be found. By clicks only where totals of its links are kept."""
    return tuple(way for way in ab_test.WAYS if way != "clicks" or draft.links == "counted")


def link_of(campaign: Campaign) -> str:
    """The link whose clicks decide; "" for all of them together."""
    keys = keyring.keys(campaign.organization)
    return keys.open_json(campaign.test_link_sealed, "campaign", "test link", campaign.pk, TestLink).url


def decided_by(campaign: Campaign) -> tuple[str, str]:
    """How a released test is decided, and the link whose clicks do it, "" for all: as its edition was sealed. By hand
    where the seal does not hold."""
    row = Edition.objects.select_related("organization").defer("compiled_sealed").filter(campaign=campaign).first()
    try:
        details = edition_details.opened(keyring.keys(campaign.organization), row) if row else None
    except SealBroken:
        details = None
    return (details.test_way, details.test_link) if details and details.test_way else ("hand", "")


def presses_of(campaign: Campaign) -> dict[int, int]:
    """place of a version -> clicks that the test goes by, as they stand; {} until enough people got each version."""
    way, link = decided_by(campaign)
    if way != "clicks":
        return {}
    presses = counted_links.presses(campaign.edition, link)
    return presses if sealed_clicks.places_reached(campaign.edition) >= {*presses} else {}


def presses_when_decided(campaign: Campaign) -> Mapping[int, int]:
    """The same, when the test was decided."""
    sums = sealed_clicks.sums_of(campaign.edition) if campaign.test_state in ("decided", "done") else None
    return sums.decided if sums else {}


def versions(campaign: Campaign) -> list[Version]:
    """All versions of a test, the letter itself first; none where there is no test."""
    keys = keyring.keys(campaign.organization)
    rows = Variant.objects.select_related("campaign", "letter__organization", "letter__template")
    result, decided = [], presses_when_decided(campaign)
    for row in rows.filter(campaign=campaign).order_by("variant_no"):
        words = keys.open_json(row.sealed, "variant", "sealed", row.pk, VersionWords)
        change = VersionChange(**structs.asdict(words), letter=row.letter)
        result.append(Version(row.variant_no, change, row.left, row.replies, decided.get(row.variant_no, 0)))
    return result


def plan(
    campaign: Campaign,
    changes: Sequence[VersionChange],
    *,
    share: int,
    way: str,
    at: datetime,
    by: Person | None,
    now: datetime,
    link: str = "",
) -> None:
    """So many per cent get one of the versions each; the rest gets the one that has won at `at`. link: the one whose
    clicks decide, where the way is by clicks; "" for all together. Errors: BadTest, NotADraft.
    """
    _check(campaign, changes, share, way, at, now)
    keys = keyring.keys(campaign.organization)
    has_link = way == "clicks" and link
    sealed = keys.seal_json(TestLink(link), "campaign", "test link", campaign.pk) if has_link else b""
    with transaction.atomic():
        _plan(campaign, test_share=share, ab_metric=way, test_at=at, test_link_sealed=sealed)
        Variant.objects.filter(campaign=campaign).delete()
        for place, change in enumerate([VersionChange(), *changes]):
            row = Variant.objects.create(campaign=campaign, variant_no=place, letter=change.letter)
            title = draft_of(change.letter).subject if change.letter is not None else ""
            row.sealed = keys.seal_json(VersionWords(**words_of(change), title=title), "variant", "sealed", row.pk)
            row.save(update_fields=["sealed"])
        record("campaign.test_planned", campaign.organization, now=now, by=by, about=campaign.pk)


def words_of(change: VersionChange) -> dict[str, str]:
    """Its own words, without the text of another draft."""
    return {"subject": change.subject, "from_name": change.from_name, "from_email": change.from_email}


def set_senders(campaign: Campaign, change: Callable[[str], str]) -> None:
    """Of the versions in the plan of a draft's test that have a sender of their own. Errors: NotADraft."""
    keys = keyring.keys(campaign.organization)
    with transaction.atomic():
        for row in Variant.objects.filter(campaign=campaign):
            words = keys.open_json(row.sealed, "variant", "sealed", row.pk, VersionWords)
            if words.from_email and (email := change(words.from_email)) != words.from_email:
                _plan(campaign)
                words = structs.replace(words, from_email=email)
                row.sealed = keys.seal_json(words, "variant", "sealed", row.pk)
                row.save(update_fields=["sealed"])


def give_up(campaign: Campaign, *, by: Person | None, now: datetime) -> None:
    """Everybody gets the letter itself. Errors: NotADraft."""
    with transaction.atomic():
        _plan(campaign, test_share=0, ab_metric="", test_at=None, test_link_sealed=b"")
        if Variant.objects.filter(campaign=campaign).delete()[0]:
            record("campaign.test_cancelled", campaign.organization, now=now, by=by, about=campaign.pk)


def _plan(campaign: Campaign, **columns: object) -> None:
    columns["test_plan"] = secrets.token_hex(8)
    if not Campaign.objects.filter(pk=campaign.pk, state="draft").update(**columns):
        raise NotADraft(
            _("This campaign is already sent or scheduled and can’t be changed. Duplicate it and change the copy.")
        )
    for name, value in columns.items():
        setattr(campaign, name, value)


def _check(
    campaign: Campaign, changes: Sequence[VersionChange], share: int, way: str, at: datetime, now: datetime
) -> None:
    if campaign.version_of_id is not None or campaign.languages.exists():
        raise BadTest(_("A campaign can have either an A/B test or translations. Remove the translations first."))
    if not 1 <= len(changes) < ab_test.MOST:
        raise BadTest(_("An A/B test has two to %(most)s versions.") % {"most": ab_test.MOST}, "subject")
    if not ab_test.LEAST_SHARE <= share <= ab_test.MOST_SHARE:
        values = {"least": ab_test.LEAST_SHARE, "most": ab_test.MOST_SHARE}
        raise BadTest(_("The versions can go to %(least)s to %(most)s percent of recipients.") % values, "share")
    draft = draft_of(campaign)
    if way not in ways(draft):
        raise BadTest(_("Choose how the winner is decided."), "way")
    if at <= now:
        raise BadTest(_("That time is in the past. Choose a later one."), "time")
    for change in changes:
        _check_change(campaign, draft, change)


def _check_change(campaign: Campaign, draft: Draft, change: VersionChange) -> None:
    letter = change.letter
    if letter is not None and (letter.organization_id != campaign.organization_id or letter.state != "draft"):
        raise BadTest(
            _("The other version has to be a draft of yours. Duplicate the campaign and change the copy."), "letter"
        )
    if letter is not None and letter.version_of_id is not None:
        raise BadTest(_("That draft is a translation. Choose a campaign of its own."), "letter")
    if letter is not None and letter.pk == campaign.pk:
        raise BadTest(_("The other version is this campaign itself. Choose another draft."), "letter")
    if draft_in(draft, change) == draft and letter is None:
        raise BadTest(_("This version is identical to the campaign. Change its subject, sender or text."), "subject")
    if change.from_email and _domain(change.from_email) != _domain(draft.from_email):
        raise BadTest(_("All versions use the same sender domain. Change the part before the @."), "from_email")


def check_release(campaign: Campaign, draft: Draft, leaves: datetime, *, in_waves: bool) -> None:
    """Errors: BadTest for one whose time does not go with the letter's."""
    if not campaign.test_share:
        return
    if campaign.welcome:
        raise BadTest(_("A welcome email can’t have an A/B test. Remove the test, then switch it on."), "way")
    if campaign.ab_metric not in ways(draft):
        sentence = _("This campaign no longer counts clicks. Choose another way to decide the winner.")
        raise BadTest(sentence, "way")
    if in_waves:
        raise BadTest(_("An A/B test already is a first batch. Choose one of the two."), "wave")
    assert campaign.test_at is not None
    if not SOONEST <= campaign.test_at - leaves <= LATEST:
        sentence = _("The winner has to be decided between half an hour and two weeks after sending.")
        raise BadTest(sentence, "time")


def _domain(address: str) -> str:
    try:
        return domain(normalize(address))
    except BadAddress:
        raise BadTest(_("“%(address)s” isn’t a valid email address.") % {"address": address}, "from_email") from None


def draft_in(draft: Draft, change: VersionChange) -> Draft:
    """The letter as this version has it: the text of another draft, the envelope of the letter, and its own words."""
    if change.letter is not None:
        envelope = {name: getattr(draft, name) for name in ("subject", "from_name", "from_email", "reply_to", "links")}
        draft = draft_of(change.letter).with_(**envelope)
    return draft.with_(**{name: value for name, value in words_of(change).items() if value})


def draft_of_version(campaign: Campaign, place: int) -> Draft:
    """Errors: IndexError where there is no such version."""
    draft = draft_of(campaign)
    return draft_in(draft, versions(campaign)[place].change) if place else draft


# --- while it goes ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def marks_of(edition: int) -> tuple[int, ...]:
    """Where the parts of an edition's versions end; () where it is no test. They never change after the release."""
    return ab_test.load(Edition.objects.values_list("marks", flat=True).get(pk=edition))


def count_replies(campaign: Campaign, place: int | None, replies: int, *, by: Person | None, now: datetime) -> None:
    """What a person has counted in the mailbox: to this version, or to a letter that has no test. Errors: BadTest."""
    with transaction.atomic():
        if place is not None:
            if not Variant.objects.filter(campaign=campaign, variant_no=place).update(replies=replies):
                raise BadTest(_("This version doesn’t exist."))
        elif campaign.test_share:
            raise BadTest(_("This campaign has several versions. Say which one they replied to."))
        else:
            sent = Campaign.objects.filter(pk=campaign.pk).exclude(state="draft")
            if not sent.update(replies=replies):
                raise BadTest(_("This campaign hasn’t been sent yet, so there can’t be any replies."))
        record("campaign.replies_counted", campaign.organization, now=now, by=by, about=campaign.pk)


def replies_of(campaign: Campaign) -> int | None:
    """All that was counted, of a test the versions together; None where nobody has counted."""
    if not campaign.test_share:
        return campaign.replies
    return sum(Variant.objects.filter(campaign=campaign).values_list("replies", flat=True)) or None


def count_leaving(organization: Organization, moved: Mapping[tuple[int, int], int]) -> None:
    """Adds to the sums of the letters, and of their versions, who left by their link: (edition, reader's number) -> by
    how many. Last in its transaction.
    """
    actions.count_leaving(organization, moved)
    editions = {edition for edition, _reader in moved}
    rows = Edition.objects.filter(pk__in=editions, organization=organization).exclude(marks="")
    for row in rows.only("campaign", "marks").order_by("pk"):
        marks = ab_test.load(row.marks)
        versions = Counter[int]()
        for (edition, number), many in moved.items():
            if edition == row.pk:
                versions[ab_test.group(edition, number, marks)] += many
        for place, many in sorted(versions.items()):
            after = Greatest(F("left") + many, 0)
            Variant.objects.filter(campaign=row.campaign_id, variant_no=place).update(left=after)
