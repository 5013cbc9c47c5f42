"""Ports for servers that tests start."""

import os
import socket
from itertools import count
from pathlib import Path

# Each worker of xdist has a range of its own, below the one the kernel takes ports of connections from: a port that
# was free a moment ago is not some client's when the server wants it.
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_OF_KERNEL = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32768
_EACH = 500
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Two runs beside each other begin at different places.
_next = count(os.getpid() * 7)


def free_port() -> int:
    """A port of this machine that nobody listens on. Each call gives another one, until all have been given."""
    first = _FIRST_OF_KERNEL - _EACH * (_worker + 1)
    for place in _next:
        port = first + place % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError
