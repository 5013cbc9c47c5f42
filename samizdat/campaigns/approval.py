"""A second person's yes. It binds to the text and the audience as they were; whatever is changed, it is asked again.

Who releases and who agreed are two people, so nothing leaves on the word of one. The release itself looks
(`check`), so no door goes around it.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isqrt
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat import formatting
from samizdat.accounts import sealed_people
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.accounts.roles import has_role
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.audience.consistency import all_joined_since
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns import edition_details
from samizdat.campaigns.content import digest_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile, NotADraft
from samizdat.campaigns.models import Approval, Campaign, Edition, EditionVariant, large
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.campaigns.queries import AT_ONCE, CampaignRow, let_go
from samizdat.core import segment
from samizdat.core.content.problems import SENTENCES
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.events.actions import moment_of, record, whole_day
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# One of so many may have come here since a yes.
NEWCOMERS = 20
# Of so many at most a yes keeps who they are; of more, a sample of as many: 40 KB.
NAMED = 5_000
# Beyond every number. Whoever doesn't know the two of a draw can't tell whom (number * a + b) % PRIME puts into it; it
# takes 0.1 us for each.
PRIME = (1 << 61) - 1
# So long a yes counts: who gave it knew what was going on that month, and the letter may be forgotten since.
COUNTS_FOR = timedelta(days=30)

# In place of a person's number: who made the digest, and nobody edited it since.
DIGEST = 0

NOTHING: Mapping[Any, Any] = MappingProxyType({})


class NotApproved(CampaignError):
    code = "not_approved"


class AgreedCondition(Struct, frozen=True):
    """A tag that conditions ask for, and its carriers among those who would have got the letter: as of ApprovalYes.
    Below zero (condition_values.key_of): a condition on a field, and for whom it held."""

    tag: int
    count: int
    people: bytes


class AgreedLanguage(Struct, frozen=True):
    """A version of the letter, and who would have got that one: as of ApprovalYes."""

    language: str
    count: int
    people: bytes


class ApprovalYes(Struct, frozen=True):
    """Who agreed, when, and to what: of one seal, since whoever writes the database would agree for somebody else.

    count: how many would have got it then, and people: their numbers (core/mail/ledger.pack_numbers), of more than
    NAMED those that `draw` puts into a sample. None where nobody looked at whom it goes to.
    """

    bond: str
    by: int
    at: datetime
    count: int | None = None
    people: bytes | None = None
    tags: tuple[AgreedCondition, ...] = ()
    draw: tuple[int, int] = (0, 0)
    languages: tuple[AgreedLanguage, ...] = ()


def _drawn(numbers: Collection[int], count: int, draw: tuple[int, int]) -> Collection[int]:
    """Of numbers of which a yes saw `count`, those in its sample: all, where it kept who they are."""
    if count <= NAMED:
        return numbers
    (a, b), below = draw, PRIME * NAMED // count
    return [number for number in numbers if (number * a + b) % PRIME < below]


class _AgreedNumbers:
    """Numbers as of a yes, beside those of now. Of many both are samples by the same draw, so that everybody who came
    or went is in one with the same chance."""

    def __init__(self, count: int, people: bytes | None, draw: tuple[int, int], corrected: Set[int]) -> None:
        self.agreed, self._draw, self._now, self._gone = count, draw, 0, 0
        kept = frozenset(unpack_numbers(people or b""))
        self._known = kept - corrected
        self._share = count // NEWCOMERS
        if self._is_sample:
            self._share = len(kept) // NEWCOMERS
            self._share += 4 * isqrt(self._share)  # Chance alone brings more once in 30,000 times.
        self.others: list[int] = []

    @property
    def _is_sample(self) -> bool:
        return self.agreed > NAMED

    def holds(self, number: int) -> bool:
        return number in self._known

    def may_hold(self, number: int) -> bool:
        return self._is_sample or number in self._known

    def compare(self, numbers: Collection[int], without: Collection[int] = ()) -> None:
        """without: who gets it as well, and is none of these."""
        self._now += len(numbers)
        self.others += [number for number in _drawn(numbers, self.agreed, self._draw) if number not in self._known]
        self._gone += sum(number in self._known for number in without)

    @property
    def grew(self) -> bool:
        return self._now - self.agreed > self.agreed // NEWCOMERS or len(self.others) > self._share

    @property
    def shrank(self) -> bool:
        return self._gone > self._share or (self._is_sample and self.agreed - self._now > self.agreed // NEWCOMERS)


class AgreedPeople:
    """Whom a yes was given for, and who else would get the letter, or what it says to a tag, by now: one person brings
    many into a list, gives them a tag, a value or a language, and tags and languages stand in the open in the database.
    A list grows meanwhile, so one of twenty may be new. asked: as of condition_values.Asked."""

    _new_languages = False

    def __init__(self, campaign: Campaign, given: ApprovalYes, asked: Iterable[int] = ()) -> None:
        self._campaign, self._at = campaign, given.at
        corrected = self._known_corrections = self._corrected()
        self._people = _AgreedNumbers(given.count or 0, given.people, given.draw, corrected)
        # What a field shows to more than half of them is for nobody alone, so another mailbox changes nothing.
        half = (given.count or 0) // 2
        self._by_tag = {
            row.tag: _AgreedNumbers(
                row.count, row.people, given.draw, frozenset() if row.tag < 0 and row.count > half else corrected
            )
            for row in given.tags
        }
        self._for_few = [self._by_tag[row.tag] for row in given.tags if row.tag > 0 or row.count <= half]
        self._asked = [*asked]
        self._by_language = {
            row.language: _AgreedNumbers(row.count, row.people, given.draw, frozenset()) for row in given.languages
        }

    def _corrected(self) -> set[int]:
        """Who is written to at another address since, because a person at the desk says so: another mailbox."""
        events = Event.objects.select_related("organization").filter(
            organization=self._campaign.organization_id, kind="subscriber.address_changed", by__isnull=False
        )
        since = events.filter(at__gte=whole_day(self._at))  # Readable of it is the day alone.
        return {(event.about or 0) & NUMBER_MASK for event in since if moment_of(event) > self._at}

    def is_bound(self, number: int) -> bool:
        """Whether nobody else may get it, or what it says to a tag, in place of this reader."""
        for_few = self._campaign.tag_id or self._campaign.segment_id or self._people.agreed < NEWCOMERS
        return bool(for_few and self._people.may_hold(number)) or any(tag.holds(number) for tag in self._for_few)

    def refuse_corrected(self) -> None:
        """Whom somebody gave another mailbox while the letter was frozen: this looked before. In the transaction that
        makes it go, with the organization held as in is_bound(). Errors: NotApproved."""
        if any(self.is_bound(number) for number in self._corrected() - self._known_corrections):
            raise NotApproved(_others())

    def compare(
        self, numbers: Sequence[int], tags: Mapping[int, int], languages: Mapping[str, Sequence[int]] = NOTHING
    ) -> None:
        """tags: number -> which of those asked for they carry, the first as the lowest bit. languages: who of them gets
        which version."""
        self._people.compare(numbers)
        for place, tag in enumerate(self._asked):
            carriers = {number for number in numbers if tags.get(number, 0) >> place & 1}
            if tag in self._by_tag:
                self._by_tag[tag].compare(carriers, [number for number in numbers if number not in carriers])
        for language, readers in languages.items():
            if language in self._by_language:
                self._by_language[language].compare(readers)
            else:
                self._new_languages = True

    def refuse_others(self) -> None:
        """Errors: NotApproved."""
        to_all = self._campaign.tag_id is None and self._campaign.segment_id is None
        if self._people.grew or not (to_all or self._joined_since(self._people.others)):
            raise NotApproved(_others())
        changed = [tag for tag in self._asked if self._has_changed(self._by_tag.get(tag))]
        if any(tag > 0 for tag in changed):
            raise NotApproved(
                _(
                    "A tag that decides who sees part of this campaign has changed since it was "
                    "approved. Request approval again."
                )
            )
        if changed:
            raise NotApproved(
                _(
                    "A field that decides who sees part of this campaign has changed since it was "
                    "approved. Request approval again."
                )
            )
        versions = self._by_language.values()
        if self._new_languages or any(not self._joined_since(version.others) for version in versions):
            raise NotApproved(
                _("A subscriber’s language has changed since this campaign was approved. Request approval again.")
            )

    def _has_changed(self, tag: _AgreedNumbers | None) -> bool:
        return tag is None or tag.grew or tag.shrank or not self._joined_since(tag.others)

    def _joined_since(self, others: Iterable[int]) -> bool:
        """Whoever was here before and has the tag, or is in the segment, only now was not meant. Who joined on the day
        of the yes is known by its people alone."""
        since, organization, others = self._at.astimezone(UTC).date(), self._campaign.organization_id, [*others]
        return not any(map(self._people.holds, others)) and all_joined_since(
            (row_id(organization, number) for number in others), since
        )


def _others() -> str:
    return _("The recipients are no longer the ones that were approved. Request approval again.")


@dataclass(frozen=True, slots=True)
class ApprovalStatus:
    """state: none (nobody was asked), asked, given, changed (something was, since it was given), or old (given too long
    ago to count). by: who agreed, None unless it is given, changed or old."""

    state: str
    asked: datetime | None = None
    asked_by: Any = None
    given: datetime | None = None
    by: Any = None

    @property
    def name(self) -> str:
        return sealed_people.name_of(self.by) if self.by else ""


def bond_of(opened: OpenedCampaign, edition: Edition | None = None) -> str:
    """A digest of all that a yes is given to: what is written, all that the letter is made from besides (its frame,
    the stand-ins of fields, the names and addresses in it, whose values its merge tags say), and whom it goes to.
    edition: the texts as they were compiled; else as they are now.

    Not who stands on the list: that is compared beside it (AgreedPeople), since readers come and go.
    """
    campaign, (texts, is_hidden) = opened.campaign, _compiled(edition, opened.keys) if edition else _written(opened)
    test = [campaign.test_share, campaign.ab_metric, campaign.test_at, opened.test_link]
    payload = {
        "texts": texts,
        "list": campaign.list_id,
        "tag": campaign.tag_id,
        "segment": _segment(opened),
        "test": test if campaign.test_share else None,
        "again": campaign.resend_of_id,
    }
    if campaign.is_appeal:  # Beside those that were bound before there were any.
        payload["purpose"] = campaign.purpose
    if campaign.welcome:
        payload["welcome"] = True
    if is_hidden:
        payload["unlisted"] = True
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def _written(opened: OpenedCampaign) -> tuple[dict[str, str], bool]:
    """OpenedVersion.key -> digest of the letter, or of the version of it. And whether the archive has it not, which is
    part of whom it goes to."""
    texts = {version.key: digest_of(version) for version in opened.versions}
    return texts, opened.campaign.archive_hidden


def _compiled(edition: Edition, keys: OrganizationKeys) -> tuple[dict[str, str], bool]:
    """The same of what was compiled: what stood there for a moment only is in it too."""
    others = EditionVariant.objects.filter(edition=edition).defer("compiled_sealed")
    rows = {row.language or str(row.variant_no): row for row in others}
    made_from = {key: edition_details.opened(keys, row).made_from for key, row in rows.items()}
    letter = edition_details.opened(keys, edition)
    return {"": letter.made_from} | made_from, letter.unlisted


def _segment(opened: OpenedCampaign) -> object:
    """Its condition, not its number: a segment that is changed is another audience."""
    row = opened.campaign.segment
    if row is None or opened.segment is None:
        return None
    return [row.pk, row.removed, segment.dump(opened.segment.tree)]


def standing(opened: OpenedCampaign, bond: str = "", *, now: datetime | None = None) -> ApprovalStatus:
    """bond: of what was compiled of it by now. now: of a letter that is still to go; to one that went a yes counts
    however old."""
    campaign = opened.campaign
    row = Approval.objects.select_related("asked_by").filter(campaign=campaign).first()
    if row is None:
        return ApprovalStatus("none")
    given = _yes(campaign, row)
    by = _who_agreed(campaign, given) if given else None
    if given is None or by is None:
        return ApprovalStatus("asked" if row.asked else "none", row.asked, row.asked_by)
    state = "given" if given.bond == (bond or bond_of(opened)) else "changed"
    if state == "given" and now is not None and now - given.at > COUNTS_FOR:
        state = "old"
    return ApprovalStatus(state, row.asked, row.asked_by, given.at, by)


def _who_agreed(campaign: Campaign, given: ApprovalYes) -> Person | None:
    """None where they may not write here any more: what a stolen session agreed to ends with the account's role."""
    person = Person.objects.filter(pk=given.by).first()
    return person if person is not None and has_role(person, campaign.organization, WRITERS) else None


