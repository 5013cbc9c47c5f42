"""Templates of the organization's own: taken in from other services, made of a letter, named anew, removed."""

import html
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import limited_process
from samizdat.accounts.models import Organization, Person
from samizdat.audience import queries as audience
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import BadPicture, CampaignError
from samizdat.campaigns.media import image_processing, library, storage
from samizdat.campaigns.models import Campaign, Template, TemplateText
from samizdat.campaigns.queries import with_subjects
from samizdat.campaigns.templates.layout_store import arrangement_of, text_of
from samizdat.core.content.problems import fill
from samizdat.core.content.templates.import_template import ImportedTemplate, take
from samizdat.core.content.templates.notes import SENTENCES, Note, TemplateRefused
from samizdat.core.content.templates.template_zip import (
    MAX_ZIP,
    MOST_BYTES,
    MOST_PICTURES,
    Unpacked,
    is_zip,
    replaced,
    unpack,
)
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring

MOST_TEMPLATES = 200  # of an organization: the gallery opens all of them, one after the other
LONGEST_NAME = 120
ALWAYS = ("FNAME", "LNAME")
PATIENCE = 30.0  # seconds for the pictures of a template: sixty photographs take half of them


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """What taking in came to, in words. tags: (as it is written, how often, what is wrong with it or ""). pictures: how
    many came along.
    """

    template: Template
    notes: tuple[str, ...]
    tags: tuple[tuple[str, int, str], ...]
    places: tuple[str, ...]
    pictures: int = 0

    def document(self) -> dict[str, object]:
        tags = [{"tag": tag, "count": count, "flaw": flaw} for tag, count, flaw in self.tags]
        payload = {"id": self.template.pk, "notes": [*self.notes], "tags": tags, "places": [*self.places]}
        return payload | {"pictures": self.pictures}


def take_in(
    organization: Organization, name: str, data: bytes, *, by: Person | None, now: datetime, file: str = "",
    on_stored: Callable[[Template], None] | None = None,
) -> TemplateReport:  # fmt: skip
    """Stores a foreign template: a page of HTML, or a zip of one with its pictures. file: the name of the file.
    on_stored: called in the transaction that stores it.

    Errors: CampaignError, with what to do about the file.
    """
    name = _checked(name)
    fields = sorted({*ALWAYS, *(view.tag for view in audience.fields(organization))})
    try:
        brought = _brought(organization, data, file)
        taken = limited_process.work(organization.pk, take, brought.page, fields, brought.unadded)
    except TemplateRefused as refused:
        raise CampaignError(fill(_(SENTENCES[refused.code]), refused.values)) from None
    except limited_process.TooMuch:
        raise CampaignError(_("The template takes too long to read. Make it smaller and import it again.")) from None
    with transaction.atomic():  # Decoding took seconds, with nobody kept from writing.
        for called, slug, picture in brought.pictures:
            library.keep(organization, picture, now, name=called, by=by, slug=slug)
        template = add(
            organization, TemplateText(name, taken.source, taken.sample), "template.imported", by=by, now=now
        )
        if on_stored is not None:
            on_stored(template)
    notes = (*_notes(brought.notes), *_notes(taken.notes))
    return TemplateReport(template, notes, _tags(taken), taken.places, len(brought.pictures))


@dataclass(frozen=True, slots=True)
class _Brought:
    """The page of a file, with the pictures that came along: name, slug, and what is to be stored. unadded: of
    `take`."""

    page: bytes
    pictures: tuple[tuple[str, str, image_processing.ProcessedImage], ...] = ()
    notes: tuple[Note, ...] = ()
    unadded: frozenset[str] | None = None


def _brought(organization: Organization, data: bytes, file: str) -> _Brought:
    """Errors: TemplateRefused, limited_process.TooMuch."""
    if is_zip(data):
        if len(data) > MAX_ZIP:
            raise TemplateRefused("template_zip_large", limit=f"{MAX_ZIP >> 20}")
        return _with_pictures(organization, limited_process.work(organization.pk, unpack, data))
    if data and file.lower().endswith(".zip"):
        raise TemplateRefused("template_not_zip")
    return _Brought(data)


