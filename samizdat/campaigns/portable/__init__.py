"""What of the letters goes along in an export of our own format: pictures, templates, how letters look, the letters
themselves, and what belongs to them. docs/export-format.md says what stands where."""

from collections.abc import Iterable

from samizdat.audience.exporting import registry


def register() -> None:
    registry.register(_parts)


def _parts() -> Iterable[object]:
    from samizdat.campaigns.portable.letters import Letters
    from samizdat.campaigns.portable.pictures import Pictures
    from samizdat.campaigns.portable.sums import Answers, Clicks
    from samizdat.campaigns.portable.templates import Looks, Templates
    from samizdat.campaigns.portable.trials import Tests
    from samizdat.campaigns.portable.writing import Comments, Corrections, History

    # Templates, looks and letters show pictures; letters stand in templates; all else belongs to letters.
    yield from (Pictures(), Templates(), Looks(), Letters())
    yield from (History(), Comments(), Corrections(), Clicks(), Answers(), Tests())
