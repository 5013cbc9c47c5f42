"""How the letters of an organisation look: colours, fonts, logo and words, sealed; in every template."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.grants import leading
from samizdat.campaigns.errors import BrandRefused
from samizdat.campaigns.models import Brand as Row
from samizdat.campaigns.queries import picture_named, picture_url
from samizdat.core.look import FONTS, Look, is_colour, unreadable
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

COLOURS = {
    "text": lazy("Text"),
    "paper": lazy("Paper"),
    "ground": lazy("Around the paper"),
    "link": lazy("Links"),
    "button": lazy("Buttons"),
}
_OURS = Look()
LONGEST_WORDS = 1_000
WIDEST_LOGO = 540


@dataclass(frozen=True, slots=True)
class Brand:
    """Colours as #rrggbb, fonts by their key in core/look. `logo` is the slug of a picture of the library."""

    text: str = _OURS.text
    paper: str = _OURS.paper
    ground: str = _OURS.ground
    link: str = _OURS.link
    button: str = _OURS.button
    text_font: str = _OURS.text_font
    heading_font: str = _OURS.heading_font
    logo: str = ""
    logo_width: int = 200
    logo_alt: str = ""
    footer: str = ""
    warning: str = ""


USUAL = Brand()


def brand_of(organisation: Any) -> Brand:
    row = Row.objects.filter(organisation=organisation).first()
    if row is None:
        return USUAL
    stored = open_json(house.keys(organisation), row.sealed, "brand", "sealed", row.pk) or {}
    known = {name: stored[name] for name in Brand.__dataclass_fields__ if name in stored}
    return Brand(**known)


def look_of(organisation: Any, brand: Brand | None = None) -> Look:
    """What the compiler is told. A logo that the library has lost is left out."""
    brand = brand or brand_of(organisation)
    words = {name: value for name, value in asdict(brand).items() if name != "logo"}
    picture = picture_named(organisation, brand.logo) if brand.logo and leading(organisation).public_url else None
    if picture is None:
        return Look(**{**words, "logo_width": 0})
    width = min(brand.logo_width or WIDEST_LOGO, picture.width, WIDEST_LOGO)
    alt = brand.logo_alt or organisation.name
    logo = picture_url(organisation, picture.slug, picture.kind)
    return Look(**{**words, "logo": logo, "logo_width": width, "logo_alt": alt})


def keep(organisation: Any, brand: Brand, *, by: Any, now: datetime) -> None:
    """Stores it; letters that were released keep theirs. Errors: BrandRefused."""
    brand = _checked(organisation, brand)
    with transaction.atomic():
        row, _made = Row.objects.get_or_create(organisation=organisation, defaults={"sealed": b"", "changed": now})
        row.sealed = seal_json(house.keys(organisation), asdict(brand), "brand", "sealed", row.pk)
        row.changed = now
        row.save(update_fields=["sealed", "changed"])
        record("brand.changed", organisation, now=now, by=by)


def _checked(organisation: Any, brand: Brand) -> Brand:
    for name, word in COLOURS.items():
        if not is_colour(getattr(brand, name)):
            raise BrandRefused(_("%(name)s: a colour is written like #1b1d22.") % {"name": word}, name)
    for one, other, ratio in unreadable(look_of(organisation, replace(brand, logo=""))):
        sentence = _(
            "%(one)s on %(other)s cannot be read: %(ratio)s to 1, and %(least)s is the least. "
            "Choose a darker or lighter one."
        )
        values = {"one": COLOURS[one], "other": COLOURS[other].lower(), "ratio": f"{ratio:.1f}"}
        raise BrandRefused(sentence % {**values, "least": 3 if one == "button" else 4.5}, one)
    if brand.text_font not in FONTS or brand.heading_font not in FONTS:
        raise BrandRefused(_("Choose one of the fonts that mail programs have."), "text_font")
    if brand.logo and picture_named(organisation, brand.logo) is None:
        raise BrandRefused(_("That picture is not in the library. Choose another one."), "logo")
    if max(len(brand.footer), len(brand.warning)) > LONGEST_WORDS:
        raise BrandRefused(_("That is too long for a footer. Say it in 1,000 characters."), "footer")
    return brand
