"""The API itself: what every operation answers when something goes wrong, and where the operations are."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

from samizdat.accounts.errors import AccountError
from samizdat.api import (
    activity,
    audience,
    campaigns,
    consent,
    erasing,
    fields,
    media,
    reports,
    sending,
    sending_routes,
    subscribers,
    tags,
    templates,
    webhooks,
)
from samizdat.api.problems import ApiProblem
from samizdat.audience.errors import AudienceError
from samizdat.campaigns.errors import CampaignError
from samizdat.core.mail.address import BadAddress
from samizdat.delivery.actions.remote_checks import TooMuchAsked
from samizdat.delivery.errors import BeingReleased, DeliveryError, SendingLocked, WrongState
from samizdat.logs import where_it_broke
from samizdat.vault.errors import OrganizationLocked, VaultError

log = logging.getLogger(__name__)

PREFIX = "/api/v1/"
DESCRIPTION = "Subscribers, lists and campaigns of one organization, for programs that have a key. Errors are problem \
details (RFC 9457)."


class Json(Parser):
    """Refuses what JSON has no word for, such as NaN and half a surrogate pair, and depths that Python can't hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            return msgspec.json.decode(request.body or b"null")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError from None  # Ninja makes an HttpError of it.


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name of its function, which clients have as a name as well."""
        return operation.view_func.__name__


# Its own pages of documentation stay off: docs/api-operations.md is printed from here (scripts/docs.py).
api = Api(
    title="Samizdat",
    version="1",
    description=DESCRIPTION,
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    parser=Json(),
)
api.add_router("/lists", audience.lists)
api.add_router("/subscribers", subscribers.router)
api.add_router("/subscribers", consent.router)
api.add_router("/subscribers", erasing.router)
api.add_router("/fields", fields.fields)
api.add_router("/tags", tags.router)
api.add_router("/segments", audience.segments)
api.add_router("/campaigns", campaigns.router)
api.add_router("/campaigns", sending.router)
api.add_router("/templates", templates.router)
api.add_router("/media", media.router)
api.add_router("/reports", reports.reports)
api.add_router("/webhooks", webhooks.router)
api.add_router("/routes", sending_routes.router)
api.add_router("/log", activity.router)


def as_problem(error: Exception) -> ApiProblem:
    """What goes wrong in the apps below, with their own sentences."""
    match error:
        case ApiProblem():
            return error
        case OrganizationLocked():
            return ApiProblem(423, error.code, str(error))
        case AudienceError() | AccountError() | CampaignError():
            return ApiProblem(404 if error.code.startswith("no_such") else 422, error.code, str(error))
        case SendingLocked():
            return ApiProblem(409, "needs_person", str(error))
        case WrongState() | BeingReleased():
            return ApiProblem(409, error.code, str(error))
        case DeliveryError():
            return ApiProblem(429 if isinstance(error, TooMuchAsked) else 422, error.code, str(error))
        case BadAddress():
            return ApiProblem(422, f"address_{error.code}", _(str(error)))
        case RequestDataTooBig():
            return ApiProblem(413, "too_large", _("The request is too large. Send it in several parts."))
        case VaultError():
            return ApiProblem(503, error.code, str(error))
        case ValidationError():
            sentence = _("Something in the request isn’t as documented. See `errors`.")
            return ApiProblem(422, "invalid", sentence, errors=[_flaw(flaw) for flaw in error.errors[:100]])
        case HttpError():
            return ApiProblem(error.status_code, "not_json", _("The request is not valid JSON."))
    log.error("A request to the API broke: %s", where_it_broke(error))
    return ApiProblem(500, "broken", _("Something broke. The administrator finds more in the log of the server."))


def _flaw(flaw: dict[str, object]) -> dict[str, str]:
    """Where it is, and what is wrong with it; never what stands there."""
    place = flaw.get("loc", ())
    parts = [str(part) for part in place] if isinstance(place, (tuple, list)) else []
    source, names = (parts[0], parts[1:]) if parts else ("body", [])
    return {"in": source, "at": "/".join(names[1:] if source == "body" else names), "detail": str(flaw.get("msg", ""))}


def _handled(request: HttpRequest, error: Exception) -> HttpResponse:
    return as_problem(error).response()


_handle: Callable[..., None] = api.add_exception_handler
for kind in (ApiProblem, ValidationError, HttpError, Exception):
    _handle(kind, _handled)
