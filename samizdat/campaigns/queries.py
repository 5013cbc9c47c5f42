"""Named reads of campaigns; the only way to fetch one on behalf of a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import NoSuchCampaign
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.vault import house
from samizdat.vault.sealed import open_json

PAGE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign in a list: the row and the subject it goes by."""

    campaign: Campaign
    subject: str


def campaign_of(organisation: Any, number: int) -> Campaign:
    """Errors: NoSuchCampaign, also for one of another organisation."""
    found = Campaign.objects.select_related("organisation", "list", "tag").filter(pk=number, organisation=organisation)
    campaign = found.first()
    if campaign is None:
        raise NoSuchCampaign(_("There is no campaign %(number)s. Look at the list of campaigns.") % {"number": number})
    return campaign


def newest(organisation: Any, states: Iterable[str] = (), before: int | None = None, limit: int = PAGE) -> list[Row]:
    """Campaigns by number, the newest first; `before` pages on."""
    wanted = Q(organisation=organisation)
    if states:
        wanted &= Q(state__in=list(states))
    if before:
        wanted &= Q(pk__lt=before)
    rows = Campaign.objects.select_related("organisation").filter(wanted).order_by("-pk")[:limit]
    return [Row(row, draft_of(row).subject) for row in rows]


def pictures(organisation: Any, limit: int = 60) -> list[Picture]:
    return list(Picture.objects.filter(organisation=organisation).defer("sealed").order_by("-pk")[:limit])


def picture_named(organisation: Any, slug: str) -> Picture | None:
    return Picture.objects.select_related("organisation").filter(organisation=organisation, slug=slug).first()


def templates(organisation: Any) -> list[tuple[int, str]]:
    """(number, name) of the organisation's own templates; the built-in one has no number."""
    keys = house.keys(organisation)
    rows = Template.objects.filter(organisation=organisation).order_by("pk")
    return [(row.pk, open_json(keys, row.sealed, "template", "source", row.pk)["name"]) for row in rows]


def template_source(template: Template | None) -> str:
    """MJML of an own template; empty for the built-in one."""
    if template is None:
        return ""
    keys = house.keys(template.organisation)
    return str(open_json(keys, template.sealed, "template", "source", template.pk)["source"])
