"""Django finds the tables by this, the chain what is chained, segments what they can ask for, and pending changes whom
they guard, and from what."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from samizdat.core.segment import Condition


class AudienceConfig(AppConfig):
    name = "samizdat.audience"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes
        from samizdat.audience import sql
        from samizdat.core.segment import registry
        from samizdat.events import chain

        chain.register("audience_consentrecord", b"C", closed_by="chain")
        pending_changes.guard_where(sql.has_subscribers)
        pending_changes.register(_kinds)
        registry.register(_conditions)


def _kinds() -> Mapping[str, Any]:
    from samizdat.audience.pending_change_kinds import KINDS

    return KINDS


def _conditions() -> "Collection[type[Condition]]":
    from samizdat.audience.segments.discovery import conditions

    return conditions()
