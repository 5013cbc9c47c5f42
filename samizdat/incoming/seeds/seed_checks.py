"""What the desk asks of a seed mailbox (delivery/actions/remote_checks): whether we can log in, and where a test
message arrives. One that is typed in is kept only if we can log in there."""

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from samizdat.core.mail.address import BadAddress
from samizdat.delivery.actions.remote_checks import Answering
from samizdat.delivery.actions.testing import send_to_seed
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.models import RemoteCheck
from samizdat.incoming.errors import IncomingError
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import ImapSource
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import SeedMailbox
from samizdat.incoming.seeds import mailboxes
from samizdat.incoming.seeds.copies import HEADER

# Seconds between looks for a test message, and how often: the page of whoever asked waits meanwhile.
PAUSE, LOOKS = 3, 12
wait: Callable[[float], None] = time.sleep


def _seed(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, Any]:
    """words: `settings`, `name` and `address` of a new one. The answer: `problem`; else `name`, and `unsent`, why no
    test message went; else `route` by which it went, and `place`: "inbox", "spam" or "", nowhere until now."""
    row = SeedMailbox.objects.select_related("organization").filter(organization=question.organization)
    kept = row.filter(pk=question.about).first()
    try:
        if "settings" in words:
            kept = _kept(question, words, now)
        if kept is None:
            return {"problem": _("This mailbox was removed in the meantime.")}
        return {"name": kept.name, **_tried(question, kept, now)}
    except MailboxFault as fault:
        return {"problem": str(fault), "code": fault.code}
    except IncomingError as refused:
        return {"problem": str(refused)}


def _kept(question: RemoteCheck, words: dict[str, Any], now: datetime) -> SeedMailbox:
    settings = msgspec.convert(words["settings"], MailboxSettings)
    with polling.session(settings, mailboxes.LOOK):
        pass
    organization = question.organization
    return mailboxes.add_at(organization, words["name"], words["address"], settings, now=now, by=question.by)


def _tried(question: RemoteCheck, row: SeedMailbox, now: datetime) -> dict[str, str]:
    """Logs in before anything is sent. Errors: MailboxFault."""
    mailboxes.check(row)
    settings, mark = mailboxes.settings_of(row), secrets.token_hex(16)
    assert settings is not None
    try:
        route, tried = send_to_seed(question.organization, settings.address, (HEADER, mark), now=now, by=question.by)
    except (DeliveryError, BadAddress) as refused:
        return {"unsent": str(refused)}
    if not tried.ok:
        return {"unsent": tried.sentence}
    return {"route": route, "place": _place(settings.mailbox, mark)}


def _place(settings: MailboxSettings, mark: str) -> str:
    for look in range(LOOKS):
        if look:
            wait(PAUSE)
        with polling.session(settings, mailboxes.LOOK) as source:
            assert isinstance(source, ImapSource)
            if place := source.places_of(HEADER, [mark]).get(mark, ""):
                return place
    return ""


KINDS: dict[str, Answering] = {"seed": _seed}
