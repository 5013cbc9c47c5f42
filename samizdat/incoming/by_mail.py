"""Commands by plain email: read by a process without keys, proven by DKIM or by a token of ours, and laid into the
intake in the words that forms have, for the worker (worker/inbox/by_mail.py).

Only who leaves has left at once, however many mails wait for a relay: a campaign may be on its way. Nothing is
answered here: who is nobody to us hears nothing.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions.consent import unsubscribe_from_all
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import List
from samizdat.campaigns.sender_domain_check import asker
from samizdat.core.bounce.mime import BYTES_READ
from samizdat.core.bounce.report import Report
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail import by_mail, dmarc
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.core.mail.by_mail import Command, MailRequest
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.core.mail.return_address import PLAIN, token_in, with_token
from samizdat.core.mail.spf import Ask
from samizdat.incoming import signup_requests
from samizdat.incoming.helper_reading import ORDINARY, read_each, signing_domains
from samizdat.incoming.intake import box_key
from samizdat.incoming.mailboxes.sealed import open_settings, open_state
from samizdat.incoming.models import IncomingMail, PolledMailbox
from samizdat.logs import where_it_broke
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import intake_boxes
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

log = logging.getLogger("samizdat.worker")

PURPOSE = "by-mail"
# Days that the answer to a mail of ours counts.
ANSWERED = 7
# What a box says of a command that is done, and of which only the answer is left to write.
DONE = "answer"
# Kinds of core/bounce/report that a person may have written.
WRITTEN = ("reply", "unsubscribe")
# Seconds of questions to name servers for one portion; whoever comes after that is asked by a mail.
ASKING = 5.0
_EPOCH = date(1970, 1, 1)


def mailbox_of(organization: Organization) -> str:
    """The address that takes commands, or @domain; "" where no mail comes in, as while all mailboxes are paused."""
    kept = leading(organization)
    return (kept.unsubscribe_mailbox or kept.return_address) if _comes_in(organization) else ""


def _comes_in(organization: Organization) -> bool:
    """By a mailbox that is read; else whether any came in lately, since the last of the paused ones was read: by our
    own listener."""
    lately, last_read = IncomingMail.objects.filter(organization=organization), list[date]()
    for row in PolledMailbox.objects.select_related("organization").filter(organization=organization):
        try:
            settings, state = open_settings(row), open_state(row)
        except (SealError, RecordBroken):
            continue  # Nobody reads it either.
        if not settings.paused:
            return True
        if state.heard:
            last_read.append(state.heard.astimezone(UTC).date())
    return (lately.filter(received__gt=max(last_read)) if last_read else lately).exists()


def address_for(mailbox: str, word: str) -> str:
    """Where one writes to for a command."""
    return with_token(mailbox, word)


def reply_address(organization: Organization, token: str) -> str:
    """Where the answer to a mail goes that this token stands for; "" where no mail comes in."""
    mailbox = mailbox_of(organization)
    return with_token(mailbox, token) if mailbox else ""


def day_number(now: datetime) -> int:
    return (now.astimezone(UTC).date() - _EPOCH).days


def proof(organization: Organization, command: Command, number: int, now: datetime) -> str:
    """A token by which whoever holds it may have this done. number: of the subscriber, 0 for nobody who is here."""
    keys = keyring.keys(organization)
    assert keys.link is not None
    return tokens.make(keys.link, PURPOSE, day_number(now) << 32 | by_mail.numbered(command), number)


def proven(organization: Organization, text: str, now: datetime) -> tuple[Command, int] | None:
    """What a token of ours lets somebody have done, lately made; and the number of the subscriber, as in `proof`."""
    try:
        token = tokens.read(keyring.keys(organization).own_links, PURPOSE, text)
    except tokens.BadToken:
        return None
    command = by_mail.of_number(token.edition & 0xFFFFFFFF)
    if command is None or not 0 <= day_number(now) - (token.edition >> 32) <= ANSWERED:
        return None
    return command, token.number


def hand_on(organization: Organization, mails: Sequence[tuple[Envelope, Report | None]], now: datetime) -> list[bool]:
    """Of each message whether it was a command, which waits in the intake now."""
    candidates = [place for place, (_letter, report) in enumerate(mails) if report and _may_ask(report)]
    letters = [mails[place][0] for place in candidates]
    requests = _read(organization, letters) if letters else []
    door, handed = _CommandDoor(organization, now), [False] * len(mails)
    for place, letter, request in zip(candidates, letters, requests, strict=True):
        report = mails[place][1]
        if request is not None and report is not None:
            handed[place] = door.take(letter, request, letter.to or report.hints.returned_to)
    return handed


def _may_ask(report: Report) -> bool:
    return report.kind in WRITTEN and not report.sender_is_null


def _read(organization: Organization, letters: Sequence[Envelope]) -> Sequence[MailRequest | None]:
    def read(some: Sequence[Envelope]) -> Sequence[MailRequest | None]:
        return limited_process.work(organization.pk, by_mail.read_all, [letter.raw[:BYTES_READ] for letter in some])

    return read_each(letters, read, ORDINARY)


@dataclass(slots=True)
class _CommandDoor:
    """Takes the requests of one portion."""

    organization: Organization
    now: datetime
    spent: float = 0.0  # Seconds of questions to name servers.

    def take(self, letter: Envelope, request: MailRequest, to: Sequence[str]) -> bool:
        """Whether it is a command."""
        for address in to:
            if text := _token_of(address):
                return self._answered(text, request)
        command = self._command(request, to)
        if command is None:
            return False
        try:
            sender = normalize(request.sender)
        except BadAddress:
            return False
        is_theirs = self._command(request, _signed_addresses(letter, request)) == command
        if command.what == "subscribe":
            form = self._form(command.how)
            if form is not None:
                self._sign_up(sender, *form)
                return True
            command = Command("help")
        self._ask(sender, command, is_proven=is_theirs and self._is_signed(letter, request, sender))
        return True

    def _answered(self, text: str, request: MailRequest) -> bool:
        """The answer to a mail of ours that asked: a word of yes. What else was written is for people."""
        links = keyring.keys(self.organization).links
        for purpose, kind in (("confirm", "confirm"), (PURPOSE, "bymail")):
            try:
                tokens.read(links, purpose, text)
            except tokens.BadToken:
                continue
            if request.yes:
                only = self._done(text) if kind == "bymail" else ""
                self._lay(kind, {"token": tokens.spelled(text), "way": "mail", "only": only})
            return request.yes
        return False

    def _command(self, request: MailRequest, to: Sequence[str]) -> Command | None:
        """By the address, else by the subject of what is addressed to the mailbox itself."""
        mailboxes = leading(self.organization).mailboxes
        words = [word for address in to for mailbox in mailboxes if (word := _word(address, mailbox)) is not None]
        for word in words:
            if word and (command := by_mail.command(word)):
                return command
        return by_mail.command(request.subject) if "" in words else None

    def _form(self, slug: str) -> tuple[List, ListDetails] | None:
        """Which list's; None where that isn't clear."""
        forms = [*_with_form(self.organization)]
        named = [pair for pair in forms if pair[1].page_slug == slug] if slug else forms
        return named[0] if len(named) == 1 else None

    def _sign_up(self, sender: str, list_: List, details: ListDetails) -> None:
        """As by the form of a list, which confirms it by a mail."""
        language = leading(self.organization).language
        signup_requests.lay(self.organization, list_, details, sender, language=language, way="mail", now=self.now)

    def _ask(self, sender: str, command: Command, *, is_proven: bool) -> None:
        subscriber = audience.subscriber_at(self.organization, sender)
        token = proof(self.organization, command, subscriber.number if subscriber else 0, self.now) if is_proven else ""
        words = {"token": token, "address": sender, "what": command.what, "how": command.how}
        self._lay("bymail", words | {"only": self._done(token)})

    def _done(self, token: str) -> str:
        """DONE, where that was to leave. Where it fails, the worker tries it again before it answers."""
        command, number = proven(self.organization, token, self.now) or (None, 0)
        subscriber = audience.subscriber_numbered(self.organization, number) if number else None
        if command is None or command.what != "leave" or subscriber is None:
            return ""
        try:
            unsubscribe_from_all(subscriber, now=self.now, way="mail")
        except Exception as error:
            log.error("A command by email could not be taken up and is tried again: %s", where_it_broke(error))
            return ""
        return DONE

    def _is_signed(self, letter: Envelope, request: MailRequest, sender: str) -> bool:
        """Whether the domain of From has signed it, lately and for us (RFC 9989, relaxed)."""
        if not (request.signatures and by_mail.is_recent(request.date, self.now)) or self.spent > ASKING:
            return False
        began, ask = time.monotonic(), asker(ASKING - self.spent)
        try:
            domains = signing_domains(self.organization, letter, request.signatures, ask, self.now)
            return any(_aligned(name, domain(sender), ask) for name in domains)
        finally:
            self.spent += time.monotonic() - began

    def _lay(self, kind: str, words: Mapping[str, str]) -> None:
        publicdb.take_in(bytes(self.organization.uid), self._sealed(kind, words), kind, None)

    def _sealed(self, kind: str, words: Mapping[str, str]) -> bytes:
        """As public/envelopes does it, with the key from our own ring."""
        payload = {"kind": kind, "at": self.now.isoformat(timespec="seconds"), **words}
        return intake_boxes.sealed(*box_key(self.organization), bytes(self.organization.uid), payload)


def _signed_addresses(letter: Envelope, request: MailRequest) -> list[str]:
    """Those that the message itself names: the envelope, and fields that servers add, are in no signature."""
    delivered = {address.lower() for address in letter.to or request.to}
    return [address for address in request.to if address.lower() in delivered]


def _aligned(signer: str, sender: str, ask: Ask) -> bool:
    return bool(dmarc.aligned(signer, sender, ask, strict=False))


def _token_of(address: str) -> str:
    local = address.strip("<> ").rpartition("@")[0]
    return token_in(address) or (local if len(local) == tokens.TOKEN_CHARACTERS else "")


def _word(address: str, mailbox: str) -> str | None:
    """What stands behind the plus, or before the @ of a domain that is all ours; "" for the mailbox itself. None where
    it is another address."""
    local, _at, host = address.lower().strip("<> ").rpartition("@")
    own, _at, own_host = mailbox.lower().rpartition("@")
    if not own_host or host != own_host:
        return None
    if not own:
        return "" if local == PLAIN else local
    name, _plus, word = local.partition("+")
    return word if name == own else None


def _with_form(organization: Organization) -> Iterator[tuple[List, ListDetails]]:
    """Lists with a page to sign up on."""
    for list_ in List.objects.select_related("organization").filter(organization=organization).order_by("id"):
        details = audience.details_of(list_)
        if details.page_slug:
            yield list_, details


def offered(organization: Organization) -> list[str]:
    """Addresses of the forms of lists, as `subscribe` names them."""
    return [details.page_slug for _list, details in _with_form(organization)]
