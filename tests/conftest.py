"""The small cast. Ada confirmed, Boris left, Clara edits, Dmitri may only look; Northern Lantern is their group."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 25)
INSTANCE_KEY = bytes(range(32))
PASSWORD = "correct horse battery staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Whoever touches the house may touch the gate as well.
        for marker in item.iter_markers("django_db"):
            marker.kwargs.setdefault("databases", ["default", "gate"])


@pytest.fixture
def vault() -> Any:
    """The keys of this test's house, opened without a file."""
    from samizdat.vault import house
    from samizdat.vault.source import InstanceSource

    source = InstanceSource(INSTANCE_KEY)
    house.use(source)
    house.open_for_django()
    yield source
    house.use(None)


@pytest.fixture
def lantern(db: Any, vault: Any) -> Any:
    """Northern Lantern, with keys and nobody on any list."""
    from samizdat.accounts.actions import found_organisation

    return found_organisation("Northern Lantern", source=vault, today=TODAY, public_url="https://lantern.example")
