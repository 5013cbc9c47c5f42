"""Takes messages in: from a session into a sealed file."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from samizdat import mail_spool
from samizdat.core.mail import incoming_envelope
from samizdat.core.mail.incoming_envelope import MOST_RECEIVED, MessageBeginning, kept
from samizdat.listener.mailboxes import AddressBook
from samizdat.listener.sessions import LimitedLmtpSession, LimitedSession, SessionRoom
from samizdat.logs import where_it_broke
from samizdat.options import option
from samizdat.vault.box_keys import BoxKeys
from samizdat.vault.errors import KeyRefused
from samizdat.vault.socket_source import SocketSource

log = logging.getLogger("samizdat.listener")

type Protocol = Literal["lmtp", "smtp"]
BoxKey = Callable[[bytes], tuple[int, bytes]]

# Recipients of a message: RFC 5321, 4.5.3.1.8, has no server refuse fewer.
RECIPIENTS = 100
_LATER = "451 4.3.0 Can't take this message now, try again later"
_FULL = "452 4.3.1 Too much mail waits here, try again later"


class MailTaker:
    """What aiosmtpd asks at each command. Knows nothing of a message but to whom it goes."""

    def __init__(self, mailboxes: AddressBook, box_key: BoxKey, spool: mail_spool.MailSpool) -> None:
        self._mailboxes, self._box_keys, self._spool = mailboxes, BoxKeys(box_key), spool

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        session.host_name = hostname
        offered = [line for line in lines[:-1] if not line.startswith("250-AUTH")]
        return [*offered, "250 ENHANCEDSTATUSCODES"]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        try:
            if await asyncio.to_thread(self._spool.is_full):
                return _FULL
            await asyncio.to_thread(self._mailboxes.refresh)
        except Exception as error:
            log.error("Mail can't be taken in at the moment: %s", where_it_broke(error))
            return _LATER
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        if self._mailboxes.owner(address) is None:
            # An admin may just have entered it.
            await asyncio.to_thread(self._mailboxes.refresh, unknown=True)
        if self._mailboxes.owner(address) is None:
            return "550 5.7.1 No mail is taken for this address"
        if kept(_declared(envelope)) > self._mailboxes.most(address):
            return _FULL
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(server, LimitedSession)
        try:
            size = kept(server.received.size)
            if any(size > self._mailboxes.most(address) for address in envelope.rcpt_tos):
                answer = _FULL
            else:
                await asyncio.to_thread(self._keep, envelope.rcpt_tos, server.received)
                answer = "250 2.0.0 OK"
        except Exception as error:
            log.error("A message was not taken in: %s", where_it_broke(error))
            answer = _LATER
        # LMTP answers for each recipient: RFC 2033, 4.2.
        return "\r\n".join([answer] * (len(envelope.rcpt_tos) if isinstance(server, LimitedLmtpSession) else 1))

    async def handle_exception(self, error: Exception) -> str:
        if not isinstance(error, OSError | ssl.SSLError):
            log.error("A session failed: %s", where_it_broke(error))
        return _LATER

    def _keep(self, recipients: Sequence[str], message: MessageBeginning) -> None:
        """Once for each organization that it goes to."""
        owners: dict[bytes, list[str]] = {}
        for address in recipients:
            if owner := self._mailboxes.owner(address):
                owners.setdefault(owner, []).append(address)
        for uid, addresses in owners.items():
            letter = incoming_envelope.Envelope.of(addresses, message.raw, message.size)
            sealer = incoming_envelope.EnvelopeSealer(uid, self._box_keys.of(uid), os.urandom(32))
            self._spool.put(uid, sealer.seal(letter, os.urandom(12)))


def _declared(envelope: Envelope) -> int:
    """Bytes of the message, as far as its sender says so (RFC 1870); else one."""
    sizes = [option[5:] for option in map(str.upper, envelope.mail_options) if option.startswith("SIZE=")]
    return int(sizes[0]) if sizes and sizes[0].isdecimal() else 1


def tls_context(certificate: str) -> ssl.SSLContext | None:
    """certificate: a file with the key and the chain; "" for none. Errors: OSError."""
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def listen(
    listener: socket.socket,
    protocol: Protocol,
    taker: MailTaker,
    name: str,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """name: what it calls itself in its greeting."""
    # It writes addresses and where a connection comes from.
    logging.getLogger("mail.log").disabled = True
    room, loop = SessionRoom(), asyncio.get_running_loop()
    kind = LimitedLmtpSession if protocol == "lmtp" else LimitedSession

    def session() -> SMTP:
        options = {"data_size_limit": MOST_RECEIVED, "hostname": name, "ident": "ready", "enable_SMTPUTF8": True}
        return kind(taker, room, loop=loop, tls_context=tls, **options)

    if listener.family == socket.AF_UNIX:
        return await loop.create_unix_server(session, sock=listener, backlog=100)
    return await loop.create_server(session, sock=listener, backlog=100)


def serve(
    protocol: Protocol, descriptor: int, on_term: Callable[[Callable[[], None]], None], sign: Callable[[], object]
) -> None:
    """Until TERM; who is in the middle of a message then sends it again. sign: called each second."""
    source = SocketSource.inherited()
    if source is None:
        raise KeyRefused("Mail is taken in by `samizdat serve`, which says for whom.")
    taker = MailTaker(AddressBook(source.mailboxes), source.box_key, mail_spool.MailSpool(mail_spool.folder()))
    asyncio.run(_until_stopped(socket.socket(fileno=descriptor), protocol, taker, on_term, sign))


async def _until_stopped(
    listener: socket.socket,
    protocol: Protocol,
    taker: MailTaker,
    on_term: Callable[[Callable[[], None]], None],
    sign: Callable[[], object],
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)

    on_term(end)
    certificate = option("SAMIZDAT_MAIL_CERTIFICATE") if protocol == "smtp" else ""
    server = await listen(listener, protocol, taker, option("SAMIZDAT_MAIL_NAME"), tls_context(certificate))
    while not stop.is_set():
        sign()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
    server.close()
