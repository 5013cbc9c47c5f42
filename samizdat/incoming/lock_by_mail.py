"""An email with a code from paper locks its organization, whoever sends it (docs/keys.md). What is written to the
address for such emails is never kept; a wrong code is answered by nothing."""

from collections.abc import Sequence
from datetime import datetime

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.core.bounce.mime import BYTES_READ
from samizdat.core.mail import lock_words
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.delivery.actions import key_locks
from samizdat.incoming.by_mail import address_for
from samizdat.incoming.helper_reading import ORDINARY, read_each
from samizdat.vault import lock_codes

# Behind the plus of an address, or before the @ of a domain that is all ours.
WORD = "lock"


def addresses(organization: Organization) -> list[str]:
    """To which one writes, the best first. Errors: VaultError."""
    kept = leading(organization)
    first = [kept.unsubscribe_mailbox or kept.return_address]
    return [*dict.fromkeys(address_for(mailbox, WORD).lower() for mailbox in (*first, *kept.mailboxes) if mailbox)]


def is_to_lock(organization: Organization, letter: Envelope) -> bool:
    return any(address.strip("<> ").lower() in addresses(organization) for address in letter.to)


def codes_in(organization: Organization, letters: Sequence[Envelope]) -> list[tuple[str, ...]]:
    """What may be a code, of each. Errors: those of read_each."""

    def read(some: Sequence[Envelope]) -> Sequence[tuple[str, ...]]:
        raws = [letter.raw[:BYTES_READ] for letter in some]
        return limited_process.work(organization.pk, lock_words.in_messages, raws)

    return [codes or () for codes in read_each(letters, read, ORDINARY)]


def with_code(organization: Organization, letters: Sequence[Envelope]) -> tuple[int, tuple[str, ...]] | None:
    """The first of these that has a code of theirs, and what it may be. Errors: VaultError, those of read_each."""
    for place, codes in enumerate(codes_in(organization, letters)):
        if codes and lock_codes.fits(organization, codes):
            return place, codes
    return None


def lock(organization: Organization, codes: tuple[str, ...], now: datetime) -> bool:
    """Whether it did. Errors: VaultError."""
    return key_locks.lock_by_code(organization, codes, now=now)
