"""What strangers wrote, read by a helper (limited_process), where one item that breaks it is no harm to the others."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.core.mail import dkim_check
from samizdat.core.mail.dkim_check import DkimSignature
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.core.mail.spf import Ask

# What every helper reads that works at all.
_RAW = b"From: a@a.example\r\nSubject: Hello\r\n\r\nHello\r\n"
ORDINARY = Envelope((), len(_RAW), _RAW)


def read_each[Item, T](
    items: Sequence[Item], read: Callable[[Sequence[Item]], Sequence[T]], ordinary: Item
) -> list[T | None]:
    """One answer each, in their order; None for one that broke or slowed down whoever read it. Errors: TooMuch,
    HelperBroke where an ordinary one isn't read either: memory is short, or an upgrade replaces the program. Then they
    wait, so that nothing is lost."""
    try:
        return [*read(items)]
    except (limited_process.TooMuch, limited_process.HelperBroke):
        middle = len(items) // 2
        if not middle:
            read([ordinary])
            return [None]
        return [answer for half in (items[:middle], items[middle:]) for answer in read_each(half, read, ordinary)]


def signing_domains(
    organization: Organization, envelope: Envelope, signatures: Iterable[DkimSignature], ask: Ask, now: datetime
) -> Sequence[str]:
    """Domains whose signatures of a message hold, by the keys that name servers have now; none where it breaks whoever
    reads it."""
    records = {signature.record: [*(ask(signature.record, "TXT") or ())] for signature in signatures}
    try:
        raws, seconds = [envelope.raw], int(now.timestamp())
        [domains] = limited_process.work(organization.pk, dkim_check.signed_by_all, raws, records, seconds)
    except (limited_process.TooMuch, limited_process.HelperBroke):
        return ()
    return domains
