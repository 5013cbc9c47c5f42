"""What of the letters goes along in an export of our own format: pictures, templates, how letters look, the letters
themselves, and what belongs to them. docs/export-format.md says what stands where."""

from collections.abc import Iterable

from samizdat.portability.parts import registry


def register() -> None:
    registry.register(_parts)


def _parts() -> Iterable[object]:
    from samizdat.portability.parts.campaigns.ab_tests import Tests
    from samizdat.portability.parts.campaigns.campaigns import CampaignsPart
    from samizdat.portability.parts.campaigns.drafts import Comments, Corrections, History
    from samizdat.portability.parts.campaigns.media import Pictures
    from samizdat.portability.parts.campaigns.templates import Templates, TemplatesPart
    from samizdat.portability.parts.campaigns.totals import Answers, Clicks

    # Templates, looks and letters show pictures; letters stand in templates; all else belongs to letters.
    yield from (Pictures(), Templates(), TemplatesPart(), CampaignsPart())
    yield from (History(), Comments(), Corrections(), Clicks(), Answers(), Tests())
