"""Django finds the tables by this, and remote checks what the desk asks of mailboxes."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class IncomingConfig(AppConfig):
    name = "samizdat.incoming"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.delivery.actions import remote_checks

        remote_checks.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.incoming.mailboxes import mailbox_checks
    from samizdat.incoming.seeds import seed_checks

    return {**mailbox_checks.KINDS, **seed_checks.KINDS}
