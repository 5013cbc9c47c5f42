"""Named reads of campaigns; the only way to fetch one on behalf of a person."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import FieldRefused
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.edition_details import slug_of
from samizdat.campaigns.errors import NoSuchCampaign
from samizdat.campaigns.models import (
    Campaign,
    Edition,
    Picture,
    Template,
    TemplateText,
    large,
    large_of_edition,
    untouched,
)
from samizdat.core.content.message import CompiledContent, loads
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

PAGE = 50
# Rows with a sealed draft in memory at once.
AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign in a list: the row and the subject it goes by."""

    campaign: Campaign
    subject: str


def with_subjects(rows: QuerySet[Campaign]) -> list[CampaignRow]:
    """Campaigns of a list. A draft may weigh a megabyte, and its layout another: a few at a time are fetched, and of
    each its subject stays."""
    return [CampaignRow(row, _subject(row)) for row in _light(rows).iterator(chunk_size=AT_ONCE)]


def _light(rows: QuerySet[Campaign]) -> QuerySet[Campaign]:
    return rows.select_related("organization").defer("places_sealed")


def _subject(row: Campaign) -> str:
    subject = draft_of(row).subject
    let_go(row)
    return subject


def let_go(row: Campaign) -> None:
    """Of its text: who asks for it fetches it anew."""
    for column in large():
        row.__dict__.pop(column, None)


def let_go_of_edition(row: Edition) -> None:
    for column in large_of_edition():
        row.__dict__.pop(column, None)


def in_turn(rows: QuerySet[Campaign]) -> Iterator[Campaign]:
    """Each campaign is fetched when its turn comes, and passed over where it is none of these any more: for whoever
    writes meanwhile."""
    for number in list(rows.values_list("pk", flat=True)):
        if (row := rows.filter(pk=number).first()) is not None:
            yield row


def campaign_of(organization: Organization, number: int) -> Campaign:
    """Errors: NoSuchCampaign, also for one of another organization."""
    along = "organization", "list", "tag", "segment", "version_of__organization"
    campaign = Campaign.objects.select_related(*along).filter(pk=number, organization=organization).first()
    if campaign is None:
        raise NoSuchCampaign(
            _("There is no campaign No. %(number)s. Check the list of campaigns.") % {"number": number}
        )
    return campaign


def newest(
    organization: Organization,
    states: Iterable[str] = (),
    before: int | None = None,
    limit: int = PAGE,
    folder: int | None = None,
) -> list[CampaignRow]:
    """Campaigns by number, the newest first; `before` pages on. folder: those in it, 0: those in none."""
    wanted = _wanted(organization, states, before, folder)
    return with_subjects(Campaign.objects.filter(wanted).order_by("-pk")[:limit])


def last_sent(organization: Organization, limit: int) -> list[CampaignRow]:
    """Those that went out from here, the newest first: neither taken back in time nor sent at another service before
    they came here."""
    return with_subjects(Campaign.objects.filter(_went_out(organization)).order_by("-pk")[:limit])


def has_sent(organization: Organization) -> bool:
    """Whether one went out from here, as of last_sent; none is opened for it."""
    return Campaign.objects.filter(_went_out(organization)).exists()


def _went_out(organization: Organization) -> Q:
    return _wanted(organization, ("finished", "cancelled"), None, None) & Q(frozen__gt=F("cancelled"))


def counts(organization: Organization) -> dict[str, int]:
    """Campaigns by state; a state that none is in is not there."""
    rows = Campaign.objects.filter(organization=organization, version_of=None).values_list("state")
    return dict(rows.annotate(many=Count("pk")).order_by())


def place_in_list(row: CampaignRow, states: Iterable[str] = (), folder: int | None = None) -> int:
    """Which one of the list of `newest` it is, the first is 1."""
    wanted = _wanted(row.campaign.organization, states, None, folder)
    return 1 + Campaign.objects.filter(wanted, pk__gt=row.campaign.pk).count()


# Letters opened for one page of a search: a second's work at most, and then the page offers to look further back.
LOOKED_THROUGH = 2000
# And bytes of them: a second's work too.
OPENED = 50_000_000


