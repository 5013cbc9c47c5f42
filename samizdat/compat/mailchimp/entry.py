"""Where requests to /3.0 come in. What answers them is imported by the first one."""

import importlib

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

ANSWERS = "samizdat.compat.mailchimp.dispatch"


@csrf_exempt  # No cookie opens anything here.
def answer(request: HttpRequest, rest: str = "") -> HttpResponse:
    """rest: the path after /3.0/."""
    response: HttpResponse = importlib.import_module(ANSWERS).answer(request, rest)
    return response
