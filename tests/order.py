"""Who runs what, and when: files stay together, the long ones come first, and a test without a database runs once.

A file stays with one worker of xdist, so that the house its tests share is made once. Tests of SLOW that take long by
themselves are dealt out one by one. Whatever takes longest begins first, and at the end nobody waits for anybody.
"""

from pathlib import Path
from typing import Any

import pytest

# Longest first, by the durations of a run on two cores (`./run test -- --durations=70`); all else follows as collected.
# A test that stands here by its name is dealt out alone, all others with their file. What waits for other
# machines to take over stands between what computes.
SLOW = (
    "tests/worker/test_machines.py::test_a_machine_that_hangs",
    "tests/web/test_browser.py::test_no_page_violates_anything",
    "tests/worker/test_machines.py::test_a_machine_that_dies",
    "tests/web/test_browser.py::test_a_viewer_and_a_russian_page_violate_nothing",
    "tests/worker/test_machines.py::test_a_sender_that_hangs",
    "tests/sealed/test_sealed_disk.py",
    "tests/core/test_patterns.py::test_every_expression",
    "tests/worker/test_machines.py::test_machines_that_are_cut",
    "tests/bad_input/test_relays.py",
    "tests/worker/test_machines.py::test_senders_are_placed",
    "tests/delivery/test_kills.py::test_twenty_kills_lose_nobody",
    "tests/worker/test_machines.py::test",
    "tests/bad_input/test_kills.py",
    "tests/bad_input/test_houses.py",
    "tests/worker/test_scheduler.py",
    "tests/delivery/test_sending.py",
    "tests/worker/test_supervisor.py::test_a_desk_that_stands_still",
    "tests/worker/test_supervisor.py",
    "tests/transports/test_smtp.py",
    "tests/cli/test_contract.py",
    "tests/cli/test_drill.py",
    "tests/audience/test_killed.py",
    "tests/delivery/test_trouble.py",
    "tests/web/test_browser.py::test_writing_saves_itself_and_shows_the_letter_anew",
    "tests/delivery/test_kills.py",
    "tests/public/test_browser.py",
    "tests/web/test_browser.py",
    "tests/core/test_template_looks.py",
    "tests/bad_input/test_disks.py",
    "tests/bad_input/test_files.py",
    "tests/bad_input/test_letters.py",
    "tests/cli/test_start.py",
    "tests/worker/test_no_trace.py",
    "tests/web/test_permissions.py",
    "tests/delivery",
    "tests/worker",
)
SINGLE = tuple(name for name in SLOW if "::" in name)
# Fixtures that bring a database along. Without one of them pytest-django lets no test near a database, and no test
# starts a process that has one.
DATABASES = {
    "db",
    "transactional_db",
    "django_db_setup",
    "empty_house",
    "hosts",
    "house",
    "instance",
    "kills",
    "peopled",
    "cramped",
    "seized",
}


# What knows neither Django nor a database (pyproject.toml, the arrows) is not even read a second time.
PURE = tuple(Path(__file__).parent / name for name in ("core", "transports", "importers"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--again", action="store_true", help="Leave out tests that have no database: they ran already.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("again") and collection_path in PURE else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("again"):
        here = [item for item in items if has_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if not has_database(item)])
        items[:] = here
    impure = [item.nodeid for item in items if has_database(item) and not set(PURE).isdisjoint(item.path.parents)]
    if impure:
        raise pytest.UsageError(f"{impure[0]} has a database and would not run on PostgreSQL. Move it to its app.")
    items.sort(key=lambda item: rank(item.nodeid))


def has_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("once"):
        return False
    return item.get_closest_marker("django_db") is not None or not DATABASES.isdisjoint(item.fixturenames)  # type: ignore[attr-defined]


def rank(nodeid: str) -> int:
    return next((place for place, name in enumerate(SLOW) if nodeid.startswith(name)), len(SLOW))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(SINGLE) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # Ours is the order, not by how many tests a file has.
    return Files(config, log)
