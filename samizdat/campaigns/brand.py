"""How the letters of an organization look: colors, fonts, logo and words, sealed; in every template."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec import Struct
from msgspec.structs import asdict, replace

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.campaigns.errors import BrandRefused
from samizdat.campaigns.models import Brand as Row
from samizdat.campaigns.queries import picture_named, picture_url
from samizdat.core.content.theme import FONTS, Theme, is_color, unreadable
from samizdat.events.actions import record
from samizdat.vault import keyring

COLORS = {
    "text": lazy("Text"),
    "paper": lazy("Email background"),
    "ground": lazy("Page background"),
    "link": lazy("Links"),
    "button": lazy("Buttons"),
}
_OURS = Theme()
LONGEST_WORDS = 1_000
WIDEST_LOGO = 540


class BrandSettings(Struct, frozen=True):
    """Colors as #rrggbb, fonts by their key in core/content/theme or "" for those of the design. `logo` is the slug of
    a picture of the library.
    """

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


USUAL = BrandSettings()


def brand_of(organization: Organization) -> BrandSettings:
    row = Row.objects.filter(organization=organization).first()
    if row is None:
        return USUAL
    return keyring.keys(organization).open_json(row.sealed, "brand", "sealed", row.pk, BrandSettings)


def look_of(organization: Organization, settings: Leading, brand: BrandSettings | None = None) -> Theme:
    """What the compiler is told. A logo that the library has lost is left out."""
    brand = brand or brand_of(organization)
    words = {name: value for name, value in asdict(brand).items() if name != "logo"}
    picture = picture_named(organization, brand.logo) if brand.logo and settings.public_url else None
    if picture is None:
        return Theme(**{**words, "logo_width": 0})
    width = min(brand.logo_width or WIDEST_LOGO, picture.width, WIDEST_LOGO)
    alt = brand.logo_alt or settings.name
    logo = picture_url(settings.public_url, picture.slug, picture.kind)
    return Theme(**{**words, "logo": logo, "logo_width": width, "logo_alt": alt})


def keep(organization: Organization, brand: BrandSettings, *, by: Person | None, now: datetime) -> None:
    """Stores it; letters that were released keep theirs. Errors: BrandRefused."""
    brand = _checked(organization, brand)
    with transaction.atomic():
        row, _made = Row.objects.get_or_create(organization=organization, defaults={"sealed": b"", "changed": now})
        row.sealed = keyring.keys(organization).seal_json(brand, "brand", "sealed", row.pk)
        row.changed = now
        row.save(update_fields=["sealed", "changed"])
        record("brand.changed", organization, now=now, by=by)


def _checked(organization: Organization, brand: BrandSettings) -> BrandSettings:
    for name, word in COLORS.items():
        if not is_color(getattr(brand, name)):
            raise BrandRefused(_("%(name)s: enter a color like #1b1d22.") % {"name": word}, name)
    for color, other, ratio in unreadable(look_of(organization, leading(organization), replace(brand, logo=""))):
        sentence = _(
            "%(one)s on %(other)s is hard to read: the contrast is %(ratio)s:1, and at least %(least)s:1 is "
            "needed. Choose a darker or lighter color."
        )
        values = {"one": COLORS[color], "other": COLORS[other].lower(), "ratio": f"{ratio:.1f}"}
        raise BrandRefused(sentence % {**values, "least": 3 if color == "button" else 4.5}, color)
    if not {brand.text_font, brand.heading_font} <= {"", *FONTS}:
        raise BrandRefused(_("Choose one of the fonts that mail apps have."), "text_font")
    if brand.logo and picture_named(organization, brand.logo) is None:
        raise BrandRefused(_("This image was deleted from Media. Choose another one."), "logo")
    if max(len(brand.footer), len(brand.warning)) > LONGEST_WORDS:
        raise BrandRefused(_("That’s too long for a footer. Use at most 1,000 characters."), "footer")
    return brand