def ask(campaign: Campaign, *, by: Person | None, now: datetime) -> None:
    """Their colleagues see on their first page that it waits for them. Errors: NotADraft."""
    _is_draft(campaign)
    with transaction.atomic():
        Approval.objects.update_or_create(campaign=campaign, defaults={"asked": now, "asked_by": by})
        record("campaign.approval_asked", campaign.organization, now=now, by=by, about=campaign.pk)


def agree(
    campaign: Campaign,
    seen: str,
    *,
    by: Person,
    now: datetime,
    people: Sequence[int] | None = None,
    tags: Mapping[int, Sequence[int]] | None = None,
    languages: Mapping[str, Sequence[int]] = NOTHING,
) -> None:
    """Yes to what they have looked at; seen: bond_of, when it was shown. people: numbers of those who would get it;
    tags: of those among them who carry each tag that its conditions ask for, or for whom what they ask of a field
    holds; languages: of those who get each version. Errors: NotADraft, DraftChangedMeanwhile."""
    with transaction.atomic():
        # The row is held, so that nobody saves between the look and the yes.
        held = Campaign.objects.select_for_update(of=("self",)).select_related("organization", "segment", "template")
        campaign = held.get(pk=campaign.pk)
        _is_draft(campaign)
        if bond_of(open_campaign(campaign)) != seen:
            raise DraftChangedMeanwhile(
                _("The campaign was changed since you opened this page. Read it again, then approve.")
            )
        _seal_yes(campaign, seen, by.pk, now, people, tags or {}, languages)
        record("campaign.approved", campaign.organization, now=now, by=by, about=campaign.pk)


