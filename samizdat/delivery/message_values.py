"""One subscriber's values for the slots of a letter. Pure: everything is given, nothing is looked up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from samizdat.core.content import reader_formats
from samizdat.core.crypto import seal
from samizdat.core.crypto.tokens import LinkKey, TokenMaker
from samizdat.core.mail.return_address import with_token


@dataclass(frozen=True, slots=True)
class EditionUrls:
    """Where links and answers of an edition lead. Addresses are normalized; empty: not set."""

    public_url: str
    message_id_domain: str
    envelope_sender: str  # Where there is no return address.
    return_address: str = ""
    unsubscribe_mailbox: str = ""
    archive_slug: str = ""
    language: str = ""  # Of a version in another language: their pages speak it as well.


@dataclass(slots=True)
class Recipient:
    """What the envelope and the slots of one message need. `values` lacks DATE, which is the minute of making."""

    number: int
    sender: str
    recipient: str
    values: dict[str, str]
    wishes: str = ""  # How they want it: core/content/reader_formats.


def date_text(now: datetime) -> str:
    """The Date header (RFC 5322), to the minute: a finer time would tell two copies of one message apart."""
    return format_datetime(now.astimezone(UTC).replace(second=0, microsecond=0))


class ValueBuilder:
    """Makes the values of one edition's messages. Belongs to one thread, as the Makers inside it do.

    fields: merge field tag -> its number in every blob, for those the letter uses. needs: MessageMaker.needs.
    """

    def __init__(
        self,
        edition: int,
        place: EditionUrls,
        key: LinkKey,
        fields: Mapping[str, int],
        needs: Iterable[str],
        leave: str = "leave",
    ) -> None:
        needed = frozenset(needs)
        self._edition = edition
        self._place = place
        self._leave = TokenMaker(key, leave)
        self._message_id = TokenMaker(key, "message-id")
        self._return = TokenMaker(key, "return") if place.return_address else None
        self._fields = [(tag, fields[tag]) for tag in sorted(needed & set(fields))]
        self._mailto = place.unsubscribe_mailbox if "LEAVE_MAILTO" in needed else ""
        self._fixed = {"ARCHIVE_URL": f"{place.public_url}/a/{place.archive_slug}"} if "ARCHIVE_URL" in needed else {}
        self._unsubscribe = f"{place.public_url}/u/"
        self._staying = f"{place.public_url}/y/" if "STAY_URL" in needed else ""
        self._stay = TokenMaker(key, "stay" if leave == "leave" else leave)
        self._preferences = TokenMaker(key, "preferences") if "PREFERENCES_URL" in needed and leave == "leave" else None
        self._settings = f"{place.public_url}/p/"
        self._domain = place.message_id_domain
        self._speaks = f"?{place.language}" if place.language else ""

    def address(self, people: Sequence[tuple[int, bytes]]) -> list[Recipient]:
        """(number, opened blob) of each to what their message needs, in the same order. Errors: seal.SealBroken."""
        numbers = [number for number, _ in people]
        leaves = self._leave.many(self._edition, numbers)
        ids = self._message_id.many(self._edition, numbers)
        senders = self._senders(numbers)
        settings = self._preferences.many(self._edition, numbers) if self._preferences else [""] * len(numbers)
        return [
            self._one(number, plain, leave, identity, sender, preferences)
            for (number, plain), leave, identity, sender, preferences in zip(
                people, leaves, ids, senders, settings, strict=True
            )
        ]

    def _senders(self, numbers: list[int]) -> list[str]:
        """Where bounces go: the return address with their token in it, else domain_ownership.envelope_sender."""
        if self._return is None:
            return [self._place.envelope_sender] * len(numbers)
        return [with_token(self._place.return_address, token) for token in self._return.many(self._edition, numbers)]

    def _one(self, number: int, plain: bytes, leave: str, identity: str, sender: str, preferences: str) -> Recipient:
        recipient = seal.pick(plain, seal.ADDRESS)
        values = {
            **self._fixed,
            "EMAIL": recipient,
            "UNSUB_URL": self._unsubscribe + leave + self._speaks,
            "MESSAGE_ID": f"<{identity}@{self._domain}>",
        }
        for tag, field in self._fields:
            values[tag] = seal.pick(plain, field)
        if self._staying:
            values["STAY_URL"] = self._staying + self._stay(self._edition, number) + self._speaks
        if self._mailto:
            values["LEAVE_MAILTO"] = f"mailto:{with_token(self._mailto, leave)}?subject=leave"
        if preferences:
            values["PREFERENCES_URL"] = self._settings + preferences + self._speaks
        wishes = seal.pick(plain, seal.WISHES)
        return Recipient(number, sender, recipient, values, reader_formats.known(wishes) if wishes else "")
