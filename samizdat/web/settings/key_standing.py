"""What an admin is told of keys: where the instance key is and who else can open it, and how those of their
organization stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.queries import name_in
from samizdat.backup import index_rotation, rotation
from samizdat.core.crypto import fingerprint
from samizdat.delivery.actions import key_destruction, key_locks
from samizdat.health.recovery import PRACTICE
from samizdat.incoming import lock_by_mail
from samizdat.options import BadOption, key_file
from samizdat.vault import keyring, lock_codes, shares, sources, strict
from samizdat.vault.errors import KeyFileMissing, VaultError
from samizdat.vault.models import KeyDestruction, VaultKey
from samizdat.vault.shares import SetDetails


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """source: a kind of sources.check(), "missing" where its file isn't there, or "broken" where it can't be used at
    the next start. unpracticed: sets of shares that nobody has tried for long."""

    source: str
    file: str
    fingerprint: str
    sets: Sequence[SetDetails]
    unpracticed: Sequence[SetDetails]


@dataclass(frozen=True, slots=True)
class Lock:
    practiced: datetime | None
    address: str
    codes: lock_codes.CodeSet | None
    used: datetime | None  # When an email with a code last locked it.


@dataclass(frozen=True, slots=True)
class Strict:
    """until: when it locks by itself; None: it isn't strict."""

    people: Sequence[str]
    waiting: Sequence[str]
    until: datetime | None
    mine: bool  # Whether whoever looks has a passphrase.
    sets: Sequence[SetDetails]  # Shares of the strict key on paper.


@dataclass(frozen=True, slots=True)
class DataKey:
    """left: values that a former key still encrypts; None: nobody has counted them. index: number and day of the key
    by which addresses are found; renews: another one is to take its place."""

    number: int
    since: date
    former: int
    left: int | None
    links: int
    links_until: date | None
    index: int
    index_since: date
    renews: bool


def is_alone(organization: Organization) -> bool:
    """Whether the server has no other organization."""
    return not Organization.objects.exclude(pk=organization.pk).exists()


def instance_key(organization: Organization, today: date) -> InstanceKey | None:
    """None where the server has other organizations as well: it is whose who runs it. Errors: VaultError."""
    if not is_alone(organization):
        return None
    known = [each.details for each in shares.sets(keyring.open_source())]
    old = [details for details in known if today - (details.practiced or details.created) > PRACTICE]
    return InstanceKey(_source(), str(key_file()), fingerprint.text(keyring.fingerprint()), known, old)


def _source() -> str:
    try:
        return sources.check()
    except KeyFileMissing:
        return "missing"
    except (VaultError, BadOption):
        return "broken"


def lock(organization: Organization) -> Lock:
    """Errors: VaultError."""
    return Lock(
        practiced=key_locks.last_practice(organization),
        address=next(iter(lock_by_mail.addresses(organization)), ""),
        codes=lock_codes.state(organization),
        used=key_locks.last_by_mail(organization),
    )


def strict_keys(organization: Organization, person: Person, now: datetime) -> Strict:
    """Errors: VaultError."""
    people = strict.people(organization)
    until = now + timedelta(seconds=strict.seconds_left(organization)) if people else None
    return Strict(
        people=[name_in(organization, row.person) for row in people],
        waiting=[name_in(organization, row.person) for row in strict.waiting(organization)],
        until=until,
        mine=any(row.person == person for row in people),
        sets=[each.details for each in shares.sets(keyring.open_source(), bytes(organization.uid).hex())],
    )


def data_key(organization: Organization, today: date, *, counted: bool) -> DataKey:
    """counted: every sealed value is looked at, which takes some seconds where there are many. Errors: VaultError."""
    rows = VaultKey.objects.filter(organization=organization, kind="data")
    current = rows.get(current=True)
    former = rows.exclude(current=True).count()
    left = rotation.status(organization).left if counted and former else None
    links, until = rotation.former_links(organization, today)
    index = VaultKey.objects.filter(organization=organization, kind="index")
    renews = index.filter(coming=True).exists() or (counted and index_rotation.status(organization).goes_on)
    found_by = index.get(current=True)
    number, since = found_by.number, found_by.created
    return DataKey(current.number, current.created, former, left, links, until, number, since, renews)


def destruction(organization: Organization) -> tuple[KeyDestruction | None, datetime | None]:
    """What is asked for, and when it is due."""
    row = key_destruction.state(organization)
    return row, key_destruction.due_at(row) if row else None
