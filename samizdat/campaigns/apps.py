"""Django finds the tables by this, pending changes what may wait, and corrections of addresses whose has to stay."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.publicdb.actions import PublicLook


class CampaignsConfig(AppConfig):
    name = "samizdat.campaigns"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.accounts import pending_changes, public_site
        from samizdat.audience import bound_addresses

        pending_changes.register(_kinds)
        public_site.register_look(_look)
        bound_addresses.register(_look_for_bound)


def _kinds() -> Mapping[str, Any]:
    from samizdat.campaigns.pending_change_kinds import KINDS

    return KINDS


def _look(organization: "Organization") -> "PublicLook":
    from samizdat.campaigns.public_look import public_look

    return public_look(organization)


def _look_for_bound(organization: "Organization", number: int) -> "Callable[[], bool]":
    from samizdat.campaigns import approval

    return approval.look(organization, number)
