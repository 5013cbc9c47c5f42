"""The page behind the link in a letter that asks again whether she wants to go on getting a list."""

from django.http import HttpRequest, HttpResponse

from samizdat.public.answers import holder_of, page_for, takes
from samizdat.public.sealing import drop_in


@takes("GET", "HEAD", "POST")
def stay(request: HttpRequest, token: str) -> HttpResponse:
    """Pressing the button is her answer; a GET, as link scanners make it, says nothing."""
    holder, place = holder_of(request, token, "leave", "test")
    if request.method == "POST" and holder.purpose != "test":
        drop_in(place, "stay", token=holder.text, purpose=holder.purpose)
    return page_for(request, holder, place, "stayed" if request.method == "POST" else "stay")
