"""Answers of the web that no server in its senses would give: never a surprise, never a yes."""

import asyncio
import contextlib

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.mail.outcome import Accepted
from samizdat.plugins import read_url
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import LONGEST_WAIT, BrokenConnection, Endless, HttpConnection, HttpReply, seconds_asked
from samizdat.transports.providers.mailgun import MailgunTransport

REQUEST = h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "9")])
GUN = MailgunTransport(read_url("main", "mailgun://KEY@lantern.example"))

# Near enough to HTTP that the reading gets somewhere.
PIECES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 999 \xff\r\n",
    b"HTTP/2 200\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Set-Cookie: \x00\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b'{"id": "<1@x>"}',
    b"<html>",
)


class Wire:
    """The socket of a connection that only listens."""

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=12), st.booleans())
def test_whatever_comes_is_an_answer_or_a_broken_connection(pieces: list[bytes], cut: bool) -> None:
    async def go() -> None:
        connection = HttpConnection()
        connection.connection_made(Wire())  # type: ignore[arg-type]
        asked = asyncio.ensure_future(connection.post(REQUEST, b"letter", b"end", lambda: None))
        await asyncio.sleep(0)
        for piece in pieces:
            connection.data_received(piece)
        if cut:
            connection.eof_received()
        connection.connection_lost(None)
        with contextlib.suppress(BrokenConnection, Endless):
            answer = await asked
            assert 200 <= answer.status <= 999
            with contextlib.suppress(ConnectionLost):
                GUN.read(answer, "ada@north.example")
        connection.rests()

    asyncio.run(go())


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.sampled_from([200, 400, 401, 403, 420, 429, 503]), st.integers(200, 999)),
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.sampled_from(PIECES)),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "x-ratelimit-reset"]),
        st.one_of(
            st.text(max_size=40), st.integers().map(str), st.just("9" * 500), st.just("Mon, 25 Aug 99999 07:00:00 GMT")
        ),
    ),
)
def test_no_answer_is_a_surprise_and_only_one_that_names_the_letter_is_a_yes(
    status: int, body: bytes, whole: bool, headers: dict[str, str]
) -> None:
    answer = HttpReply(status, headers, body, whole)
    wait = seconds_asked(answer, answer.text)
    assert wait is None or 0 <= wait <= LONGEST_WAIT
    with contextlib.suppress(ConnectionLost):
        outcome, verdict = GUN.read(answer, "ada@north.example")
        assert not isinstance(outcome, Accepted) or (status < 300 and b'"id"' in body)
        assert verdict.sentence
