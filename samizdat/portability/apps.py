"""Django finds the tables by this, and imports which addresses were planted in exports."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import Import


class PortabilityConfig(AppConfig):
    name = "samizdat.portability"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.audience.imports import planted_addresses

        planted_addresses.register(_planted, _turned_up)


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
