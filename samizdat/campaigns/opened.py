"""A campaign, opened once: all of its versions, and whom it goes to, as they stand at one moment.

Who shows, approves or releases a campaign opens it at the door and hands it down. Nobody below opens any of it again,
so what was looked at is what is compiled.
"""

from dataclasses import dataclass

from samizdat.accounts.sealed_settings import Leading
from samizdat.audience.segments import lookup
from samizdat.audience.segments.lookup import SavedSegment
from samizdat.campaigns import ab_test, translations
from samizdat.campaigns.content import ContentSources, OpenedVersion, open_version, sources_of
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.vault.keyring import OrganizationKeys


@dataclass(frozen=True, slots=True)
class OpenedCampaign:
    """versions: the letter itself first, then those of its test or its translations. test_link: as of
    ab_test.link_of."""

    campaign: Campaign
    sources: ContentSources
    versions: tuple[OpenedVersion, ...]
    segment: SavedSegment | None
    test_link: str

    @property
    def keys(self) -> OrganizationKeys:
        return self.sources.keys

    @property
    def settings(self) -> Leading:
        return self.sources.settings

    @property
    def draft(self) -> Draft:
        return self.versions[0].draft

    @property
    def translations(self) -> list[OpenedVersion]:
        return [version for version in self.versions if version.language]


def open_campaign(campaign: Campaign) -> OpenedCampaign:
    """As its row in hand has it. Errors: SealBroken."""
    sources, letter, goes_to = sources_of(campaign), draft_of(campaign), campaign.segment
    versions = [open_version(campaign, letter, sources=sources)]
    for version in ab_test.versions(campaign)[1:] if campaign.test_share else ():
        draft, frame = ab_test.draft_in(letter, version.change), version.change.letter
        versions.append(open_version(campaign, draft, frame, sources, variant_no=version.place))
    for place, row in enumerate(translations.versions(campaign), start=1):
        draft = draft_of(row, letter)
        versions.append(open_version(row, draft, sources=sources, variant_no=place, language=row.language))
    return OpenedCampaign(
        campaign,
        sources,
        tuple(versions),
        lookup.opened(sources.keys, goes_to) if goes_to else None,
        ab_test.link_of(campaign) if campaign.test_share else "",
    )
