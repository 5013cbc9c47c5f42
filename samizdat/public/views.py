"""The public pages. GET and HEAD only show; POST drops something sealed into the intake and answers at once.

No page tells whether an address is known, and none needs a script, a cookie or a picture.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat import wording
from samizdat.core import address, link
from samizdat.gate import plain, queries
from samizdat.gate.models import Place
from samizdat.public import style as styles
from samizdat.public import tokens
from samizdat.public.sealing import drop_in

# Bytes of a letter on one page: with stylesheet and frame it stays under 14 KB.
LETTER_BYTES = 7000
# Characters of a subject as heading; subjects may be 998 long.
LONGEST_TITLE = 200
# Sign-up forms below a page of the archive; the front door has them all (twenty weigh 6 KB).
FORMS_BELOW = 5

KINDS = {"jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}

View = Callable[..., HttpResponse]


def host_of(request: HttpRequest) -> str:
    """The name that was asked for, without its port; "" when it is none."""
    try:
        return (urlsplit(f"//{request.META.get('HTTP_HOST', '')}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def takes(*methods: str) -> Callable[[View], View]:
    """Refuses other methods with a page, not with an empty answer."""

    def around(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                response = nothing_here(request, status=405)
                response["Allow"] = ", ".join(methods)
                return response
            return view(request, *args, **kwargs)

        return checked

    return around


def _page(
    request: HttpRequest,
    place: Place | None,
    language: str,
    name: str,
    values: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """One page in one language. The caller has activated it; `values` are for the template."""
    here = queries.place_of_host(host_of(request))
    values = (
        {"mailto": _mailto(place)}
        | values
        | {
            "place": place,
            "language": language,
            "rtl": language[:2] in ("ar", "fa", "he", "ur"),
            "archive": place is not None and here is not None and here.pk == place.pk,
            "accent": place.accent.lstrip("#") if place else styles.DEFAULT,
        }
    )
    return HttpResponse(render_to_string(f"public/{name}.html", values), status=status)


def _mailto(place: Place | None, token: str = "") -> str:
    """Where a letter leads that asks for leaving; with a token it says who asks, whatever it is sent from."""
    if place is None or not place.leave_mailbox:
        return ""
    local, _at, domain = place.leave_mailbox.rpartition("@")
    return f"mailto:{quote(f'{local}+{token}' if token else local, safe='+')}@{domain}?subject=leave"


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields that were posted; none where the body is no form. The token alone decides, so it must not fail."""
    try:
        return {name: str(value) for name, value in request.POST.items()}
    except (MultiPartParserError, UnreadablePostError, SuspiciousOperation, ValueError):
        return {}


# -- leaving ----------------------------------------------------------------------------------------------------


def _holder(request: HttpRequest, token: str, *purposes: str) -> tuple[tokens.Holder, Place]:
    """Who holds this token, where it may be shown. Http404 for everything else, without saying what was wrong."""
    try:
        holder = tokens.reader.read(token, *purposes)
    except link.BadToken:
        raise Http404 from None
    place = queries.place(holder.uid)
    if place is None or not queries.reachable(place, host_of(request)):
        raise Http404
    return holder, place


def _named(holder: tokens.Holder, place: Place) -> tuple[str, str]:
    """Name and language of the list that a token speaks of; the group's own where the gate does not know it."""
    found = queries.letter_name(place, holder.edition)
    return (found.list_name, found.language) if found else (place.name, place.language)


@takes("GET", "HEAD", "POST")
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST leaves at once, without cookie and without redirect. A GET, which programs make on their
    own to look at links, only shows the page."""
    holder, place = _holder(request, token, "leave", "preferences", "test")
    if request.method == "POST":
        return _left(request, holder, place)
    if holder.purpose != "test" and queries.token_state(holder.text) == "left":
        return _show(request, holder, place, "left")
    return _show(request, holder, place, "leave")


preferences = leave  # Until there is more to prefer than to leave (design.md, section 8).


def _left(request: HttpRequest, holder: tokens.Holder, place: Place) -> HttpResponse:
    one_click = _form(request).get("List-Unsubscribe", "").strip().lower() == "one-click"
    if holder.purpose != "test":
        way = "one-click" if one_click else "form"
        drop_in(place, "leave", token=holder.text, purpose=holder.purpose, way=way)
    if one_click:
        return HttpResponse("OK\n", content_type="text/plain")
    return _show(request, holder, place, "left")


@takes("GET", "HEAD", "POST")
def back(request: HttpRequest, token: str) -> HttpResponse:
    """The one button that takes a leaving back."""
    if request.method != "POST":
        return leave(request, token)
    holder, place = _holder(request, token, "leave", "preferences", "test")
    if holder.purpose != "test":
        drop_in(place, "back", token=holder.text, purpose=holder.purpose)
    return _show(request, holder, place, "back")


def _show(request: HttpRequest, holder: tokens.Holder, place: Place, name: str) -> HttpResponse:
    list_name, language = _named(holder, place)
    with override(language):
        test = holder.purpose == "test"
        values = {"list": list_name, "token": holder.text, "test": test, "mailto": _mailto(place, holder.text)}
        return _page(request, place, language, name, values)


# -- signing up -------------------------------------------------------------------------------------------------


@takes("GET", "HEAD", "POST")
def sign_up(request: HttpRequest, slug: str) -> HttpResponse:
    form = queries.form(slug, host_of(request))
    if form is None:
        raise Http404
    with override(form.language):
        posted = _form(request) if request.method == "POST" else None
        if posted is None:
            return _page(request, form.place, form.language, "sign_up", {"form": form})
        if posted.get("website"):  # Nobody sees this field; only a program fills it in. It gets the same answer.
            return _page(request, form.place, form.language, "asked", {"form": form})
        return _asked(request, form, posted.get("email", ""))


def _asked(request: HttpRequest, form: Any, written: str) -> HttpResponse:
    try:
        asked = address.normalise(written)
    except address.BadAddress:
        values = {"form": form, "wrong": True, "written": written[:254]}
        return _page(request, form.place, form.language, "sign_up", values, status=422)
    drop_in(form.place, "signup", address=asked, list=str(form.list), language=form.language, wording=form.purpose)
    return _page(request, form.place, form.language, "asked", {"form": form})


@takes("GET", "HEAD", "POST")
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link in the confirmation mail. Its token names the list where others name an edition."""
    holder, place = _holder(request, token, "confirm")
    form = queries.form_of_list(place, holder.edition)
    language = form.language if form else place.language
    state = queries.token_state(holder.text)
    if request.method == "POST" and state != "forgotten":
        drop_in(place, "confirm", token=holder.text)
        state = "confirmed"
    name = state if state in ("confirmed", "forgotten") else "confirm"
    with override(language):
        values = {"list": form.name if form else place.name, "token": holder.text, "form": form}
        return _page(request, place, language, name, values)