def _wanted(organization: Organization, states: Iterable[str], before: int | None, folder: int | None) -> Q:
    """Letters, not their versions in other languages."""
    wanted = Q(organization=organization, version_of=None)
    if states:
        wanted &= Q(state__in=list(states))
    if before:
        wanted &= Q(pk__lt=before)
    if folder is not None:
        wanted &= Q(folder=folder or None)
    return wanted


def searched(
    organization: Organization,
    words: str,
    states: Iterable[str] = (),
    before: int | None = None,
    folder: int | None = None,
) -> tuple[list[CampaignRow], int | None]:
    """Letters whose subject has all these words or beginnings of words, in any of their languages, the newest first,
    and where to look on.

    Subjects are sealed, so each is opened; those that do not fit are not kept.
    """
    wanted = _wanted(organization, states, before, folder)
    asked = [re.compile(rf"(?<!\w){re.escape(word)}") for word in words.casefold().split()]
    results: list[CampaignRow] = []
    rows = _light(Campaign.objects.filter(wanted)).order_by("-pk")[:LOOKED_THROUGH]
    rows = rows.prefetch_related(Prefetch("languages", _light(Campaign.objects.all())))
    seen, last, opened = 0, None, 0
    for row in rows.iterator(chunk_size=AT_ONCE):
        versions = [row, *row.languages.all()]
        seen, last, opened = seen + 1, row.pk, opened + sum(len(version.draft_sealed) for version in versions)
        draft = draft_of(row)
        subjects = [draft.subject, *(draft_of(version, draft).subject for version in versions[1:])]
        let_go(row)
        if any(all(word.search(text.casefold()) for word in asked) for text in subjects):
            results.append(CampaignRow(row, draft.subject))
        if len(results) == PAGE or opened > OPENED:
            return results, last
    return results, last if seen == LOOKED_THROUGH else None


def sent(organization: Organization, fewest: int, limit: int, numbers: Iterable[int] = ()) -> list[CampaignRow]:
    """Letters that at least so many mailboxes accepted, the newest release first; of `numbers` where there are any."""
    wanted = Q(organization=organization, released__isnull=False, accepted__gte=fewest)
    if numbers:
        wanted &= Q(pk__in=list(numbers))
    return with_subjects(Campaign.objects.filter(wanted).order_by("-released", "-pk")[:limit])


def leaving(organization: Organization, begin: datetime, end: datetime) -> list[CampaignRow]:
    """Released letters that leave or left from `begin` on and before `end`, the first one first; none that was taken
    back before anybody got it.
    """
    rows = Campaign.objects.filter(
        organization=organization, version_of=None, not_before__gte=begin, not_before__lt=end
    )
    rows = rows.exclude(state="draft").exclude(state="cancelled", cancelled=F("frozen"))
    return with_subjects(rows.order_by("not_before", "pk"))


# States in which a letter is on its way, also when somebody has paused it meanwhile.
_ON_ITS_WAY = ("sending", "waiting", "paused")


def public(prefix: str = "") -> Q:
    """Letters that everybody may read on the web: of which somebody got something. One that waits, for its time or for
    a route, is nobody's business yet. prefix: where their row stands, like "campaign__".
    """
    began = Q(**{f"{prefix}state__in": _ON_ITS_WAY}) & ~untouched(prefix)
    # One that all of its readers get in the digest is finished, and nobody got it by itself.
    return Q(**{f"{prefix}state": "finished"}) | began


def is_public(campaign: Campaign) -> bool:
    """The same of one letter."""
    return campaign.state == "finished" or (campaign.state in _ON_ITS_WAY and not campaign.is_untouched)


def sends_now() -> bool:
    """Whether a campaign of anybody here is being sent, to people who have yet to get it."""
    return Campaign.objects.filter(state="sending", pending__gt=0).exists()


@lru_cache(1000)
def is_welcome(edition: int) -> bool:
    """It never changes."""
    return bool(Campaign.objects.values_list("welcome", flat=True).get(edition=edition))


def web_address(campaign: Campaign) -> str:
    """Where everybody may read it; "" while nobody may, and where there are no public pages."""
    base = leading(campaign.organization).public_url
    slug = slug_of(campaign.edition, "") if base and is_public(campaign) else ""
    return f"{base}/a/{slug}" if slug else ""


