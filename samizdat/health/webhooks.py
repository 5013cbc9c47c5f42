"""What is found about webhooks: whether the programs that listen take what they are told."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from samizdat.accounts.models import Organization
from samizdat.health.findings import Finding
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.actions import EventWebhookView

_ABOUT = _("%(organization)s, webhook %(number)s")


def of_organization(organization: Organization, now: datetime) -> Iterator[Finding]:
    for view in actions.views(organization, now):
        if finding := _of(organization, view):
            yield finding


def _of(organization: Organization, view: EventWebhookView) -> Finding | None:
    """None for one that waits for an approval."""
    since = f"{view.failing_since:%Y-%m-%d %H:%M}" if view.failing_since else ""
    values: dict[str, object] = {
        "organization": organization.name,
        "number": str(view.id),
        "place": view.place,
        "at": since,
    }
    match view.state:
        case "broken":
            sentence = _(
                "Its record was changed or belongs to another key, so nothing is sent. Remove it, then add it again: "
                "%(command)s"
            )
            return Finding("webhook.broken", "red", _ABOUT, sentence, _with(values, "remove"))
        case "ended":
            sentence = _(
                "The person who added it is no longer an admin, so nothing is sent. Remove it, then add it again: "
                "%(command)s"
            )
            return Finding("webhook.ended", "amber", _ABOUT, sentence, _with(values, "remove"))
        case "disabled":
            sentence = _(
                "Switched off: %(place)s took nothing for three days, or said that it’s gone. Nothing is lost. Mend it "
                "there, then switch it on: %(command)s"
            )
            return Finding("webhook.disabled", "amber", _ABOUT, sentence, _with(values, "enable"))
        case "failing":
            sentence = _("%(place)s takes nothing since %(at)s UTC. See what it answers: %(command)s")
            return Finding("webhook.failing", "amber", _ABOUT, sentence, _with(values, "log"))
        case "active":
            return Finding("webhook.works", "good", _ABOUT, _("It works: %(place)s."), values)
    return None


def _with(values: dict[str, object], command: str) -> dict[str, object]:
    """With the command that mends it."""
    return values | {"command": f"samizdat webhook {command} {values['number']}"}
