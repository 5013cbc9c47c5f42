"""Which complaints that came by email were surely written by a mailbox provider (core/mail/feedback_senders)."""

import time
from collections.abc import Sequence
from datetime import datetime

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.campaigns.sender_domain_check import asker
from samizdat.core.mail import dkim_check, feedback_senders
from samizdat.core.mail.feedback_senders import ComplaintOrigin
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.incoming.helper_reading import read_each

# Seconds of questions to name servers for one portion; what comes after that is not proven.
ASKING = 5.0


def proven(organization: Organization, complaints: Sequence[Envelope], now: datetime) -> list[bool]:
    """Errors: those of read_each."""

    def read(some: Sequence[Envelope]) -> Sequence[ComplaintOrigin | None]:
        return limited_process.work(organization.pk, feedback_senders.read_all, [envelope.raw for envelope in some])

    if not complaints:
        return []
    until = time.monotonic() + ASKING
    return [
        bool(origin and origin.signatures) and _holds(organization, envelope, origin, until, now)
        for envelope, origin in zip(complaints, read_each(complaints, read), strict=True)
    ]


def _holds(
    organization: Organization, envelope: Envelope, origin: ComplaintOrigin | None, until: float, now: datetime
) -> bool:
    left = until - time.monotonic()
    if origin is None or left <= 0:
        return False
    ask, names = asker(left), [signature.record for signature in origin.signatures]
    records = {name: [*(ask(name, "TXT") or ())] for name in names}
    try:
        raws, seconds = [envelope.raw], int(now.timestamp())
        [domains] = limited_process.work(organization.pk, dkim_check.signed_by_all, raws, records, seconds)
    except (limited_process.TooMuch, limited_process.HelperBroke):
        return False
    return feedback_senders.is_theirs(origin.sender, domains)