def other_languages(letters: Iterable[int]) -> dict[int, list[str]]:
    """Letter -> the languages of its versions besides its own, of those that have any."""
    by_letter: dict[int, list[str]] = {}
    for row in Campaign.objects.filter(version_of__in=list(letters)).only("version_of", "language").order_by("pk"):
        by_letter.setdefault(row.version_of_id or 0, []).append(row.language)
    return by_letter


# On their way: released, and not at their end.
UNDER_WAY = ("scheduled", "held", "sending", "paused", "waiting")
DRAFTS = 200


def letters_under_way_with(organization: Organization, tag: str) -> list[CampaignRow]:
    """Released letters that are not at their end and say this merge field."""
    keys = keyring.keys(organization)
    editions = Edition.objects.select_related("campaign__organization").filter(
        organization=organization, campaign__state__in=UNDER_WAY
    )
    letters = []
    for edition in editions.order_by("-pk").iterator(chunk_size=AT_ONCE):
        if any(tag in version.fields for version in compiled_versions(keys, edition)):
            letters.append(CampaignRow(edition.campaign, _subject(edition.campaign)))
    return letters


def compiled_versions(keys: OrganizationKeys, edition: Edition) -> list[CompiledContent]:
    blobs = [("compiled", edition.compiled_sealed)]
    blobs += [(f"compiled {row.variant_no}", row.compiled_sealed) for row in edition.variants.all()]
    return [loads(keys.open(blob, "edition", column, edition.pk)) for column, blob in blobs]


def says_everywhere(campaign: Campaign, slot: str) -> bool:
    """Whether each version of a released letter has this slot."""
    edition = Edition.objects.select_related("organization").filter(campaign=campaign).first()
    if edition is None:
        return False
    versions = compiled_versions(keyring.keys(edition.organization), edition)
    return all(any(slot == hole.name.partition("|")[0] for hole in version.slots) for version in versions)


def refuse_while_said(organization: Organization, tag: str) -> None:
    """Errors: FieldRefused while a letter that says this field is on its way: it could not be filled in."""
    rows = letters_under_way_with(organization, tag)
    if rows:
        text = _("“%(subject)s” is being sent and uses %(tag)s. Wait until it’s finished.")
        raise FieldRefused("field_said", text % {"subject": rows[0].subject, "tag": tag}, "tag")


def drafts_with(organization: Organization, tag: str) -> list[CampaignRow]:
    """The newest drafts whose text may say this merge field: its tag stands in it as a word."""
    word = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(tag)}(?![A-Za-z0-9_])")
    rows = _light(Campaign.objects.filter(organization=organization, state="draft")).order_by("-pk")[:DRAFTS]
    results = []
    for row in rows.iterator(chunk_size=AT_ONCE):
        draft = draft_of(row)
        let_go(row)
        if word.search("\n".join((draft.subject, draft.preheader, draft.body))):
            results.append(CampaignRow(row, draft.subject))
    return results


# What a picture keeps beside itself, of which whoever shows it needs nothing: up to megabytes.
LARGE = ("whole_sealed", "thumb_sealed")


def pictures(organization: Organization, limit: int = 60) -> list[Picture]:
    rows = Picture.objects.filter(organization=organization).defer("sealed", *LARGE)
    return list(rows.order_by("-pk")[:limit])


def picture_url(base: str, slug: str, kind: str) -> str:
    """Where readers find it. base: address of the public pages."""
    return f"{base}/m/{slug}.{kind}"


def pictures_named(organization: Organization, slugs: Iterable[str]) -> list[Picture]:
    """Facts of these pictures; bytes are not fetched."""
    return list(
        Picture.objects.filter(organization=organization, slug__in=slugs).only("slug", "kind", "width", "height")
    )


def picture_named(organization: Organization, slug: str) -> Picture | None:
    rows = Picture.objects.select_related("organization").defer(*LARGE)
    return rows.filter(organization=organization, slug=slug).first()


def templates(organization: Organization) -> list[tuple[int, str]]:
    """(number, name) of the organization's own templates; the built-in one has no number."""
    keys = keyring.keys(organization)
    rows = Template.objects.filter(organization=organization).order_by("pk")
    return [
        (row.pk, keys.open_json(row.sealed, "template", "source", row.pk, TemplateText).name)
        for row in rows.iterator(chunk_size=5)  # A row may have 2 MB.
    ]
