"""Every email of a mailbox that is read by IMAP, by the process that reads old mailboxes (mailboxes.py), and kept."""

from collections.abc import Iterator
from itertools import islice

from samizdat import limited_process
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import Rules
from samizdat.core.mail_archive import ArchivedMessage
from samizdat.incoming.evidence.imap import ImapArchive, ReadFolder
from samizdat.incoming.evidence.kept import KeptReading
from samizdat.incoming.evidence.mailboxes import AT_ONCE, AT_ONCE_BYTES, Tell, read_batch


def read(fold: Fold, archive: ImapArchive, rules: Rules, kept: KeptReading, tell: Tell | None = None) -> int:
    """Adds what a mailbox that is still there says, behind what `kept` has of it already; how many emails were there.
    Errors: MailboxFault, BadMailbox."""
    emails, pool, places = kept.restore(fold, archive.account), limited_process.Pool(1), kept.places(archive.account)
    coming = archive.emails(places)
    try:
        while batch := [*_batch(coming)]:
            evidence = [*read_batch(pool, [message for _place, message in batch], rules)]
            for claim in evidence:
                fold.add(claim)
            kept.add(archive.account, [place for place, _message in batch], evidence)
            emails += len(batch)
            if tell is not None:
                tell(emails, fold.counts.emails)
    finally:
        kept.flush()
        coming.close()
        pool.close()
    return emails


def _batch(
    emails: Iterator[tuple[ReadFolder, ArchivedMessage]],
) -> Iterator[tuple[ReadFolder, ArchivedMessage]]:
    size = 0
    for place, message in islice(emails, AT_ONCE):
        yield place, message
        size += len(message.raw)
        if size >= AT_ONCE_BYTES:
            return
