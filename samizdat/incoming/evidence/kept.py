"""What was read of a mailbox by IMAP, kept until its proposal is there, so that a reading that was killed goes on.

It lies where uploads do: pieces sealed with the organization's keys, gone after a day. No email is kept, only what each
says of an address.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.audience.errors import ImportRefused, ImportTaken
from samizdat.audience.imports import actions, ownership, uploads
from samizdat.audience.models import Import, List
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import MailEvidence, Rules
from samizdat.incoming.evidence.imap import ReadFolder
from samizdat.vault import keyring

SOURCE = "imap"
# Bytes and emails of a piece: what is lost when the reading is killed is read again.
MOST_BYTES, MOST_EMAILS = uploads.PIECE // 2, 2_000


class KeptPart(Struct, frozen=True, array_like=True):
    """`rules`: a hash of those that the emails were read by. `places`: behind these emails, by folder."""

    rules: bytes
    account: str
    places: list[ReadFolder]
    evidence: list[MailEvidence]


class KeptReading:
    """Of one organization, list and set of rules: what an earlier run left, or nothing yet."""

    def __init__(self, organization: Organization, mailing_list: List, rules: Rules, *, now: Callable[[], datetime]):
        self._organization, self._list, self._now = organization, mailing_list, now
        self._rules = hashlib.sha256(msgspec.json.encode(_sorted(rules))).digest()
        self._row: Import | None = None
        self._parts: list[KeptPart] = []
        self._next = 0
        self._held: tuple[str, dict[str, ReadFolder], list[MailEvidence]] = ("", {}, [])
        self._size = 0
        self._is_full = False
        self._resume()

    def _resume(self) -> None:
        rows = Import.objects.filter(organization=self._organization, list=self._list, source=SOURCE, state="uploading")
        keys = keyring.keys(self._organization)
        for row in rows.order_by("-pk"):
            numbers = sorted(row.pieces.values_list("number", flat=True))
            parts = [_PART.decode(uploads.get(keys, row, 0, number)) for number in numbers]
            if not parts or any(part.rules != self._rules for part in parts):
                continue
            try:
                self._row = ownership.take(row.pk, ("uploading",), self._now())
            except ImportTaken:  # Another run is at it.
                continue
            self._parts, self._next = parts, numbers[-1] + 1
            return

    @property
    def emails(self) -> int:
        """How many an earlier run has read."""
        return sum(len(part.evidence) for part in self._parts)

    def places(self, account: str) -> dict[str, ReadFolder]:
        """How far each folder of an account was read."""
        return {place.folder: place for part in self._parts if part.account == account for place in part.places}

    def restore(self, fold: Fold, account: str) -> int:
        """Adds what is kept of an account; how many emails that was."""
        emails = 0
        for part in self._parts:
            for evidence in part.evidence if part.account == account else ():
                fold.add(evidence)
                emails += 1
        return emails

    def add(self, account: str, places: Iterable[ReadFolder], evidence: Sequence[MailEvidence]) -> None:
        """Emails that follow those before, with the place behind each."""
        if self._held[0] not in ("", account):
            self.flush()
        last = self._held[1] | {place.folder: place for place in places}
        self._held = (account, last, [*self._held[2], *evidence])
        self._size += sum(len(msgspec.json.encode(each)) for each in evidence)
        if self._size >= MOST_BYTES or len(self._held[2]) >= MOST_EMAILS:
            self.flush()

    def flush(self) -> None:
        """Keeps what was added. Where there is no room for it, nothing more is kept: a later run must not begin behind
        an email that is kept nowhere."""
        account, places, evidence = self._held
        self._held, self._size = ("", {}, []), 0
        if not evidence or self._is_full:
            return
        part = KeptPart(self._rules, account, [*places.values()], evidence)
        try:
            if self._row is None:
                row = actions.begin_upload(self._organization, self._list, now=self._now(), by=None)
                Import.objects.filter(pk=row.pk).update(source=SOURCE)
                self._row = ownership.take(row.pk, ("uploading",), self._now())
            actions.add_piece(self._row, 0, self._next, msgspec.json.encode(part))
        except (ImportRefused, ImportTaken):
            self._is_full = True
            return
        self._next += 1
        Import.objects.filter(pk=self._row.pk, owner=self._row.owner).update(heartbeat=self._now())

    def drop(self) -> None:
        """Its proposal is there."""
        if self._row is not None:
            self._row.delete()
            self._row = None


def _sorted(rules: Rules) -> object:
    return sorted(rules.own), sorted(rules.senders), rules.means


_PART = msgspec.json.Decoder(KeptPart)
