"""The page behind the link in a letter that asks again whether they want to go on getting a list."""

from django.http import Http404, HttpRequest, HttpResponse

from samizdat.public import tokens
from samizdat.public.door import drop_in
from samizdat.public.responses import glimpsed_of, holder_of, page_for, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site


@takes("GET", "HEAD", "POST")
def stay(request: HttpRequest, token: str) -> HttpResponse:
    """Pressing the button is their answer; a GET, as link scanners make it, says nothing."""
    holder, place = _asked(request, token)
    if request.method == "POST" and holder.purpose != "test":
        drop_in(place, "stay", token=holder.text, purpose=holder.purpose)
    return page_for(request, holder, place, "stayed" if request.method == "POST" else "stay")


def _asked(request: HttpRequest, token: str) -> tuple[tokens.TokenHolder, Site]:
    """Of which letter it is. Http404 for what names no letter of a group that is shown here."""
    try:
        holder, place = glimpsed_of(request, token, "stay")
    except Http404:
        return holder_of(request, token, "test")
    if not queries.letter_name(place, holder.edition):
        return holder_of(request, token, "test")
    return holder, place
