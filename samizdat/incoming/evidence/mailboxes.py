"""Every email of old mailboxes, read by a process that has neither keys nor a database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from samizdat import limited_process
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import MailEvidence, Rules, read_all
from samizdat.core.mail_archive import ArchivedMessage
from samizdat.incoming.evidence import archives

# Emails and bytes that the process is asked about at once.
AT_ONCE, AT_ONCE_BYTES = 100, 4 << 20
UNREADABLE = MailEvidence(unreadable=True)

# (bytes on the disk that were read, emails)
type Tell = Callable[[int, int], None]
# Gives its emails, and tells what it has read.
type Mailbox = Callable[[archives.Tell], Iterator[ArchivedMessage]]


def read(paths: Sequence[Path], rules: Rules, tell: Tell | None = None) -> Fold:
    """What all emails in these files and folders say. Errors: archives.BadArchive, OSError."""
    return read_each([partial(archives.emails, path) for path in paths], rules, tell)


def read_each(mailboxes: Sequence[Mailbox], rules: Rules, tell: Tell | None = None) -> Fold:
    """Errors: what they raise."""
    fold, pool = Fold(), limited_process.Pool(1)
    done = 0

    def passed(size: int) -> None:
        nonlocal done
        done += size

    try:
        for batch in _batches(email for mailbox in mailboxes for email in mailbox(passed)):
            for evidence in read_batch(pool, batch, rules):
                fold.add(evidence)
            if tell is not None:
                tell(done, fold.counts.emails)
    finally:
        pool.close()
    return fold


def _batches(emails: Iterable[ArchivedMessage]) -> Iterator[list[ArchivedMessage]]:
    batch: list[ArchivedMessage] = []
    size = 0
    for email in emails:
        batch.append(email)
        size += len(email.raw)
        if len(batch) >= AT_ONCE or size >= AT_ONCE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_batch(pool: limited_process.Pool, batch: Sequence[ArchivedMessage], rules: Rules) -> Iterator[MailEvidence]:
    """An email that breaks what reads it holds up no other."""
    try:
        yield from pool.work(0, read_all, [email.raw for email in batch], [email.size for email in batch], rules)
    except (limited_process.TooMuch, limited_process.HelperBroke):
        if len(batch) == 1:
            yield UNREADABLE
            return
        half = len(batch) // 2
        yield from read_batch(pool, batch[:half], rules)
        yield from read_batch(pool, batch[half:], rules)
