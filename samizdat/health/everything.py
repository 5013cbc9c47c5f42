"""All findings, in the order in which they are told."""

from collections.abc import Iterator

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.delivery.queries import routes
from samizdat.health import installation, machine, organizations, own_postfix, recovery, surroundings
from samizdat.health.findings import Finding
from samizdat.vault.locks import unlocked


def findings() -> Iterator[Finding]:
    """Asked of an installation that opens: its name servers, its public pages and its backup places are asked, too."""
    yield from installation.folder()
    yield from installation.key()
    yield Finding("keys.open", "good", "key file", "It opens the data in this database.")
    yield from installation.changed_keys()
    yield from recovery.key_shares(dbclock.asked())
    yield from installation.place()
    yield from surroundings.database()
    yield from surroundings.clock()
    yield from surroundings.machines()
    yield from surroundings.work()
    yield from surroundings.listeners()
    yield from machine.memory()
    yield from surroundings.swap()
    yield from machine.core_dumps()
    yield from machine.versions()
    yield from surroundings.backups(dbclock.asked())
    yield from recovery.places(dbclock.asked())
    yield from surroundings.upgrade_copies(dbclock.asked())
    yield from installation.spelling_tools()
    yield from installation.standard_texts()
    yield from installation.foreign()
    yield from installation.indexes()
    yield from installation.forged_events()
    yield from installation.public_role()
    yield from organizations.organizations()
    yield from _own_postfix()
    yield from installation.processes()
    yield from installation.public_process()


def _own_postfix() -> Iterator[Finding]:
    unlocked_ones = Organization.objects.filter(unlocked())
    yield from own_postfix.look(row for organization in unlocked_ones for row in routes(organization))
