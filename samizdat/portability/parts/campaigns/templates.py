"""Templates of the organization's own, and how its letters look."""

from datetime import datetime
from typing import Any

from django.db import transaction
from msgspec import UNSET, Struct, UnsetType, ValidationError, convert, structs, to_builtins

from samizdat.campaigns import actions, brand
from samizdat.campaigns.brand import BrandSettings
from samizdat.campaigns.checks import organization_rules
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Template, TemplateText
from samizdat.campaigns.templates import import_template
from samizdat.core.content.templates.layout import MAX_ARRANGED, LayoutChanges, insist_on_size
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.media import Pictures, insist_on_room, renamed_in
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment, whole
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring

TEMPLATES, LOOKS = "templates.json", "looks.json"


class Templates:
    """`number`, `changed`, and what is stored of it: models.TemplateText."""

    name = "templates"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = Template.objects.filter(organization=home.organization).order_by("pk")
        entries = [
            {
                "number": row.pk,
                "changed": row.changed.isoformat(),
                **to_builtins(home.keys.open_json(row.sealed, "template", "source", row.pk, TemplateText)),
            }
            for row in rows
        ]
        box.add_json(TEMPLATES, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        return len(templates_in(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for number, (changed, stored) in templates_in(opened).items():
            if places.here(self.name, number) is None:
                with transaction.atomic():
                    row = Template.objects.create(organization=places.organization, sealed=b"", changed=changed)
                    mine = renamed_in(stored, places)
                    row.sealed = keyring.keys(places.organization).seal_json(mine, "template", "source", row.pk)
                    row.save(update_fields=["sealed"])
                    places.put(self.name, number, row.pk)
                    insist_on_room(places.organization)
        return len(places.all(self.name))


def templates_in(opened: OpenedExport) -> dict[int, tuple[datetime, TemplateText]]:
    """Errors: ExportRefused."""
    entries = opened.table(TEMPLATES) or ()
    try:
        templates = {}
        for template in entries:
            stored = moment(template["changed"]), _checked(convert(template, TemplateText))
            templates[whole(template["number"], 1 << 62)] = stored
    except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
        raise altered(TEMPLATES) from wrong
    return templates


def _checked(text: TemplateText) -> TemplateText:
    """As an import or a campaign may make it. Errors: ValueError, CampaignError."""
    if len(text.name) > import_template.LONGEST_NAME or max(len(text.source), len(text.sample)) > MAX_ARRANGED:
        raise ValueError
    for own in LayoutChanges(), text.places:
        insist_on_size(text.source, own)
    body = actions.checked(Draft(body=text.body, format=text.format)).body if text.body else ""
    return structs.replace(text, body=body)


class _Looks(Struct, frozen=True):
    """What nobody chose is not there."""

    brand: BrandSettings | UnsetType = UNSET
    words: list[str] | UnsetType = UNSET
    hosts: list[str] | UnsetType | None = UNSET


class TemplatesPart:
    """`brand`: colors, fonts, logo and words, where somebody chose them. `words` and `hosts` of the checks."""

    name = "looks"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        payload: dict[str, Any] = {}
        if (look := brand.brand_of(home.organization)) != brand.USUAL:
            payload["brand"] = structs.asdict(look)
        if (known := organization_rules.rules_of(home.organization)) != organization_rules.OrganizationCheckRules():
            payload["words"], payload["hosts"] = sorted(known.words), known.hosts
        box.add_json(LOOKS, payload)
        return len(payload)

    def check(self, opened: OpenedExport) -> int:
        return len(to_builtins(_looks(opened)))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        """What somebody has chosen here stays."""
        looks, who = _looks(opened), {"by": places.by, "now": places.now}
        if looks == _Looks() or places.here(self.name, self.name):
            return len(places.all(self.name))
        organization = places.organization
        with transaction.atomic():
            try:
                if looks.brand and brand.brand_of(organization) == brand.USUAL:
                    logo = places.here(Pictures.name, looks.brand.logo) or ""
                    brand.keep(organization, structs.replace(looks.brand, logo=logo), **who)
                if (
                    looks.words is not UNSET
                    and organization_rules.rules_of(organization) == organization_rules.OrganizationCheckRules()
                ):
                    organization_rules.save(
                        organization, looks.words, None if looks.hosts is UNSET else looks.hosts, **who
                    )
            except CampaignError:
                pass  # This house has other rules for colors or words: then they are chosen anew.
            places.put(self.name, self.name, 1)
        return 1


def _looks(opened: OpenedExport) -> _Looks:
    """Errors: ExportRefused."""
    try:
        return convert(opened.table(LOOKS) or {}, _Looks)
    except ValidationError as wrong:
        raise altered(LOOKS) from wrong
