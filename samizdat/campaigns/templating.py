"""Templates of the organisation's own: taken in from other services, and what a letter puts into their places."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from samizdat.audience import queries as audience
from samizdat.campaigns.errors import CampaignError, NotADraft
from samizdat.campaigns.models import Campaign, Template
from samizdat.core.letter import cleaning
from samizdat.core.mergetags import fill
from samizdat.core.templating import SENTENCES, Taken, TemplateRefused, fill_places, places_of, take
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

LONGEST_NAME = 120
LONGEST_PLACE = 100_000
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
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise CampaignError(_("A template needs a name of up to 120 characters."))
    fields = {*ALWAYS, *(view.tag for view in audience.fields(organisation))}
    try:
        taken = take(data, fields)
    except TemplateRefused as refused:
        raise CampaignError(fill(_(SENTENCES[refused.code]), refused.values)) from None
    template = Template.objects.create(organisation=organisation, sealed=b"", changed=now)
    stored = {"name": name, "source": taken.source, "sample": taken.sample}
    template.sealed = seal_json(house.keys(organisation), stored, "template", "source", template.pk)
    template.save(update_fields=["sealed"])
    record("template.taken_in", organisation, now=now, by=by, about=template.pk)
    return Report(template, _notes(taken), _tags(taken), taken.places)


def _notes(taken: Taken) -> tuple[str, ...]:
    return tuple(fill(_(SENTENCES[note.code]), note.values) for note in taken.notes)


def _tags(taken: Taken) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (told.written, told.count, fill(_(told.flaw.template), told.flaw.values) if told.flaw else "")
        for told in taken.tags
    )


def sample_of(template: Template | None) -> str:
    """HTML that stood where the letter goes: what a new letter begins with."""
    return str(_stored(template).get("sample", "")) if template else ""


def _stored(template: Template) -> Mapping[str, Any]:
    keys = house.keys(template.organisation)
    return open_json(keys, template.sealed, "template", "source", template.pk) or {}


# --- places of one letter ---


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the template that a letter may put its own HTML into; `own` is None while it has not."""

    name: str
    usual: str
    own: str | None


def own_of(campaign: Campaign) -> dict[str, str]:
    if not campaign.places_sealed:
        return {}
    keys = house.keys(campaign.organisation)
    return open_json(keys, campaign.places_sealed, "campaign", "places", campaign.pk) or {}


def places(campaign: Campaign) -> list[Place]:
    if campaign.template is None:
        return []
    own = own_of(campaign)
    return [Place(name, usual.strip(), own.get(name)) for name, usual in _places_in(campaign.template).items()]


def _places_in(template: Template) -> dict[str, str]:
    return places_of(str(_stored(template)["source"]))


def put(campaign: Campaign, name: str, source: str | None, *, by: Any, now: datetime) -> None:
    """HTML for one place of a draft's template; None takes it back to what the template has. Errors: CampaignError."""
    if campaign.template is None or name not in _places_in(campaign.template):
        raise CampaignError(_("The template of this letter has no place called %(name)s.") % {"name": name})
    if source is not None and (len(source) > LONGEST_PLACE or cleaning.nesting(source) > cleaning.MAX_NESTING):
        raise CampaignError(_("That is too much for one place of a template. Put it into the letter."))
    own = own_of(campaign)
    own.pop(name, None)
    if source is not None:
        own[name] = cleaning.clean(source, outlook=False)
    blob = seal_json(house.keys(campaign.organisation), own, "campaign", "places", campaign.pk) if own else None
    if not Campaign.objects.filter(pk=campaign.pk, state="draft").update(places_sealed=blob, changed=now):
        raise NotADraft(_("This campaign has been released and cannot be changed. Copy it and change the copy."))
    campaign.places_sealed, campaign.changed = blob, now


def copy_places(of: Campaign, to: Campaign) -> None:
    """What stood in the places of one letter, for its copy."""
    if own := own_of(of):
        to.places_sealed = seal_json(house.keys(to.organisation), own, "campaign", "places", to.pk)
        to.save(update_fields=["places_sealed"])


def source_for(campaign: Campaign) -> str:
    """The template of a letter with the letter's own parts in their places; empty for the built-in one."""
    if campaign.template is None:
        return ""
    return fill_places(str(_stored(campaign.template)["source"]), own_of(campaign))
