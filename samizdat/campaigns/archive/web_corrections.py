"""A slip mended on the web copy of a letter that is out. What was sent never changes: the edition stays as it was
compiled, and each correction is a row of its own, so the page can say when it was mended.

A correction is a piece of text, or the address of a link, as it stands on the page and as it should. It is looked for
in the rendered page, so it works alike for Markdown, HTML and blocks; a piece that spans two styles is not found.

Where no letter leaves without a second person, none is rewritten without one either: a correction waits for another
admin, or for a day (accounts/pending_changes.py).
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Meta, Struct

from samizdat import limited_process
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Correction, Edition
from samizdat.campaigns.queries import is_public
from samizdat.campaigns.released import WebVersion, released, web_versions
from samizdat.core.content.corrections import CorrectedCopy, corrected_copy
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

log = logging.getLogger("samizdat.campaigns")

# Characters of a piece, and corrections of one letter: more is another letter.
LONGEST, MOST = 2000, 50
CHANGE = "correction"

_SPACES = re.compile(r"\s+")


class NoCorrection(CampaignError):
    """`field`: what of it is wrong, for a form."""

    code = "bad_correction"

    def __init__(self, sentence: str, field: str = "wrong") -> None:
        super().__init__(sentence)
        self.field = field


class CorrectedText(Struct, frozen=True):
    """What is sealed of a correction."""

    wrong: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    right: Annotated[str, Meta(max_length=LONGEST)]


@dataclass(frozen=True, slots=True)
class WebCorrection:
    text: CorrectedText
    at: datetime
    by: Any = None


def corrections(edition: Edition) -> list[WebCorrection]:
    """In the order in which they were made. One of another letter is none of this one, and
    an export that came in may have brought more than there may be."""
    keys, slips = keyring.keys(edition.organization), []
    for row in Correction.objects.select_related("by").filter(edition=edition).order_by("pk")[:MOST]:
        try:
            slips.append(WebCorrection(opened(keys, row), row.at, row.by))
        except SealBroken:
            log.error("Correction %d was altered in the database by other means", row.pk)
    return slips


def sealed(keys: OrganizationKeys, row: Correction, text: CorrectedText) -> bytes:
    return keys.seal_json(text, "correction", _column(row), row.pk)


def opened(keys: OrganizationKeys, row: Correction) -> CorrectedText:
    """Errors: SealBroken."""
    return keys.open_json(row.sealed, "correction", _column(row), row.pk, CorrectedText)


def _column(row: Correction) -> str:
    """With its letter: what was agreed to be mended there is said nowhere else."""
    return f"sealed of {row.edition_id}"


def web_copy(version: WebVersion, edition: Edition, now: datetime) -> tuple[str, str, datetime | None]:
    """(title, HTML, when it was last corrected) of the page that everybody may read, with all corrections. Errors:
    limited_process.TooMuch.
    """
    slips = corrections(edition)
    copy = _copy(version, edition, [slip.text for slip in slips], now)
    return copy.title, copy.page, slips[-1].at if slips else None


def _copy(version: WebVersion, edition: Edition, texts: Sequence[CorrectedText], now: datetime) -> CorrectedCopy:
    """Errors: limited_process.TooMuch."""
    pairs = [(text.wrong, text.right) for text in texts]
    return limited_process.work(edition.organization.pk, corrected_copy, version.content, pairs, now=now)


def correct(campaign: Campaign, wrong: str, right: str, *, by: Person | None, now: datetime) -> int:
    """Mends it on the web copy, or asks for it where that needs an approval; how many places. Errors: NoCorrection."""
    if not is_public(campaign):
        raise NoCorrection(
            _("A campaign gets a web version when sending starts. Until then, change the campaign itself.")
        )
    wrong, right = _SPACES.sub(" ", wrong).strip(), _SPACES.sub(" ", right).strip()
    if not wrong or wrong == right:
        raise NoCorrection(_("Enter the text to correct and the text to replace it with."))
    if max(len(wrong), len(right)) > LONGEST:
        raise NoCorrection(_("That’s too long for one correction. Correct it in smaller parts."))
    if is_bad_address(right):
        raise NoCorrection(_("This isn’t a valid link. Start it with https://."), "right")
    edition = campaign.edition
    there = now.astimezone(ZoneInfo(campaign.organization.timezone))
    texts = [*(slip.text for slip in corrections(edition)), CorrectedText(wrong, right)]
    places, details = 0, released(edition)
    for version in web_versions(edition, details) if details else ():
        try:
            copy = _copy(version, edition, texts, there)
        except limited_process.TooMuch:
            raise NoCorrection(_("The web version takes too long to prepare. Try again in a minute.")) from None
        if copy.too_long:
            raise NoCorrection(
                _("This text appears in so many places that the web version would be too long. Select a longer piece.")
            )
        places += copy.places
    if not places:
        sentence = _("The web version doesn’t contain “%(wrong)s”. Use a shorter piece, within one line and one style.")
        raise NoCorrection(sentence % {"wrong": wrong[:100]})
    text = CorrectedText(wrong, right)
    if needs_approval(campaign, by):
        with transaction.atomic():
            _insist_on_room(campaign)
            pending_changes.ask(campaign.organization, CHANGE, text, about=campaign.pk, now=now, by=by)
    else:
        keep(campaign, text, by=by, now=now)
    return places


def needs_approval(campaign: Campaign, by: Person | None) -> bool:
    """Whether this person may not mend it alone."""
    return by is not None and leading(campaign.organization).requires_approval


def keep(campaign: Campaign, text: CorrectedText, *, by: Person | None, now: datetime) -> None:
    """Writes a correction down that was looked at; from then on the web copy has it. Errors: NoCorrection."""
    with transaction.atomic():
        _insist_on_room(campaign)
        row = Correction.objects.create(edition=campaign.edition, at=now, by=by, sealed=b"")
        row.sealed = sealed(keyring.keys(campaign.organization), row, text)
        row.save(update_fields=["sealed"])
        record("campaign.corrected", campaign.organization, now=now, by=by, about=campaign.pk)


def _insist_on_room(campaign: Campaign) -> None:
    Edition.objects.select_for_update().get(pk=campaign.edition.pk)
    waiting = pending_changes.waiting(campaign.organization).filter(kind=CHANGE, about=campaign.pk).count()
    if max(waiting, Correction.objects.filter(edition=campaign.edition).count()) >= MOST:
        raise NoCorrection(_("This campaign was already corrected %(most)s times. Send a new one.") % {"most": MOST})


def is_bad_address(text: str) -> bool:
    """Whether a page would run it, or show what nobody looked at, where a link leads to it."""
    return text.lower().startswith(("javascript:", "data:", "vbscript:"))
