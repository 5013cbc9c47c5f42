"""Messages that no mail server or reader writes: shown as unreadable, and in nobody's way."""

from datetime import UTC, datetime

import pytest

from samizdat.accounts.models import Organization
from samizdat.core.bounce.mime import BYTES_READ
from samizdat.core.mail.incoming_envelope import MOST
from samizdat.incoming import intake, processing, queries
from samizdat.incoming.mailboxes import actions
from samizdat.incoming.models import IncomingMail
from samizdat.worker.mail import mailbox_polls
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.incoming.giants import HEAD, fifty_megabytes, ten_thousand_parts, thousand_levels, twelve_megabytes

__all__ = ["certificates", "dovecot"]
NOW = datetime.now(UTC)


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_giants_in_a_mailbox_are_unreadable_and_what_comes_behind_them_is_read(
    lantern: Organization, dovecot: Dovecot
) -> None:
    ordinary = HEAD + b"\r\nDear editors\r\n"
    for raw in (fifty_megabytes(), ten_thousand_parts(), thousand_levels(), twelve_megabytes(), ordinary):
        dovecot.deliver(raw)
    url = dovecot.url("imaps", f"fingerprint={dovecot.certificate.fingerprint}")
    row = actions.add(lantern, "bounces", url, now=NOW)
    assert mailbox_polls.read(row.pk, keeps_open=False) == mailbox_polls.AGAIN
    assert dovecot.messages() == []
    sizes = [len(intake.opener(lantern).open(bytes(mail.box)).raw) for mail in IncomingMail.objects.order_by("pk")]
    assert (sizes[0], max(sizes)) == (BYTES_READ, MOST), "of the longest no more than their beginning is kept"
    while processing.process(lantern, NOW):
        pass
    heard = queries.heard(lantern, NOW)
    assert (heard.waiting, heard.unreadable, heard.by_kind) == (0, 3, {"reply": 2})
