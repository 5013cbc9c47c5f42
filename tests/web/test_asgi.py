"""The desk behind an ASGI server: nothing of where a request came from is handed on, and bodies are not kept."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest

from samizdat.web.asgi import UVICORN, Desk, environ
from samizdat.web.static_files import PIECES, StaticFiles
from samizdat.web.uploads import MemoryUploadHandler

CHUNKS = [b"first,", b"second,", b"third"]


def _scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/o/lantern/имя",
        "query_string": b"a=1",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("203.0.113.9", 5555),
        "server": ("127.0.0.1", 8000),
        "headers": [(b"host", b"desk.example"), (b"content-length", b"18"), (b"x-forwarded-for", b"203.0.113.9")],
    } | more


def _ask(
    application: Callable[..., Iterable[bytes]], scope: dict[str, Any], chunks: list[bytes]
) -> list[dict[str, Any]]:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Desk(application, threads=1)(scope, receive, send))
    return sent


def test_the_address_of_a_browser_is_nowhere_in_what_django_gets() -> None:
    seen = environ(_scope(), None)  # type: ignore[arg-type]
    assert "203.0.113.9" not in repr({key: value for key, value in seen.items() if not key.startswith("wsgi.")})
    assert seen["REMOTE_ADDR"] == ""
    assert not [key for key in seen if "FORWARDED" in key or "REAL_IP" in key]


def test_https_is_believed_from_the_proxy_on_this_machine_alone() -> None:
    headers = [(b"host", b"desk.example"), (b"x-forwarded-proto", b"https")]
    near = environ(_scope(headers=headers, client=("127.0.0.1", 1)), None)  # type: ignore[arg-type]
    far = environ(_scope(headers=headers), None)  # type: ignore[arg-type]
    assert near["wsgi.url_scheme"] == "https"
    assert far["wsgi.url_scheme"] == "http"


def test_the_rest_of_a_file_that_is_refused_is_read_past_and_the_form_stays() -> None:
    """By lines, as Django does it; else the form had no token any more, and the page said that it was out of date."""
    field = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nmine\r\n'
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    chunks = [field + head, *[b"a" * 60_000] * 9, b"\r\n--x--\r\n"]
    kind, size = (b"content-type", b"multipart/form-data; boundary=x"), b"%d" % sum(map(len, chunks))
    seen: list[Any] = []

    def wsgi(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        request = WSGIRequest(environ)
        request.upload_handlers = [MemoryUploadHandler(request, limit=70_000)]
        seen.append((request.POST.dict(), request.upload_handlers[0].too_large))
        start("200 OK", [])
        return [b""]

    _ask(wsgi, _scope(headers=[kind, (b"content-length", size)]), chunks)
    assert seen == [({"token": "mine"}, True)]


def test_a_body_that_came_in_pieces_is_read_as_one() -> None:
    read: list[bytes] = []

    def application(asked: dict[str, Any], start: Any) -> Iterable[bytes]:
        read.append(asked["wsgi.input"].read(4))
        read.append(asked["wsgi.input"].read(100))
        read.append(asked["wsgi.input"].read(1))
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"answer"]

    sent = _ask(application, _scope(), list(CHUNKS))
    assert read == [b"firs", b"t,second,third", b""]
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b"answer"


def test_a_browser_that_goes_away_in_the_middle_has_nobody_work_for_it() -> None:
    def application(_asked: dict[str, Any], _start: Any) -> Iterable[bytes]:
        raise AssertionError("A thread was taken.")

    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError("Nobody is there to be answered.")

    asyncio.run(Desk(application, threads=1)(_scope(), receive, send))


def test_cookies_set_over_https_stay_there() -> None:
    def application(asked: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", [("Set-Cookie", "desk=1; HttpOnly")])
        return []

    headers = [(b"host", b"desk.example"), (b"x-forwarded-proto", b"https")]
    sent = _ask(application, _scope(headers=headers, client=("127.0.0.1", 1)), [b""])
    assert dict(sent[0]["headers"])[b"set-cookie"].endswith(b"; Secure")


def test_the_server_is_told_to_keep_no_log_and_say_nothing_of_itself() -> None:
    assert UVICORN["access_log"] is False
    assert UVICORN["server_header"] is False
    assert UVICORN["date_header"] is False


def test_a_page_comes_between_the_pieces_of_files_that_a_proxy_takes_at_once() -> None:
    files, asked = StaticFiles(), environ(_scope(method="GET", path="/static/vendor/editor.js", headers=[]), None)
    pieces, in_a_turn, going = 0, [], True

    async def send(message: dict[str, Any]) -> None:
        nonlocal pieces
        pieces += bool(message.get("more_body"))

    async def someone_else() -> None:
        nonlocal pieces
        while going:
            in_a_turn.append(pieces)
            pieces = 0
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        nonlocal going
        answers = [asyncio.create_task(files.answer(asked, send)) for _ in range(50)]
        beside = asyncio.create_task(someone_else())
        assert all(await asyncio.gather(*answers))
        going = False
        await beside

    asyncio.run(all_of_them())
    assert sum(in_a_turn) > 50 * 5
    assert max(in_a_turn[1:]) <= PIECES, "all of them have begun in the first turn"
