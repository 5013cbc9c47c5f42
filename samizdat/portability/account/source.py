"""Where a whole account comes from: its export (export.py), or its standing copy (account_copies/source.py)."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from samizdat.accounts.models import Person
from samizdat.audience.imports.documents import ImportOptions
from samizdat.audience.imports.inspect import ImportFile
from samizdat.core.account_export import AccountContents, AccountItem
from samizdat.core.imports import ImportPlan
from samizdat.portability.account.writer import AccountImportTotals


class PeoplePart(NamedTuple):
    """Subscribers who come in by one import. `key`: what they are, each time that the account is imported; `audience`:
    how its campaigns name where they belong; `importer`: who reads the file, where there is no `plan`."""

    key: str
    audience: str
    list_name: str
    file: ImportFile
    importer: str
    options: ImportOptions
    plan: ImportPlan | None = None


class AccountSource(Protocol):
    """`service`: as people call it. `basis`: why one may write to them, where nobody said. `left`: as `items` goes on,
    what could not be had, and why."""

    service: str
    basis: str
    left: list[tuple[str, str]]

    def note(self, totals: AccountImportTotals, now: datetime, by: Person | None) -> None:
        """In the log, that it was imported."""

    def contents(self) -> AccountContents: ...
    def parts(self) -> Iterator[PeoplePart]:
        """May be gone through twice."""

    def items(self) -> Iterator[AccountItem]:
        """Images first: the others show them."""
