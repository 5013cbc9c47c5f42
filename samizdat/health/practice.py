"""What is found about keys of one organization: how many people can open them, and whether locking was practiced."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from samizdat.accounts.models import Organization
from samizdat.delivery.actions import key_locks
from samizdat.health.findings import Finding
from samizdat.health.recovery import PRACTICE
from samizdat.vault import strict

# So long a new organization has time to practice.
SETTLED = timedelta(days=30)
# With fewer, one forgotten passphrase and one accident lose everything.
FEW = 2


def of_organization(organization: Organization, now: datetime) -> Iterator[Finding]:
    yield from _people(organization)
    yield from _lock(organization, now)


def _people(organization: Organization) -> Iterator[Finding]:
    """Nothing where whoever has the instance key opens it, which is told of the installation."""
    people = len(strict.people(organization))
    if people >= FEW:
        sentence = _("Strict: %(count)s people can unlock it, each with a passphrase.")
        yield Finding("keys.strict", "good", organization.name, sentence, {"count": people})
    elif people:
        sentence = _(
            "Strict, and only one person can unlock it: if they forget their passphrase, nobody can read the data "
            "again. Add another one: %(command)s"
        )
        values = {"command": "samizdat keys strict add EMAIL"}
        yield Finding("keys.strict-few", "amber", organization.name, sentence, values)


def _lock(organization: Organization, now: datetime) -> Iterator[Finding]:
    practiced = key_locks.last_practice(organization)
    if practiced is not None and now - practiced <= PRACTICE:
        sentence = _("Locking in an emergency was last practiced on %(day)s.")
        yield Finding("keys.lock-practiced", "good", organization.name, sentence, {"day": f"{practiced:%Y-%m-%d}"})
    elif now.date() - organization.created > SETTLED:
        sentence = (
            _(
                "Locking in an emergency was last practiced on %(day)s. Practice it on a quiet day, in the app under "
                "Security and keys."
            )
            if practiced
            else _(
                "Locking in an emergency was never practiced. Practice it on a quiet day, in the app under Security "
                "and keys."
            )
        )
        values = {"day": f"{practiced:%Y-%m-%d}" if practiced else ""}
        yield Finding("keys.lock-unpracticed", "amber", organization.name, sentence, values)
