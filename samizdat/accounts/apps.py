"""Django finds the tables by this, and pending changes what may have to wait."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from samizdat.sqlite import planner


class AccountsConfig(AppConfig):
    name = "samizdat.accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes, same_organization

        post_migrate.connect(planner.describe_new, sender=self)
        pending_changes.register(_kinds)
        same_organization.guard()


def _kinds() -> Mapping[str, Any]:
    from samizdat.accounts.pending_change_kinds import KINDS

    return KINDS
