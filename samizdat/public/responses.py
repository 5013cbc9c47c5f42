"""What every public page is made with: who holds a token, what was posted, one page in one language."""

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.core.consent import last_day
from samizdat.core.crypto import tokens as link
from samizdat.core.languages import direction
from samizdat.public import cache, tokens
from samizdat.public import style as styles
from samizdat.public.door import LimitReached
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site

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
        def checked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.method not in methods:
                response = nothing_here(request, status=405)
                response["Allow"] = ", ".join(methods)
                return response
            try:
                return view(request, *args, **kwargs)
            except LimitReached:
                return too_much(request)

        return checked

    return around


def page_of(
    request: HttpRequest,
    place: Site | None,
    language: str,
    name: str,
    values: dict[str, object],
    status: int = 200,
    preferred: str = "",
) -> HttpResponse:
    """One page in one language. The caller has activated it; `values` are for the template. preferred: a language
    that is known to be the reader's, which the links of the page ask for where the page's own link asks for none.
    """
    here = cache.place_of_host(host_of(request))
    values = (
        {"mailto": mailto_of(place)}
        | values
        | {
            "place": place,
            "language": language,
            "speaks": f"?{asked}" if (asked := speaks(request, preferred)) else "",
            "rtl": direction(language) == "rtl",
            "archive": place is not None and not place.closed and here is not None and here.pk == place.pk,
            "look": styles.address_of(place),
        }
    )
    return HttpResponse(render_to_string(f"public/{name}.html", values), status=status)


def mailto_of(place: Site | None, token: str = "") -> str:
    """Where a letter leads that asks for leaving; with a token it says who asks, whatever it is sent from."""
    if place is None or place.closed or not place.unsubscribe_mailbox:
        return ""
    local, _at, domain = place.unsubscribe_mailbox.rpartition("@")
    return f"mailto:{quote(f'{local}+{token}' if token else local, safe='+')}@{domain}?subject=leave"


def posted_of(request: HttpRequest) -> QueryDict:
    """What was posted; nothing where the body is no form, or has more fields than any of ours."""
    try:
        posted: QueryDict = request.POST
    except (MultiPartParserError, UnreadablePostError, SuspiciousOperation, BadRequest, ValueError):
        return QueryDict()
    return posted


def fields_of(request: HttpRequest) -> dict[str, str]:
    """The fields that were posted, the last of each name. The token alone decides, so it must not fail."""
    return {name: str(value) for name, value in posted_of(request).items()}


def is_one_click(request: HttpRequest) -> bool:
    """Whether a mail program leaves by itself (RFC 8058, section 3.2). Asked before the fields are read. What it calls
    its body does not matter: taken for a person's, it would leave less than was meant."""
    try:
        body = request.body
    except (UnreadablePostError, SuspiciousOperation, RawPostDataException):  # The last: its fields were read.
        body = b""
    value = posted_of(request).get("List-Unsubscribe", "")
    return value.strip().lower() == "one-click" or b"list-unsubscribe=one-click" in body.lower()


def repeated(request: HttpRequest, *names: str) -> bool:
    """Does one of these fields come more than once?"""
    return any(len(posted_of(request).getlist(name)) > 1 for name in names)


def holder_of(request: HttpRequest, token: str, *purposes: str) -> tuple[tokens.TokenHolder, Site]:
    """Who holds this token, where it may be shown. Http404 for everything else, without saying what was wrong."""
    return _shown(request, lambda: tokens.reader.read(token, *purposes))


def glimpsed_of(request: HttpRequest, token: str, purpose: str) -> tuple[tokens.TokenHolder, Site]:
    """The same of a token that only the house can prove, or this process could answer for everybody."""
    return _shown(request, lambda: tokens.reader.glimpse(token, purpose))


def is_too_old(number: int) -> bool:
    """Whether what a mailed link asks for is forgotten by now, by the day in its number (audience/actions/forms.dated):
    the same of every link, so that no state of one has to change for it."""
    day = number >> 40
    return 0 < day < (last_day(timezone.now()) - date(1970, 1, 1)).days


