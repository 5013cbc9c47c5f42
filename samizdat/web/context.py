"""What every page of the desk knows."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import get_language, get_language_bidi

from samizdat import dbclock
from samizdat.accounts import memberships, pending_changes, sealed_people
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.queries import organizations_of
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery.models import Route
from samizdat.incoming.conversations import queries as conversations
from samizdat.web import labels
from samizdat.web.tour import TourPlace, place_of

# Groups of the menu that can be closed, and the sections in them.
GROUPS = {
    "audience": (
        "subscribers",
        "lists",
        "segments",
        "fields",
        "imports",
        "exports",
        "standing-copies",
        "tags",
        "forms",
    ),
    "sending": ("routes", "domains", "mailboxes", "seeds", "deliverability"),
    "settings": ("settings", "team", "backups", "activity", "health", "security", "move", "privacy", "api"),
}


@dataclass
class Desk:
    """The frame around a page: who looks, in which organization, and what they may do."""

    request: Any

    @cached_property
    def person_name(self) -> str:
        return sealed_people.name_of(self.request.person) if self.request.person else ""

    @property
    def organization(self) -> Organization | None:
        return getattr(self.request, "organization", None)

    @cached_property
    def public_url(self) -> str:
        assert self.organization is not None
        return leading(self.organization).public_url

    @cached_property
    def has_others(self) -> bool:
        return len(organizations_of(self.request.person)) > 1

    @property
    def role(self) -> str:
        return getattr(self.request, "role", "") or ""

    @property
    def may_write(self) -> bool:
        return self.role in ("admin", "editor")

    @property
    def may_keep(self) -> bool:
        return self.role == "admin"

    @property
    def sees_keeping(self) -> bool:
        return self.role in ("admin", "viewer")

    @cached_property
    def keeps_installation(self) -> bool:
        """Whether pages about the whole installation are theirs."""
        return self.may_keep and memberships.administers_all(self.request.person)

    @property
    def section(self) -> str:
        """The part of the menu that this page belongs to: /o/<slug>/<section>/…"""
        parts = self.request.path.split("/")
        return (parts[3] or "home") if self.organization and len(parts) > 3 else ""

    @property
    def group(self) -> str:
        """The part of the menu that stands open: the one of this page, else the audience."""
        return next((group for group, sections in GROUPS.items() if self.section in sections), "audience")

    @property
    def role_name(self) -> str:
        return labels.role(self.role) if self.role else ""

    @property
    def theme(self) -> str:
        person: Person | None = getattr(self.request, "person", None)
        return person.theme if person and person.theme in ("light", "dark") else ""

    @property
    def shortcuts(self) -> bool:
        """Single letters as shortcuts, unless this browser was told not to (WCAG 2.1.4)."""
        cookies: dict[str, str] = self.request.COOKIES
        return cookies.get("shortcuts") != "off"

    @property
    def direction(self) -> str:
        return "rtl" if get_language_bidi() else "ltr"

    @property
    def language(self) -> str:
        return get_language() or "en"

    @property
    def sending_locked(self) -> bool:
        """Does no campaign of it leave, since the installation found itself in another place?"""
        return bool(self.organization and self.organization.sending_locked)

    @property
    def tour(self) -> TourPlace | None:
        return place_of(self.request)

    @cached_property
    def has_approver(self) -> bool:
        """Whether somebody else can approve what this person asks for."""
        if self.organization is None:
            return False
        return bool(pending_changes.others(self.organization, self.request.person, dbclock.asked()))

    @cached_property
    def replies_waiting(self) -> int:
        return conversations.waiting(self.organization) if self.organization and self.may_write else 0

    @cached_property
    def routes_in_need(self) -> int:
        if not self.organization or not self.sees_keeping:
            return 0
        return Route.objects.filter(organization=self.organization, state="dead").count()


def desk(request: HttpRequest) -> dict[str, object]:
    return {"desk": Desk(request)}
