"""A disk on which a power loss costs what was not synced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power_loss.kernel import why_not
from tests.power_loss.machine import LossyDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LossyDisk]:
    if reason := why_not():
        pytest.skip(reason)
    with LossyDisk(tmp_path) as disk:
        yield disk
