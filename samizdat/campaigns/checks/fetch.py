"""Asks whether a page is there, for a writer who pressed a button. It reaches public addresses alone.

A link in a letter may lead anywhere, also into the network in which this house stands: to a router, a database, the
metadata of a cloud. So a name is looked up here, every address it has must be public, and the connection goes to the
very address that was looked at: a name server that answers otherwise the second time changes nothing. Each step of a
redirect is asked the same way. There is no cookie, no referrer, no proxy from the environment, and nothing of a
reader: links with a reader's own part are never asked.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from samizdat.core.private_networks import Address, is_public
from samizdat.own_addresses import is_own

# Seconds: for one connection and answer, for one link with all its steps, for all links of a letter.
PATIENCE, LONGEST, ALTOGETHER = 6.0, 15.0, 45.0
STEPS = 5
AT_ONCE = 4
# A check reads what a HEAD did not tell, and no more.
READ = 64 * 1024
PORTS = frozenset({80, 443, 8080, 8443})
# What a plain browser says; many sites turn away what calls itself a program.
AGENT = "Mozilla/5.0 (compatible; link check of a newsletter)"

type Resolve = Callable[[str, int], list[str]]
type Permit = Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """What became of a link. verdict: good, moved (to `detail`), dead (`detail` is why: a code of broken_links.why),
    inside, unsure (somebody is there, and lets no program in), unasked (the time was up).

    size: bytes that the page says it has, 0 where it does not.
    """

    verdict: str
    detail: str = ""
    size: int = 0


class _Refused(Exception):
    """An address that is not public."""


class _Broken(Exception):
    """`str()` is a code: no_host, no_name, no_connection, no_certificate, no_answer, loop, bad_address."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Errors: OSError, UnicodeError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_others(address: Address) -> bool:
    """Public, and not this machine's own."""
    return is_public(address) and not is_own(address)


def ask_all(
    urls: Iterable[str], resolve: Resolve = resolve, permit: Permit = is_others
) -> Iterator[tuple[str, FetchedPage]]:
    """(link, answer) as they come, a few at a time; those not asked when the time is up say so."""
    urls = list(dict.fromkeys(urls))
    until = time.monotonic() + ALTOGETHER
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(urls, pool.map(lambda url: _in_time(url, until, resolve, permit), urls), strict=True)


def _in_time(url: str, until: float, resolve: Resolve, permit: Permit) -> FetchedPage:
    left = until - time.monotonic()
    return ask(url, min(LONGEST, left), resolve, permit) if left > 0 else FetchedPage("unasked")


def ask(url: str, seconds: float = LONGEST, resolve: Resolve = resolve, permit: Permit = is_others) -> FetchedPage:
    """Follows a link to its end."""
    until, at = time.monotonic() + seconds, url
    try:
        for _step in range(STEPS + 1):
            status, headers = _look(at, until, resolve, permit)
            if status in (301, 302, 303, 307, 308) and headers.get("location"):
                at = _joined(at, headers["location"].strip())
                continue
            return _verdict(url, at, status, headers)
        return FetchedPage("dead", "loop")
    except _Refused:
        return FetchedPage("inside")
    except _Broken as broken:
        return FetchedPage("dead", str(broken))


def body_of(url: str, seconds: float = LONGEST, resolve: Resolve = resolve, permit: Permit = is_others) -> bytes | None:
    """What is at a URL, at most READ bytes; empty where nothing is, or it leads elsewhere. None where nobody answers,
    or not now."""
    try:
        status, _headers, body = _one(_split(url), "GET", time.monotonic() + seconds, resolve, permit)
    except (_Refused, _Broken):
        return None
    if status == 200:
        return body
    return None if status >= 500 or status in (408, 429) else b""


def _joined(at: str, location: str) -> str:
    try:
        return urljoin(at, location)
    except ValueError:  # "https://[": the other server's own mistake.
        raise _Broken("bad_address") from None


