"""Templates of the organisation's own: taken in from other services, named anew, removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.audience import queries as audience
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Template
from samizdat.core.flaws import fill
from samizdat.core.templating import SENTENCES, Taken, TemplateRefused, take
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

LONGEST_NAME = 120
ALWAYS = ("FNAME", "LNAME")


@dataclass(frozen=True, slots=True)
class Report:
    """What taking in came to, in words. tags: (as it is written, how often, what is wrong with it or "")."""

    template: Template
    notes: tuple[str, ...]
    tags: tuple[tuple[str, int, str], ...]
    places: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        tags = [{"tag": tag, "count": count, "flaw": flaw} for tag, count, flaw in self.tags]
        return {"id": self.template.pk, "notes": [*self.notes], "tags": tags, "places": [*self.places]}


def take_in(organisation: Any, name: str, data: bytes, *, by: Any, now: datetime) -> Report:
    """Stores a foreign template. Errors: CampaignError, with what to do about the file."""
    name = _checked(name)
    fields = {*ALWAYS, *(view.tag for view in audience.fields(organisation))}
    try:
        taken = take(data, fields)
    except TemplateRefused as refused:
        raise CampaignError(fill(_(SENTENCES[refused.code]), refused.values)) from None
    with transaction.atomic():  # It is sealed by its number, so there is a row before there is a template.
        template = Template.objects.create(organisation=organisation, sealed=b"", changed=now)
        _store(template, {"name": name, "source": taken.source, "sample": taken.sample}, now)
        record("template.taken_in", organisation, now=now, by=by, about=template.pk)
    return Report(template, _notes(taken), _tags(taken), taken.places)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise CampaignError(_("A template needs a name of up to 120 characters."))
    return name


def _notes(taken: Taken) -> tuple[str, ...]:
    return tuple(fill(_(SENTENCES[note.code]), note.values) for note in taken.notes)


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