# -- the front door ---------------------------------------------------------------------------------------------


@takes("GET", "HEAD")
def root(request: HttpRequest) -> HttpResponse:
    """Says what this host is for. One that speaks for no group, or for several, names none of them."""
    place = queries.place_of_host(host_of(request))
    language = place.language if place else settings.LANGUAGE_CODE
    with override(language):
        return _page(request, place, language, "root", {"forms": queries.forms(place) if place else []})


# -- reading ----------------------------------------------------------------------------------------------------


@takes("GET", "HEAD")
def archive(request: HttpRequest) -> HttpResponse:
    place = queries.place_of_host(host_of(request))
    if place is None:
        raise Http404
    page = _number(request.GET.get("page", ""))
    letters, older = queries.letters(place, page)
    with override(place.language):
        shown = [(letter.slug, _short(letter.title), wording.shaped(letter.day, "day")) for letter in letters]
        forms = queries.forms(place)
        more = len(forms) > FORMS_BELOW
        values = {"letters": shown, "older": page + 1 if older else 0, "forms": forms[:FORMS_BELOW], "more": more}
        return _page(request, place, place.language, "archive", values)


@takes("GET", "HEAD")
def letter(request: HttpRequest, slug: str) -> HttpResponse:
    found = queries.letter(slug, host_of(request))
    if found is None:
        raise Http404
    parts = plain.pages(found.html, LETTER_BYTES)
    at = min(_number(request.GET.get("page", "")), len(parts) - 1)
    name = queries.letter_name(found.place, found.edition)
    language = name.language if name else found.place.language
    with override(language):
        # gate/plain.py wrote this markup itself, from a list of elements and checked addresses.
        text = mark_safe(parts[at])  # noqa: S308
        values = {
            "letter": found,
            "day": wording.shaped(found.day, "day"),
            "title": _short(found.title),
            "text": text,
            "next": at + 1 if at + 1 < len(parts) else 0,
        }
        response = _page(request, found.place, language, "letter", values)
    response["Cache-Control"] = "public, max-age=600"
    return response


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1].rstrip() + "…"


@takes("GET", "HEAD")
def picture(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    found = queries.picture(slug, kind, host_of(request))
    if found is None or kind not in KINDS:
        raise Http404
    response = HttpResponse(bytes(found.data), content_type=KINDS[kind])
    # A picture never changes under its name; shown in letters, so other sites' pages (webmail) may load it.
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@takes("GET", "HEAD")
def style(request: HttpRequest) -> HttpResponse:
    """/style.css?b3261e: the accent stands in the address, so a group's sheet is found without looking it up."""
    response = HttpResponse(styles.sheet(request.META.get("QUERY_STRING", "")), content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "public, max-age=86400"
    return response


@takes("GET", "HEAD")
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /u/\nDisallow: /p/\nDisallow: /c/\n", content_type="text/plain")


# -- nothing ----------------------------------------------------------------------------------------------------


def nothing_here(request: HttpRequest, exception: Exception | None = None, status: int = 404) -> HttpResponse:
    return _sentence(request, status, lambda: _("This page is not here: copy the whole link from the letter."))


def failed(request: HttpRequest) -> HttpResponse:
    return _sentence(request, 500, lambda: _("Something failed on our side. Try again in some minutes."))


def _sentence(request: HttpRequest, status: int, sentence: Callable[[], str]) -> HttpResponse:
    """In the language of the group whose host it is; without a page around it when even the gate cannot be asked."""
    try:
        place = queries.place_of_host(host_of(request))
        language = place.language if place else "en"
        with override(language):
            return _page(request, place, language, "sentence", {"sentence": sentence()}, status=status)
    except Exception:
        return HttpResponse(sentence() + "\n", status=500, content_type="text/plain; charset=utf-8")
