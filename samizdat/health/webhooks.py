"""What is found about webhooks: whether the programs that listen take what they are told."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from samizdat.accounts.models import Organization
from samizdat.health.findings import Finding
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.actions import EventWebhookView

_ABOUT = _("%(organization)s, webhook %(number)s")
# State of a webhook -> code, severity, what happened, word of the command that mends it.
_FOUND = {
    "broken": (
        "webhook.broken",
        "red",
        _(
            "Its record was changed or belongs to another key, so nothing is sent. Remove it, then add it again: "
            "%(command)s"
        ),
        "remove",
    ),
    "ended": (
        "webhook.ended",
        "amber",
        _(
            "The person who added it is no longer an admin, so nothing is sent. Remove it, then add it again: "
            "%(command)s"
        ),
        "remove",
    ),
    "disabled": (
        "webhook.disabled",
        "amber",
        _(
            "Switched off: %(place)s took nothing for three days, or said that it’s gone. Nothing is lost. Mend it "
            "there, then switch it on: %(command)s"
        ),
        "enable",
    ),
    "failing": (
        "webhook.failing",
        "amber",
        _("%(place)s takes nothing since %(at)s UTC. See what it answers: %(command)s"),
        "log",
    ),
    "active": ("webhook.works", "good", _("It works: %(place)s."), ""),
}


def of_organization(organization: Organization, now: datetime) -> Iterator[Finding]:
    for view in actions.views(organization, now):
        if view.state in _FOUND:
            yield _of(organization, view)


def _of(organization: Organization, view: EventWebhookView) -> Finding:
    code, severity, sentence, word = _FOUND[view.state]
    values: dict[str, object] = {
        "organization": organization.name,
        "number": str(view.id),
        "place": view.place,
        "at": f"{view.failing_since:%Y-%m-%d %H:%M}" if view.failing_since else "",
        "command": f"samizdat webhook {word} {view.id}",
    }
    return Finding(code, severity, _ABOUT, sentence, values)
