"""Django finds the tables by this, the chain what is chained, and pending changes whom they guard, and from what."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class AudienceConfig(AppConfig):
    name = "samizdat.audience"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes
        from samizdat.audience import sql
        from samizdat.events import chain

        chain.register("audience_consentrecord", b"C")
        pending_changes.guard_where(sql.has_subscribers)
        pending_changes.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.audience.pending_change_kinds import KINDS

    return KINDS