def _with_pictures(organization: Organization, zipped: Unpacked) -> _Brought:
    """The page of a zip, with addresses for its pictures."""
    addresses, notes = dict[str, str](), list[Note]()
    by_digest: dict[bytes, tuple[str, str, image_processing.ProcessedImage]] = {}
    room, until = MOST_BYTES, time.monotonic() + PATIENCE
    for name, file in zipped.pictures:
        digest = sha256(file).digest()
        try:
            if digest not in by_digest:
                picture = _decoded(organization, file, room, until)
                room -= _size(picture)
                by_digest[digest] = (name.rpartition("/")[2].rpartition(".")[0], library.new_slug(), picture)
        except BadPicture as refused:
            notes.append(Note("note_picture_refused", {"name": name[-80:], "reason": str(refused)}))
        else:
            _called, slug, picture = by_digest[digest]
            addresses[name] = library.address_of(organization, slug, picture.shown.kind)
    if by_digest:
        notes.insert(0, Note("note_pictures", {"count": f"{len(by_digest)}"}))
    if zipped.left:
        names = ", ".join(zipped.left)[:200]
        notes.append(Note("note_picture_many", {"limit": str(MOST_PICTURES), "names": names}))
    unadded = {html.unescape(zipped.page[start:end]) for start, end, name in zipped.places if name not in addresses}
    page = replaced(zipped.page, zipped.places, addresses)
    return _Brought(page.encode(), tuple(by_digest.values()), (*zipped.notes, *notes), frozenset(unadded))


def _decoded(organization: Organization, file: bytes, room: int, until: float) -> image_processing.ProcessedImage:
    """Errors: BadPicture, also where the pictures before it took all the time and memory that a template has."""
    if time.monotonic() < until:
        picture = library.decode(organization, file)
        if _size(picture) <= room:
            return picture
    raise BadPicture(_("The images are too large together. Add this one to Media separately."))


def _size(picture: image_processing.ProcessedImage) -> int:
    return len(picture.shown.data) + len(picture.thumb) + (len(picture.whole.data) if picture.whole else 0)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise CampaignError(_("Enter a template name of up to 120 characters."))
    return name


def _notes(notes: Iterable[Note]) -> tuple[str, ...]:
    return tuple(fill(_(SENTENCES[note.code]), note.values) for note in notes)


def _tags(taken: ImportedTemplate) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (tag.written, tag.count, fill(_(tag.flaw.template), tag.flaw.values) if tag.flaw else "") for tag in taken.tags
    )


def add(
    organization: Organization, text: TemplateText, event: EventKind, *, by: Person | None, now: datetime
) -> Template:
    """A new template, in a transaction of its own. Errors: CampaignError (name, room)."""
    text = structs.replace(text, name=_checked(text.name))
    if Template.objects.filter(organization=organization).count() >= MOST_TEMPLATES:
        sentence = _("You have %(most)s templates, the most there can be. Delete one that you don’t need.")
        raise CampaignError(sentence % {"most": MOST_TEMPLATES})
    with transaction.atomic():
        storage.insist_on_room(organization, len(text.source) + len(text.sample) + len(text.body))
        # It is sealed by its number, so there is a row before there is a template.
        template = Template.objects.create(organization=organization, sealed=b"", changed=now)
        _store(template, text, now)
        record(event, organization, now=now, by=by, about=template.pk)
    return template


def save_as_template(campaign: Campaign, name: str, *, by: Person | None, now: datetime) -> Template:
    """A template with the text of a campaign, its design, and what it made of its own template.

    Errors: CampaignError.
    """
    draft = draft_of(campaign)
    base = text_of(campaign.template) if campaign.template else TemplateText("", "", design=draft.design)
    text = structs.replace(base, name=name, body=draft.body, format=draft.format, places=arrangement_of(campaign))
    return add(campaign.organization, text, "template.saved", by=by, now=now)


def rename(template: Template, name: str, *, by: Person | None, now: datetime) -> None:
    """Errors: CampaignError."""
    details = structs.replace(text_of(template), name=_checked(name))
    with transaction.atomic():
        _store(template, details, now)
        record("template.renamed", template.organization, now=now, by=by, about=template.pk)


def remove(template: Template, *, by: Person | None, now: datetime) -> None:
    """Drafts in it go on in our own frame; what was released was compiled with it and stays as it is."""
    with transaction.atomic():
        record("template.removed", template.organization, now=now, by=by, about=template.pk)
        template.delete()


def drafts_in(template: Template) -> list[tuple[Campaign, str]]:
    """Drafts that lose their frame with it, with their subjects; the newest first."""
    rows = with_subjects(Campaign.objects.filter(template=template, state="draft").order_by("-pk"))
    return [(row.campaign, row.subject) for row in rows]


def _store(template: Template, stored: TemplateText, now: datetime) -> None:
    keys = keyring.keys(template.organization)
    template.sealed = keys.seal_json(stored, "template", "source", template.pk)
    template.changed = now
    template.save(update_fields=["sealed", "changed"])
