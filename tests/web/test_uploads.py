"""Uploads never lie in plain on the disk."""

import io
from typing import Any

import pytest
from django.core.files.uploadhandler import StopUpload
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser

from samizdat.web.uploads import PIECE, MemoryUploadHandler, PieceUploadHandler, RefusingUploadHandler

EDGE = "edge"


def _body(*files: tuple[str, bytes]) -> bytes:
    parts = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        f"Content-Type: text/csv\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + f"--{EDGE}--\r\n".encode()


def _parse(body: bytes, handler: Any) -> Any:
    meta = {"CONTENT_TYPE": f"multipart/form-data; boundary={EDGE}", "CONTENT_LENGTH": str(len(body))}
    _post, files = MultiPartParser(meta, io.BytesIO(body), [handler]).parse()
    return files


def test_pieces_are_given_on_in_order_and_are_the_whole_file() -> None:
    taken: dict[tuple[int, int], bytes] = {}
    data = bytes(range(256)) * 9000
    handler = PieceUploadHandler(HttpRequest(), take=lambda f, n, d: taken.update({(f, n): d}), limit=10**9)
    files = _parse(_body(("one.csv", data), ("two.csv", b"x,y\n")), handler)
    first = [taken[key] for key in sorted(taken) if key[0] == 0]
    assert b"".join(first) == data
    assert {len(piece) for piece in first[:-1]} == {PIECE}
    assert taken[1, 0] == b"x,y\n"
    assert [file.name for file in files.getlist("files")] == ["one.csv", "two.csv"]


def test_too_large_an_upload_is_stopped_and_said() -> None:
    handler = PieceUploadHandler(HttpRequest(), take=lambda *_: None, limit=1000)
    assert not _parse(_body(("one.csv", b"a" * 5000)), handler)
    assert handler.too_large


def test_a_file_on_a_page_that_asks_for_none_is_read_past() -> None:
    assert not _parse(_body(("one.csv", b"a" * 5000)), RefusingUploadHandler(HttpRequest()))


def test_a_picture_is_held_in_memory_up_to_its_limit() -> None:
    files = _parse(_body(("one.png", b"a" * 900)), MemoryUploadHandler(HttpRequest(), limit=1000))
    assert files["files"].read() == b"a" * 900
    large = MemoryUploadHandler(HttpRequest(), limit=1000)
    assert not _parse(_body(("one.png", b"a" * 1200)), large)
    assert large.too_large


def test_refusing_is_what_settings_name(settings: Any) -> None:
    assert settings.FILE_UPLOAD_HANDLERS == ["samizdat.web.uploads.RefusingUploadHandler"]
    with pytest.raises(StopUpload):
        RefusingUploadHandler(HttpRequest()).new_file("f", "n", "text/plain", 1)
