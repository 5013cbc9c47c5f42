"""Django finds the tables by this, an export what goes along with the audience, changes.py what may have to wait."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "samizdat.delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes
        from samizdat.delivery import segment_condition
        from samizdat.portability.parts import registry

        segment_condition.register()
        registry.register(_parts)
        pending_changes.register(_kinds)


def _parts() -> Iterable[object]:
    from samizdat.portability.parts.delivery import DeliveryPart

    return (DeliveryPart(),)


def _kinds() -> Mapping[str, Any]:
    from samizdat.delivery.pending_change_kinds import KINDS

    return KINDS
