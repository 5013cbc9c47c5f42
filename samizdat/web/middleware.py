"""Lets people in: finds the person, the organization of the address and their role, and speaks their language."""

import ipaddress
import logging
import time
import zoneinfo
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from samizdat.accounts import queries, sign_out
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.pending_changes import TooManyWaiting
from samizdat.core.mail.address import is_at_or_below
from samizdat.logs import where_it_broke
from samizdat.vault import locks
from samizdat.vault.errors import OrganizationLocked
from samizdat.web import key_locks, read_limits, resume_after_sign_in
from samizdat.web.asgi import PERSON
from samizdat.web.permissions import Door, View, door_of
from samizdat.web.request import DeskRequest, VisitorRequest

log = logging.getLogger(__name__)

# Names of the desk are read from the database at most this often, in seconds.
NAMES_KEPT = 60


class DeskMiddleware:
    """Every request of the desk goes through here; what a view declares by `door` decides.

    - not signed in: on to the sign-in page, and back afterwards, with what was typed (signed_out)
    - an organization they have no role in: 404, exactly like one that does not exist
    - a role that may not do this: 403
    - an organization that is locked: how to unlock it, and nothing else
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._names: tuple[float, frozenset[str]] = (0.0, frozenset())

    def __call__(self, request: VisitorRequest) -> HttpResponse:
        request.person = request.organization = request.role = None
        if not self._knows(request.get_host()):
            raise Http404
        user = request.user
        if user.is_authenticated:
            request.person = user
            request.environ[PERSON] = True
            if user.language:
                translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        try:
            response = self.get_response(request)
        finally:
            timezone.deactivate()
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def process_view(
        self, request: VisitorRequest, view: View, args: object, kwargs: dict[str, str]
    ) -> HttpResponse | None:
        door = door_of(view)
        if door is None:
            raise Http404
        if door["open"]:
            return None
        if request.person is None:
            return resume_after_sign_in.answer(request) or _to_sign_in(request)
        slug = kwargs.pop("organization", None)
        return None if slug is None else self._enter(request, request.person, slug, door)

    def process_exception(self, request: DeskRequest, error: Exception) -> HttpResponse | None:
        """A broken page is logged by file and line alone; Django's own log would carry the address of the page."""
        if isinstance(error, read_limits.TooFast):
            return read_limits.answer(request, error.seconds)
        if isinstance(error, OrganizationLocked) and request.organization is not None:
            return key_locks.answer(request)
        if isinstance(error, TooManyWaiting):
            return read_limits.refusal(request, _("Too many pending changes"), str(error), 409)
        if not isinstance(error, (Http404, PermissionDenied)):
            log.error("A page broke: %s", where_it_broke(error))
        return None

    def _enter(self, request: VisitorRequest, person: Person, slug: str, door: Door) -> HttpResponse | None:
        membership = queries.membership(person, slug)
        if membership is None:
            raise Http404
        if sign_out.is_over(membership, request.session.began, timezone.now()):
            request.person = None
            logout(request)
            return resume_after_sign_in.answer(request) or _to_sign_in(request)
        request.organization, request.role = membership.organization, membership.role
        timezone.activate(zoneinfo.ZoneInfo(membership.organization.timezone))
        allowed = door["see"] if request.method in ("GET", "HEAD") else door["do"]
        # A page that takes no such request at all says 405 itself.
        if allowed and request.role not in allowed:
            raise PermissionDenied
        if not door["in_lock"] and locks.state(request.organization):
            return key_locks.answer(request)
        return None

    def _knows(self, host: str) -> bool:
        """Whether the desk goes by this name. Names are only checked once every organization has said its own."""
        name = urlsplit(f"//{host}").hostname or ""
        names = self._own_names()
        return not names or name in names or _is_here(name)

    def _own_names(self) -> frozenset[str]:
        at, names = self._names
        if time.monotonic() - at > NAMES_KEPT or not at:
            urls = [*Organization.objects.values_list("desk_url", flat=True)]
            # One that has not said its own comes in by any: another one's word must not shut it out.
            names = frozenset(urlsplit(url).hostname or "" for url in urls) if all(urls) else frozenset()
            self._names = (time.monotonic(), names)
        return names


def _is_here(name: str) -> bool:
    """localhost and bare addresses: nobody can point a name of theirs at those."""
    if is_at_or_below(name, "localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _to_sign_in(request: VisitorRequest) -> HttpResponse:
    if request.method != "GET" or getattr(request, "htmx", False):
        raise PermissionDenied
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")
