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

from samizdat.gate import queries
from samizdat.gate.models import Place
from samizdat.public import counting, stamps, tokens
from samizdat.public.answers import host_of, page_of, posted_of, takes

# (a second in the long run, at once) of the answers to a question: a large list an hour after its letter left.
ANSWERS = (20.0, 1000.0)

purses = stamps.Purses()
used = stamps.Used()


@takes("GET", "HEAD", "POST")
def answer(request: HttpRequest, code: str) -> HttpResponse:
    """GET and HEAD show what would be counted; a POST counts it."""
    place, code, said = counting.target_of(request, code, "question")
    with override(said["language"]):
        if request.method != "POST" or "uncounted" in said:
            return _page(request, place, code, said)
        stamp = posted_of(request).get("stamp", "")
        old = stamps.age(tokens.stamp_secrets(bytes(place.uid)), code, stamp, time.time())
        if old is None or old > stamps.OLDEST:
            return _page(request, place, code, said, again=True)
        if not purses.take((f"{bytes(place.uid).hex()} {said['question']}", *ANSWERS)):
            return _page(request, place, code, said, full=True)
        if not used.first(stamp):
            return _page(request, place, code, said, again=True)
        counting.tally.add(place, code, timezone.now())
        return page_of(request, place, said["language"], "answered", said)


def _page(
    request: HttpRequest, place: Place, code: str, said: dict[str, Any], again: bool = False, full: bool = False
) -> HttpResponse:
    secret = tokens.stamp_secrets(bytes(place.uid))[0]
    stamp = stamps.make(secret, code, time.time(), secrets.token_bytes(8))
    values = {"code": code, "stamp": stamp, "again": again, "full": full}
    return page_of(request, place, said["language"], "answer", said | values, status=503 if full else 200)


@takes("GET", "HEAD")
def trial(request: HttpRequest) -> HttpResponse:
    """Where the answers of a test letter lead."""
    place = queries.place_of_host(host_of(request))
    language = place.language if place else settings.LANGUAGE_CODE
    with override(language):
        return page_of(request, place, language, "answer_trial", {})