def _shown(request: HttpRequest, read: Callable[[], tokens.TokenHolder]) -> tuple[tokens.TokenHolder, Site]:
    try:
        holder = read()
    except link.BadToken:
        raise Http404 from None
    place = queries.place(holder.uid)
    if place is None or not queries.reachable(place, host_of(request)):
        raise Http404
    return holder, place


def named(request: HttpRequest, holder: tokens.TokenHolder, place: Site, preferred: str = "") -> tuple[str, str]:
    """Name of the list that a token speaks of, and the language of its page; the group's own where the public database
    does not know them.
    """
    edition_name = queries.letter_name(place, holder.edition)
    name, language = (edition_name.list_name, edition_name.language) if edition_name else (place.name, place.language)
    return name, speaks(request, preferred) or language


def speaks(request: HttpRequest, preferred: str = "") -> str:
    """The language that a link asks for, as links of a letter's version in another language do: /u/TOKEN?ru; else the
    one that is known to be `preferred`. "": none, or none that these pages have.
    """
    pages = [code for code, _name in settings.LANGUAGES]
    return next((code for code in pages if code in request.GET), preferred if preferred in pages else "")


def page_for(
    request: HttpRequest,
    holder: tokens.TokenHolder,
    place: Site,
    name: str,
    values: dict[str, Any] | None = None,
    status: int = 200,
    preferred: str = "",
) -> HttpResponse:
    """A page for whoever holds a token, in the language that its link asks for, in their own, or in that of the
    list."""
    list_name, language = named(request, holder, place, preferred)
    with override(language):
        known = {
            "list": list_name,
            "token": holder.text,
            "test": holder.purpose == "test",
            "only_leaves": holder.only_leaves,
            "mailto": mailto_of(place, holder.text),
        }
        return page_of(request, place, language, name, known | (values or {}), status, preferred)


def nothing_here(request: HttpRequest, exception: Exception | None = None, status: int = 404) -> HttpResponse:
    return _sentence(request, status, lambda: _("Page not found. Copy the whole link from the email."))


def closed(request: HttpRequest) -> HttpResponse | None:
    """The answer to everything at the host of an organization whose keys were destroyed; None elsewhere."""
    place = cache.place_of_host(host_of(request))
    if place is None or not place.closed:
        return None
    return _sentence(
        request, 410, lambda: _("Sorry, these pages are closed. You get no more emails, and nobody can read your data.")
    )


# Pages that are at the host of their organization alone; what emails lead to answers at former ones too, since mail
# services follow no redirect where one press unsubscribes (RFC 8058, 3.1).
_AT_HOME = ("/a/", "/f/")


def moved(request: HttpRequest) -> HttpResponse | None:
    """Leads from a host that an organization had to the one it has; None where nothing leads anywhere."""
    if request.method not in ("GET", "HEAD") or not (request.path == "/" or request.path.startswith(_AT_HOME)):
        return None
    place = cache.moved_from(host_of(request))
    if place is None:
        return None
    response = HttpResponse(status=308)
    response["Location"] = f"https://{place.host}{request.get_full_path()}"
    return response


def too_much(request: HttpRequest) -> HttpResponse:
    response = _sentence(request, 503, lambda: _("This link was used too many times just now. Try again in a minute."))
    response["Retry-After"] = "60"
    return response


def failed(request: HttpRequest) -> HttpResponse:
    return _sentence(request, 500, lambda: _("Something went wrong on our side. Try again in a few minutes."))


def _sentence(request: HttpRequest, status: int, sentence: Callable[[], str]) -> HttpResponse:
    """What happened, as the heading, and what to do. In the language of the group whose host it is; without a page
    around it when even the public database cannot be asked."""
    try:
        place = cache.place_of_host(host_of(request))
        language = place.language if place else "en"
        with override(language):
            title, _stop, following = sentence().partition(". ")
            facts: dict[str, object] = {"title": title, "following": following}
            return page_of(request, place, language, "sentence", facts, status=status)
    except Exception:
        return HttpResponse(sentence() + "\n", status=500, content_type="text/plain; charset=utf-8")
