"""What reaches the public pages at all."""

import asyncio
from typing import Any

import pytest

from samizdat.public.asgi import MOST_BODY, Public


def answer(body: bytes, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """What is sent for a post, whose page must not be asked."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    def page(*_asked: Any) -> Any:
        raise AssertionError("A page was asked.")

    asyncio.run(Public(page)({"type": "http", "headers": headers}, receive, send))
    return sent


@pytest.mark.parametrize("headers", [[(b"content-length", b"20000000")], [(b"content-length", b"x")], []])
def test_a_post_that_is_too_long_is_a_sentence_in_both_languages(headers: list[tuple[bytes, bytes]]) -> None:
    start, body = answer(bytes(MOST_BODY + 1), headers)
    assert start["status"] == 413
    assert b"Shorten it." in body["body"] and "Сократите.".encode() in body["body"]
