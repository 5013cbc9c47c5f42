"""Questions to a service's interface: JSON over HTTPS, one connection, one request at a time.

Tries again what passes by itself: a service that asks to wait, a broken connection, half an answer. The key goes to the
host of the interface and to no other: no redirect is followed, and files from elsewhere are asked for without it.
"""

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from json import dumps
from threading import Timer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from samizdat import outgoing_connections
from samizdat.core import bounded_json
from samizdat.core.account_copy import MOST_BODY
from samizdat.core.mail.outcome import scrub
from samizdat.importers.accounts.base import PASSING, AccountSettings, BaseAccount, ServiceRefused, within

# Seconds between tries; the last of them again and again. A service may ask for more, and gets LONGEST_WAIT at most.
WAITS = (1.0, 4.0, 15.0, 60.0, 120.0)
LONGEST_WAIT = 600.0
# Bytes of an answer and of an error, and values of an answer. A page of 1,000 contacts with 80 fields has 3 MB.
MOST_ANSWER, MOST_ERROR, MOST_VALUES = 24 << 20, 1 << 16, 1_000_000
PORTION = 1 << 16
# Seconds for a whole answer, however slowly it comes.
LONGEST_ANSWER = 900.0
# Characters of what a service says in our sentence.
LONGEST_DETAIL = 200
# Words by which a refusal is told from one that passes. "compliance state" is said of one contact.
CLOSED = re.compile(
    r"user disabled|account (?:is |has been |was )?(?:disabled|suspended|closed|terminated|deactivated|blocked)"
    r"|(?:suspend|deactivat|terminat)ed|acceptable use|terms of (?:use|service)|compliance(?! state)|no longer support"
    r"|under review|billing",
    re.IGNORECASE,
)
SECOND_FACTOR = re.compile(r"two.?(?:factor|step)|second factor|2fa|\bmfa\b|multi.?factor", re.IGNORECASE)
OTHER_CENTER = re.compile(r"\Awrong data ?cent(?:er|re)", re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Origin(NamedTuple):
    """A server, as the Host header wants it."""

    host: str
    port: int
    is_encrypted: bool

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_encrypted else 80) else f"{host}:{self.port}"


def read_origin(url: str) -> Origin:
    """Of the interface. Errors: ServiceRefused."""
    origin, path = split_url(url)
    if path.strip("/"):
        raise ServiceRefused("bad_endpoint")
    return origin


