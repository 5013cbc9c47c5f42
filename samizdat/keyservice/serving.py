"""The port: TLS 1.3 with certificates on both sides, one small HTTP request a connection.

Servers ask /key, /epochs and /epoch; people open the page. Who it is, the certificate says. Whoever has none is turned
away in the handshake, and whoever is slow, or asks much, holds nobody else up.
"""

import contextlib
import hashlib
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import h11
import msgspec

from samizdat.core.crypto.key_service import KeyRequest, KeyServiceBroken, decoded
from samizdat.keyservice.page import PageReply, StatusPage
from samizdat.keyservice.service import KeyService
from samizdat.keyservice.store import AUTHORITY, SERVICE, ServiceStore, StoreError

log = logging.getLogger("samizdat.keyservice")

# Connections at a time: in all, and of one address (of IPv6, one network of a customer).
MOST, MOST_OF_ONE = 128, 12
# Seconds for all of a connection; for the handshake.
SECONDS, HANDSHAKE = 10.0, 5.0
# Bytes of a request's head, and of what comes behind it.
_HEAD, _BODY = 8192, 16384
# Seconds between two looks whether somebody still confirms.
LOOK = 20.0


@dataclass(frozen=True, slots=True)
class PortRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PortReply:
    status: int
    kind: str
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


class RequestRefused(Exception):
    """A request that we don't read further."""


def context(store: ServiceStore) -> ssl.SSLContext:
    """Errors: StoreError."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.num_tickets = 0
    try:
        tls.load_cert_chain(store.folder / SERVICE)
        tls.load_verify_locations(cadata=store.pem(AUTHORITY))
    except (ssl.SSLError, OSError, ValueError):
        raise StoreError(
            f"The certificates in {store.folder} can't be read. Put back a copy, or create the key service anew."
        ) from None
    return tls


class KeyListener:
    """Accepts until it is closed."""

    def __init__(self, listener: socket.socket, service: KeyService, tls: ssl.SSLContext) -> None:
        self._listener, self._service, self._tls = listener, service, tls
        self._page = StatusPage(service)
        self._at: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Until end()."""
        self._listener.settimeout(0.5)
        looked = 0.0
        while not self._ended.is_set():
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self._look()
            try:
                connection, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                time.sleep(0.05)  # No more files; those that are open end.
                continue
            self._begin(connection, address[0])

    def end(self) -> None:
        self._ended.set()

    def _look(self) -> None:
        try:
            self._service.look()
        except StoreError as error:
            log.error("%s", error)

    def _begin(self, connection: socket.socket, address: str) -> None:
        place = _place(address)
        with self._lock:
            is_full = self._at.total() >= MOST or self._at[place] >= MOST_OF_ONE
            if not is_full:
                self._at[place] += 1
        if is_full:
            connection.close()
            return
        try:
            threading.Thread(target=self._serve, args=(connection, address, place), daemon=True).start()
        except RuntimeError:  # No more threads.
            self._leave(place)
            connection.close()

    def _leave(self, place: str) -> None:
        with self._lock:
            self._at[place] -= 1
            if self._at[place] <= 0:
                del self._at[place]

    def _serve(self, connection: socket.socket, address: str, place: str) -> None:
        try:
            connection.settimeout(HANDSHAKE)
            with contextlib.closing(connection), self._tls.wrap_socket(connection, server_side=True) as secured:
                deadline = time.monotonic() + SECONDS
                certificate = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
                http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
                try:
                    reply = self._reply(_request(secured, http, deadline), certificate, address)
                except (RequestRefused, h11.RemoteProtocolError):
                    reply = PortReply(400, "text/plain", b"")
                _send(secured, http, reply, deadline)
        except (OSError, ValueError, h11.ProtocolError):
            pass  # A stranger, or a line that broke: whoever is known asks again.
        except Exception:
            log.exception("A request failed.")
        finally:
            self._leave(place)

    def _reply(self, request: PortRequest, certificate: str, address: str) -> PortReply:
        try:
            _server, person = self._service.known(certificate)
            if person is not None:
                answered = self._page.reply(request.method, request.path, request.headers, request.body, person.name)
                return _page_reply(answered)
            if request.method != "POST" or request.path not in ("/key", "/epochs", "/epoch"):
                return PortReply(404, "text/plain", b"")
            question = decoded(request.body, KeyRequest)
            answer = self._service.answer(request.path, certificate, address, question)
            return PortReply(200, "application/json", msgspec.json.encode(answer))
        except KeyServiceBroken:
            return PortReply(400, "text/plain", b"")
        except StoreError as error:
            log.error("%s", error)
            return PortReply(200, "application/json", json.dumps({"given": False, "why": "no_key"}).encode())


def _page_reply(answered: PageReply) -> PortReply:
    headers = dict(answered.headers)
    return PortReply(
        answered.status, headers.pop("content-type", "text/html; charset=utf-8"), answered.body, [*headers.items()]
    )


def _place(address: str) -> str:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _request(secured: ssl.SSLSocket, http: h11.Connection, deadline: float) -> PortRequest:
    """Errors: RequestRefused, OSError, RemoteProtocolError."""
    head, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(_receive(secured, deadline))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _BODY:
                raise RequestRefused
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return PortRequest(head.method.decode("latin-1"), head.target.decode("latin-1"), headers, body)
        else:
            raise RequestRefused


def _receive(secured: ssl.SSLSocket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    secured.settimeout(left)
    return secured.recv(4096)


def _send(secured: ssl.SSLSocket, http: h11.Connection, reply: PortReply, deadline: float) -> None:
    if http.our_state not in (h11.SEND_RESPONSE, h11.IDLE):
        return
    headers = [
        ("content-type", reply.kind),
        ("content-length", str(len(reply.body))),
        ("cache-control", "no-store"),
        ("connection", "close"),
        *reply.headers,
    ]
    data = http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    data += http.send(h11.Data(data=reply.body)) or b""
    data += http.send(h11.EndOfMessage()) or b""
    secured.settimeout(max(0.1, deadline - time.monotonic()))
    secured.sendall(data)
