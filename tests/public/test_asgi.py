"""What reaches the public pages at all."""

import asyncio
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from samizdat import processes
from samizdat.public.asgi import MOST_BODY, UVICORN, Public, environ
from samizdat.public.middleware import QuietMiddleware


def unasked(*_asked: Any) -> Any:
    raise AssertionError("A page was asked.")


def answer(body: bytes, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """What is sent for a post, whose page must not be asked."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Public(unasked)({"type": "http", "headers": headers}, receive, send))
    return sent


@pytest.mark.parametrize(
    ("client", "proto", "told"),
    [("127.0.0.1", b"https", "max-age=31536000"), ("127.0.0.1", b"http", None), ("203.0.113.9", b"https", None)],
)
def test_a_reader_that_came_by_https_never_asks_by_http_again(client: str, proto: bytes, told: str | None) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http"}
    scope |= {"client": (client, 1), "headers": [(b"host", b"a.example"), (b"x-forwarded-proto", proto)]}
    page = QuietMiddleware(lambda _request: HttpResponse())(WSGIRequest(environ(scope, b"")))
    assert page.headers.get("Strict-Transport-Security") == told


@pytest.mark.parametrize("headers", [[(b"content-length", b"20000000")], [(b"content-length", b"x")], []])
def test_a_post_that_is_too_long_is_a_sentence_in_both_languages(headers: list[tuple[bytes, bytes]]) -> None:
    start, body = answer(bytes(MOST_BODY + 1), headers)
    assert start["status"] == 413
    assert b"Shorten it." in body["body"] and "Сократите.".encode() in body["body"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_deliveries_leave_the_processors_to_pages() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    app = Public(unasked)
    lines = (app._threads, app._leaving, app._behind_links, app._delivering)
    assert [asyncio.run(line.run(niceness)) - niceness() for line in lines] == [0, 0, 0, processes.NICENESS]


def test_a_post_of_20_mb_is_heard_out_so_that_its_sender_reads_the_sentence() -> None:
    served = Path(tempfile.mkdtemp()) / "public.sock"
    settings: dict[str, Any] = UVICORN
    server = uvicorn.Server(uvicorn.Config(Public(unasked), uds=str(served), **settings))
    head = b"POST /f/x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 20000000\r\n\r\n"

    async def posted() -> bytes:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(served))
        writer.write(head + bytes(20_000_000))
        await writer.drain()
        heard = await reader.read(1000)
        server.should_exit = True
        writer.close()
        await serving
        return heard

    assert asyncio.run(posted()).startswith(b"HTTP/1.1 413 ")
