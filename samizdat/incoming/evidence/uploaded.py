"""Mailboxes and tables that somebody uploads at the desk: the worker reads them, and what they prove takes their place
in the same import, which waits for a person as any other."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from django.db import transaction
from django.utils.translation import override

from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import ImportRefused, ImportTaken
from samizdat.audience.imports import actions, ownership, uploads
from samizdat.audience.imports.documents import ImportDocument, ImportProblem, MailboxRules, sealed
from samizdat.audience.imports.inspect import UploadedFile
from samizdat.audience.imports.reading.parse import AskPiece
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.models import Import
from samizdat.core.evidence.fold import AddressEvidence, Fold
from samizdat.core.evidence.reading import Rules
from samizdat.core.imports import Problem
from samizdat.incoming.evidence import archives, mailboxes, proposal, tables
from samizdat.vault import keyring

SOURCE = "mailboxes"
# Emails between two looks at whether it was canceled.
LOOK = 2_000


def finish(row: Import, names: Sequence[str], rules: MailboxRules, *, now: datetime) -> Import:
    """All pieces are here: the worker may read them. Errors: ImportRefused."""
    with transaction.atomic():
        row = actions.finish_upload(row, names, now=now)
        document = ImportDocument(names=[Path(name).name for name in names], mailboxes=rules)
        Import.objects.filter(pk=row.pk, state="reading").update(source=SOURCE, **sealed(row, "plan", document))
    row.refresh_from_db()
    return row


def is_one(number: int) -> bool:
    return Import.objects.filter(pk=number, source=SOURCE).exists()


def inspect(number: int, *, now: Callable[[], datetime]) -> Import:
    """Reads the emails, and looks at what they prove. What cannot be read becomes state 'failed'. Errors:
    ImportTaken."""
    row = ownership.take(number, ("reading",), now())
    rules = actions.read_plan(row).mailboxes
    assert rules is not None
    try:
        with override(leading(row.organization).language):
            fold, notes = _read(row, rules, now)
            _replace(row, fold, notes)
    except (archives.BadArchive, proposal.NoProposal, ImportRefused) as refused:
        return actions.fail(row, _refusal(refused), now())
    except BaseException:
        Import.objects.filter(pk=row.pk, owner=row.owner).update(owner="")
        raise
    return actions.inspect(number, now=now)


def _read(row: Import, rules: MailboxRules, now: Callable[[], datetime]) -> tuple[Fold, list[ImportProblem]]:
    """With what should be known of its tables. Errors: BadArchive, ImportRefused, ImportTaken."""
    keys, mine = keyring.keys(row.organization), Import.objects.filter(pk=row.pk, owner=row.owner, state="reading")
    names, ask, seen = actions.read_plan(row).names, partial(uploads.get, keys, row), 0

    def beat(_bytes: int, emails: int) -> None:
        nonlocal seen
        if emails - seen >= LOOK:
            seen = emails
            if not mine.update(heartbeat=now()):
                raise ImportTaken

    opened, rows = list[mailboxes.Mailbox](), list[tables.TableFile]()
    for file, size in uploads.sizes(keys, row).items():
        content = io.BufferedReader(PieceFile(file, uploads.PIECE, size, ask))
        if tables.is_table(names[file], content):
            upload = UploadedFile(names[file], size, _piece_of(ask, file), f"{row.pk}/{file}")
            rows.append(tables.TableFile(names[file], upload))
        else:
            opened.append(partial(archives.emails_of, names[file], content))
    if opened and not rules.own:
        raise ImportRefused("mailbox_own", sentence_of("mailbox_own", {}))
    fold = mailboxes.read_each(opened, Rules(frozenset(rules.own), frozenset(rules.senders)), beat)
    if fold.is_foreign:
        values = {"received": fold.counts.received, "ours": fold.counts.ours}
        raise ImportRefused("mailbox_foreign", sentence_of("mailbox_foreign", values), values)
    problems = tables.read(fold, rows, signs_up=rules.form_signups, today=now().date())
    return fold, [_note(problem) for problem in problems]


def _note(problem: Problem) -> ImportProblem:
    return ImportProblem(problem.code, problem.file, {name: str(value) for name, value in problem.values.items()})


def _piece_of(ask: AskPiece, file: int) -> AskPiece:
    return lambda _file, number: ask(file, number)


def _replace(row: Import, fold: Fold, notes: Sequence[ImportProblem]) -> None:
    """What they prove instead of the files. Errors: NoProposal, ImportTaken."""
    server = fold.own_server()
    addresses = fold.addresses(frozenset() if server is None else frozenset({server}))
    files, keys = proposal.files_of(addresses), keyring.keys(row.organization)
    document = ImportDocument(
        names=[*proposal.FILES[: len(files)]],
        source=proposal.SOURCE,
        notes=[*notes, *_notes(fold, addresses)],
        is_fixed=True,
    )
    with transaction.atomic():
        mine = Import.objects.filter(pk=row.pk, owner=row.owner, state="reading")
        if not mine.update(source=proposal.SOURCE, **sealed(row, "plan", document)):
            raise ImportTaken
        uploads.drop(row)
        for file, pieces in enumerate(files):
            for number, data in enumerate(pieces):
                uploads.put(keys, row, file, number, data)


def _notes(fold: Fold, addresses: Sequence[AddressEvidence]) -> list[ImportProblem]:
    counts = {
        "mailbox_unclear": fold.counts.unclear,
        "mailbox_unreadable": fold.counts.unreadable,
        "mailbox_came_back": sum(address.came_back for address in addresses),
    }
    notes = [ImportProblem(code, values={"count": str(count)}) for code, count in counts.items() if count]
    if fold.own_server() is None and any(address.status == "unproven" for address in addresses):
        notes.insert(0, ImportProblem("mailbox_server"))
    return notes


def _refusal(refused: Exception) -> ImportRefused:
    if isinstance(refused, ImportRefused):
        return refused
    if isinstance(refused, archives.BadArchive):
        values = {"file": refused.file}
        return ImportRefused(refused.code, sentence_of(refused.code, values), values)
    return ImportRefused("mailbox_nothing", str(refused))
