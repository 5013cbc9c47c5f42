"""Key shares: the instance key on paper, in words, for several people (docs/key-formats.md), or the strict key of an
organization. A set of them is remembered with its days, never its words."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
from shamir_mnemonic.shamir import EncryptedMasterSecret, decode_mnemonics, recover_ems, split_ems
from shamir_mnemonic.share import Share
from shamir_mnemonic.utils import MnemonicError
from shamir_mnemonic.wordlist import WORDLIST

from samizdat.core.crypto import fingerprint, share_words
from samizdat.core.crypto.share_words import ShareError
from samizdat.vault.errors import SharesRefused, VaultError
from samizdat.vault.models import ShareSet
from samizdat.vault.source import InstanceSource, KeySource

FEWEST, MOST = 2, 16
# Bits of an identifier that say which set of the installation it is.
_SET_BITS = 5


class SetDetails(msgspec.Struct):
    """What is remembered of a set. identifier: that of SLIP-39; practiced: "" for never. organization: the uid in hex,
    of shares of its strict key; "" of shares of the instance key."""

    identifier: int = 0
    threshold: int = 0
    count: int = 0
    created: date = date.min
    practiced: date | None = None
    organization: str = ""

    @property
    def first_words(self) -> str:
        """What every share of the set begins with."""
        number = self.identifier << 5 | 1 << 4
        return f"{WORDLIST[number >> 10]} {WORDLIST[number & 1023]}"


@dataclass(frozen=True, slots=True)
class Known:
    """A set that is remembered, and its row."""

    row: ShareSet
    details: SetDetails


# -- the sets that are remembered --------------------------------------------------------------------------------------


def sets(source: KeySource, organization: str = "") -> list[Known]:
    """The oldest first, of the instance key or of the strict key of an organization, by its uid in hex. What does not
    open is left out: somebody else wrote it."""
    known = []
    for row in ShareSet.objects.order_by("id"):
        try:
            details = msgspec.json.decode(source.unwrap(label(row), row.wrapped), type=SetDetails)
        except (VaultError, msgspec.DecodeError):
            continue
        if details.organization == organization:
            known.append(Known(row, details))
    return known


def label(row: ShareSet) -> str:
    return f"shares:{row.pk}"


def _remember(row: ShareSet, details: SetDetails, source: KeySource) -> None:
    row.wrapped = source.wrap(label(row), msgspec.json.encode(details))
    row.save(update_fields=["wrapped"])


def remember_new(details: SetDetails, source: KeySource) -> None:
    """Call it in a transaction."""
    _remember(ShareSet.objects.create(wrapped=b""), details, source)


def forget(source: KeySource, organization: str) -> None:
    """The sets of a strict key that opens nothing here any more."""
    for known in sets(source, organization):
        known.row.delete()


def remember_practice(identifier: int, today: date, source: KeySource, organization: str = "") -> SetDetails | None:
    """Of the newest set with this identifier; None where none is remembered, as after an older backup."""
    for known in reversed(sets(source, organization)):
        if known.details.identifier == identifier:
            known.details.practiced = today
            _remember(known.row, known.details, source)
            return known.details
    return None


# -- making them -------------------------------------------------------------------------------------------------------


def make(
    key: bytes, threshold: int, count: int, today: date, before: Sequence[SetDetails], organization: str = ""
) -> tuple[SetDetails, list[str]]:
    """A new set of this key, and its shares. before: the sets there are. Errors: SharesRefused."""
    if not FEWEST <= threshold <= count <= MOST:
        raise SharesRefused(
            f"Choose {FEWEST} to {MOST} shares, and a threshold from {FEWEST} to their number: --threshold 2 --of 3."
        )
    identifier = _new_identifier(key, before)
    secret = EncryptedMasterSecret.from_master_secret(key, b"", identifier, True, 0)
    [group] = split_ems(1, [(threshold, count)], secret)
    details = SetDetails(identifier, threshold, count, today, organization=organization)
    words = [share.mnemonic() for share in group]
    for first in range(count):  # Each of them is in one of these.
        if combined([share_words.share(words[(first + at) % count]) for at in range(threshold)]) != key:
            raise SharesRefused("The shares don't give the key back. Nothing was kept; run this again.")
    return details, words


def _new_identifier(key: bytes, before: Sequence[SetDetails]) -> int:
    """None that one of the last sets has."""
    first = fingerprint.first_word(InstanceSource(key).derive(fingerprint.PURPOSE)) << _SET_BITS
    taken = {details.identifier for details in before[-(1 << _SET_BITS) + 1 :]}
    return secrets.choice([first | number for number in range(1 << _SET_BITS) if first | number not in taken])


# -- putting them together ---------------------------------------------------------------------------------------------


class Collected:
    """Shares as they are entered, one after the other. first_word: that of this installation's shares; None where
    nobody knows it, for its key is lost."""

    def __init__(self, first_word: int | None = None) -> None:
        self.shares: list[Share] = []
        self._first_word = first_word

    @property
    def missing(self) -> int | None:
        """How many are still needed; None before the first."""
        return self.shares[0].member_threshold - len(self.shares) if self.shares else None

    def add(self, typed: str) -> None:
        """Errors: ShareError, which leaves what was entered before."""
        share = share_words.share(typed)
        first = share.identifier >> _SET_BITS
        if self._first_word is not None and first != self._first_word:
            raise ShareError(
                f"This share belongs to another installation: it begins with “{WORDLIST[first]}”, those of this "
                f"one with “{WORDLIST[self._first_word]}”. Enter another share."
            )
        if self.shares:
            self._compare(share, self.shares[0])
        self.shares.append(share)

    def _compare(self, share: Share, other: Share) -> None:
        if share.identifier >> _SET_BITS != other.identifier >> _SET_BITS:
            raise ShareError(
                "This share belongs to another installation than the first one: its first word differs. Enter a share "
                "of the same installation."
            )
        if share.group_parameters() != other.group_parameters():
            raise ShareError(
                "This share is from another set than the first one: they were made at different times and don't go "
                "together. Enter a share of the same set."
            )
        same = [known for known in self.shares if known.index == share.index]
        if same and same[0].value == share.value:
            raise ShareError(f"Share {share.index + 1} was entered already. Enter another one.")
        if same:
            raise ShareError(
                f"There are two different shares with number {share.index + 1}: one is from another set. Enter a share "
                "of the same set."
            )

    def key(self) -> bytes:
        """The key that they were made of. Errors: SharesRefused."""
        if (missing := self.missing) is None or missing > 0:
            raise SharesRefused(
                f"Not enough shares: {missing} more needed. Fewer than the threshold tell nothing about the key."
                if missing
                else "No share was entered. Enter the words of one share per line."
            )
        return combined(self.shares)


def combined(shares: Sequence[Share]) -> bytes:
    """Errors: SharesRefused."""
    try:
        secret = recover_ems(decode_mnemonics(share.mnemonic() for share in shares))
    except MnemonicError:
        raise SharesRefused(
            "These shares don't go together: one is from another set. Compare the days on the pages, and start again."
        ) from None
    return bytes(secret.decrypt(b""))


def fingerprint_of(source: KeySource) -> str:
    return fingerprint.text(source.derive(fingerprint.PURPOSE))
