"""What the public process reads. Every read is bound to the host that was asked for.

A place's pages stand on its own host alone, so that two groups of one house show nothing in common (threat model,
T11). Places without a host share whatever names nobody owns. What a letter in a mailbox points to (its way out, its
pictures) must outlive a change of host: that also answers on names nobody owns, never on another group's.

A row that the house did not sign is not there (signed_rows.py).
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from samizdat.core.crypto import seal
from samizdat.core.crypto import sealed_page as sheets
from samizdat.publicdb.actions import token_hash
from samizdat.publicdb.models import (
    DonationPage,
    EditionName,
    Form,
    Intake,
    LinkTarget,
    Page,
    PrivatePage,
    PublicPicture,
    SignedRow,
    Site,
    TokenState,
)
from samizdat.publicdb.signed_rows import is_ours, ours

LETTERS_A_PAGE = 15


def place_of_host(host: str) -> Site | None:
    """The one place that this host speaks for: its owner's, or the only one without a host where nobody owns it."""
    owner = _owner(host)
    if owner is not None:
        return owner
    homeless = list(ours(Site.objects.filter(host="")))
    return homeless[0] if len(homeless) == 1 else None


def moved_from(host: str) -> Site | None:
    """Whose pages were at this host before, where it is nobody's now and no other organization says the same."""
    if not host or " " in host or _owner(host) is not None:
        return None
    sites = list(ours(Site.objects.filter(former__contains=f" {host} ").exclude(host="")[:2]))
    return sites[0] if len(sites) == 1 else None


def _first[Row: SignedRow](rows: QuerySet[Row]) -> Row | None:
    return next(ours(rows), None)


def _placed[Row: (Form, Page, DonationPage, PublicPicture, LinkTarget)](rows: QuerySet[Row]) -> Row | None:
    """With its place, which has to be signed as well."""
    row = _first(rows.select_related("place"))
    return row if row and is_ours(row.place) else None


def place(uid: bytes) -> Site | None:
    return _first(Site.objects.filter(uid=uid))


def places_with_links() -> list[Site]:
    """Those of which links or answers lead here, whether they are counted or not."""
    return list(ours(Site.objects.filter(pk__in=LinkTarget.objects.values("place")).order_by("pk")))


def reachable(place: Site, host: str) -> bool:
    """Whether what letters point to answers here."""
    return place.host == host or _owner(host) is None


def _owner(host: str) -> Site | None:
    return _first(Site.objects.filter(host=host)) if host else None


def _at_home(place: Site, host: str) -> bool:
    return place.host == host if place.host else _owner(host) is None


def form(slug: str, host: str) -> Form | None:
    form = _placed(Form.objects.filter(slug=slug))
    return form if form and _at_home(form.place, host) else None


def form_of_list(place: Site, list: int) -> Form | None:
    return _placed(Form.objects.filter(place=place, list=list))


def forms(place: Site) -> list[Form]:
    return list(ours(Form.objects.filter(place=place).order_by("name")[:20]))


def letter(slug: str, host: str) -> Page | None:
    page = _placed(Page.objects.filter(slug=slug))
    return page if page and _at_home(page.place, host) else None


def fundraiser(slug: str, host: str) -> DonationPage | None:
    """Emails lead here: it also answers at names that are nobody's."""
    page = _placed(DonationPage.objects.filter(slug=slug))
    return page if page and reachable(page.place, host) else None


def other_languages(letter: Page) -> list[tuple[str, str]]:
    """(slug, language) of the same letter in its other languages, the one that it was written in first."""
    rows = Page.objects.filter(place=letter.place_id, edition=letter.edition).exclude(slug=letter.slug)
    return [(row.slug, row.language) for row in ours(rows.defer("html").order_by("version"))]


def letters(place: Site, page: int) -> tuple[list[Page], bool]:
    """Title, slug and day of one page of the archive, the newest first; and whether older ones follow."""
    start = page * LETTERS_A_PAGE
    rows = Page.objects.filter(place=place, version=0, listed=True).defer("html").order_by("-day", "-edition")
    pages = list(rows[start : start + LETTERS_A_PAGE + 1])
    return list(ours(pages[:LETTERS_A_PAGE])), len(pages) > LETTERS_A_PAGE


def all_letters(place: Site) -> Iterator[Page]:
    """The whole archive, the newest first; each letter before it in other languages."""
    rows = Page.objects.filter(place=place, listed=True)
    return ours(rows.order_by("-day", "-edition", "version").iterator(chunk_size=50))


def unlisted(place: Site) -> list[str]:
    """Slugs of the pages that are read by their address alone."""
    return [page.slug for page in ours(Page.objects.filter(place=place, listed=False).defer("html"))]


def count_letters(place: Site) -> int:
    """Of the archive; the same one in another language is no letter more."""
    return sum(1 for _page in ours(Page.objects.filter(place=place, version=0, listed=True).defer("html")))


def picture_names(place: Site, among: Iterable[str] | None = None) -> set[tuple[str, str]]:
    """(slug, kind) of every picture that letters show; or of those with these slugs."""
    rows = PublicPicture.objects.filter(place=place)
    return set((rows if among is None else rows.filter(slug__in=among)).values_list("slug", "kind"))


def picture_of(place: Site, slug: str) -> PublicPicture | None:
    return _first(PublicPicture.objects.filter(place=place, slug=slug))


def letter_name(place: Site, edition: int) -> EditionName | None:
    return _first(EditionName.objects.filter(place=place, edition=edition))


def picture(slug: str, kind: str, host: str) -> PublicPicture | None:
    public_picture = _placed(PublicPicture.objects.filter(slug=slug, kind=kind))
    return public_picture if public_picture and reachable(public_picture.place, host) else None


def token_state(token: str) -> str:
    """left, left-appeals, back, pending, confirmed, forgotten, or "" where nothing was taken up yet."""
    row = _first(TokenState.objects.filter(token_hash=token_hash(token)))
    return row.state if row else ""


def sheet(place: Site, secret: str, now: datetime) -> str | None:
    """What the house laid out for the one who holds this secret; None: nothing yet, or not any more."""
    private_page = _first(PrivatePage.objects.filter(name=sheets.name(secret), place=place, until__gt=now))
    try:
        return sheets.read(secret, bytes(private_page.box)) if private_page else None
    except seal.SealBroken:
        return None


def target(code: str, host: str, key: bytes) -> tuple[Site, dict[str, Any]] | None:
    """Whose letter an address belongs to, and what it leads to; None for a code of nobody's, or on another's host.
    key: as of actions.publish_targets."""
    link_target = _placed(LinkTarget.objects.filter(name=sheets.name(code)))
    if link_target is None or not reachable(link_target.place, host):
        return None
    try:
        return link_target.place, json.loads(sheets.read(code, bytes(link_target.box), key))
    except (seal.SealBroken, ValueError):
        return None


def waiting_boxes() -> int:
    """What readers sent in that nobody has taken up yet. For the inside: the public role may not read the slot."""
    return Intake.objects.count()
