"""Templates of the organization's own, and how its letters look."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from django.db import transaction

from samizdat.campaigns import brand
from samizdat.campaigns.checks import rules
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Template
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.media import Pictures, renamed
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment, whole
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json

TEMPLATES, LOOKS = "templates.json", "looks.json"


class Templates:
    """`number`, `changed`, and what is stored of it: `name`, `source`, `sample`."""

    name = "templates"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = Template.objects.filter(organization=home.organization).order_by("pk")
        entries = [
            {
                "number": row.pk,
                "changed": row.changed.isoformat(),
                **(open_json(home.keys, row.sealed, "template", "source", row.pk) or {}),
            }
            for row in rows
        ]
        box.add_json(TEMPLATES, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        return len(_templates(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for number, (changed, stored) in _templates(opened).items():
            if places.here(self.name, number) is None:
                with transaction.atomic():
                    row = Template.objects.create(organization=places.organization, sealed=b"", changed=changed)
                    mine = {word: renamed(text, places) for word, text in stored.items()}
                    row.sealed = seal_json(keyring.keys(places.organization), mine, "template", "source", row.pk)
                    row.save(update_fields=["sealed"])
                    places.put(self.name, number, row.pk)
        return len(places.all(self.name))


def _templates(opened: OpenedExport) -> dict[int, tuple[datetime, dict[str, str]]]:
    """Errors: ExportRefused."""
    try:
        templates = {}
        for template in opened.table(TEMPLATES) or ():
            changed = moment(template["changed"])
            stored = {word: str(template[word]) for word in ("name", "source", "sample") if word in template}
            if not {"name", "source"} <= stored.keys():
                raise ValueError
            templates[whole(template["number"], 1 << 62)] = changed, stored
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(TEMPLATES) from wrong
    return templates


class TemplatesPart:
    """`brand`: colors, fonts, logo and words, where somebody chose them. `words` and `hosts` of the checks."""

    name = "looks"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        payload: dict[str, Any] = {}
        if (look := brand.brand_of(home.organization)) != brand.USUAL:
            payload["brand"] = asdict(look)
        if (known := rules.rules_of(home.organization)) != rules.OrganizationCheckRules():
            payload["words"], payload["hosts"] = sorted(known.words), known.hosts
        box.add_json(LOOKS, payload)
        return len(payload)

    def check(self, opened: OpenedExport) -> int:
        return len(_looks(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        """What somebody has chosen here stays."""
        payload, who = _looks(opened), {"by": places.by, "now": places.now}
        if not payload or places.here(self.name, self.name):
            return len(places.all(self.name))
        organization = places.organization
        with transaction.atomic():
            try:
                if "brand" in payload and brand.brand_of(organization) == brand.USUAL:
                    logo = places.here(Pictures.name, payload["brand"].logo) or ""
                    brand.keep(organization, _with_logo(payload["brand"], logo), **who)
                if "words" in payload and rules.rules_of(organization) == rules.OrganizationCheckRules():
                    rules.save(organization, payload["words"], payload["hosts"], **who)
            except CampaignError:
                pass  # This house has other rules for colors or words: then they are chosen anew.
            places.put(self.name, self.name, 1)
        return 1


def _with_logo(look: brand.BrandSettings, logo: str) -> brand.BrandSettings:
    return brand.BrandSettings(**(asdict(look) | {"logo": logo}))


def _looks(opened: OpenedExport) -> dict[str, Any]:
    """Errors: ExportRefused."""
    known = {field.name: type(getattr(brand.USUAL, field.name)) for field in fields(brand.BrandSettings)}
    try:
        payload = dict(opened.table(LOOKS) or {})
        if "brand" in payload:
            words = {name: kind(payload["brand"][name]) for name, kind in known.items() if name in payload["brand"]}
            payload["brand"] = brand.BrandSettings(**words)
        if "words" in payload:
            payload["words"] = [str(word) for word in payload["words"]]
            payload["hosts"] = None if payload.get("hosts") is None else [str(host) for host in payload["hosts"]]
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(LOOKS) from wrong
    return {name: payload[name] for name in ("brand", "words", "hosts") if name in payload}
