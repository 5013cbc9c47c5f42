"""Who belongs to an organization, and in which role: given with a MAC (row_macs.py), and read where it fits."""

from collections.abc import Collection, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from samizdat.accounts import row_macs, sealed_people
from samizdat.accounts.models import Membership, Organization, Person


def give(person: Person, organization: Organization, role: str, now: datetime) -> Membership:
    """Writes a role, and since when it is held. The one place that does. A locked account stays locked,
    and who was signed out stays so."""
    values = {"role": role, "since": now}
    with transaction.atomic():
        row, _new = Membership.objects.update_or_create(
            person=person, organization=organization, defaults=values, create_defaults={**values, "created": now.date()}
        )
        row.mac = row_macs.mac(*row_macs.of_membership(row))
        row.save(update_fields=["mac"])
    return row


def lock(row: Membership, since: datetime | None) -> None:
    row.locked = since
    row.mac = row_macs.mac(*row_macs.of_membership(row))
    row.save(update_fields=["locked", "mac"])


def sign_out(row: Membership, now: datetime) -> None:
    row.signed_out = now
    row.mac = row_macs.mac(*row_macs.of_membership(row))
    row.save(update_fields=["signed_out", "mac"])


def is_valid(row: Membership) -> bool:
    return row_macs.fits(row.mac, *row_macs.of_membership(row))


def valid(**wanted: object) -> list[Membership]:
    """Those that hold, with person and organization; locked ones, too."""
    return [row for row in rows(**wanted) if is_valid(row)]


def people_at(index: bytes) -> QuerySet[Person]:
    """Whoever has an account at an address (sealed_people.index_of). All are asked, since what finds them is another
    value beside each."""
    hashes = Person.objects.values_list("pk", "email_hash").iterator(chunk_size=5000)
    return Person.objects.filter(pk__in=sealed_people.numbers_at(index, hashes))


def members_at(index: bytes, organization: Organization) -> list[Membership]:
    """Those of an organization at an address that hold."""
    rows = Membership.objects.filter(organization=organization).values_list("person", "person__email_hash")
    return valid(organization=organization, person__in=sealed_people.numbers_at(index, rows))


def has_role(person: Person, organization: Organization, roles: Collection[str]) -> bool:
    """Whether they hold one of these roles here, and may sign in."""
    wanted = {"role__in": roles, "person__is_active": True, "locked": None}
    return bool(valid(person=person, organization=organization, **wanted))


def administers_all(person: Person) -> bool:
    """Whether they are an admin of each organization here: whoever decides about the whole installation decides about
    all of them."""
    administered = {row.organization_id for row in valid(person=person, role="admin", locked=None)}
    return person.is_active and administered == set(Organization.objects.values_list("pk", flat=True))


def who_may_sign_in() -> QuerySet[Person]:
    """All but those who are locked wherever they work."""
    rows = Membership.objects.filter(person=OuterRef("pk"))
    locked = Exists(rows.filter(locked__isnull=False)) & ~Exists(rows.filter(locked=None))
    return Person.objects.filter(is_active=True).exclude(locked)


def forged(organization: Organization) -> list[Membership]:
    """Roles that were written beside us, or moved from another row: they give nothing."""
    return [row for row in rows(organization=organization) if not is_valid(row)]


def renew() -> Iterator[None]:
    """Of all roles, once the instance key is replaced (vault/instance_exchange.py)."""
    return row_macs.renewed(rows(), row_macs.of_membership)


def rows(**wanted: object) -> Iterator[Membership]:
    """As valid(), whatever their MAC says."""
    yield from Membership.objects.select_related("person", "organization").filter(**wanted).order_by("id")
