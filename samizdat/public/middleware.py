"""What every answer of the public pages has, and what none of them leaves behind."""

import logging
from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse

from samizdat.logs import configure, where_it_broke
from samizdat.options import HSTS_SECONDS

log = logging.getLogger("samizdat.public")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}


# What is there however closed a place is: its page is made with one of them.
ALWAYS = ("/style.css", "/robots.txt")


def configure_logs(settings: object = None) -> None:
    """Ours, and Django's own word about requests goes nowhere: it would carry the path, which holds a token."""
    configure(settings)
    for name in ("django.request", "django.security", "django.server"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]  # Without a handler Python prints to standard error itself.
        logger.propagate = False


class QuietMiddleware:
    """Sets the headers that a view did not set itself, and says of an error only where it happened."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.is_secure():
            response.headers.setdefault("Strict-Transport-Security", f"max-age={HSTS_SECONDS}")
        return response

    def process_view(self, request: HttpRequest, _view: object, _args: object, _kwargs: object) -> HttpResponse | None:
        """An organization whose keys were destroyed has one page, and pages that have moved lead on."""
        if request.path in ALWAYS:
            return None
        from samizdat.public.responses import closed, moved  # As below.

        return closed(request) or moved(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Http404):
            return None
        log.error("A page failed: %s", where_it_broke(error))
        from samizdat.public.views import failed  # It needs Django, which this module is configured by.

        return failed(request)
