"""What a letter made of its template, as it is stored: sealed in the campaign's row."""

import re

from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import import_template
from samizdat.core.content.templates import LayoutChanges, arranged
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json


def source_for(campaign: Campaign) -> str:
    """The template of a letter as the letter has it; empty for the built-in one."""
    if campaign.template is None:
        return ""
    base = leading(campaign.organization).public_url
    source = arranged(import_template.source_of(campaign.template), arrangement_of(campaign))
    return _OWN.sub(f"{base}/m/", source) if base else source


# Pictures that came with a template before anybody said where the public pages are.
_OWN = re.compile(r"(?<=[\"'(])/m/(?=[0-9a-f]{8,40}\.[a-z]{3,4}\b)")


def arrangement_of(campaign: Campaign) -> LayoutChanges:
    keys = keyring.keys(campaign.organization)
    return open_json(keys, campaign.places_sealed or b"", "campaign", "places", campaign.pk, LayoutChanges)


def copy_arrangement(of: Campaign, to: Campaign) -> None:
    """For the copy of a letter."""
    if of.places_sealed:
        to.places_sealed = sealed(to, arrangement_of(of))
        to.save(update_fields=["places_sealed"])


def sealed(campaign: Campaign, own: LayoutChanges) -> bytes | None:
    if own == LayoutChanges():
        return None
    return seal_json(keyring.keys(campaign.organization), own, "campaign", "places", campaign.pk)
