"""Versions of a letter by the reader's language.

A version is a draft of its own that belongs to a letter: it has its text, template, history, comments and checks, and
from the letter its sender and its audience. The letter itself is the fallback: it goes to everybody in whose language
there is no version. Who gets which is settled at the release, by core/languages, for later tries as well.

A letter has either versions by language or a test of versions: with both, most parts of a test would be too small to
say anything.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.accounts.models import Person
from samizdat.campaigns import actions
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, NotADraft
from samizdat.campaigns.models import Campaign, Edition, EditionVariant
from samizdat.campaigns.templates.layout_store import copy_arrangement
from samizdat.core import consent, languages
from samizdat.events.actions import record


class BadLanguage(CampaignError):
    code = "bad_language"


def versions(campaign: Campaign) -> list[Campaign]:
    """The versions in other languages, the first one first; of a version none."""
    rows = Campaign.objects.select_related("list", "tag", "segment", "template").filter(version_of=campaign)
    results = list(rows.order_by("pk"))
    for row in results:
        row.organization, row.version_of = campaign.organization, campaign
    return results


def whole(campaign: Campaign) -> Campaign:
    """The letter that a version belongs to; the letter itself otherwise."""
    return campaign.version_of or campaign


def add(
    campaign: Campaign, language: str, *, by: Person | None, now: datetime, like: Campaign | None = None
) -> Campaign:
    """A version in this language, which begins with the text of the letter as it is now, or of the version `like`.

    Errors: BadLanguage, NotADraft.
    """
    like = like or campaign
    code = languages.normal(language)
    if not languages.CODE.fullmatch(code):
        raise BadLanguage(_("Choose a language."))
    with transaction.atomic():
        _held(campaign)
        _may_have(campaign, code)
        return _made(campaign, like, code, by=by, now=now)


def _made(campaign: Campaign, like: Campaign, code: str, *, by: Person | None, now: datetime) -> Campaign:
    """A version of a letter that begins with the text and the places of another one."""
    version = actions.create(
        campaign.organization,
        campaign.list,
        draft_of(like),
        by=by,
        now=now,
        tag=campaign.tag,
        segment=campaign.segment,
        template=like.template,
        language=code,
        version_of=campaign,
        purpose=consent.PURPOSES[campaign.purpose],
    )
    copy_arrangement(like, version)
    return version


def _may_have(campaign: Campaign, code: str) -> None:
    if campaign.version_of_id is not None or campaign.is_digest:
        raise BadLanguage(_("Add translations to the original campaign."))
    if campaign.test_share:
        raise BadLanguage(
            _("A campaign can have either an A/B test or translations. End the test, then add a translation.")
        )
    there = [languages.normal(campaign.language), *campaign.languages.values_list("language", flat=True)]
    if code in there:
        raise BadLanguage(
            _("A translation into this language already exists: %(name)s.") % {"name": formatting.language(code)}
        )
    if len(there) >= languages.MOST:
        raise BadLanguage(_("A campaign can have at most %(most)s languages.") % {"most": languages.MOST})


def remove(version: Campaign, *, by: Person | None, now: datetime) -> None:
    """Its readers get the fallback. Errors: NotADraft."""
    campaign = whole(version)
    with transaction.atomic():
        _held(campaign)
        if Campaign.objects.filter(pk=version.pk, version_of=campaign, state="draft").delete()[0]:
            detail = {"language": version.language}
            record("campaign.language_removed", campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)


def _held(campaign: Campaign) -> None:
    """The letter's row is the lock between whoever changes its languages and its release."""
    if not Campaign.objects.select_for_update().filter(pk=campaign.pk, state="draft").exists():
        raise NotADraft(
            _("This campaign is already sent or scheduled and can’t be changed. Duplicate it and change the copy.")
        )


# --- at release ------------------------------------------------------------------------------------------------------


def close(campaign: Campaign, frozen: Iterable[Campaign], now: datetime) -> bool:
    """In the last transaction of a release: nobody writes in the versions any more. False: since they were as they are
    frozen, somebody did.
    """
    rows = Campaign.objects.select_for_update().filter(version_of=campaign)
    if [*rows.order_by("pk").values_list("pk", "version")] != [(row.pk, row.version) for row in frozen]:
        return False
    rows.update(state="finished", changed=now)
    return True


def reopen(campaign: Campaign, now: datetime) -> None:
    """In the transaction that takes a release back: the versions are written in again."""
    Campaign.objects.filter(version_of=campaign).update(state="draft", changed=now)


@lru_cache(maxsize=512)
def frozen_in(edition: int) -> tuple[str, ...]:
    """The languages of an edition by place, the fallback first; () where it has one version. They never change."""
    return languages.load(Edition.objects.values_list("languages", flat=True).get(pk=edition))


def people_by_place(edition: Edition, frozen: int) -> dict[int, int]:
    """Place of a version -> for how many it was frozen, of `frozen` in all."""
    others = dict(EditionVariant.objects.filter(edition=edition).values_list("variant_no", "people"))
    return {0: frozen - sum(others.values())} | others


def count_people(edition: Edition, place: int, more: int) -> None:
    """So many more get this version; of the fallback it is what the campaign's books leave."""
    if place:
        EditionVariant.objects.filter(edition=edition, variant_no=place).update(people=F("people") + more)


def copy_to(campaign: Campaign, duplicate: Campaign, *, by: Person | None, now: datetime) -> None:
    """The versions of a letter beside its copy."""
    for version in versions(campaign):
        _made(duplicate, version, version.language, by=by, now=now)


def in_order(campaigns: Sequence[Campaign]) -> list[Campaign]:
    """For a person to choose from: by what the languages are called."""
    return sorted(campaigns, key=lambda campaign: formatting.language(campaign.language))
