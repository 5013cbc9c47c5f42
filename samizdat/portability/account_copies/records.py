"""What is sealed of a standing copy beside its pieces: the account, and how far the copy is."""

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.audience.errors import AudienceError
from samizdat.core.account_copy import SECTIONS, AccountTotals
from samizdat.core.crypto.seal import KeyMissing, SealBroken
from samizdat.options import inner_networks
from samizdat.portability.models import AccountCopy
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

if TYPE_CHECKING:
    from samizdat.plugins import Account

# Seals are bound to these words.
_TABLE = "accountcopy"


class CopyRefused(AudienceError):
    """`code` is for scripts, str() is one sentence that says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class CopyTaken(AudienceError):
    """Another process is at it."""

    code = "copy_taken"

    def __init__(self) -> None:
        super().__init__(_("Another process is already working on this copy. Wait until it’s done."))


class CopySettings(Struct, frozen=True, omit_defaults=True):
    """title: what the service calls the account. endpoint: in place of the service's own, for tests: what is at it may
    be in our own network."""

    service: str = ""
    key: str = ""
    title: str = ""
    endpoint: str = ""

    def open(self, **how: object) -> "Account":
        """Nothing is connected to yet. how: of AccountSettings. Errors: ServiceRefused."""
        inside = None if self.endpoint else inner_networks()
        return plugins.open_account(
            self.service,
            plugins.AccountSettings(self.key, self.endpoint, inside=inside, **how),  # type: ignore[arg-type]
        )

    @property
    def label(self) -> str:
        """The service, as people call it."""
        known = plugins.account_kinds().get(self.service)
        return known.label if known else self.service


class CopyProblem(Struct, frozen=True, omit_defaults=True):
    """What the service answered instead: a sentence of importers/accounts/base, and what fills it."""

    code: str = ""
    values: dict[str, str] = {}
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        english = plugins.account_sentence(self.code)
        with contextlib.suppress(KeyError, IndexError):
            return _(english).format(**self.values) if english else self.code
        return english


class CopyProgress(Struct, frozen=True, omit_defaults=True):
    """How far a copy is. Times of the service are ISO 8601, by its clock.

    section: which one a run is at, "" between two runs; cursor: where its next page begins. since: contacts that were
    changed after that are asked for; following: the same for the next run. began: the run under way, or the last one;
    finished: the last one that went through. pieces: the number of the next one; holes: how many before it are gone.
    lines: of each section, how many were written; a contact or thing may have several. people: list -> status -> how
    many contacts, of the first `counted` lines. left_out: what stayed out, by kind. problem: what the last try came to;
    failures: such tries in a row; refused: since when the service refuses us. checked: when it last let us in.
    erased_through: the number of the last erasure after which nobody was left here who had their data erased.
    """

    section: str = ""
    cursor: str = ""
    since: str = ""
    following: str = ""
    began: datetime | None = None
    finished: datetime | None = None
    pieces: int = 0
    holes: int = 0
    lines: dict[str, int] = {}
    people: dict[str, dict[str, int]] = {}
    counted: int = 0
    totals: AccountTotals = AccountTotals()
    left_out: dict[str, int] = {}
    problem: CopyProblem = CopyProblem()
    failures: int = 0
    refused: datetime | None = None
    checked: datetime | None = None
    erased_through: int = 0

    @property
    def is_running(self) -> bool:
        return self.section in SECTIONS


def settings_of(row: AccountCopy) -> CopySettings:
    """Errors: RecordBroken, SealBroken."""
    return keyring.keys(row.organization).open_json(row.settings_sealed, _TABLE, "settings", row.pk, CopySettings)


def progress_of(row: AccountCopy) -> CopyProgress:
    """Errors: RecordBroken, SealBroken."""
    return keyring.keys(row.organization).open_json(row.progress_sealed, _TABLE, "progress", row.pk, CopyProgress)


def opened(row: AccountCopy) -> tuple[CopySettings, CopyProgress] | None:
    """None where somebody without keys wrote either of them."""
    try:
        return settings_of(row), progress_of(row)
    except (RecordBroken, SealBroken, KeyMissing):
        return None


def sealed_settings(row: AccountCopy, value: CopySettings) -> bytes:
    return keyring.keys(row.organization).seal_json(value, _TABLE, "settings", row.pk)


def sealed_progress(row: AccountCopy, value: CopyProgress) -> bytes:
    return keyring.keys(row.organization).seal_json(value, _TABLE, "progress", row.pk)


def put_progress(row: AccountCopy, value: CopyProgress) -> None:
    """Where this process owns the copy. Errors: CopyTaken, where another one took it meanwhile."""
    sealed = sealed_progress(row, value)
    if not AccountCopy.objects.filter(pk=row.pk, owner=row.owner).update(progress_sealed=sealed):
        raise CopyTaken
    row.progress_sealed = sealed


def copies_of(organization: Organization) -> list[AccountCopy]:
    return list(AccountCopy.objects.select_related("organization").filter(organization=organization).order_by("pk"))
