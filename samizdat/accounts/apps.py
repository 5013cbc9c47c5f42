"""Django finds the tables by this, and changes.py what may have to wait."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "samizdat.accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import changes

        changes.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.accounts.changeable import KINDS

    return KINDS
