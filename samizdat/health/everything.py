"""All findings, in the order in which they are told."""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.delivery.queries import routes
from samizdat.health import installation, machine, organizations, own_postfix, recovery, server_files, surroundings
from samizdat.health.findings import Finding
from samizdat.health.looks import Look, found_by
from samizdat.vault.locks import unlocked


def findings() -> Iterator[Finding]:
    """Asked of an installation that opens: its name servers, its public pages and its backup places are asked, too."""
    yield from found_by(LOOKS)


def _opens() -> Iterator[Finding]:
    yield Finding("keys.open", "good", _("key file"), _("It opens the data in this database."))


def key_shares() -> Iterator[Finding]:
    yield from recovery.key_shares(dbclock.asked())


def _own_postfix() -> Iterator[Finding]:
    unlocked_ones = Organization.objects.filter(unlocked())
    yield from own_postfix.look(row for organization in unlocked_ones for row in routes(organization))


LOOKS: tuple[Look, ...] = (
    installation.folder,
    installation.key,
    _opens,
    installation.unfinished_key,
    installation.changed_keys,
    key_shares,
    installation.place,
    surroundings.database,
    surroundings.clock,
    surroundings.machines,
    surroundings.work,
    surroundings.listeners,
    lambda: server_files.mail_certificate(dbclock.asked()),
    server_files.log_file,
    machine.memory,
    surroundings.swap,
    machine.core_dumps,
    machine.versions,
    lambda: surroundings.backups(dbclock.asked()),
    lambda: recovery.places(dbclock.asked()),
    lambda: recovery.restore_tests(dbclock.asked()),
    lambda: surroundings.upgrade_copies(dbclock.asked()),
    installation.spelling_tools,
    installation.standard_texts,
    installation.foreign,
    installation.indexes,
    installation.forged_events,
    installation.public_role,
    organizations.organizations,
    _own_postfix,
    installation.processes,
    installation.public_process,
)