def split_url(url: str) -> tuple[Origin, str]:
    """And the path with its query. Errors: ServiceRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ServiceRefused("bad_endpoint") from None
    is_plain = parts.scheme == "http" and bool(_LOOPBACK.fullmatch(host))
    if not host or not (is_plain or parts.scheme == "https") or parts.username:
        raise ServiceRefused("bad_endpoint")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
        f"?{quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")}" if parts.query else ""
    )
    return Origin(host, port or (80 if is_plain else 443), not is_plain), path


class AccountHttp:
    """service: as sentences call it. headers: with which a request is let in."""

    def __init__(self, service: str, origin: Origin, headers: Mapping[str, str], settings: AccountSettings) -> None:
        self.service, self.origin, self.headers, self.settings = service, origin, headers, settings
        self.server_time = ""
        self._connection: HTTPConnection | None = None

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON that is there. Errors: ServiceRefused."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._document(self._patiently(lambda: self._answer("GET", target, b"")))

    def post(self, path: str, document: object) -> Any:
        """Errors: ServiceRefused."""
        content = dumps(document).encode()
        return self._document(self._patiently(lambda: self._answer("POST", path, content)))

    def download(self, url: str, most: int = MOST_BODY) -> bytes:
        """A file of at most so many bytes, from whichever server, asked without the key. Errors: ServiceRefused."""
        try:
            origin, target = split_url(url)
        except ServiceRefused:
            raise self.error("not_found") from None
        return self._patiently(lambda: self._fetched(origin, target, most)).body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def error(self, code: str, answer: str = "", *, wait: float | None = None, **values: str) -> ServiceRefused:
        return ServiceRefused(code, wait=wait, service=self.service, answer=answer or "?", **values)

    def plain(self, words: str) -> str:
        """For a sentence: without the key and without anybody's address."""
        return scrub(words.replace(self.settings.key, "…"), limit=LONGEST_DETAIL)

    # -- one answer --

    def _patiently(self, ask: Callable[[], HttpAnswer]) -> HttpAnswer:
        """Tries again what passes."""
        for turn in range(self.settings.tries):
            try:
                return ask()
            except ServiceRefused as error:
                self.close()
                if error.code not in PASSING or turn + 1 >= self.settings.tries:
                    raise
                usual = WAITS[min(turn, len(WAITS) - 1)]
                self.settings.sleep(min(LONGEST_WAIT, max(error.wait or 0.0, usual)))
        raise AssertionError("at least one try")

    def _answer(self, method: str, target: str, content: bytes) -> HttpAnswer:
        """A good one. Errors: ServiceRefused. A connection that was used before may have been closed by the server
        meanwhile: then a fresh one is taken."""
        used = self._connection is not None
        connection = self._connection = self._connection or self._connected(self.origin)
        kind = {"Content-Type": "application/json"} if content else {}
        headers = {"Accept": "application/json", **self.headers, **kind}
        try:
            answer = self._exchange(connection, self.origin, method, target, headers, content, MOST_ANSWER)
        except ServiceRefused as error:
            self.close()
            if used and error.code == "no_connection":
                return self._answer(method, target, content)
            raise
        self._note_time(answer)
        if answer.status == 200 or (method == "POST" and 200 <= answer.status < 300):
            return answer
        raise self._refusal(answer)

    def _fetched(self, origin: Origin, target: str, most: int) -> HttpAnswer:
        connection = self._connected(origin)
        try:
            answer = self._exchange(connection, origin, "GET", target, {}, b"", most)
        finally:
            connection.close()
        if answer.status != 200:
            # Another server, or another part of it: a file that nobody may have is no word about the account.
            passes = answer.status == 429 or answer.status >= 500
            raise self.error("unavailable", str(answer.status)) if passes else self.error("not_found")
        return answer

    def _exchange(
        self,
        connection: HTTPConnection,
        origin: Origin,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes,
        most: int,
    ) -> HttpAnswer:
        timer = Timer(LONGEST_ANSWER, _hang_up, [connection])
        timer.daemon = True
        timer.start()
        is_begun = False
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            length = {"Content-Length": str(len(content))} if method == "POST" else {}
            for name, value in {"Host": origin.name, "User-Agent": "samizdat", **headers, **length}.items():
                connection.putheader(name, value)
            connection.endheaders(content or None)
            with connection.getresponse() as response:
                is_begun = True
                return self._read(connection, response, most)
        except TimeoutError:
            raise self.error("silent", seconds=f"{self.settings.timeout:g}") from None
        except (OSError, HTTPException) as error:
            if timer.finished.is_set():
                raise self.error("silent", seconds=f"{LONGEST_ANSWER:g}") from None
            code = "cut_off" if is_begun else "no_connection"
            raise self.error(code, _words(error)) from None
        finally:
            timer.cancel()

    def _read(self, connection: HTTPConnection, response: HTTPResponse, most: int) -> HttpAnswer:
        """Errors: ServiceRefused, OSError, HTTPException."""
        most = most if response.status == 200 else MOST_ERROR
        portions, size = [], 0
        while portion := response.read(PORTION):
            portions.append(portion)
            size += len(portion)
            if size > most:
                connection.close()
                self.close()
                if response.status == 200:
                    raise self.error("too_large", most=str(most >> 20))
                break
        if response.length and size <= most:
            raise HTTPException("the answer was cut off")
        if response.will_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(response.status, headers, b"".join(portions))

    def _connected(self, origin: Origin) -> HTTPConnection:
        """Errors: ServiceRefused."""
        timeout = self.settings.timeout
        try:
            plain = outgoing_connections.connect(origin.host, origin.port, self.settings.inside, timeout)
        except outgoing_connections.NoSuchHost:
            raise self.error("no_such_host") from None
        except outgoing_connections.InnerAddress:
            raise self.error("inside") from None
        except TimeoutError:
            raise self.error("silent", seconds=f"{timeout:g}") from None
        except OSError as error:
            raise self.error("no_connection", _words(error)) from None
        if not origin.is_encrypted:
            connection = HTTPConnection(origin.host, origin.port)
            connection.sock = plain
        else:
            connection = HTTPSConnection(origin.host, origin.port)
            try:
                context = ssl.create_default_context()
                connection.sock = context.wrap_socket(plain, server_hostname=origin.host)
            except ssl.SSLCertVerificationError as error:
                plain.close()
                raise self.error("not_them", error.verify_message) from None
            except OSError as error:
                plain.close()
                raise self.error("no_connection", _words(error)) from None
        connection.auto_open = 0  # By itself it would connect to wherever the name leads by then.
        return connection

    # -- what it means --

    def _document(self, answer: HttpAnswer) -> Any:
        try:
            return bounded_json.read(answer.body, MOST_VALUES)
        except ValueError:
            raise self.error("bad_answer", self.plain(answer.body[:400].decode("utf-8", "replace"))) from None

    def _note_time(self, answer: HttpAnswer) -> None:
        with contextlib.suppress(ValueError, OverflowError):
            if date := answer.headers.get("date", ""):
                self.server_time = parsedate_to_datetime(date).astimezone(UTC).isoformat()

    def _refusal(self, answer: HttpAnswer) -> ServiceRefused:
        words = self._words_of(answer)
        code, status = "bad_answer", answer.status
        if status in (401, 403) or (400 <= status < 500 and status != 429 and CLOSED.search(words)):
            code = _refused_by(words) or ("key_refused" if status == 401 else "forbidden")
        elif status in (404, 410):
            code = "not_found"
        elif status == 429:
            code = "throttled"
        elif status >= 500:
            code = "unavailable"
        return self.error(code, self.plain(f"{status} {words}"), wait=_wait_asked(answer))

    def _words_of(self, answer: HttpAnswer) -> str:
        """What an error says, as services call it; of a web page nothing but that it is one."""
        try:
            document = bounded_json.read(answer.body, 10_000)
        except ValueError:
            page = answer.body[:2_000].decode("utf-8", "replace")
            return re.sub(r"<[^<>]{0,500}>", " ", page)[:LONGEST_DETAIL]
        words = [within(document, *path) for path in _WORDS]
        return ": ".join(dict.fromkeys(word for word in words if isinstance(word, str) and word))[:2_000]


