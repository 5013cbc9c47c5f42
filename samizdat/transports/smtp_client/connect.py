"""Opening connections to an SMTP server, and why one did not come about."""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from samizdat.transports.dialing import PrivateAddress, dial
from samizdat.transports.smtp_client.server import SmtpFault, SmtpServer, make_context
from samizdat.transports.smtp_client.session import CLOSED, SmtpSession

# Why a certificate is not trusted, by OpenSSL's numbers (X509_V_ERR_…); any other is of another host.
_UNTRUSTED = {
    10: "certificate_expired",
    18: "self_signed",
    19: "unknown_issuer",
    20: "unknown_issuer",
    21: "unknown_issuer",
}
CERTIFICATES = frozenset({"certificate", *_UNTRUSTED.values()})


async def connect(server: SmtpServer) -> SmtpSession:
    """A connection that is ready for MAIL. Raises Fault; one about a certificate tells its fingerprint."""
    try:
        return await connect_once(server)
    except SmtpFault as fault:
        if fault.verdict.reason not in CERTIFICATES:
            raise
        fingerprint = await fingerprint_of(server)
        cause = fault.verdict.values["detail"]
        # The sentences of the others say already what is wrong with it.
        detail = (
            f"{cause}; {fingerprint}" if fingerprint and fault.verdict.reason == "certificate" else fingerprint or cause
        )
        raise server.fault("dead", fault.verdict.reason, detail=detail) from None


async def fingerprint_of(server: SmtpServer) -> str:
    """Of the certificate that was not trusted. Nothing is said but what leads to TLS: no user, no letter."""
    none = "0" * 64
    try:
        (await connect_once(replace(server, context=make_context("", none), fingerprint=none))).transport.abort()
    except SmtpFault as fault:
        if fault.verdict.reason == "fingerprint":
            return fault.verdict.values["detail"]
    return ""


async def connect_once(server: SmtpServer) -> SmtpSession:
    """The same, and nothing is asked about a certificate."""
    implicit = server.encryption == "implicit"
    session: SmtpSession | None = None
    options: dict[str, Any] = {}
    if implicit:
        options = {
            "ssl": server.context,
            "server_hostname": server.host,
            "ssl_handshake_timeout": server.patience.connect,
        }
    make: Callable[[], SmtpSession] = lambda: SmtpSession(server)  # noqa: E731  (a factory, for the type)
    try:
        async with asyncio.timeout(server.patience.connect):
            session = await dial(make, server.host, server.port, server.route.inside, **options)
        await session.open()
    except BaseException as error:
        if session is not None:
            session.stage = CLOSED
            session.transport.abort()
        if isinstance(error, SmtpFault):
            raise
        if isinstance(error, OSError | PrivateAddress | ssl.SSLError | TimeoutError):
            raise failed(server, error) from None
        raise
    return session


def failed(server: SmtpServer, error: BaseException) -> SmtpFault:
    """Why no connection came about."""
    text = str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error)
    detail = " ".join(text.split())[:120]
    if isinstance(error, PrivateAddress):
        return server.fault("dead", "inside")
    if isinstance(error, ssl.SSLCertVerificationError):
        return server.fault("dead", _UNTRUSTED.get(error.verify_code, "certificate"), detail=detail)
    if isinstance(error, ssl.SSLError):
        return server.fault("throttled", "tls", 60, detail=str(error.reason or "TLS").replace("_", " ").lower())
    if isinstance(error, TimeoutError):
        return server.fault("throttled", "silent", 60, detail=f"{server.patience.connect:g} s")
    if isinstance(error, socket.gaierror):
        return server.fault("throttled", "no_such_host", 60)
    if isinstance(error, ConnectionResetError | ConnectionAbortedError):
        reason = "tls" if server.encryption else "hung_up"
        return server.fault("throttled", reason, 60, detail="it hung up")
    return server.fault("throttled", "no_connection", 30, detail=_errno_said(error) or detail or type(error).__name__)


def _errno_said(error: BaseException) -> str:
    """`connection refused`. asyncio has words of its own, and no errno when a name with several addresses failed."""
    match = re.search(r"\[Errno (\d+)\]", str(error))
    number = getattr(error, "errno", None) or (int(match[1]) if match else 0)
    return os.strerror(number).lower() if number else ""
