"""A slip mended on the web copy of a letter that is out. What was sent never changes: the edition stays as it was
compiled, and each correction is a row of its own, so the page can say when it was mended.

A correction is a piece of text, or the address of a link, as it stands on the page and as it should. It is looked for
in the rendered page, so it works alike for Markdown, HTML and blocks; a piece that spans two styles is not found.

Where no letter leaves without a second person, none is rewritten without one either: a correction waits for another
admin, or for a day (accounts/pending_changes.py).
"""

import html as escaping
import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Meta, Struct

from samizdat import limited_process
from samizdat.accounts import pending_changes
from samizdat.accounts.grants import leading
from samizdat.accounts.models import Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Correction, Edition
from samizdat.campaigns.queries import is_public
from samizdat.campaigns.released import WebVersion, released, web_versions
from samizdat.campaigns.rendering import render
from samizdat.core.content.render import archive_html, fill
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.sealed_json import open_json, seal_json

log = logging.getLogger("samizdat.campaigns")

# Characters of a piece, and corrections of one letter: more is another letter.
LONGEST, MOST = 2000, 50
CHANGE = "correction"

# What is not closed goes on to the end: no input makes a search go back and forth.
_TAG = re.compile(
    r"(<!--.*?(?:-->|\Z)|<(?:style|script)\b.*?(?:</(?:style|script)>|\Z)|<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>)",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"(\s(?:href|alt|title)\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
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
    """In the order in which they were made. One of another letter is none of this one."""
    keys, slips = keyring.keys(edition.organization), []
    for row in Correction.objects.select_related("by").filter(edition=edition).order_by("pk"):
        try:
            slips.append(WebCorrection(opened(keys, row), row.at, row.by))
        except SealBroken:
            log.error("Correction %d was altered in the database by other means", row.pk)
    return slips


def sealed(keys: OrganizationKeys, row: Correction, text: CorrectedText) -> bytes:
    return seal_json(keys, text, "correction", _column(row), row.pk)


def opened(keys: OrganizationKeys, row: Correction) -> CorrectedText:
    """Errors: SealBroken."""
    return open_json(keys, row.sealed, "correction", _column(row), row.pk, CorrectedText)


def _column(row: Correction) -> str:
    """With its letter: what was agreed to be mended there is said nowhere else."""
    return f"sealed of {row.edition_id}"


def web_copy(version: WebVersion, edition: Edition, now: datetime) -> tuple[str, str, datetime | None]:
    """(title, HTML, when it was last corrected) of the page that everybody may read, with all corrections. Errors:
    limited_process.TooMuch.
    """
    content, organization = version.content, edition.organization
    # Like the text: a reader's name in the subject is what it is for somebody without a name.
    title = fill(render(organization, content, now=now, archive=True).subject, {})
    page = limited_process.work(organization.pk, archive_html, content, now=now)
    slips = corrections(edition)
    for slip in slips:
        title, _count = replaced(title, slip.text.wrong, slip.text.right)
        page, _count = mended(page, slip.text.wrong, slip.text.right)
    return title, page, slips[-1].at if slips else None


def correct(campaign: Campaign, wrong: str, right: str, *, by: Person | None, now: datetime) -> int:
    """Mends it on the web copy, or asks for it where that needs an approval; how many places. Errors: NoCorrection."""
    if not is_public(campaign):
        raise NoCorrection(_("A letter has a web version once it is on its way. Until then, change the letter itself."))
    wrong, right = _SPACES.sub(" ", wrong).strip(), _SPACES.sub(" ", right).strip()
    if not wrong or wrong == right:
        raise NoCorrection(_("Say what stands there, and what should stand there instead."))
    if max(len(wrong), len(right)) > LONGEST:
        raise NoCorrection(_("That is too long for a correction. Mend it in smaller pieces."))
    if is_bad_address(right):
        raise NoCorrection(_("That is no address for a link. Begin with https://."), "right")
    edition = campaign.edition
    there = now.astimezone(ZoneInfo(campaign.organization.timezone))
    places = 0
    details = released(edition)
    for version in web_versions(edition, details) if details else ():
        try:
            title, page, _last = web_copy(version, edition, there)
        except limited_process.TooMuch:
            raise NoCorrection(_("The web version takes too long to prepare. Try again in a minute.")) from None
        places += replaced(title, wrong, right)[1] + mended(page, wrong, right)[1]
    if not places:
        sentence = _(
            "“%(wrong)s” does not stand on the web version. Take a shorter piece, within one line and one style."
        )
        raise NoCorrection(sentence % {"wrong": wrong[:100]})
    if needs_approval(campaign, by):
        words = {"wrong": wrong, "right": right}
        with transaction.atomic():
            _insist_on_room(campaign)
            pending_changes.ask(campaign.organization, CHANGE, words, about=campaign.pk, now=now, by=by)
    else:
        keep(campaign, CorrectedText(wrong, right), by=by, now=now)
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
        raise NoCorrection(_("This letter was corrected %(most)s times. Send a new one.") % {"most": MOST})


def is_bad_address(text: str) -> bool:
    """Whether a page would run it, or show what nobody looked at, where a link leads to it."""
    return text.lower().startswith(("javascript:", "data:", "vbscript:"))


def replaced(text: str, wrong: str, right: str) -> tuple[str, int]:
    """Plain text, and how many places. White space counts as one blank, as it does on a page."""
    pattern = re.compile(r"\s+".join(re.escape(word) for word in wrong.split(" ")))
    return pattern.subn(lambda _match: right, text)


def mended(page: str, wrong: str, right: str) -> tuple[str, int]:
    """HTML: in its text, in addresses of links and descriptions of pictures; never in its markup."""
    count, parts = 0, []
    for place, part in enumerate(_TAG.split(page)):
        if place % 2 == 0:
            new, replacements = replaced(escaping.unescape(part), wrong, right)
            part = escaping.escape(new, quote=False) if replacements else part
        else:
            part, replacements = _in_tag(part, wrong, right)
        count += replacements
        parts.append(part)
    return "".join(parts), count


def _in_tag(tag: str, wrong: str, right: str) -> tuple[str, int]:
    if tag.startswith("<!") or not _ADDRESS.search(tag):
        return tag, 0
    count = 0

    def value(match: re.Match[str]) -> str:
        nonlocal count
        new, replacements = replaced(escaping.unescape(match[2][1:-1]), wrong, right)
        count += replacements
        return f'{match[1]}"{escaping.escape(new)}"' if replacements else match[0]

    return _ADDRESS.sub(value, tag), count
