"""Where requests to /api/v1 come in. Django Ninja and Pydantic are imported by the first one."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from samizdat.api.problems import ApiProblem

# Cookies open nothing here, so no other website can have a browser of somebody who is signed in ask for anything.
ROUTES = "samizdat.api.routes"


def _answer(request: HttpRequest, path: str, answer: Callable[[], HttpResponse]) -> HttpResponse:
    if "Idempotency-Key" not in request.headers:
        return answer()
    from samizdat.api import application, idempotency

    try:
        return idempotency.once(request, path, answer)
    except Exception as error:
        return application.as_problem(error).response()


@csrf_exempt
def answer(request: HttpRequest, rest: str) -> HttpResponse:
    try:
        match = resolve(f"/{rest}", urlconf=ROUTES)
    except Resolver404:
        return ApiProblem(
            404, "no_such_path", _("There is nothing at this path. See the API documentation.")
        ).response()
    response = _answer(request, rest, lambda: match.func(request, *match.args, **match.kwargs))
    if response.status_code == 405:
        allowed = response.headers.get("Allow", "")
        sentence = _("This path takes other methods: %(methods)s.") % {"methods": allowed}
        response = ApiProblem(405, "method_not_allowed", sentence).response()
        response["Allow"] = allowed
    return response
