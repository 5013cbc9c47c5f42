"""Servers of S3: moto, and what a test tells to err."""

import contextlib
import http.client
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from scripts.test import find_tool
from tests.places.fakes import SECRET, FakePlace, silent_server
from tests.ports import free_port


@dataclass
class ScriptedAnswer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class ScriptedS3:
    """A bucket in memory that does what a test tells it. Under `answers` of a method: what it says instead, one after
    another. `requests`: (method, path, headers). `ignores`: headers that it doesn't know. `as_kept`: what it keeps of
    the bytes of a file."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.answers: dict[str, list[ScriptedAnswer]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.ignores: set[str] = set()
        self.as_kept: Any = bytes
        self.etag = '"no-hash"'
        scripted = self

        self._connections: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                scripted._connections.append(self.connection)

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                scripted.requests.append((self.command, self.path, headers))
                answer = scripted.answer(self.command, unquote(urlsplit(self.path).path), headers, body)
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_PUT = do_DELETE = do

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"s3://AKIAEXAMPLE@copies/north?endpoint=http://127.0.0.1:{self.server.server_port}&timeout=5"

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator["ScriptedS3"]:
        scripted = cls()
        thread = threading.Thread(target=scripted.server.serve_forever)
        thread.start()
        try:
            yield scripted
        finally:
            scripted.server.shutdown()
            thread.join()
            scripted.server.server_close()

    def hang_up(self) -> None:
        """On everybody."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> ScriptedAnswer:
        if self.answers.get(method):
            return self.answers[method].pop(0)
        if method == "PUT":
            if path in self.files and headers.get("if-none-match") == "*" and "if-none-match" not in self.ignores:
                return ScriptedAnswer(412)
            kept = {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
            self.files[path] = self.as_kept(body), kept
            return ScriptedAnswer(200, headers={"ETag": self.etag})
        if method == "GET" and path.strip("/") == "copies":
            return ScriptedAnswer(200, b"<ListBucketResult></ListBucketResult>")
        if path not in self.files:
            return ScriptedAnswer(404, b"" if method == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>")
        if method == "DELETE":
            del self.files[path]
            return ScriptedAnswer(204)
        content, kept = self.files[path]
        return ScriptedAnswer(200, content, {**kept, "Content-Length": str(len(content))})


@contextlib.contextmanager
def moto() -> Iterator[int]:
    """A server of S3 in a process of its own; its port."""
    port = free_port()
    command = [str(find_tool("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stderr
            assert any("Running on" in line for line in iter(server.stderr.readline, ""))
            reader = threading.Thread(target=server.stderr.read, daemon=True)
            reader.start()
            yield port
        finally:
            server.kill()
            server.wait()
            reader.join()


class FakeS3(FakePlace):
    scheme = "s3"
    secret = SECRET

    def __init__(self, port: int, bucket: str, cleaning: contextlib.ExitStack) -> None:
        self.port, self.bucket, self.cleaning = port, bucket, cleaning
        self.url = self.at(port)
        self._ask("PUT", "")

    def at(self, port: int, timeout: float = 30) -> str:
        return f"s3://AKIAEXAMPLE@{self.bucket}/north?endpoint=http://127.0.0.1:{port}&timeout={timeout}"

    @classmethod
    def start(cls, tmp_path: Path, cleaning: contextlib.ExitStack) -> "FakeS3":
        if not find_tool("moto_server"):
            pytest.skip("needs moto (apt-get install python3-moto python3-flask-cors)")
        bucket = re.sub(r"[^a-z0-9]+", "-", tmp_path.name.lower())[-40:].strip("-")
        return cls(cleaning.enter_context(moto()), f"copies-{bucket}", cleaning)

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        # moto takes any signature, and asks for some.
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20261201/us-east-1/s3/aws4_request"}
        connection.request(method, f"/{self.bucket}{path}", body, headers)
        with connection.getresponse() as response:
            assert response.status < 300, response.read()
            content = response.read()
        connection.close()
        return content

    def files(self) -> dict[str, bytes]:
        keys = re.findall(r"<Key>north/([^<]*)</Key>", self._ask("GET", "?list-type=2").decode())
        return {key: self._ask("GET", f"/north/{key}") for key in keys}

    def plant(self, name: str, data: bytes) -> None:
        self._ask("PUT", f"/north/{name}", data)

    def lose(self, name: str) -> None:
        self._ask("DELETE", f"/north/{name}")

    def _scripted(self, answer: ScriptedAnswer) -> str:
        scripted = self.cleaning.enter_context(ScriptedS3.open())
        scripted.answers["PUT"] = [answer]
        return scripted.url

    def full(self) -> str:
        return self._scripted(ScriptedAnswer(400, b"<Error><Code>QuotaExceeded</Code></Error>"))

    def read_only(self) -> str:
        return self._scripted(ScriptedAnswer(403, b"<Error><Code>AccessDenied</Code></Error>"))

    def silent(self) -> str:
        return self.at(self.cleaning.enter_context(silent_server()), timeout=0.2)

    def missing(self) -> str:
        self._ask("DELETE", "")
        return self.url
