"""Django finds the tables by this, segments who got a campaign, pending changes what may have to wait."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "samizdat.delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes
        from samizdat.delivery import segment_condition

        segment_condition.register()
        pending_changes.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.delivery.pending_change_kinds import KINDS

    return KINDS
