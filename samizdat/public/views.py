"""The public pages. GET and HEAD only show; POST drops something sealed into the intake and answers at once.

No page tells whether an address is known, and none needs a script, a cookie or a picture.
"""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.safestring import mark_safe
from django.utils.translation import override

from samizdat import formatting
from samizdat.core.content.phrases import PhraseTable
from samizdat.public import style as styles
from samizdat.public import tokens
from samizdat.public.door import drop_in
from samizdat.public.responses import (
    failed,
    fields_of,
    holder_of,
    host_of,
    is_one_click,
    nothing_here,
    page_for,
    page_of,
    takes,
)
from samizdat.publicdb import feed as feeds
from samizdat.publicdb import queries, safe_html
from samizdat.publicdb.models import Page, Site

__all__ = ["failed", "nothing_here"]  # What Django and the middleware look for here.

# Bytes of a letter on one page: with stylesheet and frame it stays under 14 KB.
LETTER_BYTES = 6200
# Characters of a subject as heading; subjects may be 998 long.
LONGEST_TITLE = 200
# Characters of what a shared link says below its title.
LONGEST_SUMMARY = 160
# Sign-up forms below a page of the archive; the front door has them all (twenty weigh 6 KB).
FORMS_BELOW = 5

_WORK = (Path(__file__).parent / "work.js").read_text("utf-8")

