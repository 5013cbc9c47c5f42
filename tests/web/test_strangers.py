"""The real desk, alone and behind Caddy, while strangers send half of a form or read nothing."""

from pathlib import Path

import pytest

from tests.caddy import DESK, caddy, needs_caddy
from tests.ports import free_port
from tests.visitors import asked_for, half_sent, holding, page

BEGINS = 302  # Nobody works here yet: the page to sign in leads to the one that says how to begin.
LARGE_FILE = "/static/vendor/editor.js"
# More than once, since the system takes some megabytes of an answer by itself.
STRANGERS = [half_sent(DESK), asked_for(DESK, LARGE_FILE) * 12]
kinds = pytest.mark.parametrize("said", STRANGERS, ids=["half a form", "a file that nobody reads"])


def port_of(served: str) -> int:
    return int(served.rpartition(":")[2])


def look_around(port: int) -> None:
    """For some pages, until the strangers' requests have come to where they stop."""
    for _page in range(50):
        assert page(port, "/sign-in", DESK) == BEGINS
        assert page(port, LARGE_FILE, DESK) == 200


@kinds
def test_strangers_keep_nobody_from_a_page(served: str, said: bytes) -> None:
    port = port_of(served)
    with holding(port, 40, said):
        look_around(port)


@needs_caddy
@kinds
def test_strangers_keep_nobody_from_a_page_behind_a_proxy(served: str, said: bytes, tmp_path: Path) -> None:
    with caddy(tmp_path, port_of(served), free_port()) as proxy, holding(proxy.port, 40, said):
        look_around(proxy.port)
