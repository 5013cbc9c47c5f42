"""The one question of a letter: a link for each answer, the same for all readers, and a button that counts it.

Looking counts nothing, as programs look at links. A press needs a stamp that the page has given out and that is good
once, and there is a purse for each question: so a program has to ask for each vote, and cannot ask for many at once.
Neither knows anything of who presses.
"""

import secrets
import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import override

from samizdat.public import clicks, form_tokens, tokens
from samizdat.public.responses import host_of, page_of, posted_of, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site

# (a second in the long run, at once) of the answers to a question: a large list an hour after its letter left.
ANSWERS = (20.0, 1000.0)

purses = form_tokens.RateBudgets()
used = form_tokens.UsedTokens()


@takes("GET", "HEAD", "POST")
def answer(request: HttpRequest, code: str) -> HttpResponse:
    """GET and HEAD show what would be counted; a POST counts it."""
    place, code, target = clicks.target_of(request, code, "question")
    with override(target["language"]):
        if request.method != "POST" or "uncounted" in target:
            return _page(request, place, code, target)
        stamp = posted_of(request).get("stamp", "")
        old = form_tokens.age(tokens.stamp_secrets(bytes(place.uid)), code, stamp, time.time())
        if old is None or old > form_tokens.OLDEST:
            return _page(request, place, code, target, again=True)
        if not purses.take((f"{bytes(place.uid).hex()} {target['question']}", *ANSWERS)):
            return _page(request, place, code, target, full=True)
        if not used.first(stamp):
            return _page(request, place, code, target, again=True)
        clicks.tally.add(place, code, timezone.now())
        return page_of(request, place, target["language"], "answered", target)


def _page(
    request: HttpRequest, place: Site, code: str, target: dict[str, Any], again: bool = False, full: bool = False
) -> HttpResponse:
    secret = tokens.stamp_secrets(bytes(place.uid))[0]
    stamp = form_tokens.make(secret, code, time.time(), secrets.token_bytes(8))
    values = {"code": code, "stamp": stamp, "again": again, "full": full}
    return page_of(request, place, target["language"], "answer", target | values, status=503 if full else 200)


@takes("GET", "HEAD")
def trial(request: HttpRequest) -> HttpResponse:
    """Where the answers of a test letter lead."""
    place = queries.place_of_host(host_of(request))
    language = place.language if place else settings.LANGUAGE_CODE
    with override(language):
        return page_of(request, place, language, "answer_trial", {})
