"""Finds what answers a request of Mailchimp's API, and writes the answer down."""

import json
import logging
from typing import Any

from django.http import HttpRequest, HttpResponse

from samizdat.compat.mailchimp import ecommerce
from samizdat.compat.mailchimp.calls import MailchimpCall, call_of
from samizdat.compat.mailchimp.operations import PATHS, MailchimpOperation
from samizdat.compat.mailchimp.problems import MailchimpProblem, as_problem, forbidden, not_there
from samizdat.compat.mailchimp.selection import selected
from samizdat.logs import where_it_broke

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/json; charset=utf-8"
OVERRIDE = "X-HTTP-Method-Override"


def answer(request: HttpRequest, rest: str) -> HttpResponse:
    """rest: the path after /3.0/."""
    try:
        call = call_of(request)
        method = (request.method or "GET").upper()
        if method == "POST":
            method = request.headers.get(OVERRIDE, method).upper()
        done = perform(call, method, rest)
    except Exception as error:  # Whatever it is, the client gets a problem document.
        return problem_of(error).response()
    if done is None:
        return HttpResponse(status=204)
    return HttpResponse(json.dumps(done, ensure_ascii=False), content_type=MEDIA_TYPE)


def problem_of(error: Exception) -> MailchimpProblem:
    problem = as_problem(error)
    if problem is None:
        log.error("A request to Mailchimp’s API broke: %s", where_it_broke(error))
        problem = MailchimpProblem(500, "Internal Server Error", "An unexpected internal error has occurred.")
    return problem


def perform(call: MailchimpCall, method: str, path: str) -> Any:
    """The document that answers; None for nothing. Errors: MailchimpProblem, and what the apps below refuse."""
    parts = tuple(part for part in path.split("/") if part)
    methods, names = _matching(parts)
    if parts[:1] == (ecommerce.PATH,) and method not in methods:
        raise ecommerce.refused(method)
    operation = methods.get("GET" if method == "HEAD" else method)
    if operation is None:
        raise MailchimpProblem(405, "Method Not Allowed", "The requested method and resource are not compatible.")
    if not operation.lets_in(call.scopes):
        raise forbidden("Your API key does not have the access that this takes: " + ", ".join(sorted(operation.scopes)))
    return selected(operation.function(call, *names), call.query)


def _matching(parts: tuple[str, ...]) -> tuple[dict[str, MailchimpOperation], list[str]]:
    """By method, and what stands for the names in braces. Errors: MailchimpProblem 404."""
    for pattern, methods in PATHS.items():
        if len(pattern) == len(parts) and all(
            name.startswith("{") or name == part for name, part in zip(pattern, parts, strict=True)
        ):
            return methods, [part for name, part in zip(pattern, parts, strict=True) if name.startswith("{")]
    if parts[:1] == (ecommerce.PATH,):
        return {}, []
    raise not_there()
