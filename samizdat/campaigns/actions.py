"""Verbs that change campaigns: begin, save, delete, freeze."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.models import List, Segment, Tag
from samizdat.campaigns.content import findings, proof_of
from samizdat.campaigns.drafts import draft as drafts
from samizdat.campaigns.drafts import revisions
from samizdat.campaigns.drafts.draft import FORMATS, Draft, draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile, NotADraft
from samizdat.campaigns.media import storage
from samizdat.campaigns.models import (
    WELCOME,
    Campaign,
    Template,
    Variant,
    untouched,
)
from samizdat.campaigns.templates.layout_store import arrangement_of, insist_on_room
from samizdat.campaigns.templates.layout_store import sealed as sealed_arrangement
from samizdat.core import consent
from samizdat.core.content import merge
from samizdat.core.content.blocks import BadDocument
from samizdat.core.content.blocks import dumps as dumps_document
from samizdat.core.content.blocks import parse as parse_document
from samizdat.core.content.blocks.comments import without
from samizdat.core.content.blocks.mending import mended, mended_markdown
from samizdat.core.content.templates.layout import LayoutChanges
from samizdat.events.actions import record


def create(
    organization: Organization,
    list_: List,
    draft: Draft,
    *,
    by: Person | None,
    now: datetime,
    tag: Tag | None = None,
    segment: Segment | None = None,
    template: Template | None = None,
    language: str | None = None,
    resend_of: Campaign | None = None,
    version_of: Campaign | None = None,
    archive_hidden: bool = False,
    purpose: str = consent.LETTERS,
    welcome: bool = False,
) -> Campaign:
    """A new draft; resend_of: to those alone whom that letter did not reach. version_of: in another language.
    archive_hidden: in no archive. purpose: of consent.PURPOSES. welcome: to whoever confirms from its release on.

    Errors: CampaignError (format, list or segment of another organization).
    """
    draft = checked(draft)
    if list_.organization_id != organization.id:
        raise CampaignError(_("That list belongs to another organization. Choose one of your own."))
    if segment is not None and segment.organization_id != organization.id:
        raise CampaignError(_("That segment belongs to another organization. Choose one of your own."))
    with transaction.atomic():
        campaign = Campaign.objects.create(
            organization=organization,
            list=list_,
            tag=tag,
            segment=segment,
            template=template,
            draft_sealed=b"",
            language=language or leading(organization).language,
            resend_of=resend_of,
            version_of=version_of,
            archive_hidden=archive_hidden,
            purpose=consent.PURPOSES.index(purpose),
            welcome=WELCOME if welcome else 0,
            created_by=by,
            created=now,
            changed=now,
        )
        campaign.draft_sealed = drafts.sealed(campaign, draft)
        storage.insist_on_room_for_draft(organization, len(campaign.draft_sealed))
        campaign.save(update_fields=["draft_sealed"])
        if version_of is None:
            record("campaign.created", organization, now=now, by=by, about=campaign.id)
        else:
            detail = {"language": campaign.language}
            record("campaign.language_added", organization, now=now, by=by, about=version_of.pk, detail=detail)
    return campaign


# Bytes of all that is written in a draft: as of blocks alone (core/content/blocks/schema). No letter is sent with more.
MAX_DRAFT = 1_000_000


# What a save may change besides the letter itself; the first of these say whom it goes to.
_AUDIENCE = ("list", "tag", "segment", "purpose")
_CHOSEN = (*_AUDIENCE, "template", "language", "archive_hidden")


def save(
    campaign: Campaign,
    draft: Draft,
    *,
    version: int,
    by: Person | None,
    now: datetime,
    page: str = "",
    places: LayoutChanges | None = None,
    **changes: object,
) -> int:
    """Writes a draft over the version that was opened, and returns the new version. Both are kept (revisions.py).

    changes: list, tag, segment, purpose, template, language, archive_hidden. page: of autosave.save. places: what it
    makes of its template; None leaves that as it is. Errors: Overtaken when somebody saved meanwhile, NotADraft,
    CampaignError for blocks that are no document.
    """
    draft = checked(draft)
    values = _choices(campaign, changes)
    values["draft_sealed"] = drafts.sealed(campaign, draft)
    frame = values.get("template", campaign.template)
    if places is not None or frame != campaign.template:
        insist_on_room(frame, arrangement_of(campaign) if places is None else places)
    if places is not None:
        values["places_sealed"] = sealed_arrangement(campaign, places)
    storage.insist_on_room_for_draft(campaign.organization, len(values["draft_sealed"]), version + 1)
    with transaction.atomic():
        revisions.keep_before(campaign, version)
        # WHERE is the lock: one of two who save the same version finds nothing to update.
        written = Campaign.objects.filter(pk=campaign.pk, version=version, state="draft").update(
            version=version + 1, changed=now, **values
        )
        if not written:
            campaign.refresh_from_db(fields=["state"])
            if campaign.state != "draft":
                raise NotADraft(
                    _(
                        "This campaign is already sent or scheduled and can’t be changed. Duplicate it and change "
                        "the copy."
                    )
                )
            raise overtaken()
        for key, value in values.items():
            setattr(campaign, key, value)
        _along(campaign, values)
        campaign.refresh_from_db(fields=["places_sealed"])  # As of this version, whoever wrote there.
        revisions.keep(campaign, draft, number=version + 1, by=by, at=now, page=page)
    campaign.version, campaign.changed = version + 1, now
    return version + 1


def _choices(campaign: Campaign, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Errors: CampaignError for a language that one of its versions has."""
    settled: tuple[str, ...] = ()
    if campaign.version_of_id is not None:  # Its letter says whom it goes to.
        settled = (*_AUDIENCE, "language")
    elif campaign.resend_of_id is not None or campaign.welcome:  # To those missed, or to who confirms.
        settled = _AUDIENCE
    values = {key: changes[key] for key in _CHOSEN if key in changes and key not in settled}
    if "purpose" in values:
        values["purpose"] = consent.PURPOSES.index(values["purpose"])
    language = values.get("language", campaign.language)
    if language != campaign.language and campaign.languages.filter(language=language).exists():
        raise CampaignError(
            _("A translation into this language already exists. Remove it first, then choose the language.")
        )
    return values


