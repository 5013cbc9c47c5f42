"""Django finds the tables by this, imports which addresses were planted in exports, remote checks what the desk asks of
accounts elsewhere, and pending changes what may wait."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import Import


class PortabilityConfig(AppConfig):
    name = "samizdat.portability"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes
        from samizdat.audience.imports import planted_addresses
        from samizdat.delivery.actions import remote_checks

        planted_addresses.register(_planted, _turned_up)
        remote_checks.register(_remote_checks)
        pending_changes.register(_kinds)


def _remote_checks() -> Mapping[str, Any]:
    from samizdat.portability.account_copies import adding

    return adding.KINDS


def _kinds() -> Mapping[str, Any]:
    from samizdat.portability.pending_change_kinds import KINDS

    return KINDS


def _planted(organization: "Organization") -> frozenset[bytes]:
    """What opens exports is loaded where there is one: most imports come before the first."""
    from samizdat.portability.models import Export

    if not Export.objects.filter(organization=organization).exists():
        return frozenset()
    from samizdat.portability.canary_alarms import planted_in_exports

    return planted_in_exports(organization)


def _turned_up(run: "Import", blinds: Collection[bytes], now: datetime) -> list[int]:
    if not blinds:
        return []
    from samizdat.portability.canary_alarms import turned_up_in

    return turned_up_in(run, blinds, now)
