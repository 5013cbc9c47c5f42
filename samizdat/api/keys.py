"""Whose key a request has, and whether it may do this: `auth=KeyAuth("subscribers:read")` beside each operation."""

import threading

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.security import HttpBearer

from samizdat import dbclock
from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, Organization
from samizdat.api.problems import ApiProblem
from samizdat.core.mail.token_bucket import Bucket
from samizdat.options import api_rate

# Of one key: so many seconds' worth at once.
AT_ONCE = 60
# Buckets that are full are forgotten beyond this.
MANY = 1000

# What is left in the environment of a request with a key that works: whose threads it takes (web/asgi.py).
PROGRAM = "samizdat.program"

_lock = threading.Lock()
_buckets: dict[int, Bucket] = {}


class KeyedRequest(HttpRequest):
    """Past KeyAuth. auth: the key, with its organization."""

    auth: ApiKey

    @property
    def organization(self) -> Organization:
        return self.auth.organization


class KeyAuth(HttpBearer):
    """Any of these scopes is enough; in the documentation each operation names them."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> ApiKey:
        return self.authenticate(request, bearer(request))

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        """Errors: ApiProblem 401, 403, 429; OrganizationLocked."""
        try:
            key = api_keys.authenticate(token, timezone.now())
        except api_keys.ApiKeyInvalid as refused:
            raise ApiProblem(401, refused.code, str(refused)) from None
        request.META[PROGRAM] = key.organization_id
        if not api_keys.scopes_of(key).intersection(self.scopes):
            sentence = _("This key may not do that. Create a key with the access %(scopes)s.")
            raise ApiProblem(403, "scope_missing", sentence % {"scopes": _(" or ").join(self.scopes)})
        spend(key)
        return key


def bearer(request: HttpRequest) -> str:
    """The key of a request, as it says; "" without one."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def spend(key: ApiKey, many: float = 1.0) -> None:
    """Counts requests of a key. Errors: ApiProblem 429."""
    with _lock:
        at = dbclock.ticks()
        if len(_buckets) > MANY:
            for number in [number for number, bucket in _buckets.items() if bucket.is_full(at)]:
                del _buckets[number]
        seconds = _buckets.setdefault(key.pk, Bucket(AT_ONCE * api_rate(), api_rate())).take(at, many)
    if seconds:
        sentence = _("This key sent too many requests. Wait, or send many subscribers in one request.")
        raise ApiProblem(429, "too_many_requests", sentence, wait=-int(-seconds // 1))


def insist_on_list(key: ApiKey, number: int) -> None:
    """Errors: ApiProblem 404, for a list of nobody, of another organization, or that the key isn't bound to."""
    if not api_keys.may_use(key, number):
        raise no_such_list()


def insist_on_all_lists(key: ApiKey) -> None:
    """For what is of the whole organization. Errors: ApiProblem 403."""
    if key.lists:
        sentence = _("This is of all lists, and the key is bound to some. Use a key for all lists.")
        raise ApiProblem(403, "key_bound", sentence)


def no_such_list() -> ApiProblem:
    return ApiProblem(404, "no_such_list", _("There is no such list, or this key is bound to other lists."))
