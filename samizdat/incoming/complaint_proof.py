"""Which complaints that came by email were surely written by a mailbox provider (core/mail/feedback_senders)."""

import time
from collections.abc import Sequence
from datetime import datetime

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.campaigns.sender_domain_check import asker
from samizdat.core.mail import feedback_senders
from samizdat.core.mail.feedback_senders import ComplaintOrigin
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.incoming.helper_reading import ORDINARY, read_each, signing_domains

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
        origin is not None and _is_theirs(organization, envelope, origin, until, now)
        for envelope, origin in zip(complaints, read_each(complaints, read, ORDINARY), strict=True)
    ]


def _is_theirs(
    organization: Organization, envelope: Envelope, origin: ComplaintOrigin, until: float, now: datetime
) -> bool:
    left = until - time.monotonic()
    if left <= 0 or not origin.signatures:
        return False
    domains = signing_domains(organization, envelope, origin.signatures, asker(left), now)
    return feedback_senders.is_theirs(origin.sender, domains)
