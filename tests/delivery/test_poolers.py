"""A pooler that lends sessions by the transaction is refused before anything is sent; one that does not is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from samizdat.delivery.engine import locks
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import PooledConnection
from tests.delivery.conftest import House
from tests.pooler import needs_pooler, pgbouncer
from tests.smtp_server import ScriptedServer


@pytest.fixture
def by(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """This thread and those it starts reach the database by that port from now on."""
    known = dict(connection.settings_dict)

    def go(port: int) -> None:
        connection.close()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(port))

    yield go
    connection.close()
    connection.settings_dict.update(known)


def test_a_server_without_a_pooler_is_none(house: House) -> None:
    locks.check_sessions()


@needs_pooler
@pytest.mark.parametrize("more", [{}, {"default_pool_size": 1}, {"server_round_robin": 1}])
def test_a_pooler_in_transaction_mode_is_refused_before_anything_is_sent(
    house: House, server: ScriptedServer, tmp_path: Path, by: Any, more: dict[str, int]
) -> None:
    house.people(5)
    house.route(server)
    campaign = house.released()
    with pgbouncer(tmp_path, "transaction", **more) as port:
        by(port)
        with pytest.raises(PooledConnection, match="pool_mode=session"):
            run_campaign(campaign.pk)
        connection.close()
    assert not server.messages


@needs_pooler
def test_a_pooler_in_session_mode_is_let_be(house: House, server: ScriptedServer, tmp_path: Path, by: Any) -> None:
    house.people(5)
    house.route(server)
    campaign = house.released()
    with pgbouncer(tmp_path, "session") as port:
        by(port)
        assert run_campaign(campaign.pk)["ended"] == "finished"
        connection.close()
    assert len(server.messages) == 5