# Where services say what is wrong.
_WORDS = (("title",), ("code",), ("message",), ("detail",), ("error",), ("error", "message"))


def _refused_by(words: str) -> str:
    """Why somebody is not let in, by the words of the service; "" where they say nothing that we know."""
    known = (("closed", CLOSED), ("second_factor", SECOND_FACTOR), ("other_center", OTHER_CENTER))
    return next((code for code, pattern in known if pattern.search(words)), "")


def _wait_asked(answer: HttpAnswer) -> float | None:
    written = answer.headers.get("retry-after", "").strip()
    return float(written) if written.isascii() and written.isdecimal() and len(written) < 7 else None


def _hang_up(connection: HTTPConnection) -> None:
    """Whatever is waited for ends."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())[:LONGEST_DETAIL]


class HttpAccount(BaseAccount):
    """One that is read over HTTPS, with a key in its headers."""

    key_shape: ClassVar[re.Pattern[str]]
    host: str

    def __init__(self, settings: AccountSettings) -> None:
        super().__init__(settings)
        if not self.key_shape.fullmatch(settings.key):
            raise ServiceRefused("bad_key", service=self.label, example=self.key_example)
        origin = read_origin(settings.endpoint) if settings.endpoint else Origin(self.host, 443, True)
        self._http = AccountHttp(self.label, origin, self.headers(), settings)

    def headers(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def server_time(self) -> str:
        return self._http.server_time

    def close(self) -> None:
        self._http.close()
