"""Changes that wait for an approval (accounts/pending_changes.py): webhooks that were added."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.actions import PendingWebhook
from samizdat.portability.webhooks.records import EventWebhookRefused


def _say_webhook(_row: PendingChange, details: PendingWebhook) -> str:
    facts = {"url": actions.place_of(details.url), "events": ", ".join(details.events)}
    if details.addresses:
        return _("A webhook starts to report events with subscribers’ addresses: %(url)s (%(events)s)") % facts
    return _("A webhook starts to report events: %(url)s (%(events)s)") % facts


def _do_webhook(row: PendingChange, details: PendingWebhook, _now: datetime) -> None:
    with transaction.atomic():
        try:
            actions.approve_pending(row.organization, row.about or 0, details)
        except EventWebhookRefused:
            raise AccountError(_("This webhook no longer exists. Add another one.")) from None


def _undo_webhook(row: PendingChange, _now: datetime) -> None:
    actions.drop(row.organization, row.about or 0)


KINDS = {actions.CHANGE: ChangeKind(PendingWebhook, _say_webhook, _do_webhook, _undo_webhook)}