def agree_to_digest(campaign: Campaign, *, now: datetime) -> None:
    """A digest gathers letters that were agreed to one by one (are_agreed_to): as it was made it needs no yes of its
    own. Once somebody edits it, it is a letter like any other."""
    _seal_yes(campaign, bond_of(open_campaign(campaign)), DIGEST, now)


def grown() -> str:
    """What is said where more would get it than somebody was shown."""
    return _("The number of recipients has grown since you opened this page. Check the audience, then try again.")


def are_agreed_to(organization: Organization, letters: Iterable[Campaign]) -> bool:
    """Whether all that a second person agreed to still is as it was then, where one is asked. A digest repeats it as it
    is today: the list's name, the stand-ins of fields and the frame are not in the letters' own text."""
    return not leading(organization).requires_approval or all(_is_agreed_to(letter) for letter in letters)


def _is_agreed_to(campaign: Campaign) -> bool:
    try:
        return standing(open_campaign(campaign)).state == "given"
    except SealBroken:
        return False
    finally:
        let_go(campaign)


def _seal_yes(
    campaign: Campaign,
    bond: str,
    by: int,
    now: datetime,
    people: Sequence[int] | None = None,
    tags: Mapping[int, Sequence[int]] = NOTHING,
    languages: Mapping[str, Sequence[int]] = NOTHING,
) -> None:
    draw = 1 + secrets.randbelow(PRIME - 1), secrets.randbelow(PRIME)
    agreed = tuple(AgreedCondition(tag, len(carriers), _kept(carriers, draw)) for tag, carriers in tags.items())
    count, kept = (None, None) if people is None else (len(people), _kept(people, draw))
    versions = tuple(AgreedLanguage(code, len(them), _kept(them, draw)) for code, them in languages.items())
    given = ApprovalYes(bond, by, now, count, kept, agreed, draw, versions)
    sealed = keyring.keys(campaign.organization).seal_json(given, "approval", "yes", campaign.pk)
    Approval.objects.update_or_create(campaign=campaign, defaults={"yes_sealed": sealed})


