"""Django finds the tables by this, and pending changes what may wait."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "samizdat.privacy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes

        pending_changes.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.privacy.pending_change_kinds import KINDS

    return KINDS
