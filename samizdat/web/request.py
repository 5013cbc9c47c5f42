"""What a view of the desk is asked by: HttpRequest, and what DeskMiddleware put on it."""

from typing import Any

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sessions import SessionStore


class VisitorRequest(HttpRequest):
    """By anybody. person: None before the sign-in. organization, role: None on a page that belongs to none."""

    environ: dict[str, Any]
    htmx: HtmxDetails
    session: SessionStore
    person: Person | None
    organization: Organization | None
    role: str | None


class DeskRequest(VisitorRequest):
    """By somebody who works for the organization of the address: a view with `door` or `deed` gets no other."""

    person: Person
    organization: Organization
    role: str
