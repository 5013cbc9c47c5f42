"""A proposal of whom to bring in: an import that waits, with the evidence for each address, until a person confirms it.

Its rows lie in the database as an upload does: pieces sealed with the organization's keys, gone at the end or after a
day. The page of the import shows it, and brings it in, as any other.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts.models import Organization, Person
from samizdat.audience.imports import actions, uploads
from samizdat.audience.imports.documents import ImportDocument, sealed
from samizdat.audience.imports.run import Clock
from samizdat.audience.models import Import, List
from samizdat.core.evidence.fold import STATUSES, AddressEvidence, EvidenceEntry
from samizdat.core.imports import SENTENCES, ImportPlan
from samizdat.incoming.errors import IncomingError
from samizdat.vault import keyring

SOURCE = "evidence"
FILES = ("evidence.csv", "left-out.csv")
HEADING = ("Email address", "Status", "Agreed", "Left", "Bounced", "Evidence", "Tags", "Record")
# Of those whom audience/actions/ask_once may ask: nobody left them out, and nothing proves a yes or a no.
ASK_TAG = "ask-once"
MOST_ENTRIES = 12  # of an address that are written out
MOST_KEPT = 30  # of an address that a person can look at

WORDS = {
    "complained": "marked an email as spam",
    "unsubscribed": "unsubscribed",
    "cleaned": "the address bounced",
    "excluded": "left out",
    "doubtful": "they may have left",
    "subscribed": "subscribed",
    "unproven": "subscribed, but nothing proves that the service sent this",
    "listed": "was on the list",
    "wrote": "wrote to you",
}
# What tables say in other words than emails do.
TABLE_WORDS = {
    ("form", "subscribed"): "signed up",
    ("form", "wrote"): "filled in the form",
    ("list", "complained"): "marked as spam",
    ("list", "doubtful"): "says something that isn't understood",
    ("missing", "doubtful"): "isn't in this later table",
}


class Decision(NamedTuple):
    """Of an address: the numbers of its entries that say nothing, and what was chosen (AddressEvidence)."""

    out: frozenset[int] = frozenset()
    choice: Literal["", "unsubscribed", "excluded"] = ""


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
    _keep(row, ImportDocument([*FILES[: len(files)]], None, basis, SOURCE, is_fixed=True))
    return actions.inspect(row.pk, now=now)


def files_of(evidence: Iterable[AddressEvidence]) -> list[Iterator[bytes]]:
    """Pieces of each of FILES; the second is not there where nobody is left out. Errors: NoProposal."""
    known = list(evidence)
    proposed = [address for address in known if address.is_proposed]
    if not proposed:
        raise NoProposal(_(SENTENCES["mailbox_nothing"]))
    others = [address for address in known if not address.is_proposed]
    return [_pieces(_table(addresses)) for addresses in ([proposed, others] if others else [proposed])]


def evidence_of(row: Import) -> Iterator[AddressEvidence]:
    """First of those who come in, then of those who are left out."""
    for cells in rows_of(row):
        yield _RECORD.decode(cells[len(HEADING) - 1])


def rows_of(row: Import) -> Iterator[list[str]]:
    """Rows of HEADING: first those who come in, then those who are left out."""
    keys = keyring.keys(row.organization)
    for file, size in uploads.sizes(keys, row).items():
        blocks = (uploads.get(keys, row, file, number) for number in range(-(-size // uploads.PIECE)))
        rows = csv.reader(_lines(blocks))
        next(rows, None)
        yield from rows


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    decoder, held = codecs.getincrementaldecoder("utf-8")(), ""
    for block in blocks:
        *lines, held = (held + decoder.decode(block)).split("\n")
        yield from (f"{line}\n" for line in lines)
    if held:
        yield held


def decide(row: Import, decisions: Mapping[str, Decision]) -> None:
    """Address -> what a person decided of it. What the import would do has to be looked at again. Errors: NoProposal,
    where it waits no more, or nobody would be left."""
    document = actions.read_plan(row)
    changed = [
        address.decided(*decisions[address.address]) if address.address in decisions else address
        for address in evidence_of(row)
    ]
    changed.sort(key=lambda address: address.address)
    if not any(address.is_proposed for address in changed):
        raise NoProposal(_("Then nobody would be imported. Cancel the import instead."))
    files, keys = files_of(changed), keyring.keys(row.organization)
    names, plan = [*FILES[: len(files)]], document.plan
    assert plan is not None
    with transaction.atomic():
        if Import.objects.select_for_update().filter(pk=row.pk, state="found", owner="").first() is None:
            raise NoProposal(_("This proposal was imported or deleted meanwhile."))
        uploads.drop(row)
        for file, pieces in enumerate(files):
            for number, data in enumerate(pieces):
                uploads.put(keys, row, file, number, data)
        _keep(row, replace(document, names=names, plan=_plan_of(plan, names), is_shown=False, go=0))


def _plan_of(plan: ImportPlan, names: list[str]) -> ImportPlan:
    """A plan of evidence.csv alone becomes one of both files, whose columns are the same, and the other way round."""
    files = [file for file in plan.files if file.name in names]
    if len(files) < len(names):
        files.append(replace(files[0], name=names[1], member=1, use=False, about_rows=0))
    return ImportPlan(plan.source, files)


def _keep(row: Import, document: ImportDocument) -> None:
    columns = sealed(row, "plan", document)
    Import.objects.filter(pk=row.pk).update(**columns)
    row.plan_sealed = columns["plan_sealed"]


def is_one(row: Import) -> bool:
    """Whether it is a proposal that waits, and no table that somebody wrote alike."""
    return row.source == SOURCE and row.state == "found" and actions.read_plan(row).is_fixed


def waiting(organization: Organization, number: int) -> Import:
    """Errors: NoProposal, where none of that number waits."""
    row = Import.objects.filter(organization=organization, pk=number, source=SOURCE, state="found").first()
    if row is None or not is_one(row):
        raise NoProposal(
            _("No proposal with this number is waiting; after a day it’s deleted. Run samizdat rescue mailbox again.")
        )
    return row


def confirm(row: Import, *, now: Clock, by: Person | None = None, with_left_out: bool = False) -> Import:
    """Brings it in. Where it takes many off lists, an admin has to approve it first. with_left_out: also those of whom
    nothing proves a yes, who have no consent then. Errors: ImportRefused."""
    if with_left_out:
        document = actions.read_plan(row)
        assert document.plan is not None
        files = [replace(file, use=True) for file in document.plan.files]
        plan = ImportPlan(document.plan.source, files)
        actions.change_plan(row, plan, basis=document.basis, options=document.options)
    if not actions.read_plan(row).is_shown:
        row = actions.inspect(row.pk, now=now)
    row = actions.start(row, now=now(), by=by)
    return actions.run_import(row.pk, now=now) if row.state == "waiting" else row


def words_of(entry: EvidenceEntry) -> str:
    """As in "2019-03-02 Mailchimp: subscribed (2 emails)"."""
    days = entry.first if entry.first == entry.last else f"{entry.first} – {entry.last}"
    times = f" ({entry.emails} {'rows' if entry.origin else 'emails'})" if entry.emails > 1 else ""
    words = TABLE_WORDS.get((entry.origin, entry.status), WORDS[entry.status])
    return f"{days or 'no day'} {entry.source or 'email'}: {words}{times}"


def _table(addresses: Iterable[AddressEvidence]) -> Iterator[bytes]:
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(HEADING)
    for address in addresses:
        shown = [words_of(entry) for entry in address.counting[-MOST_ENTRIES:]]
        shown += [f"set by hand: {WORDS[address.choice]}"] if address.choice else []
        left = max(address.last("unsubscribed"), address.last("complained"))
        days = address.last("subscribed"), left, address.last("cleaned")
        writer.writerow((address.address, address.status, *days, "; ".join(shown), _tag(address), _record(address)))
        if held.tell() >= uploads.PIECE:
            yield held.getvalue().encode()
            held.seek(0)
            held.truncate()
    yield held.getvalue().encode()


def _tag(address: AddressEvidence) -> str:
    return ASK_TAG if address.status in ("unproven", "listed", "wrote") else ""


def _record(address: AddressEvidence) -> str:
    """All that a person can look at, the strongest among it."""
    if len(address.entries) > MOST_KEPT:
        by_strength = sorted(enumerate(address.entries), key=lambda pair: (STATUSES.index(pair[1].status), -pair[0]))
        address = replace(address, entries=tuple(entry for _place, entry in sorted(by_strength[:MOST_KEPT])))
    return msgspec.json.encode(address).decode()


_RECORD = msgspec.json.Decoder(AddressEvidence)


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