def _verdict(url: str, at: str, status: int, headers: Mapping[str, str]) -> FetchedPage:
    length = headers.get("content-length", "")
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 15 else 0
    # 401, 403, 429, 451, 503: somebody is there and does not let a program in. A reader may get in all the same.
    if status in (401, 403, 405, 406, 429, 451, 503, 999):
        return FetchedPage("unsure", str(status), size)
    if status >= 400:
        return FetchedPage("dead", str(status), size)
    elsewhere = _bare(at) != _bare(url)
    return FetchedPage("moved", at, size) if elsewhere else FetchedPage("good", "", size)


def _bare(url: str) -> tuple[str, str]:
    """Host and path without what nobody means: www., http or https, the last slash."""
    parts = urlsplit(url)
    return (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/")


def _look(url: str, until: float, resolve: Resolve, permit: Permit) -> tuple[int, Mapping[str, str]]:
    """HEAD, and GET where that was not understood: (status, headers by small names)."""
    parts = _split(url)
    status, headers, _body = _one(parts, "HEAD", until, resolve, permit)
    if status in (400, 403, 404, 405, 406, 500, 501, 502, 503):
        status, headers, _body = _one(parts, "GET", until, resolve, permit)
    return status, headers


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _Broken("bad_address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _Broken("bad_address")
    if port is not None and port not in PORTS:
        raise _Refused
    return parts


def _one(
    parts: SplitResult, method: str, until: float, resolve: Resolve, permit: Permit
) -> tuple[int, Mapping[str, str], bytes]:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    try:
        name = host if host.isascii() else host.encode("idna").decode()
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
            f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?[]')}" if parts.query else ""
        )
        with _connected(name, parts.port or (443 if secure else 80), secure, until, resolve, permit) as line:
            with _ending(line, until):
                return _exchange(line, method, name if parts.port is None else f"{name}:{parts.port}", path)
    except ssl.SSLCertVerificationError:
        raise _Broken("no_certificate") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise _Broken("no_answer") from None


def _exchange(line: socket.socket, method: str, host: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
    asked = http.client.HTTPConnection("unused", timeout=1)
    asked.sock = line
    asked.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (("Host", host), ("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close")):
        asked.putheader(name, value)
    asked.endheaders()
    answer = asked.getresponse()
    body = answer.read(READ) if method == "GET" else b""
    return answer.status, {header.lower(): value for header, value in answer.getheaders()}, body


@contextmanager
def _ending(line: socket.socket, until: float) -> Iterator[None]:
    """Breaks the line when the time is up: a server that sends a byte now and then would hold it for hours."""

    def end() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    clock = threading.Timer(max(0.05, until - time.monotonic()), end)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _looked_up(host: str, port: int, until: float, resolve: Resolve) -> list[str]:
    """On a thread of its own, which is left to itself when the time is up: the system's resolver takes no limit, and
    behind a silent name server it would hold the check, and whoever waits for it, for half a minute a name.
    """
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look() -> None:
        try:
            answers.put(resolve(host, port))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=look, name="name server", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.05, min(PATIENCE, until - time.monotonic())))
    except Empty:
        raise _Broken("no_name") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _connected(host: str, port: int, secure: bool, until: float, resolve: Resolve, permit: Permit) -> socket.socket:
    """A connection to an address of the host that was looked at. One that is not public refuses them all."""
    try:
        raw_addresses = list(dict.fromkeys(_looked_up(host, port, until, resolve)))
        addresses = [ipaddress.ip_address(ip.partition("%")[0]) for ip in raw_addresses]
    except (OSError, UnicodeError, ValueError):
        raise _Broken("no_host") from None
    if not addresses:
        raise _Broken("no_host")
    if not all(permit(address) for address in addresses):
        raise _Refused
    for address in sorted(addresses, key=lambda ip: ip.version)[:3]:
        left = min(PATIENCE, until - time.monotonic())
        if left <= 0:
            raise _Broken("no_answer")
        try:
            line = socket.create_connection((str(address), port), timeout=left)
        except OSError:
            continue
        if not secure:
            return line
        try:
            return _context().wrap_socket(line, server_hostname=host)
        except BaseException:
            line.close()
            raise
    raise _Broken("no_connection")


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
