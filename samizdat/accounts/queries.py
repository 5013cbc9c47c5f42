"""Named reads about organizations and the people in them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from samizdat.accounts import memberships, sealed_people, sealed_settings
from samizdat.accounts.errors import NoSuchOrganization
from samizdat.accounts.models import Invitation, Membership, Organization, Person
from samizdat.events.actions import is_genuine
from samizdat.events.models import Event
from samizdat.vault.errors import OrganizationLocked


@dataclass(frozen=True, slots=True)
class TeamMember:
    person: Person
    name: str
    email: str
    role: str
    since: datetime | None = None
    locked: datetime | None = None


def organizations_of(person: Person) -> list[Organization]:
    organizations = [row.organization for row in memberships.valid(person=person, locked=None)]
    return sorted(organizations, key=lambda organization: organization.name)


def membership(person: Person, slug: str) -> Membership | None:
    """Their role in the organization of that slug; None where they have none or are locked, so that a foreign one looks
    like none."""
    rows = Membership.objects.select_related("organization").filter(person=person, organization__slug=slug, locked=None)
    row = rows.first()
    return row if row is not None and memberships.is_valid(row) else None


def organization_named(slug: str | None) -> Organization:
    """The organization of a slug, or the only one. Errors: NoSuchOrganization."""
    if slug:
        organization = _of_slug(slug)
        if organization is None:
            raise NoSuchOrganization(f"There is no organization {slug}. Run `samizdat doctor` to see which there are.")
        return organization
    first_two = list(Organization.objects.order_by("id")[:2])
    if not first_two:
        raise NoSuchOrganization("There is no organization yet. Run: samizdat init --organization NAME --admin EMAIL")
    if len(first_two) == 2:
        slugs = ", ".join(Organization.objects.order_by("id").values_list("slug", flat=True))
        raise NoSuchOrganization(f"There are several organizations. Choose with --organization: {slugs}.")
    return first_two[0]


def _of_slug(slug: str) -> Organization | None:
    """By the sealed copy of its settings, or whoever writes the database chooses whose readers a command exports. The
    row counts only where the copy is gone, or locked: then no command gets at anything but the lock."""
    rows = [(row, _settings_or_none(row)) for row in Organization.objects.order_by("id")]
    named = [row for row, kept in rows if kept.slug == slug]
    return next(iter(named or [row for row, kept in rows if not kept.slug and row.slug == slug]), None)


def _settings_or_none(organization: Organization) -> sealed_settings.Leading:
    try:
        return sealed_settings.leading(organization)
    except OrganizationLocked:
        return sealed_settings.Leading()


def members(organization: Organization) -> list[TeamMember]:
    """Everybody with a role, by name."""
    rows = memberships.valid(organization=organization)
    team = [
        TeamMember(
            row.person,
            sealed_people.name_of(row.person),
            sealed_people.email_of(row.person),
            row.role,
            row.since,
            row.locked,
        )
        for row in rows
    ]
    return sorted(team, key=lambda member: member.name.casefold())


def name_in(organization: Organization, person: Person | None) -> str:
    """What colleagues see of somebody who is or was one of them; "" of nobody, and of anybody else: the number of a
    person stands in the open, and whoever writes the database would read who works in other organizations."""
    if person is None or not (
        memberships.valid(organization=organization, person=person) or _acted(organization, person)
    ):
        return ""
    return sealed_people.name_of(person)


def _acted(organization: Organization, person: Person) -> bool:
    """Whether the log says that they did something here."""
    return any(map(is_genuine, Event.objects.filter(organization=organization, by=person).order_by("-id")[:10]))


def invitations(organization: Organization, now: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(organization=organization, used=False, expires__gt=now).order_by("expires")
