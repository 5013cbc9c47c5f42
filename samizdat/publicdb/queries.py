"""What the public process reads. Every read is bound to the host that was asked for.

A place's pages stand on its own host alone, so that two groups of one house show nothing in common (threat model,
T11). Places without a host share whatever names nobody owns. What a letter in a mailbox points to (its way out, its
pictures) must outlive a change of host: that also answers on names nobody owns, never on another group's.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from samizdat.core.crypto import seal
from samizdat.core.crypto import sealed_page as sheets
from samizdat.publicdb.actions import token_hash
from samizdat.publicdb.models import (
    EditionName,
    Form,
    Intake,
    LinkTarget,
    Page,
    PrivatePage,
    PublicPicture,
    Site,
    TokenState,
)

LETTERS_A_PAGE = 15


def place_of_host(host: str) -> Site | None:
    """The one place that this host speaks for: its owner's, or the only one without a host where nobody owns it."""
    owner = _owner(host)
    if owner is not None:
        return owner
    homeless = list(Site.objects.filter(host="")[:2])
    return homeless[0] if len(homeless) == 1 else None


def place(uid: bytes) -> Site | None:
    return Site.objects.filter(uid=uid).first()


def reachable(place: Site, host: str) -> bool:
    """Whether what letters point to answers here."""
    return place.host == host or _owner(host) is None


def _owner(host: str) -> Site | None:
    return Site.objects.filter(host=host).first() if host else None


def _at_home(place: Site, host: str) -> bool:
    return place.host == host if place.host else _owner(host) is None


def form(slug: str, host: str) -> Form | None:
    form = Form.objects.select_related("place").filter(slug=slug).first()
    return form if form and _at_home(form.place, host) else None


def form_of_list(place: Site, list: int) -> Form | None:
    return Form.objects.select_related("place").filter(place=place, list=list).first()


def forms(place: Site) -> list[Form]:
    return list(Form.objects.filter(place=place).order_by("name")[:20])


def letter(slug: str, host: str) -> Page | None:
    page = Page.objects.select_related("place").filter(slug=slug).first()
    return page if page and _at_home(page.place, host) else None


def other_languages(letter: Page) -> list[tuple[str, str]]:
    """(slug, language) of the same letter in its other languages, the one that it was written in first."""
    rows = Page.objects.filter(place=letter.place_id, edition=letter.edition).exclude(slug=letter.slug)
    return list(rows.order_by("version").values_list("slug", "language"))


def letters(place: Site, page: int) -> tuple[list[Page], bool]:
    """Title, slug and day of one page of the archive, the newest first; and whether older ones follow."""
    start = page * LETTERS_A_PAGE
    rows = Page.objects.filter(place=place, version=0, listed=True).defer("html").order_by("-day", "-edition")
    pages = list(rows[start : start + LETTERS_A_PAGE + 1])
    return pages[:LETTERS_A_PAGE], len(pages) > LETTERS_A_PAGE


def all_letters(place: Site) -> Iterator[Page]:
    """The whole archive, the newest first; each letter before it in other languages."""
    rows = Page.objects.filter(place=place, listed=True)
    return rows.order_by("-day", "-edition", "version").iterator(chunk_size=50)


def unlisted(place: Site) -> list[str]:
    """Slugs of the pages that are read by their address alone."""
    return [*Page.objects.filter(place=place, listed=False).values_list("slug", flat=True)]


def count_letters(place: Site) -> int:
    """Of the archive; the same one in another language is no letter more."""
    return Page.objects.filter(place=place, version=0, listed=True).count()


def picture_names(place: Site) -> set[tuple[str, str]]:
    """(slug, kind) of every picture that letters show."""
    return set(PublicPicture.objects.filter(place=place).values_list("slug", "kind"))


def picture_of(place: Site, slug: str) -> PublicPicture | None:
    return PublicPicture.objects.filter(place=place, slug=slug).first()


def letter_name(place: Site, edition: int) -> EditionName | None:
    return EditionName.objects.filter(place=place, edition=edition).first()


def picture(slug: str, kind: str, host: str) -> PublicPicture | None:
    public_picture = PublicPicture.objects.select_related("place").filter(slug=slug, kind=kind).first()
    return public_picture if public_picture and reachable(public_picture.place, host) else None


def token_state(token: str) -> str:
    """left, left-appeals, back, pending, confirmed, forgotten, or "" where nothing was taken up yet."""
    return TokenState.objects.filter(token_hash=token_hash(token)).values_list("state", flat=True).first() or ""


def sheet(place: Site, secret: str, now: datetime) -> str | None:
    """What the house laid out for the one who holds this secret; None: nothing yet, or not any more."""
    private_page = PrivatePage.objects.filter(name=sheets.name(secret), place=place, until__gt=now).first()
    try:
        return sheets.read(secret, bytes(private_page.box)) if private_page else None
    except seal.SealBroken:
        return None


def target(code: str, host: str, key: bytes) -> tuple[Site, dict[str, Any]] | None:
    """Whose letter an address belongs to, and what it leads to; None for a code of nobody's, or on another's host.
    key: as of actions.publish_targets."""
    link_target = LinkTarget.objects.select_related("place").filter(name=sheets.name(code)).first()
    if link_target is None or not reachable(link_target.place, host):
        return None
    try:
        return link_target.place, json.loads(sheets.read(code, bytes(link_target.box), key))
    except (seal.SealBroken, ValueError):
        return None


def waiting_boxes() -> int:
    """What readers sent in that nobody has taken up yet. For the inside: the public role may not read the slot."""
    return Intake.objects.count()