def _along(campaign: Campaign, values: Mapping[str, object]) -> None:
    """Its versions in other languages go to the same audience."""
    if audience := {key: values[key] for key in _AUDIENCE if key in values}:
        Campaign.objects.filter(version_of=campaign, state="draft").update(**audience)


def overtaken(is_own: bool = False) -> DraftChangedMeanwhile:
    sentence = _(
        "Someone else saved this campaign since you opened it. Copy your text, reload the page and merge the changes."
    )
    if is_own:
        sentence = _("You also changed this text in another tab. Copy what you want to keep.")
    error = DraftChangedMeanwhile(sentence)
    error.is_own = is_own
    return error


def remove_flawed(campaign: Campaign, code: str, *, version: int, by: Person | None, now: datetime) -> int:
    """Takes out every tag with this flaw that can be taken out (FORWARD, REWARDS); returns the new version."""
    draft = draft_of(campaign)
    flaws = [flaw for flaw in proof_of(campaign, now).flaws if flaw.code == code and flaw.fix == "remove"]
    if draft.format == "blocks":
        in_blocks = [flaw for flaw in flaws if flaw.place == "block"]
        draft = draft.with_(body=dumps_document(without(parse_document(draft.body), in_blocks)))
    for place in ("subject", "preheader", "body"):
        # From the end: what is cut does not move what stands before it.
        for flaw in sorted((flaw for flaw in flaws if flaw.place == place), key=lambda flaw: -flaw.start):
            draft = draft.with_(**{place: merge.without(getattr(draft, place), flaw)})
    return save(campaign, draft, version=version, by=by, now=now)


def delete_draft(campaign: Campaign, *, by: Person | None, now: datetime) -> None:
    """Deletes a draft. Errors: NotADraft, since what was sent stays on record; also for the text of another's test."""
    in_tests = Variant.objects.filter(letter=campaign)
    # A letter that was paused before anybody got it can be a draft again too.
    waits = Q(campaign__state__in=("draft", "scheduled", "held"))
    waits |= Q(campaign__state="paused") & untouched("campaign__")
    if in_tests.filter(waits).exists():
        raise NotADraft(
            _("This text is a version in the A/B test of another campaign. Remove it from that test first.")
        )
    with transaction.atomic():
        in_tests.update(letter=None)  # What was released is compiled and needs it no more.
        gone, _rows = Campaign.objects.filter(pk=campaign.pk, state="draft", edition=None).delete()
        if not gone:
            raise NotADraft(_("You can only delete drafts. Sent campaigns are kept."))
        record("campaign.deleted", campaign.organization, now=now, by=by, about=campaign.pk)


def count_leaving(organization: Organization, moved: Mapping[tuple[int, int], int]) -> None:
    """Adds to the letters' sums of readers who left by their link: (edition, reader's number) -> by how many, below
    zero for those who took it back. An edition that is not here (its reader moved in without it) is passed over.

    Last in its transaction and in the order of the numbers: a sender that wants the row waits an instant only.
    """
    letters: Counter[int] = Counter()
    for (edition, _reader), many in moved.items():
        letters[edition] += many
    for edition, number in sorted(letters.items()):
        if number:
            # Not below zero: who left before this was counted can take it back now.
            after = Greatest(F("unsubscribes") + number, 0)
            Campaign.objects.filter(organization=organization, edition=edition).update(unsubscribes=after)


def checked(draft: Draft) -> Draft:
    """The draft as it is stored: blocks in their one spelling, with links mended. Errors: CampaignError."""
    return mended_draft(draft)[0]


def mended_draft(draft: Draft) -> tuple[Draft, bool]:
    """As `checked`, and whether a link was mended."""
    if draft.format not in FORMATS:
        raise CampaignError(f"There is no format {draft.format}. Use one of: {', '.join(FORMATS)}.")
    # Four bytes are the most that a character takes.
    if 4 * sum(map(len, texts := structs.astuple(draft))) > MAX_DRAFT < sum(len(text.encode()) for text in texts):
        raise CampaignError(_("This email is too long to be saved. Make it shorter, or link to the rest."))
    if draft.format == "markdown":
        body = mended_markdown(draft.body)
        return draft.with_(body=body), body != draft.body
    if draft.format != "blocks":
        return draft, False
    try:
        document = parse_document(draft.body)
        before = dumps_document(document)
        body = dumps_document(mended(document))
        parse_document(body)  # The one spelling may be longer than what was typed, and has to be read again.
        return draft.with_(body=body), body != before
    except BadDocument as bad:
        raise CampaignError(findings((bad.flaw,))[0].sentence) from None