def _kept(people: Sequence[int], draw: tuple[int, int]) -> bytes:
    return pack_numbers([*_drawn(people, len(people), draw)])


def _yes(campaign: Campaign, row: Approval | None) -> ApprovalYes | None:
    if row is None or not row.yes_sealed:
        return None
    return keyring.keys(campaign.organization).open_json(row.yes_sealed, "approval", "yes", campaign.pk, ApprovalYes)


def is_needed(opened: OpenedCampaign, bond: str = "") -> bool:
    """Whether a second person has to agree before it goes. bond: as of standing."""
    return opened.settings.requires_approval and not is_digest_as_made(opened, bond)


def is_digest_as_made(opened: OpenedCampaign, bond: str = "") -> bool:
    """Whether the clock made it, as its seal says, and nobody edited it since."""
    campaign = opened.campaign
    row = Approval.objects.filter(campaign=campaign).first() if campaign.is_digest else None
    try:
        given = _yes(campaign, row)
    except SealBroken:
        return False
    return bool(given and given.by == DIGEST and given.bond == (bond or bond_of(opened)))


def _is_draft(campaign: Campaign) -> None:
    if campaign.state != "draft":
        raise NotADraft(_("This campaign is already sent or scheduled."))


def check(opened: OpenedCampaign, by: Person | None, bond: str, *, now: datetime) -> None:
    """May it be released by this person? None: from the command line, whose user is the house itself, and the yes of
    anybody is enough. bond: as of standing. Errors: NotApproved.
    """
    if not is_needed(opened, bond):
        return
    if not opened.settings.known:
        raise NotApproved(_(SENTENCES["settings_altered"]))
    status = standing(opened, bond, now=now)
    if status.state == "old":
        day = formatting.shaped(status.given, "day")
        raise NotApproved(_("The approval from %(day)s is too old. Request approval again.") % {"day": day})
    if status.state == "changed":
        raise NotApproved(_("The campaign or its audience was changed since it was approved. Request approval again."))
    if status.state != "given":
        raise NotApproved(_("This campaign needs approval before it’s sent. Request it under Review and send."))
    if status.by == by:
        raise NotApproved(_("You approved this campaign, so someone else has to send it."))


