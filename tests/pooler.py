"""A real pgbouncer before the PostgreSQL of this run, in whichever mode a test asks for."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from scripts.test import find_tool
from tests.ports import free_port

needs_pooler = pytest.mark.skipif(
    "postgresql" not in os.environ.get("DATABASE_URL", "") or not find_tool("pgbouncer"),
    reason="pgbouncer stands before PostgreSQL (apt-get install pgbouncer)",
)


@contextmanager
def pgbouncer(folder: Path, mode: str, **more: object) -> Iterator[int]:
    """Its port on 127.0.0.1; every database of the server can be reached by it."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host, user = query.get("host") or parts.hostname or "", parts.username or "postgres"
    port = free_port()
    config = folder / f"pgbouncer-{port}.ini"
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": 40,
        "max_client_conn": 200,
        "ignore_startup_parameters": "extra_float_digits,options",
        **more,
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    config.write_text(
        "\n".join(["[databases]", f"* = host={host} port={parts.port or 5432} user={user}", "[pgbouncer]", *lines])
    )
    # It refuses to run as root.
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    readable = Path("/tmp") / config.name if prefix else config  # noqa: S108  another user has to get at it.
    if prefix:
        shutil.move(config, readable)
        readable.chmod(0o644)
    tool = find_tool("pgbouncer")
    assert tool is not None
    process = subprocess.Popen([*prefix, tool, "-q", str(readable)], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        readable.unlink(missing_ok=True)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, "pgbouncer did not start"
            time.sleep(0.02)


def url_by(port: int, url: str) -> str:
    """The same database, by the pooler."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username or 'postgres'}@127.0.0.1:{port}", query=""))
