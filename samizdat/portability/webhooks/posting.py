"""One request to an endpoint: what was answered, or why nothing was. No redirect is followed, an address of the inner
network is asked only where that is allowed, and of an answer no more is read than a sentence needs."""

import contextlib
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from threading import Timer
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from samizdat import outgoing_connections
from samizdat.core.event_webhooks import GONE, EndpointUrl, retry_after
from samizdat.core.mail.outcome import scrub
from samizdat.core.private_networks import Network

# Seconds that an endpoint has, for each step and for all of it: the specification recommends 15 to 30.
TIMEOUT = 20.0
# Bytes of an answer that are read, and characters that are kept of one that is no yes.
MOST_READ, MOST_WORDS = 4_000, 200

# Code -> what happened.
SENTENCES: dict[str, Promise] = {
    "status": lazy("The endpoint answered with an error."),
    "redirect": lazy(
        "The endpoint answered with a redirect, which isn’t followed. Enter the address that it leads to."
    ),
    "gone": lazy("The endpoint answered that it is gone for good."),
    "silent": lazy("The endpoint didn’t answer in time."),
    "cut_off": lazy("The endpoint broke off in the middle of its answer."),
    "no_connection": lazy("The endpoint can’t be reached."),
    "no_such_host": lazy("The name of the endpoint’s server isn’t known."),
    "inside": lazy("The address leads into this server’s own network, which isn’t allowed."),
    "certificate": lazy("The certificate of the endpoint isn’t valid. Nothing was sent."),
    "bad_url": lazy("The address can no longer be used."),
}


class PostAnswer(NamedTuple):
    """problem: a code of SENTENCES, "" where it was taken. status: 0 where none came. asked: by Retry-After."""

    problem: str
    status: int = 0
    milliseconds: int = 0
    words: str = ""
    asked: timedelta = timedelta(0)


def post(
    url: EndpointUrl, headers: Mapping[str, str], content: bytes, inside: tuple[Network, ...], timeout: float = TIMEOUT
) -> PostAnswer:
    began = time.monotonic()
    answer = _post(url, headers, content, inside, timeout)
    return answer._replace(milliseconds=round((time.monotonic() - began) * 1000))


def _post(
    url: EndpointUrl, headers: Mapping[str, str], content: bytes, inside: tuple[Network, ...], timeout: float
) -> PostAnswer:
    try:
        connection = _connected(url, inside, timeout)
    except outgoing_connections.NoSuchHost:
        return PostAnswer("no_such_host")
    except outgoing_connections.InnerAddress:
        return PostAnswer("inside")
    except TimeoutError:
        return PostAnswer("silent")
    except ssl.SSLCertVerificationError:
        return PostAnswer("certificate")
    except OSError:
        return PostAnswer("no_connection")
    # However slowly an answer comes: the time of the socket begins anew with each byte.
    ends = time.monotonic() + timeout
    timer = Timer(timeout, _hang_up, [connection.sock])
    timer.daemon = True
    timer.start()
    try:
        return _exchange(connection, url, headers, content)
    except TimeoutError:
        return PostAnswer("silent")
    except (OSError, HTTPException):
        return PostAnswer("silent" if time.monotonic() >= ends else "cut_off")
    finally:
        timer.cancel()
        connection.close()


def _exchange(connection: HTTPConnection, url: EndpointUrl, headers: Mapping[str, str], content: bytes) -> PostAnswer:
    connection.putrequest("POST", url.target, skip_host=True, skip_accept_encoding=True)
    every = {"Host": url.name, "User-Agent": "samizdat", "Content-Type": "application/json", "Connection": "close"}
    for name, value in {**every, "Content-Length": str(len(content)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(content)
    with connection.getresponse() as response:
        if 200 <= response.status < 300:
            return PostAnswer("", response.status)
        words = ""
        with contextlib.suppress(OSError, HTTPException):  # The status says enough.
            words = scrub(response.read(MOST_READ).decode("utf-8", "replace"), limit=MOST_WORDS)
        asked = retry_after(response.headers.get("Retry-After", ""))
        return PostAnswer(_problem(response.status), response.status, words=words, asked=asked)


def _problem(status: int) -> str:
    if status == GONE:
        return "gone"
    return "redirect" if 300 <= status < 400 else "status"


def _connected(url: EndpointUrl, inside: tuple[Network, ...], timeout: float) -> HTTPConnection:
    """Errors: NoSuchHost, InnerAddress, OSError."""
    plain = outgoing_connections.connect(url.host, url.port, inside, timeout)
    connection = HTTPConnection(url.host, url.port)
    connection.sock = plain
    connection.auto_open = 0  # By itself it would connect to wherever the name leads by then.
    if url.is_encrypted:
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=url.host)
        except OSError:
            plain.close()
            raise
    return connection


def _hang_up(plain: socket.socket) -> None:
    """Whatever is waited for ends."""
    with contextlib.suppress(OSError):
        plain.shutdown(socket.SHUT_RDWR)
