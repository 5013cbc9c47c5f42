"""A second person's yes. It binds to the text and the audience as they were (agreed_people); whatever is changed, it is
asked again.

Who releases and who agreed are two people, so nothing leaves on the word of one. The release itself looks
(`check`), so no door goes around it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat import formatting
from samizdat.accounts import sealed_people
from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.campaigns import edition_details
from samizdat.campaigns.agreed_people import AgreedAudience, AgreedPeople, Key, NotApproved, binds
from samizdat.campaigns.content import digest_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import DraftChangedMeanwhile, NotADraft
from samizdat.campaigns.models import Approval, Campaign, Edition, EditionVariant, large
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.campaigns.queries import AT_ONCE, CampaignRow, let_go
from samizdat.core import segment
from samizdat.core.content.problems import SENTENCES
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# So long a yes counts: who gave it knew what was going on that month, and the letter may be forgotten since.
COUNTS_FOR = timedelta(days=30)

# In place of a person's number: who made the digest, and nobody edited it since.
DIGEST = 0


class ApprovalYes(Struct, frozen=True):
    """Who agreed, when, and to what: of one seal, since whoever writes the database would agree for somebody else.
    audience: None where nobody looked at whom it goes to."""

    bond: str
    by: int
    at: datetime
    audience: AgreedAudience | None = None


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
    audience: AgreedAudience | None = None,
) -> None:
    """Yes to what they have looked at; seen: bond_of, when it was shown. audience: those who would get it. Errors:
    NotADraft, DraftChangedMeanwhile."""
    with transaction.atomic():
        # The row is held, so that nobody saves between the look and the yes.
        held = Campaign.objects.select_for_update(of=("self",)).select_related("organization", "segment", "template")
        campaign = held.get(pk=campaign.pk)
        _is_draft(campaign)
        if bond_of(open_campaign(campaign)) != seen:
            raise DraftChangedMeanwhile(
                _("The campaign was changed since you opened this page. Read it again, then approve.")
            )
        _seal_yes(campaign, ApprovalYes(seen, by.pk, now, audience))
        record("campaign.approved", campaign.organization, now=now, by=by, about=campaign.pk)


def agree_to_digest(campaign: Campaign, *, now: datetime) -> None:
    """A digest gathers letters that were agreed to one by one (are_agreed_to): as it was made it needs no yes of its
    own. Once somebody edits it, it is a letter like any other."""
    _seal_yes(campaign, ApprovalYes(bond_of(open_campaign(campaign)), DIGEST, now))


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


def _seal_yes(campaign: Campaign, given: ApprovalYes) -> None:
    sealed = keyring.keys(campaign.organization).seal_json(given, "approval", "yes", campaign.pk)
    Approval.objects.update_or_create(campaign=campaign, defaults={"yes_sealed": sealed})


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


def agreed_people(campaign: Campaign, settings: Leading, keys: Sequence[Key] = ()) -> AgreedPeople | None:
    """keys: as of AgreedPeople. None where nobody has to agree, or whoever did was not asked about whom it goes to."""
    rows = Approval.objects.filter(campaign=campaign) if settings.requires_approval else Approval.objects.none()
    given = _yes(campaign, rows.first())
    return AgreedPeople(campaign, given.audience, given.at, keys) if given and given.audience else None


# Released, and not at its end.
_UNDER_WAY = ("scheduled", "held", "sending", "paused", "waiting")


def look(organization: Organization, number: int) -> Callable[[], bool]:
    """Whether a letter for a few that is under way may go to this reader's mailbox and to no other: to be asked in a
    transaction, where a release that is about to make one go waits, and looks again (refuse_corrected). Those that are
    under way now are opened before it: there may be a thousand, and on SQLite everybody waits for a transaction."""
    known: dict[tuple[int, datetime | None], bool] = {}

    def is_bound() -> bool:
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        return _is_bound(organization, number, known)

    _is_bound(organization, number, known)
    return is_bound


def _is_bound(organization: Organization, number: int, known: dict[tuple[int, datetime | None], bool]) -> bool:
    """known: by campaign and when it was released; what is new is added."""
    if not leading(organization).requires_approval:
        return False
    rows = Approval.objects.filter(campaign__organization=organization, campaign__state__in=_UNDER_WAY)
    marks = list(rows.values_list("pk", "campaign__released"))
    rows = rows.select_related("campaign__organization").defer(*large("campaign__"))
    for mark in marks:
        if mark not in known:
            known[mark] = any(_binds(row, number) for row in rows.filter(pk=mark[0]))
    return any(known[mark] for mark in marks)


def _binds(row: Approval, number: int) -> bool:
    try:
        given = _yes(row.campaign, row)
    except SealBroken:
        return True
    return bool(given and given.audience and binds(row.campaign, given.audience, number))


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
