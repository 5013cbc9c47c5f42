"""Named reads about organisations and the people in them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from samizdat.accounts import grants, people
from samizdat.accounts.errors import NoSuchOrganisation
from samizdat.accounts.models import Invitation, Membership, Organisation, Person


@dataclass(frozen=True, slots=True)
class Member:
    person: Person
    name: str
    email: str
    role: str
    locked: datetime | None = None


def organisations_of(person: Person) -> list[Organisation]:
    found = [row.organisation for row in grants.memberships(person=person, locked=None)]
    return sorted(found, key=lambda organisation: organisation.name)


def membership(person: Person, slug: str) -> Membership | None:
    """Their role in the organisation of that slug; None where they have none or are locked, so that a foreign one looks
    like none."""
    rows = Membership.objects.select_related("organisation").filter(person=person, organisation__slug=slug, locked=None)
    row = rows.first()
    return row if row is not None and grants.holds(row) else None


def organisation_named(slug: str | None) -> Organisation:
    """The organisation of a slug, or the only one. Errors: NoSuchOrganisation."""
    if slug:
        found = Organisation.objects.filter(slug=slug).first()
        if found is None:
            raise NoSuchOrganisation(f"There is no organisation {slug}. Run `samizdat doctor` to see which there are.")
        return found
    first_two = list(Organisation.objects.order_by("id")[:2])
    if not first_two:
        raise NoSuchOrganisation("There is no organisation yet. Run: samizdat init --organisation NAME --admin EMAIL")
    if len(first_two) == 2:
        slugs = ", ".join(Organisation.objects.order_by("id").values_list("slug", flat=True))
        raise NoSuchOrganisation(f"There are several organisations. Choose with --organisation: {slugs}.")
    return first_two[0]


def members(organisation: Organisation) -> list[Member]:
    """Everybody with a role, by name."""
    rows = grants.memberships(organisation=organisation)
    found = [
        Member(row.person, people.name_of(row.person), people.email_of(row.person), row.role, row.locked)
        for row in rows
    ]
    return sorted(found, key=lambda member: member.name.casefold())


def invitations(organisation: Organisation, now: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(organisation=organisation, used=False, expires__gt=now).order_by("expires")
