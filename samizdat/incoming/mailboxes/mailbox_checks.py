"""What the desk asks of a mailbox (delivery/actions/remote_checks): whether we can log in, and whether a test message
comes back. One that is typed in is kept only if we can log in there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from samizdat.core.crypto.seal import SealError
from samizdat.delivery.actions.remote_checks import Answering
from samizdat.delivery.models import RemoteCheck
from samizdat.incoming.errors import IncomingError
from samizdat.incoming.mailboxes import actions, polling, round_trips
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import open_settings
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import PolledMailbox
from samizdat.vault.errors import RecordBroken


def _mailbox(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, Any]:
    """words: `settings` and `name` of a new one or of changes; `address` to which a test message goes, and whether
    bounces are to go there then, `uses`. The answer: `problem`, or `waiting`, the messages there."""
    row = _row(question)
    if question.about and row is None:
        return {"problem": _("This mailbox was removed in the meantime.")}
    try:
        settings = _settings(row, words)
        waiting = actions.waiting_at(settings)
        if "settings" in words:
            row = _kept(question, row, words["name"], settings, now)
        assert row is not None
        polling.note(row.pk, now)
    except MailboxFault as fault:
        return {"problem": str(fault), "code": fault.code}
    except polling.MailboxRemoved:
        return {"problem": _("This mailbox was removed in the meantime.")}
    except (IncomingError, SealError, RecordBroken) as refused:
        return {"problem": _problem(refused)}
    if words.get("address") and not open_settings(row).paused:
        round_trips.send(row, words["address"], now=now, by=question.by, uses=bool(words.get("uses")))
    return {"waiting": waiting, "name": row.name}


def _row(question: RemoteCheck) -> PolledMailbox | None:
    rows = PolledMailbox.objects.select_related("organization")
    return rows.filter(organization=question.organization, pk=question.about).first()


def _settings(row: PolledMailbox | None, words: Mapping[str, Any]) -> MailboxSettings:
    if "settings" in words:
        return msgspec.convert(words["settings"], MailboxSettings)
    assert row is not None
    return open_settings(row)


def _kept(
    question: RemoteCheck, row: PolledMailbox | None, name: str, settings: MailboxSettings, now: datetime
) -> PolledMailbox:
    if row is None:
        return actions.add_at(question.organization, name, settings, now=now, by=question.by)
    return actions.change(row, name, settings, now=now, by=question.by)


def _problem(refused: Exception) -> str:
    if isinstance(refused, IncomingError):
        return str(refused)
    return _("Its settings can’t be decrypted. Remove it and add it again.")


KINDS: dict[str, Answering] = {"mailbox": _mailbox}
