"""A proposal of whom to bring in: an import that waits, with the evidence for each address, until a person confirms it.

Its rows lie in the database as an upload does: pieces sealed with the organization's keys, gone at the end or after a
day. The page of the import shows it, and brings it in, as any other.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.imports import actions, uploads
from samizdat.audience.imports.run import Clock
from samizdat.audience.models import Import, List
from samizdat.core.evidence.fold import AddressEvidence, EvidenceEntry
from samizdat.core.imports import SENTENCES
from samizdat.incoming.errors import IncomingError
from samizdat.vault import keyring

SOURCE = "evidence"
FILES = ("evidence.csv", "left-out.csv")
HEADING = ("Email address", "Status", "Agreed", "Left", "Bounced", "Evidence")
MOST_ENTRIES = 12  # of an address that are written out

WORDS = {
    "complained": "marked an email as spam",
    "unsubscribed": "unsubscribed",
    "cleaned": "the address bounced",
    "subscribed": "subscribed",
    "unproven": "subscribed, but nothing proves that the service sent this",
    "wrote": "wrote to you",
}


class NoProposal(IncomingError):
    """There is nothing that could be shown or brought in. The text says why and what to do."""

    code = "no_proposal"


def propose(
    organization: Organization, mailing_list: List, evidence: Iterable[AddressEvidence], *, basis: str, now: Clock,
    by: Person | None = None,
) -> Import:  # fmt: skip
    """Stores it sealed and looks at it, as at an upload. basis: why one may write to those who agreed, kept in the
    words of each consent record. Errors: audience.errors.ImportRefused, NoProposal."""
    files = files_of(evidence)
    row = actions.begin_upload(organization, mailing_list, now=now(), by=by)
    for file, pieces in enumerate(files):
        for number, data in enumerate(pieces):
            actions.add_piece(row, file, number, data)
    row = actions.finish_upload(row, FILES[: len(files)], now=now())
    row = actions.inspect(row.pk, now=now)
    plan = actions.read_plan(row).plan
    if row.state == "found" and plan is not None and basis:
        actions.change_plan(row, plan, basis=basis)
        row.refresh_from_db()
    return row


def files_of(evidence: Iterable[AddressEvidence]) -> list[Iterator[bytes]]:
    """Pieces of each of FILES; the second is not there where nobody is left out. Errors: NoProposal."""
    known = list(evidence)
    proposed = [address for address in known if address.is_proposed]
    if not proposed:
        raise NoProposal(_(SENTENCES["mailbox_nothing"]))
    others = [address for address in known if not address.is_proposed]
    return [_pieces(_table(addresses)) for addresses in ([proposed, others] if others else [proposed])]


def rows_of(row: Import) -> Iterator[list[str]]:
    """Rows of HEADING: first those who come in, then those who are left out. Errors: NoProposal."""
    keys = keyring.keys(row.organization)
    for file, size in uploads.sizes(keys, row).items():
        count = -(-size // uploads.PIECE)
        data = b"".join(map(partial(uploads.get, keys, row, file), range(count)))
        yield from list(csv.reader(io.StringIO(data.decode(), newline="")))[1:]


def waiting(organization: Organization, number: int) -> Import:
    """Errors: NoProposal, where none of that number waits."""
    row = Import.objects.filter(organization=organization, pk=number, source=SOURCE, state="found").first()
    if row is None:
        raise NoProposal(
            _("No proposal with this number is waiting; after a day it’s deleted. Run samizdat rescue mailbox again.")
        )
    return row


def confirm(row: Import, *, now: Clock, by: Person | None = None) -> Import:
    """Brings it in. Where it takes many off lists, an admin has to approve it first. Errors: ImportRefused."""
    row = actions.start(row, now=now(), by=by)
    return actions.run_import(row.pk, now=now) if row.state == "waiting" else row


def words_of(entry: EvidenceEntry) -> str:
    """As in "2019-03-02 Mailchimp: subscribed (2 emails)"."""
    days = entry.first if entry.first == entry.last else f"{entry.first} – {entry.last}"
    emails = f" ({entry.emails} emails)" if entry.emails > 1 else ""
    return f"{days or 'no day'} {entry.source or 'email'}: {WORDS[entry.status]}{emails}"


def _table(addresses: Iterable[AddressEvidence]) -> Iterator[bytes]:
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(HEADING)
    for address in addresses:
        shown = [words_of(entry) for entry in address.entries[-MOST_ENTRIES:]]
        left = max(address.last("unsubscribed"), address.last("complained"))
        days = address.last("subscribed"), left, address.last("cleaned")
        writer.writerow((address.address, address.status, *days, "; ".join(shown)))
        if held.tell() >= uploads.PIECE:
            yield held.getvalue().encode()
            held.seek(0)
            held.truncate()
    yield held.getvalue().encode()


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Of uploads.PIECE bytes each, the last of what is left."""
    held = b""
    for block in blocks:
        held += block
        while len(held) >= uploads.PIECE:
            yield held[: uploads.PIECE]
            held = held[uploads.PIECE :]
    if held:
        yield held
