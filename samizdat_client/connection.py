"""One HTTP connection with a key: requests, answers, and trying again."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from samizdat_client.decoding import written

# Bytes of an answer: a page of 500 subscribers with all their fields has far less.
LARGEST_ANSWER = 64 * 1024 * 1024
# Seconds that a request waits at most before it is tried again, whatever the server says.
LONGEST_WAIT = 60.0
# What a server answers before it has done anything.
_NOT_DONE = frozenset({429, 503})
# Asked twice, these do nothing more than asked once.
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True)
class Flaw:
    """at: where in the request, like "email"."""

    at: str
    detail: str


class Problem(Exception):
    """What the server answered in place of what was asked (RFC 9457).

    status: of HTTP. code: never changes, like "not_found"; empty where something between answered. detail: a sentence
    for people. retry_after: seconds, None where nothing is said of it.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str = "",
        detail: str = "",
        flaws: tuple[Flaw, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or f"The server answered {status}.")
        self.status, self.code, self.detail = status, code, detail
        self.flaws, self.retry_after = flaws, retry_after


class NoAnswer(Exception):
    """The server was not reached, or the connection broke before its answer: what was asked may have been done."""


def read_key(path: str | Path) -> str:
    """The key in a file of one line. Errors: OSError; ValueError where there is no key in it."""
    key = Path(path).read_text(encoding="ascii").strip()
    if not key or any(character.isspace() for character in key):
        raise ValueError(f"There is no key in {path}. The file has to hold the key alone, on one line.")
    return key


class Connection:
    """url: of the app, like https://desk.example.org. timeout: seconds for each step of a request. tries: how often at
    most a request is made that surely was not done, or that may be done twice.

    Redirects are not followed: the key would go along. Of one thread at a time.

    Errors: ValueError where the URL is not one of HTTPS; HTTP is for this machine alone.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 60.0, tries: int = 4, language: str = "en") -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError(f"{url} isn't the address of an app. It looks like https://desk.example.org.")
        is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
            raise ValueError(f"{url} would send the key in the clear. Use https://.")
        self._host, self._port, self._is_secure = parts.hostname, parts.port, parts.scheme == "https"
        self._prefix, self._timeout, self._tries = parts.path.rstrip("/"), timeout, max(1, tries)
        self._headers = {"Authorization": f"Bearer {key}", "Accept-Language": language, "Accept": "application/json"}
        self._open: HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._host!r})"  # Without the key.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._open:
            self._open.close()
            self._open = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer; None where there is none. headers: with an Idempotency-Key a request may be made
        twice. What is None in query and body is left out. Errors: Problem, NoAnswer."""
        whole = self._prefix + quote(path) + _query(query or {})
        sent = self._headers | dict(headers or {})
        data = None
        if body is not None:
            given = {name: value for name, value in body.items() if value is not None}
            data = json.dumps(given, default=written).encode()
            sent |= {"Content-Type": "application/json"}
        may_repeat = method in _REPEATABLE or "Idempotency-Key" in sent
        for left in range(self._tries - 1, -1, -1):
            try:
                return self._once(method, whole, data, sent)
            except Problem as problem:
                if not left or problem.status not in _NOT_DONE:
                    raise
                wait = problem.retry_after
            except NoAnswer:
                if not left or not may_repeat:
                    raise
                wait = None
            tried = self._tries - 1 - left
            time.sleep(min(LONGEST_WAIT, 2.0**tried if wait is None else wait))
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        self._open = self._open or kind(self._host, self._port, timeout=self._timeout)
        try:
            self._open.request(method, path, data, dict(headers))
            response = self._open.getresponse()
            content = response.read(LARGEST_ANSWER + 1)
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswer(f"{self._host} did not answer: {error}. Look at the address and the network.") from error
        if len(content) > LARGEST_ANSWER:
            self.close()
            raise Problem(response.status, detail="The answer is too large. Ask for a smaller page.")
        if not 200 <= response.status < 300:
            raise _problem(response, content)
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise Problem(response.status, detail="The answer isn't JSON. Is this the address of the app?") from None


def _query(query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _problem(response: HTTPResponse, content: bytes) -> Problem:
    after = response.getheader("Retry-After", "")
    retry_after = float(after) if after.isascii() and after.isdecimal() else None
    try:
        said = json.loads(content)
        flaws = tuple(Flaw(str(flaw["at"]), str(flaw["detail"])) for flaw in said.get("errors") or ())
        code, detail = str(said["code"]), str(said["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        sentence = "Is this the address of the app?" if response.status in range(300, 500) else "Try again later."
        return Problem(
            response.status,
            detail=f"The server answered {response.status} {response.reason}. {sentence}",
            retry_after=retry_after,
        )
    return Problem(response.status, code=code, detail=detail, flaws=flaws, retry_after=retry_after)
