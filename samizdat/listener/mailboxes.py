"""Which addresses are ours, by their shape alone: nobody learns here whether a code in one is known."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from samizdat.core.crypto import tokens
from samizdat.core.mail.return_address import token_in

# Seconds until the supervisor is asked again, where all goes well, and where it did not answer.
ASK_AGAIN, AFTER_A_FAULT = 60.0, 5.0
LONGEST = 320  # Characters of an address: RFC 5321, 4.5.3.1.


@dataclass(frozen=True, slots=True)
class OwnMailboxes:
    """Of one organization: its uid, the addresses to which mail comes back, and the numbers of its link keys. `most`:
    bytes of the largest message for which it has room now; of strangers: where no code of ours is in the address."""

    uid: bytes
    addresses: frozenset[str]
    keys: frozenset[int]
    most: int
    most_of_strangers: int

    @classmethod
    def of_answer(cls, row: dict[str, Any]) -> "OwnMailboxes":
        addresses = frozenset(str(address).lower() for address in row["addresses"])
        uid, keys = bytes.fromhex(row["organization"]), frozenset(row["keys"])
        return cls(uid, addresses, keys, int(row["most"]), int(row["most_of_strangers"]))

    def takes(self, address: str) -> bool:
        """local@domain, local+anything@domain, or anything at a domain that is all ours."""
        local, _at, domain = address.lower().rpartition("@")
        return bool(local) and (f"@{domain}" in self.addresses or self.names(address))

    def names(self, address: str) -> bool:
        """The first two of these."""
        local, _at, domain = address.lower().rpartition("@")
        return f"{local.partition('+')[0]}@{domain}" in self.addresses

    def has_key_of(self, address: str) -> bool:
        try:
            return tokens.key_number(token_in(address) or address.rpartition("@")[0]) in self.keys
        except tokens.BadToken:
            return False


class AddressBook:
    """Those of all organizations, as the supervisor tells them."""

    def __init__(
        self, ask: Callable[[], Iterable[dict[str, Any]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._clock = ask, clock
        self._rows: list[OwnMailboxes] | None = None
        self._again = float("-inf")
        # Sessions of a relay come together: without it, the second one would refuse what the first is asking about.
        self._asking = threading.Lock()

    def refresh(self, unknown: bool = False) -> None:
        """Asks, where that is due, and sooner about an unknown address; what was known stays where nobody answers.
        Errors: VaultError, where nothing is known."""
        sooner = ASK_AGAIN - AFTER_A_FAULT if unknown else 0.0
        with self._asking:
            if self._rows is not None and self._clock() < self._again - sooner:
                return
            self._again = self._clock() + AFTER_A_FAULT
            try:
                self._rows = [OwnMailboxes.of_answer(row) for row in self._ask()]
            except Exception:
                if self._rows is None:
                    raise
                return
            self._again = self._clock() + ASK_AGAIN

    def owner(self, address: str) -> bytes | None:
        """uid of the organization whose address this is; of several that share it, the one whose code is in it, else
        one that has this very address and not all of its domain."""
        row = self._row(address)
        return row.uid if row else None

    def most(self, address: str) -> int:
        """Bytes of the largest message to it for which its organization has room now."""
        row = self._row(address)
        if row is None:
            return 0
        return row.most if row.has_key_of(address) else row.most_of_strangers

    def _row(self, address: str) -> OwnMailboxes | None:
        if len(address) > LONGEST or not address.isprintable():
            return None
        rows = sorted((row for row in self._rows or () if row.takes(address)), key=lambda row: not row.names(address))
        return next((row for row in rows if row.has_key_of(address)), rows[0] if rows else None)
