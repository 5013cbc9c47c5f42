"""Templates of the organisation's own, and how its letters look."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from django.db import transaction

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.packing import Zip
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.audience.exporting.values import moment, whole
from samizdat.campaigns import brand
from samizdat.campaigns.checks import rules
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Template
from samizdat.campaigns.portable.pictures import Pictures, renamed
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

TEMPLATES, LOOKS = "templates.json", "looks.json"


class Templates:
    """`number`, `changed`, and what is stored of it: `name`, `source`, `sample`."""

    name = "templates"

    def give(self, home: House, box: Zip) -> int:
        rows = Template.objects.filter(organisation=home.organisation).order_by("pk")
        told = [
            {
                "number": row.pk,
                "changed": row.changed.isoformat(),
                **(open_json(home.keys, row.sealed, "template", "source", row.pk) or {}),
            }
            for row in rows
        ]
        box.add_json(TEMPLATES, told)
        return len(told)

    def check(self, opened: Opened) -> int:
        return len(_templates(opened))

    def take(self, opened: Opened, places: besides.Places) -> int:
        for number, (changed, stored) in _templates(opened).items():
            if places.here(self.name, number) is None:
                with transaction.atomic():
                    row = Template.objects.create(organisation=places.organisation, sealed=b"", changed=changed)
                    mine = {word: renamed(text, places) for word, text in stored.items()}
                    row.sealed = seal_json(house.keys(places.organisation), mine, "template", "source", row.pk)
                    row.save(update_fields=["sealed"])
                    places.put(self.name, number, row.pk)
        return len(places.all(self.name))


def _templates(opened: Opened) -> dict[int, tuple[datetime, dict[str, str]]]:
    """Errors: ExportRefused."""
    try:
        found = {}
        for told in opened.table(TEMPLATES) or ():
            changed = moment(told["changed"])
            stored = {word: str(told[word]) for word in ("name", "source", "sample") if word in told}
            if not {"name", "source"} <= stored.keys():
                raise ValueError
            found[whole(told["number"], 1 << 62)] = changed, stored
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(TEMPLATES) from wrong
    return found


class Looks:
    """`brand`: colours, fonts, logo and words, where somebody chose them. `words` and `hosts` of the checks."""

    name = "looks"

    def give(self, home: House, box: Zip) -> int:
        told: dict[str, Any] = {}
        if (look := brand.brand_of(home.organisation)) != brand.USUAL:
            told["brand"] = asdict(look)
        if (known := rules.rules_of(home.organisation)) != rules.Rules():
            told["words"], told["hosts"] = sorted(known.words), known.hosts
        box.add_json(LOOKS, told)
        return len(told)

    def check(self, opened: Opened) -> int:
        return len(_looks(opened))

    def take(self, opened: Opened, places: besides.Places) -> int:
        """What somebody has chosen here stays."""
        told, who = _looks(opened), {"by": places.by, "now": places.now}
        if not told or places.here(self.name, self.name):
            return len(places.all(self.name))
        organisation = places.organisation
        with transaction.atomic():
            try:
                if "brand" in told and brand.brand_of(organisation) == brand.USUAL:
                    logo = places.here(Pictures.name, told["brand"].logo) or ""
                    brand.keep(organisation, _with_logo(told["brand"], logo), **who)
                if "words" in told and rules.rules_of(organisation) == rules.Rules():
                    rules.save(organisation, told["words"], told["hosts"], **who)
            except CampaignError:
                pass  # This house has other rules for colours or words: then they are chosen anew.
            places.put(self.name, self.name, 1)
        return 1


def _with_logo(look: brand.Brand, logo: str) -> brand.Brand:
    return brand.Brand(**(asdict(look) | {"logo": logo}))


def _looks(opened: Opened) -> dict[str, Any]:
    """Errors: ExportRefused."""
    known = {one.name: type(getattr(brand.USUAL, one.name)) for one in fields(brand.Brand)}
    try:
        told = dict(opened.table(LOOKS) or {})
        if "brand" in told:
            words = {name: kind(told["brand"][name]) for name, kind in known.items() if name in told["brand"]}
            told["brand"] = brand.Brand(**words)
        if "words" in told:
            told["words"] = [str(word) for word in told["words"]]
            told["hosts"] = None if told.get("hosts") is None else [str(host) for host in told["hosts"]]
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(LOOKS) from wrong
    return {name: told[name] for name in ("brand", "words", "hosts") if name in told}
