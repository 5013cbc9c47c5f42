"""The page of a released letter that everybody may read."""

from datetime import datetime

from samizdat.campaigns.archive.web_corrections import web_copy
from samizdat.campaigns.models import Edition
from samizdat.campaigns.released import released, web_versions
from tests.conftest import NOW


def web_copy_of(edition: Edition, place: int = 0) -> tuple[str, str, datetime | None]:
    """(title, HTML, when it was last corrected). place: in the order of its languages, 0 for the letter itself."""
    details = released(edition)
    assert details is not None
    return web_copy(web_versions(edition, details)[place], edition, NOW)
