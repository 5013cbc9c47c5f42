"""All emails of mailboxes and all rows of old tables together: what each address has come to.

The strongest status wins, whatever came later: a complaint, then a no, then a dead address, then a doubt, then a yes.
So nobody who left becomes active by it; who subscribed again afterwards is asked by a person. A yes counts in a notice
that came to the group, and of which the mailbox's own server says that the service sent it; in the log of a form by
which people signed up; and in a table that says who agreed. Nothing else is a yes: whoever writes to a group has not
asked for its newsletter, and whoever stood on an old list may have left it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from samizdat.core.evidence import authentication
from samizdat.core.evidence.reading import ClaimKind, MailEvidence
from samizdat.core.evidence.versions import DatedTable, DayRange, missing_in_later
from samizdat.core.mail.address import BadAddress, comparable, normalize

AddressStatus = Literal[
    "complained", "unsubscribed", "cleaned", "excluded", "doubtful", "subscribed", "unproven", "listed", "wrote"
]
# The strongest first. `excluded`: a person left them out; `doubtful`: they may have left; `listed`: they stood in an
# old table. Only those who are subscribed may be written to.
STATUSES: tuple[AddressStatus, ...] = (
    "complained", "unsubscribed", "cleaned", "excluded", "doubtful", "subscribed", "unproven", "listed", "wrote",
)  # fmt: skip
# What says it: an email, a row in the log of a form or in a table, or that a later table has no such row.
Origin = Literal["", "form", "list", "missing"]
NOES: tuple[AddressStatus, ...] = ("complained", "unsubscribed", "cleaned")
# Nobody takes these out: whoever left comes back by signing up, not by somebody's opinion of an email.
FINAL: tuple[AddressStatus, ...] = ("complained", "unsubscribed")
_STATUS_OF: dict[ClaimKind, AddressStatus] = {
    "complaint": "complained",
    "left": "unsubscribed",
    "hard": "cleaned",
    "yes": "subscribed",
    "wrote": "wrote",
}
# A server counts as the mailbox's own where it stands first in so many of 100 emails that came.
OWN_SERVER = 80
# Emails that must have come, of which so many of 100 to the group: less is somebody else's mailbox.
ENOUGH, OURS = 1, 10


class EvidenceEntry(Struct, frozen=True, array_like=True, omit_defaults=True):
    """Emails or rows that say the same of an address. `source`: the service, "" for other mail, or a file's name. Days
    as 2022-03-14, or "". `emails`: how many of either. `subject`: of the last of them. `is_out`: a person has taken it
    out, so that it says nothing."""

    status: AddressStatus
    source: str
    first: str
    last: str
    emails: int
    subject: str = ""
    is_out: bool = False
    origin: Origin = ""


class RowEvidence(Struct, frozen=True, array_like=True):
    """What a row of a table says of an address. Days: as of an entry; of both the same where the row names one, else
    when the table was written, as far as its name tells."""

    address: str
    status: AddressStatus
    first: str = ""
    last: str = ""


class AddressEvidence(Struct, frozen=True, array_like=True, omit_defaults=True):
    """`entries`: in the order of their last days. `choice`: what a person chose, which counts where it is further from
    a yes. `status`: the strongest of what counts."""

    address: str
    status: AddressStatus
    entries: tuple[EvidenceEntry, ...]
    choice: Literal["", "unsubscribed", "excluded"] = ""

    @property
    def counting(self) -> list[EvidenceEntry]:
        return [entry for entry in self.entries if not entry.is_out]

    def last(self, status: AddressStatus) -> str:
        return max((entry.last for entry in self.counting if entry.status == status), default="")

    @property
    def is_proposed(self) -> bool:
        """Whether they come in. Of the others nothing is a yes or a no."""
        return self.status == "subscribed" or self.status in NOES

    @property
    def came_back(self) -> bool:
        """Whether a proven yes is later than the no that wins."""
        no = max((entry.last for entry in self.counting if entry.status in NOES), default="")
        return self.status in NOES and self.last("subscribed") > no

    def decided(self, out: frozenset[int], choice: Literal["", "unsubscribed", "excluded"]) -> "AddressEvidence":
        """The same without the entries with these numbers (but no FINAL one), and with this choice."""
        entries = tuple(
            replace(entry, is_out=number in out and entry.status not in FINAL)
            for number, entry in enumerate(self.entries)
        )
        counting = {entry.status for entry in entries if not entry.is_out} or {"excluded"}
        status = min(counting | ({choice} if choice else set()), key=STATUSES.index)
        return AddressEvidence(self.address, status, entries, choice)


class MailboxCounts(Struct):
    """Emails. `received`: not written by the group; `ours`: of these, to it. `foreign_claims`: say something, and came
    to others. `bad_addresses`: name what is no address. `rows`: of tables."""

    emails: int = 0
    received: int = 0
    ours: int = 0
    unclear: int = 0
    unreadable: int = 0
    foreign_claims: int = 0
    bad_addresses: int = 0
    rows: int = 0


class Fold:
    """Takes emails one by one, and tables."""

    def __init__(self) -> None:
        self.counts = MailboxCounts()
        self.servers: Counter[str | None] = Counter()  # of emails to the group
        # Address -> what is said -> [first day, last day, emails, subject of the last]. Who says it, is judged last.
        self._said: dict[str, dict[_Said, list]] = {}  # type: ignore[type-arg]
        self._spelled: dict[str, str] = {}
        self._known: set[str] = set()  # those of whom an email to the group or a table speaks
        self._tables: list[DatedTable] = []

    def add(self, email: MailEvidence) -> None:
        counts = self.counts
        counts.emails += 1
        counts.unreadable += email.unreadable
        if email.sent or email.unreadable:
            return
        counts.received += 1
        if not email.ours:
            counts.foreign_claims += bool(email.claims)
        else:
            counts.ours += 1
            counts.unclear += email.unclear
            self.servers[email.server] += 1
        for claim in email.claims:
            try:
                address = normalize(claim.address)
            except BadAddress:
                counts.bad_addresses += 1
                continue
            is_proven = claim.kind == "yes" and email.ours and authentication.covers(email.passed, email.sender)
            what: _Said = (_STATUS_OF[claim.kind], email.source, email.server if is_proven else None, "")
            key = self._note(address, what, email.day, email.day, email.subject)
            if email.ours:
                self._known.add(key)

    def add_table(self, name: str, origin: Origin, written: DayRange, rows: Iterable[RowEvidence]) -> None:
        """A table of people, or the log of a form. written: as far as its name tells."""
        listed: set[str] = set()
        for row in rows:
            self.counts.rows += 1
            try:
                address = normalize(row.address)
            except BadAddress:
                self.counts.bad_addresses += 1
                continue
            key = self._note(address, (row.status, name, None, origin), row.first, row.last)
            self._known.add(key)
            listed.add(key)
        if origin == "list":
            self._tables.append(DatedTable(name, written, listed))

    def compare_tables(self) -> None:
        """Once all are here: who is missing in a later version of a table may have left."""
        for key, table in missing_in_later(self._tables, self._last_yes):
            self._note(self._spelled[key], ("doubtful", table.name, None, "missing"), *table.written)

    def _last_yes(self, key: str) -> str:
        return max((says[1] for what, says in self._said[key].items() if what[0] == "subscribed"), default="")

    def _note(self, address: str, what: "_Said", since: str, until: str, subject: str = "") -> str:
        """The key of the address."""
        key = comparable(address)
        self._spelled.setdefault(key, address)
        known = self._said.setdefault(key, {}).get(what)
        if known is None:
            self._said[key][what] = [since, until, 1, subject]
            return key
        first, last, emails, before = known
        subject = subject if until >= last else before
        known[:] = [min(filter(None, (first, since)), default=""), max(last, until), emails + 1, subject]
        return key

    @property
    def is_foreign(self) -> bool:
        """Whether nearly nothing that came went to the group: then it is not the group's mailbox."""
        return self.counts.received >= ENOUGH and self.counts.ours * 100 < self.counts.received * OURS

    def own_server(self) -> str | None:
        """The server that stands first in nearly all emails, "" for one that never names itself; None where none does.
        Somebody who writes such a header into emails would have to write nearly all of the mailbox."""
        for server, emails in self.servers.most_common(1):
            if server is not None and emails * 100 >= self.counts.ours * OWN_SERVER:
                return server
        return None

    def addresses(self, servers: frozenset[str]) -> list[AddressEvidence]:
        """servers: those whose word on who sent an email counts. Sorted by address. An email to somebody else can keep
        an address from becoming active, and brings none in."""
        return [self._folded(key, servers) for key in sorted(self._known)]

    def _folded(self, key: str, servers: frozenset[str]) -> AddressEvidence:
        entries = []
        for (status, source, proof, origin), (first, last, emails, subject) in self._said[key].items():
            is_unproven = status == "subscribed" and not origin and proof not in servers
            counts_as: AddressStatus = "unproven" if is_unproven else status
            entries.append(EvidenceEntry(counts_as, source, first, last, emails, subject, origin=origin))
        entries.sort(key=lambda entry: (entry.last, STATUSES.index(entry.status), entry.source))
        strongest = min((entry.status for entry in entries), key=STATUSES.index)
        return AddressEvidence(self._spelled[key], strongest, tuple(entries))


# What is said, the service or the file, of a yes in an email the server that says who sent it, and what says it.
type _Said = tuple[AddressStatus, str, str | None, Origin]
