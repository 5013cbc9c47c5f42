"""Templates of the organisation's own: taken in from other services, named anew, removed."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.audience import queries as audience
from samizdat.campaigns import pictures
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import BadPicture, CampaignError
from samizdat.campaigns.models import Campaign, Template
from samizdat.core.flaws import fill
from samizdat.core.templating import SENTENCES, Note, Taken, TemplateRefused, take
from samizdat.core.templating.packed import MOST_PICTURES, is_zip, pictures_in, replaced, unpacked, with_sheets
from samizdat.core.templating.reading import decoded
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

LONGEST_NAME = 120
ALWAYS = ("FNAME", "LNAME")


@dataclass(frozen=True, slots=True)
class Report:
    """What taking in came to, in words. tags: (as it is written, how often, what is wrong with it or ""). pictures: how
    many came along.
    """

    template: Template
    notes: tuple[str, ...]
    tags: tuple[tuple[str, int, str], ...]
    places: tuple[str, ...]
    pictures: int = 0

    def document(self) -> dict[str, Any]:
        tags = [{"tag": tag, "count": count, "flaw": flaw} for tag, count, flaw in self.tags]
        told = {"id": self.template.pk, "notes": [*self.notes], "tags": tags, "places": [*self.places]}
        return told | {"pictures": self.pictures}


def take_in(organisation: Any, name: str, data: bytes, *, by: Any, now: datetime, file: str = "") -> Report:
    """Stores a foreign template: a page of HTML, or a zip of one with its pictures. file: the name of the file.

    Errors: CampaignError, with what to do about the file.
    """
    name = _checked(name)
    fields = {*ALWAYS, *(view.tag for view in audience.fields(organisation))}
    try:
        with transaction.atomic():  # What is refused leaves no picture behind.
            brought = _brought(organisation, data, file, now, by)
            taken = take(brought.page, fields, brought.unadded)
            # It is sealed by its number, so there is a row before there is a template.
            template = Template.objects.create(organisation=organisation, sealed=b"", changed=now)
            _store(template, {"name": name, "source": taken.source, "sample": taken.sample}, now)
            record("template.taken_in", organisation, now=now, by=by, about=template.pk)
    except TemplateRefused as refused:
        raise CampaignError(fill(_(SENTENCES[refused.code]), refused.values)) from None
    notes = (*_notes(brought.notes), *_notes(taken.notes))
    return Report(template, notes, _tags(taken), taken.places, brought.pictures)


@dataclass(frozen=True, slots=True)
class _Brought:
    """The page of a file, with how many pictures came along. unadded: of `take`."""

    page: bytes
    pictures: int = 0
    notes: tuple[Note, ...] = ()
    unadded: frozenset[str] | None = None


def _brought(organisation: Any, data: bytes, file: str, now: datetime, by: Any) -> _Brought:
    """Errors: TemplateRefused."""
    if is_zip(data):
        return _with_pictures(organisation, data, now, by)
    if data and file.lower().endswith(".zip"):
        raise TemplateRefused("template_not_zip")
    return _Brought(data)


def _with_pictures(organisation: Any, data: bytes, now: datetime, by: Any) -> _Brought:
    """The page of a zip, with its pictures in the library. Errors: TemplateRefused."""
    packed = unpacked(data)
    text, unread = decoded(packed.page)
    page = with_sheets(text, packed)
    wanted = list(dict.fromkeys(name for _start, _end, name in pictures_in(page, packed)))
    addresses, notes = dict[str, str](), list[Note]()
    same: dict[bytes, str] = {}
    for name in wanted[:MOST_PICTURES]:
        file = packed.files[name]()
        digest = sha256(file).digest()
        try:
            if digest not in same:
                called = name.rpartition("/")[2].rpartition(".")[0]
                same[digest] = pictures.url_of(
                    organisation, pictures.take_in(organisation, file, now, name=called, by=by)
                )
        except BadPicture as refused:
            notes.append(Note("note_picture_refused", {"name": name[-80:], "reason": str(refused)}))
        else:
            addresses[name] = same[digest]
    if same:
        notes.insert(0, Note("note_pictures", {"count": f"{len(same)}"}))
    if left := wanted[MOST_PICTURES:]:
        notes.append(Note("note_picture_many", {"limit": str(MOST_PICTURES), "names": ", ".join(left)[:200]}))
    unadded = {
        html.unescape(page[start:end]) for start, end, name in pictures_in(page, packed) if name not in addresses
    }
    page = replaced(page, packed, addresses)
    return _Brought(page.encode(), len(same), (*unread, *notes), frozenset(unadded))


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise CampaignError(_("A template needs a name of up to 120 characters."))
    return name


def _notes(notes: Iterable[Note]) -> tuple[str, ...]:
    return tuple(fill(_(SENTENCES[note.code]), note.values) for note in notes)


def _tags(taken: Taken) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (told.written, told.count, fill(_(told.flaw.template), told.flaw.values) if told.flaw else "")
        for told in taken.tags
    )


def rename(template: Template, name: str, *, by: Any, now: datetime) -> None:
    """Errors: CampaignError."""
    told = {**_stored(template), "name": _checked(name)}
    with transaction.atomic():
        _store(template, told, now)
        record("template.renamed", template.organisation, now=now, by=by, about=template.pk)


def remove(template: Template, *, by: Any, now: datetime) -> None:
    """Drafts in it go on in our own frame; what was released was compiled with it and stays as it is."""
    with transaction.atomic():
        record("template.removed", template.organisation, now=now, by=by, about=template.pk)
        template.delete()


def drafts_in(template: Template) -> list[tuple[Campaign, str]]:
    """Drafts that lose their frame with it, with their subjects; the newest first."""
    rows = Campaign.objects.filter(template=template, state="draft").select_related("organisation").order_by("-pk")
    return [(row, draft_of(row).subject) for row in rows]


def name_of(template: Template) -> str:
    return str(_stored(template)["name"])


def source_of(template: Template) -> str:
    """As it was taken in, with our comments around the parts that a letter may fill (core/templating)."""
    return str(_stored(template)["source"])


def sample_of(template: Template | None) -> str:
    """HTML that stood where the letter goes: what a new letter begins with."""
    return str(_stored(template).get("sample", "")) if template else ""


def _stored(template: Template) -> Mapping[str, Any]:
    keys = house.keys(template.organisation)
    return open_json(keys, template.sealed, "template", "source", template.pk) or {}


def _store(template: Template, stored: Mapping[str, Any], now: datetime) -> None:
    keys = house.keys(template.organisation)
    template.sealed = seal_json(keys, dict(stored), "template", "source", template.pk)
    template.changed = now
    template.save(update_fields=["sealed", "changed"])
