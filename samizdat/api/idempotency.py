"""Requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): who got no answer asks again, and what
was asked is done once. An error changes nothing and isn't kept, so it can be tried again with the same key."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import api_keys, api_requests
from samizdat.accounts.api_requests import RequestMark
from samizdat.accounts.models import IdempotentRequest
from samizdat.api.keys import bearer, spend
from samizdat.api.problems import ApiProblem
from samizdat.vault.errors import OrganizationLocked

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
LONGEST = 255
_READS = ("GET", "HEAD", "OPTIONS")
# Paths of what takes longer than a transaction may: a million recipients are written in many, and decoding an image
# takes seconds.
IN_STEPS = re.compile(r"campaigns/\d+/(?:release|undo|resume|cancel)|templates|media")

_lock = threading.Lock()
_at_work: set[bytes] = set()


def changes(method: str, path: str) -> bool:
    """Whether what is asked changes anything, so that the header counts."""
    return method not in _READS and not path.endswith("/lookup")


def once(request: HttpRequest, path: str, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """Its answer, or the one that this request got before. Errors: ApiProblem 400, 409, 422, 429."""
    asked = request.headers.get(HEADER)
    if asked is None or not changes(request.method or "GET", path):
        return answer()
    if not 0 < len(asked) <= LONGEST or not asked.isascii() or not asked.isprintable():
        sentence = _(
            "Idempotency-Key takes 1 to %(n)s letters, digits and signs. Use a new random one for each request."
        )
        raise ApiProblem(400, "idempotency_key_invalid", sentence % {"n": LONGEST})
    try:
        mark = _mark(request, path, asked)
    except (api_keys.ApiKeyInvalid, OrganizationLocked, RequestDataTooBig):
        return answer()  # It is refused.
    with _alone(mark.mark):
        if IN_STEPS.fullmatch(path):
            return _in_steps(mark, answer)
        with transaction.atomic():
            if not api_requests.try_lock(mark.mark):
                raise _in_progress()
            row = mark.row()
            return _again(mark, row) if row else _first(mark, answer)


def _mark(request: HttpRequest, path: str, asked: str) -> RequestMark:
    """Errors: ApiKeyInvalid, OrganizationLocked, RequestDataTooBig."""
    key = api_keys.authenticate(bearer(request), timezone.now())
    line = f"{request.method} {path}?{request.META.get('QUERY_STRING', '')}\n".encode()
    return RequestMark(key, asked, hashlib.sha256(line + request.body).digest())


@contextmanager
def _alone(mark: bytes) -> Iterator[None]:
    """In this process. Errors: ApiProblem 409."""
    with _lock:
        if mark in _at_work:
            raise _in_progress()
        _at_work.add(mark)
    try:
        yield
    finally:
        with _lock:
            _at_work.discard(mark)


def _first(mark: RequestMark, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """In a transaction, which changes nothing where the answer is an error."""
    row = mark.begin(timezone.now())
    response = answer()
    if response.status_code >= 400:
        transaction.set_rollback(True)
    else:
        _keep(mark, row, response)
    return response


def _in_steps(mark: RequestMark, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """What commits by itself as it goes on. Killed on its way, it is begun once more, and stands where it was."""
    with api_requests.locked(mark.mark) as is_ours:
        if not is_ours:
            raise _in_progress()
        if row := mark.row():
            return _again(mark, row)
        response = answer()
        if response.status_code < 400:
            with transaction.atomic():
                _keep(mark, mark.begin(timezone.now()), response)
        return response


def _keep(mark: RequestMark, row: IdempotentRequest, response: HttpResponse) -> None:
    media_type = response.headers.get("Content-Type", "")
    api_requests.keep(row, mark.key.organization, response.status_code, media_type, response.content)


def _again(mark: RequestMark, row: IdempotentRequest) -> HttpResponse:
    """Errors: ApiProblem 409, 422, 429."""
    spend(mark.key)
    if not mark.is_of(row):
        sentence = _("This Idempotency-Key was used for another request. Use a new one for each.")
        raise ApiProblem(422, "idempotency_key_reused", sentence)
    kept = api_requests.answer_of(row, mark.key.organization)
    if kept is None:
        sentence = _("This request was done, and its answer is no longer kept. Read what it changed.")
        raise ApiProblem(409, "answer_gone", sentence)
    response = HttpResponse(kept.body, status=kept.status, content_type=kept.media_type or None)
    response[REPLAYED] = "true"
    if not kept.media_type:
        del response["Content-Type"]
    return response


def _in_progress() -> ApiProblem:
    sentence = _("This request is being worked on. Wait a moment, and ask again.")
    return ApiProblem(409, "in_progress", sentence, wait=1)
