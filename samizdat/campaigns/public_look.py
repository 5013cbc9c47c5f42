"""Logo and colors of an organization on its public pages, from its branding."""

from dataclasses import dataclass
from hashlib import sha256

from samizdat.accounts.models import Organization
from samizdat.campaigns.brand import COLORS, USUAL, brand_of
from samizdat.campaigns.media.library import open_thumb
from samizdat.campaigns.queries import picture_named
from samizdat.core.crypto.seal import SealBroken
from samizdat.publicdb.actions import PublicLook

# Pixels, and bytes: a page with its stylesheet has up to 14 KB, and most have half of that.
WIDEST, HIGHEST, HEAVIEST = 240, 64, 6_000


@dataclass(frozen=True, slots=True)
class PublicLogo:
    """The logo as the public pages show it: small, under a name of its own. Sizes in pixels."""

    slug: str
    kind: str
    width: int
    height: int
    data: bytes


def public_look(organization: Organization) -> PublicLook:
    """Nothing where the organization chose nothing."""
    brand = brand_of(organization)
    chosen = any(getattr(brand, name) != getattr(USUAL, name) for name in COLORS)
    colors = "-".join(getattr(brand, name).removeprefix("#") for name in COLORS) if chosen else ""
    logo = public_logo(organization)
    if logo is None:
        return PublicLook(colors=colors)
    return PublicLook(f"{logo.slug}.{logo.kind}", logo.width, logo.height, colors)


def public_logo(organization: Organization) -> PublicLogo | None:
    """None without a logo, and where even its thumb would make pages heavy."""
    slug = brand_of(organization).logo
    picture = picture_named(organization, slug) if slug else None
    if picture is None or not picture.width or not picture.height:
        return None
    try:
        data, kind = open_thumb(picture)
    except SealBroken:
        return None
    if len(data) > HEAVIEST:
        return None
    scale = min(1.0, WIDEST / picture.width, HIGHEST / picture.height)
    width, height = (max(1, round(side * scale)) for side in (picture.width, picture.height))
    return PublicLogo(name_of(slug), kind, width, height, data)


def name_of(slug: str) -> str:
    """What the small version of this picture is called."""
    return sha256(f"logo {slug}".encode()).hexdigest()[:24]