KINDS = {"jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}

# -- leaving ----------------------------------------------------------------------------------------------------


@takes("GET", "HEAD", "POST")
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST leaves at once, without cookie and without redirect. A GET, which programs make on their
    own to look at links, only shows the page."""
    holder, place = holder_of(request, token, *tokens.WAYS_OUT)
    if request.method == "POST":
        return _left(request, holder, place)
    state = queries.token_state(holder.text) if holder.purpose != "test" else ""
    if state in ("left", "left-appeals"):
        return page_for(request, holder, place, "left", {"appeals": state == "left-appeals"})
    return page_for(request, holder, place, "leave", {"appeals": _of_appeal(holder, place)})


def _left(request: HttpRequest, holder: tokens.TokenHolder, place: Site) -> HttpResponse:
    one_click = is_one_click(request)
    fields = fields_of(request)
    # A mail program that leaves by itself shows them no page, so it leaves all that it may have meant.
    appeals = _of_appeal(holder, place) and not one_click and "whole" not in fields
    if holder.purpose != "test":
        way = "one-click" if one_click else "form"
        only = {"only": "appeals"} if appeals else {}
        drop_in(place, "leave", token=holder.text, purpose=holder.purpose, way=way, **only)
    if one_click:
        return HttpResponse("OK\n", content_type="text/plain")
    return page_for(request, holder, place, "left", {"appeals": appeals})


def _of_appeal(holder: tokens.TokenHolder, place: Site) -> bool:
    """Whether this is the way out of an appeal for money, which leaves appeals and keeps the letters."""
    edition_name = queries.letter_name(place, holder.edition) if holder.purpose != "preferences" else None
    return edition_name is not None and edition_name.appeal


@takes("GET", "HEAD", "POST")
def back(request: HttpRequest, token: str) -> HttpResponse:
    """The one button that takes a leaving back."""
    if request.method != "POST":
        return leave(request, token)
    holder, place = holder_of(request, token, "leave", "preferences", "test")
    if holder.only_leaves:
        return page_for(request, holder, place, "left", {"appeals": _of_appeal(holder, place)})
    if holder.purpose != "test":
        drop_in(place, "back", token=holder.text, purpose=holder.purpose)
    return page_for(request, holder, place, "back", {"appeals": _of_appeal(holder, place)})


# -- the front door ---------------------------------------------------------------------------------------------


@takes("GET", "HEAD")
def root(request: HttpRequest) -> HttpResponse:
    """Says what this host is for. One that speaks for no group, or for several, names none of them."""
    place = queries.place_of_host(host_of(request))
    language = place.language if place else settings.LANGUAGE_CODE
    with override(language):
        return page_of(request, place, language, "root", {"forms": queries.forms(place) if place else []})


# -- reading ----------------------------------------------------------------------------------------------------


@takes("GET", "HEAD")
def archive(request: HttpRequest) -> HttpResponse:
    place = queries.place_of_host(host_of(request))
    if place is None:
        raise Http404
    page = _number(request.GET.get("page", ""))
    letters, older = queries.letters(place, page)
    with override(place.language):
        shown = [
            (letter.slug, _short(letter.title), formatting.shaped(letter.day, "day"), _beside(letter))
            for letter in letters
        ]
        forms = queries.forms(place)
        more = len(forms) > FORMS_BELOW
        values = {"letters": shown, "older": page + 1 if older else 0, "forms": forms[:FORMS_BELOW], "more": more}
        return page_of(request, place, place.language, "archive", values)


@takes("GET", "HEAD")
def feed(request: HttpRequest) -> HttpResponse:
    place = queries.place_of_host(host_of(request))
    if place is None:
        raise Http404
    letters, _older = queries.letters(place, 0)
    text = feeds.feed(place, [(page.slug, _short(page.title), page.day, page.corrected) for page in letters])
    response = HttpResponse(text, content_type="application/atom+xml; charset=utf-8")
    response["Cache-Control"] = "public, max-age=600"
    return response


@takes("GET", "HEAD")
def letter(request: HttpRequest, slug: str) -> HttpResponse:
    page = queries.letter(slug, host_of(request))
    if page is None:
        raise Http404
    parts = safe_html.pages(page.html, LETTER_BYTES)
    at = min(_number(request.GET.get("page", "")), len(parts) - 1)
    name = queries.letter_name(page.place, page.edition)
    language = page.language or (name.language if name else page.place.language)
    others = [(slug, code, formatting.own_name(code)) for slug, code in queries.other_languages(page)]
    light, picture = "light" in request.GET, safe_html.first_picture(page.html)
    if light:
        parts[at] = safe_html.without_pictures(parts[at], PhraseTable(language)["frame.picture"])
    with override(language):
        # publicdb/safe_html.py wrote this markup itself, from a list of elements and checked addresses.
        text = mark_safe(parts[at])  # noqa: S308
        values = {
            "light": light,
            "pictured": bool(picture),
            "shared_picture": f"https://{page.place.host}{picture}" if picture and page.place.host else "",
            "summary": _summary(page),
            "letter": page,
            "day": formatting.shaped(page.day, "day"),
            "corrected": formatting.shaped(page.corrected, "day"),
            "title": _short(page.title),
            "text": text,
            "others": others,
            "next": at + 1 if at + 1 < len(parts) else 0,
        }
        response = page_of(request, page.place, language, "letter", values)
    response["Cache-Control"] = "public, max-age=600"
    return response


def _summary(page: Page) -> str:
    """For whoever shares a link: the preview text, else how the letter begins."""
    text = page.summary or safe_html.plain(page.html.partition(safe_html.BREAK)[0])
    return text if len(text) <= LONGEST_SUMMARY else text[: LONGEST_SUMMARY - 1].rstrip() + "…"


def _beside(page: Page) -> str:
    """The preview text in a list of letters, where it is short enough for fifteen of them."""
    return page.summary if len(page.summary) + len(page.title) <= LONGEST_TITLE else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1].rstrip() + "…"


@takes("GET", "HEAD")
def picture(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    public_picture = queries.picture(slug, kind, host_of(request))
    if public_picture is None or kind not in KINDS:
        raise Http404
    response = HttpResponse(bytes(public_picture.data), content_type=KINDS[kind])
    # A picture never changes under its name; shown in letters, so other sites' pages (webmail) may load it.
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@takes("GET", "HEAD")
def style(request: HttpRequest) -> HttpResponse:
    """/style.css?b3261e: the colors stand in the address, so a group's sheet is found without looking it up."""
    response = HttpResponse(styles.sheet(request.META.get("QUERY_STRING", "")), content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "public, max-age=86400"
    return response


@takes("GET", "HEAD")
def work(request: HttpRequest) -> HttpResponse:
    """The one script of the public pages, for sign-up forms."""
    response = HttpResponse(_WORK, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "public, max-age=86400"
    return response


@takes("GET", "HEAD")
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "User-agent: *\nDisallow: /u/\nDisallow: /p/\nDisallow: /c/\nDisallow: /d/\nDisallow: /e/\nDisallow: /n/\n"
        "Disallow: /l/\nDisallow: /q/\n",
        content_type="text/plain",
    )