def agreed_people(campaign: Campaign, settings: Leading, asked: Iterable[int] = ()) -> AgreedPeople | None:
    """None where nobody has to agree, or whoever did was not asked about whom it goes to."""
    rows = Approval.objects.filter(campaign=campaign) if settings.requires_approval else Approval.objects.none()
    given = _yes(campaign, rows.first())
    return AgreedPeople(campaign, given, asked) if given and given.count is not None else None


# Released, and not at its end.
_UNDER_WAY = ("scheduled", "held", "sending", "paused", "waiting")


def is_bound(organization: Organization, number: int) -> bool:
    """Whether a letter for a few that is under way may go to this reader's mailbox and to no other. In a transaction:
    a release that is about to make it go waits, and looks again (refuse_corrected)."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    rows = Campaign.objects.select_related("organization").filter(organization=organization, state__in=_UNDER_WAY)
    settings = leading(organization)
    try:
        return any(agreed.is_bound(number) for row in rows.defer(*large()) if (agreed := agreed_people(row, settings)))
    except SealBroken:
        return True


def waiting_for(organization: Organization, person: Person, now: datetime) -> Iterable[CampaignRow]:
    """Drafts that somebody else asked a second yes for, the oldest first; also those changed since it was given, and
    where that is too long ago."""
    rows = Campaign.objects.select_related("organization", "segment", "template", "approval").filter(
        organization=organization, state="draft", approval__asked__isnull=False
    )
    rows = rows.exclude(approval__asked_by=person).order_by("approval__asked")[:20]
    for campaign in rows.iterator(chunk_size=AT_ONCE):
        given = _yes(campaign, campaign.approval)
        if given is None or standing(open_campaign(campaign), now=now).state != "given":
            subject = draft_of(campaign).subject
            let_go(campaign)
            yield CampaignRow(campaign, subject)
