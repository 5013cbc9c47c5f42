"""What transports by a provider's web interface have in common: one request for each message, and what its answer
means: JSON with a `message`, and an `id` of what was taken. A provider that says it otherwise overrides `words_of` or
`id_of`."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from samizdat.core.mail.message_parts import message_id
from samizdat.core.mail.outcome import OK, Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure, judge, scrub
from samizdat.transports import base
from samizdat.transports.base import (
    HOST,
    BadRoute,
    Message,
    MessageFeed,
    RouteField,
    RouteSettings,
    is_one_address,
    reply_text,
)
from samizdat.transports.crew import ConnectionCrew, ConnectionLost, unmakeable
from samizdat.transports.http import (
    LIST_LIMITS,
    Endpoint,
    HttpPool,
    HttpReply,
    no_finishing,
    read_endpoint,
    seconds_asked,
)
from samizdat.transports.smtp_client.server import make_context

# Seconds that a route rests whose answers cannot be read.
UNREADABLE = 300

# What every such transport can be told after the question mark.
API_ASKS = (
    RouteField("timeout", "Longest wait for an answer, in seconds", default="60"),
    RouteField("connect", "Longest wait for a connection, in seconds", default="30"),
    RouteField("drain", "Seconds to finish emails under way when the route stops working", default="5"),
    RouteField("endpoint", "Another https:// address instead of the provider’s own"),
)
API_OPTIONS = tuple(ask.name for ask in API_ASKS)


class ApiRequest(NamedTuple):
    """A POST. `start` + `end` is its body, which is no message yet without `end`."""

    path: str
    headers: dict[str, str]
    start: bytes
    end: bytes


JSON = {"Content-Type": "application/json"}


def json_body(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def json_request(path: str, headers: dict[str, str], body: bytes) -> ApiRequest:
    """The last brace is what makes it a message."""
    return ApiRequest(path, headers | JSON, body[:-1], body[-1:])


# Under this name a provider is given the token of a message, and writes it into each event about it (webhooks.py).
TOKEN_NAME = "samizdat"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,80}")


def message_token(message: Message) -> dict[str, str]:
    """What proves which message of ours an event is about: the token of its Message-ID, by which nobody can do anything
    else. Providers write a return path, and some a Message-ID, of their own."""
    token = message_id(message.content).partition("@")[0]
    return {TOKEN_NAME: token} if _TOKEN.fullmatch(token) else {}


# Pages that are read at once: of 100 entries, so that none is larger than an answer may be.
MOST_PAGES, PAGE = 200, 100


def behind(path: str, listed: object) -> str:
    """The path of the next page of a list that is asked for by limit and offset; "" behind the last."""
    if not isinstance(listed, list) or len(listed) < PAGE:
        return ""
    start, mark, offset = path.rpartition("offset=")
    return f"{start}{mark}{int(offset) + PAGE}"


_KIND = re.compile(r"[A-Za-z_]{1,60}( \d{1,5})?")


class HttpApi(base.Transport):
    """place: where its interface answers."""

    place: Endpoint

    def read_options(self, host: str) -> None:
        """Where and how patiently to ask. host: where the provider answers. Errors: BadRoute."""
        endpoint = self.route.options.get("endpoint", "")
        self.place = read_endpoint(endpoint) if endpoint else Endpoint(host, 443, make_context("", ""))
        self.connect = self.route.number("connect", 30.0)
        self.timeout = self.route.number("timeout", 60.0)
        self.drain = self.route.number("drain", 5.0)

    def request(self, message: Message) -> ApiRequest | Outcome:
        """What is sent for a message; or its outcome, where the provider's interface cannot take it."""
        raise NotImplementedError

    def pool(self) -> HttpPool:
        return HttpPool(self.place, self.connect, self.timeout, self.route.inside)

    async def carry(self, feed: MessageFeed) -> None:
        """Carry everything the feed gives. Raises RouteDown."""
        pool = self.pool()

        async def hand_over(message: Message, finishing: Callable[[], None]) -> tuple[Outcome, RouteVerdict]:
            if not is_one_address(message.recipient):
                return unmakeable()
            request = self.request(message)
            if not isinstance(request, ApiRequest):
                return request, OK
            return self.read(await pool.post(*request, finishing), message.recipient)

        try:
            await ConnectionCrew(feed, self.place.name, self.route.connections, self.drain, hand_over).run()
        finally:
            pool.close()

    def lists(self, since: datetime, now: datetime) -> dict[str, str]:
        """The first pages of what it keeps of bounces and complaints: path by the name of a list."""
        return {}

    def next_page(self, path: str, payload: Any) -> str:
        """The path of the page behind one; "": it was the last."""
        return ""

    async def events_since(self, since: datetime, now: datetime) -> list[base.ListedPage]:
        pool = HttpPool(self.place, self.connect, self.timeout, self.route.inside, LIST_LIMITS)
        pages: list[base.ListedPage] = []
        try:
            for name, first in self.lists(since, now).items():
                path = first
                while path and len(pages) < MOST_PAGES:
                    answer = await pool.get(path, self.authorization())
                    payload = self._listed(answer)
                    pages.append(base.ListedPage(name, answer.body))
                    path = self.next_page(path, payload)
        except ConnectionLost as lost:
            raise base.RouteDown(lost.verdict) from None
        finally:
            pool.close()
        return pages

    def _listed(self, answer: HttpReply) -> Any:
        """Errors: RouteDown; reason "not_authorised" where the key may not read lists."""
        payload = document(answer)
        if answer.status == 200 and answer.whole and payload is not None:
            return payload
        values = {"host": self.place.name, "answer": reply_text(answer.status, self.clean(answer.text, ""))}
        reason = "not_authorised" if answer.status in (401, 403) else "bad_answer"
        raise base.RouteDown(RouteVerdict("throttled", reason, values, UNREADABLE))

    def authorization(self) -> dict[str, str]:
        """Headers by which a request is let in."""
        raise NotImplementedError

    async def ask(self, path: str, headers: dict[str, str]) -> HttpReply:
        """A question beside any message. Raises ConnectionLost."""
        pool = self.pool()
        try:
            return await pool.get(path, headers)
        finally:
            pool.close()

    async def try_request(self, request: ApiRequest) -> HttpReply:
        """One that has no recipient, so nothing is sent. Raises ConnectionLost."""
        pool = self.pool()
        try:
            return await pool.post(*request, no_finishing)
        finally:
            pool.close()

    def probed(self, answer: HttpReply, lets_in: bool) -> RouteVerdict:
        """lets_in: whether this answer shows that the route works; else it says why not."""
        values = {"host": self.place.name}
        if lets_in:
            return replace(OK, values=values)
        try:
            verdict = self.read(answer, "")[1]
        except ConnectionLost as lost:
            verdict = lost.verdict
        return replace(verdict, values={**values, **verdict.values})

    def read(self, answer: HttpReply, recipient: str) -> tuple[Outcome, RouteVerdict]:
        """What an answer means. Raises Lost for a yes that was cut off."""
        payload = document(answer)
        text = self.clean(self.words_of(payload, answer), recipient)
        if 200 <= answer.status < 300:
            return self.read_yes(answer, payload, text)
        kind = self.kind_of(payload, answer)
        outcome, verdict = judge("http", answer.status, f"{kind}: {text}" if _KIND.fullmatch(kind) else text)
        if verdict.reason == "bad_answer":  # 3xx: the key goes to nobody else
            verdict = RouteVerdict("throttled", "bad_answer", {}, UNREADABLE)
        wait = seconds_asked(answer, text)
        if wait is not None and isinstance(outcome, Deferred):
            outcome = replace(outcome, wait=wait)
            verdict = replace(verdict, wait=wait) if verdict.state == "throttled" else verdict
        if isinstance(outcome, Refused) and outcome.scope == "recipient" and not recipient.isascii():
            outcome = replace(outcome, scope="message", answer="utf8")
        return outcome, replace(verdict, values={"host": self.place.name, "answer": reply_text(answer.status, text)})

    def read_yes(self, answer: HttpReply, payload: object, text: str) -> tuple[Outcome, RouteVerdict]:
        """A yes names the letter. What begins like one and does not may be one all the same: unsure, the route rests.

        Deferred would be a guess: if it is their new way of saying yes, everybody would get each letter many times.
        """
        if self.id_of(payload, answer):
            return Accepted(200), OK
        values = {"host": self.place.name, "answer": reply_text(answer.status, text)}
        if not answer.whole and not answer.is_page:
            raise ConnectionLost("its answer was cut off", RouteVerdict("throttled", "bad_answer", values, UNREADABLE))
        reason = "web_page" if answer.is_page else "bad_answer"
        return Unsure("an answer that makes no sense"), RouteVerdict("throttled", reason, values, UNREADABLE)

    def clean(self, text: str, recipient: str) -> str:
        """For books and sentences: without the key, should somebody send it back, and without their address."""
        return scrub(text.replace(self.route.password, "…"), recipient)

    def words_of(self, payload: Any, answer: HttpReply) -> str:
        """What the answer says: its `message`, or all of it when that stands elsewhere in this version."""
        message = payload.get("message") if isinstance(payload, dict) else None
        return message if isinstance(message, str) and message else answer.text

    def kind_of(self, payload: Any, answer: HttpReply) -> str:
        """The provider's own name for an error, as TABLE knows it; "": it has none. Beside the words, from which all is
        taken that may be a key."""
        return ""

    def id_of(self, payload: Any, answer: HttpReply) -> str:
        """By which the provider names what it took; "": it says none."""
        return text_of(payload, "id")


def check_key(route: RouteSettings) -> None:
    """A key before the @, and a domain behind it. Errors: BadRoute."""
    if not HOST.fullmatch(route.host) or "." not in route.host or route.port or route.path not in ("", "/"):
        raise BadRoute("bad_domain", scheme=route.scheme)
    if not route.password:
        raise BadRoute("no_key", scheme=route.scheme)


def mailbox(name: str, address: str) -> str:
    """As a header has it, in the letters that it has."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if name else address


def named(name: str, address: str) -> dict[str, str]:
    """The address first."""
    return {"email": address} | ({"name": name} if name else {})


def text_of(payload: object, name: str) -> str:
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, str) else ""


def document(answer: HttpReply) -> Any:
    """The body as JSON; None when it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
