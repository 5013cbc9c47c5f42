"""A connection to a mailbox's host: only to addresses that it may lead to, and encrypted before a password is sent."""

import hashlib
import hmac
import imaplib
import ipaddress
import poplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from imapclient.exceptions import IMAPClientError

from samizdat.core.private_networks import Network
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.own_addresses import may_reach

# Seconds for each answer, and for all of a session: a server that sends a byte a minute ends there.
ANSWER, SESSION = 60.0, 1800.0
# Bytes that a server may announce at once: a message of which the beginning was asked for, with some room.
LONGEST = 12 << 20
# Bytes that it may send in all for one command: messages that were asked for together, and the lines around them, of
# which libraries make many objects. What else comes would fill the memory of the process that reads for everybody.
MOST_MESSAGES, MOST_LINES = 2 * LONGEST, 2 << 20
# Of OpenSSL: a certificate that is not valid yet, or no more.
NOT_NOW_VALID = (9, 10)
# Of a name server that doesn't answer, or not now: nothing is known about the name.
NO_NAMES = (socket.EAI_AGAIN, socket.EAI_FAIL)


def dial(settings: MailboxSettings, allowed: tuple[Network, ...] | None, answer: float = ANSWER) -> socket.socket:
    """allowed: inner networks that it may lead to; None: everything. Looked up once, so that the address which is
    looked at is the one it leads to. Errors: MailboxFault, OSError."""
    results = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in results))
    parsed = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
    if not settings.kind.encryption and not all(address.is_loopback for address in parsed):
        raise MailboxFault("in_the_clear")
    if allowed is not None and not all(may_reach(address, allowed) for address in parsed):
        raise MailboxFault("inside")
    failed: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for address in addresses:
        try:
            return socket.create_connection((address, settings.port), answer)
        except OSError as error:  # The next one may answer.
            failed = error
    raise failed


def tls_context(settings: MailboxSettings) -> ssl.SSLContext:
    """Checks names and chain, TLS 1.2 or later. A pinned fingerprint is checked by us instead of the chain."""
    try:
        context = ssl.create_default_context(cafile=settings.ca or None)
    except (OSError, ssl.SSLError):
        raise MailboxFault("certificate") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def encrypt(settings: MailboxSettings, plain: socket.socket) -> socket.socket:
    """For TLS from the first byte; others as they are."""
    if settings.kind.encryption != "implicit":
        return plain
    return tls_context(settings).wrap_socket(plain, server_hostname=settings.host)


def check_pinned(settings: MailboxSettings, connection: socket.socket) -> None:
    """Before the password. Errors: MailboxFault."""
    if settings.fingerprint:
        certificate = connection.getpeercert(True) if isinstance(connection, ssl.SSLSocket) else None
        if not hmac.compare_digest(hashlib.sha256(certificate or b"").hexdigest(), settings.fingerprint):
            raise MailboxFault("fingerprint")


@contextmanager
def faults() -> Iterator[None]:
    """Whatever libraries and servers come with, as a MailboxFault."""
    try:
        yield
    except MailboxFault:
        raise
    except Exception as error:
        if code := _code(error):
            raise MailboxFault(code) from None
        raise


def _code(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in NOT_NOW_VALID:
            return "clock"
        case ssl.SSLCertVerificationError():
            return "certificate"
        case socket.gaierror(errno=code) if code in NO_NAMES:
            return "no_names"
        case socket.gaierror():
            return "no_such_host"
        case TimeoutError():
            return "silent"
        case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError() | EOFError():
            return "hung_up"
        case ssl.SSLError():
            return "tls"
        case OSError():
            return "no_connection"
        case imaplib.IMAP4.abort():  # Also what IMAPClient calls so.
            return "hung_up"
        case IMAPClientError() | imaplib.IMAP4.error() | poplib.error_proto() | ValueError():
            return "not_understood"
        # The libraries trust what a server answers: a number where a name belongs, a bracket in a bracket.
        case LookupError() | TypeError() | AttributeError() | RecursionError():
            return "not_understood"
    return ""


class Deadline:
    """Ends a session that lasts longer, whatever it waits for."""

    def __init__(self, connected: socket.socket, seconds: float = SESSION) -> None:
        self._same = connected.dup()  # TLS takes the first one over.
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        with suppress(OSError):
            self._same.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        self._timer.cancel()
        self._same.close()
