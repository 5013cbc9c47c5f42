"""What of the letters goes along in an export of our own format: pictures, templates, how letters look, and the
letters themselves. docs/export-format.md says what stands where."""

from collections.abc import Iterable

from samizdat.audience.exporting import registry


def register() -> None:
    registry.register(_parts)


def _parts() -> Iterable[object]:
    from samizdat.campaigns.portable.letters import Letters
    from samizdat.campaigns.portable.pictures import Pictures
    from samizdat.campaigns.portable.templates import Looks, Templates

    # Templates, looks and letters show pictures; letters stand in templates.
    return Pictures(), Templates(), Looks(), Letters()
