"""Templates, and what a letter made of its template, as they are stored: sealed in their rows."""

import re

from django.utils.translation import gettext as _

from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.media import storage
from samizdat.campaigns.models import Campaign, Template, TemplateText
from samizdat.core.content.templates.layout import LayoutChanges, LayoutTooLong, arranged, insist_on_size
from samizdat.vault import keyring


def name_of(template: Template) -> str:
    return text_of(template).name


def source_of(template: Template) -> str:
    """As it was taken in, with our comments around the parts that a letter may fill (core/content/templates)."""
    return text_of(template).source


def sample_of(template: Template | None) -> str:
    """HTML that stood where the letter goes: what a new letter begins with."""
    return text_of(template).sample


def text_of(template: Template | None) -> TemplateText:
    """All that is kept of it; of the built-in one nothing."""
    if template is None:
        return TemplateText("", "")
    keys = keyring.keys(template.organization)
    return keys.open_json(template.sealed, "template", "source", template.pk, TemplateText)


def source_for(campaign: Campaign, source: str, base: str) -> str:
    """The template of a letter as the letter has it. source: as it was taken in, "" for the built-in one; base: address
    of the public pages."""
    if not source:
        return ""
    source = arranged(source, arrangement_of(campaign))
    return _OWN.sub(f"{base}/m/", source) if base else source


# Pictures that came with a template before anybody said where the public pages are.
_OWN = re.compile(r"(?<=[\"'(])/m/(?=[0-9a-f]{8,40}\.[a-z]{3,4}\b)")


def begin_as_saved(campaign: Campaign) -> None:
    """A new draft gets what the campaign that its template was saved from had made of it. Call it in the transaction in
    which the draft begins. Errors: StorageFull."""
    places = text_of(campaign.template).places
    if places != LayoutChanges():
        campaign.places_sealed = blob = sealed(campaign, places)
        storage.insist_on_room_for_draft(campaign.organization, len(blob or b""))
        campaign.save(update_fields=["places_sealed"])


def insist_on_room(template: Template | None, own: LayoutChanges) -> None:
    """For what a letter made of its template, or brings to another one. Errors: CampaignError."""
    if template is None or own == LayoutChanges():
        return
    try:
        insist_on_size(source_of(template), own)
    except LayoutTooLong:
        raise too_much() from None


def too_much() -> CampaignError:
    return CampaignError(_("This makes the email too long. Delete blocks or text that it can do without."))


def arrangement_of(campaign: Campaign) -> LayoutChanges:
    keys = keyring.keys(campaign.organization)
    return keys.open_json(campaign.places_sealed or b"", "campaign", "places", campaign.pk, LayoutChanges)


def copy_arrangement(of: Campaign, to: Campaign) -> None:
    """For the copy of a letter. Errors: StorageFull."""
    if of.places_sealed:
        storage.insist_on_room_for_draft(to.organization, len(of.places_sealed))
        to.places_sealed = sealed(to, arrangement_of(of))
        to.save(update_fields=["places_sealed"])


def sealed(campaign: Campaign, own: LayoutChanges) -> bytes | None:
    if own == LayoutChanges():
        return None
    return keyring.keys(campaign.organization).seal_json(own, "campaign", "places", campaign.pk)
