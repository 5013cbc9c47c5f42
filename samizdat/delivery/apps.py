"""Django finds the tables by this, pending changes what may have to wait, and the public pages whose a domain is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization


class DeliveryConfig(AppConfig):
    name = "samizdat.delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes, public_site

        pending_changes.register(_kinds)
        public_site.register_proof(_proves)


def _proves(organization: "Organization", name: str) -> bool:
    from samizdat.delivery.domain_ownership import proves

    return proves(organization, name)


def _kinds() -> Mapping[str, Any]:
    from samizdat.delivery.pending_change_kinds import KINDS

    return KINDS
