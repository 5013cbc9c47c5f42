"""The small cast. Ada confirmed, Boris left, Clara edits, Dmitri may only look; Northern Lantern is their group."""

import contextlib
import copy
import functools
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import moulds

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 25)
INSTANCE_KEY = bytes(range(32))
PASSWORD = "correct horse battery staple"

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Whoever touches the house may touch the public database as well.
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") is None and fixtures & {"db", "transactional_db"}:
            item.add_marker(pytest.mark.django_db(transaction="transactional_db" in fixtures))
        for marker in item.iter_markers("django_db"):
            marker.kwargs.setdefault("databases", ["default", "publicdb"])


@pytest.fixture
def vault() -> Any:
    """The keys of this test's house, opened without a file."""
    from samizdat.vault import keyring
    from samizdat.vault.source import InstanceSource

    source = InstanceSource(INSTANCE_KEY)
    keyring.use(source)
    keyring.open_for_django()
    yield source
    keyring.use(None)


@pytest.fixture(scope="session", autouse=True)
def signed_rows() -> None:
    """What the public pages show is signed as the tests' house signs it, also where a test opens no keys."""
    from samizdat.publicdb import signed_rows
    from samizdat.vault.source import InstanceSource

    signed_rows.sign_by(lambda: InstanceSource(INSTANCE_KEY).derive("public pages"))


@pytest.fixture(scope="session")
def founding() -> Callable[[Any], Any]:
    """Founds Northern Lantern with the keys of a source, once a worker: the rows are put back in a part of the time."""
    kept: list[tuple[Any, moulds.Rows]] = []

    def found(source: Any) -> Any:
        from samizdat.accounts.actions import found_organization
        from samizdat.accounts.models import Organization

        if kept and not Organization.objects.exists():
            kept[0][1].put_back()
            return copy.deepcopy(kept[0][0])
        is_alone = not kept and not moulds.Rows()
        made = found_organization("Northern Lantern", source=source, today=TODAY, public_url="https://lantern.example")
        if is_alone:
            kept.append((copy.deepcopy(made), moulds.Rows()))
        return made

    return found


@pytest.fixture(scope="session")
def remembered() -> Callable[..., Any]:
    """Does once a worker what a fixture does for many tests, and afterwards puts the rows there: three quarters of the
    time of a dozen new subscribers are questions to the database.

    remembered(make, lantern, letter): what `make()` gives. Behind it stand those who are there before; they are again
    what `make` left them as. It has no other effects than on rows and on them, and takes no time from the clock.
    """
    kept: dict[str, tuple[moulds.Change, Any, tuple[Any, ...]]] = {}

    def remember(make: Callable[[], Any], *there: Any) -> Any:
        name = f"{make.__module__}.{make.__qualname__}"
        if name in kept:
            change, made, left = kept[name]
            if not change.do_again():
                return make()
            memo: dict[int, Any] = {id(old): new for old, new in zip(left, there, strict=True)}
            for old, new in zip(left, there, strict=True):
                vars(new).update(copy.deepcopy(vars(old), memo))
            return copy.deepcopy(made, memo)
        change, made = moulds.Change(), make()
        if change.is_over():
            kept[name] = (change, *copy.deepcopy((made, there)))
        return made

    return remember


@pytest.fixture
def lantern(db: Any, vault: Any, founding: Callable[[Any], Any]) -> Any:
    """Northern Lantern, with keys and nobody on any list."""
    return founding(vault)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: Any, django_db_blocker: Any, django_db_modify_db_settings: Any) -> Any:
    """Instead of pytest-django's: databases of this worker, copied and not migrated. House and public database are
    two."""
    from django.db import connections

    with django_db_blocker.unblock():
        for alias in connections:
            settings = connections.settings[alias]
            settings["NAME"] = connections[alias].settings_dict["NAME"] = name = settings["TEST"]["NAME"]
            if connections[alias].vendor == "postgresql":
                moulds.database(name)
            else:
                moulds.file(Path(name), publicdb=alias == "publicdb")
    yield
    with django_db_blocker.unblock():
        for alias in connections:
            connections[alias].close()
            if connections[alias].vendor == "postgresql":
                moulds.as_admin(f'DROP DATABASE "{connections.settings[alias]["NAME"]}" WITH (FORCE)')


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """After a test with transactions of its own, only tables with rows are emptied, and what migrations wrote stays.

    Django's flush empties all eighty and writes its content types anew: a quarter of a second after each such test.
    """
    from django.test import TransactionTestCase

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[dict[str, int]]:
    """Argon2 takes a twentieth of a second on purpose, and a test has several people. It is the same with less memory
    and one round. Yields the product's own figures."""
    from samizdat.accounts.hashers import Argon2

    quick = {"time_cost": 1, "memory_cost": 8}
    own = {cost: getattr(Argon2, cost) for cost in quick}
    with pytest.MonkeyPatch.context() as patch:
        for cost, least in quick.items():
            patch.setattr(Argon2, cost, least)
        yield own


@pytest.fixture
def real_passwords(quick_passwords: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are kept by the product, for tests of what they cost."""
    from samizdat.accounts.hashers import Argon2

    for cost, figure in quick_passwords.items():
        monkeypatch.setattr(Argon2, cost, figure)


# More than a test makes of one domain.
RSA_KEYS = 6


@pytest.fixture(scope="session", autouse=True)
def quick_keys() -> Iterator[None]:
    """A new RSA key takes a twentieth of a second, and most tests of domains want some. Each worker makes a few, which
    take turns."""
    from samizdat.delivery.actions import domains

    new, kept = domains._new, []

    def taken_in_turns(algorithm: str) -> Any:
        if algorithm != "rsa":
            return new(algorithm)
        kept.append(kept.pop(0) if len(kept) == RSA_KEYS else new(algorithm))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domains, "_new", taken_in_turns)
        yield


def _empty_what_waits(data: Path) -> None:
    """Email that a test before had taken in, and journals of its senders, are none of the next test's."""
    journals = data / "journals"
    for folder in (data / "incoming-mail", journals / "kept", journals):
        with contextlib.suppress(FileNotFoundError):
            for path in folder.iterdir():
                if path.is_file() and path.name != "folder":  # That is the number of the folder itself.
                    path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    """What a process keeps in its memory alone, by numbers that the next test's people have again: how fast somebody
    opened subscribers, which box waits until when, which letters show a picture."""
    (Path(os.environ["SAMIZDAT_DATA"]) / "newest").unlink(missing_ok=True)  # Of the database of the test before.
    shutil.rmtree(Path(os.environ["SAMIZDAT_DATA"]) / "settings", ignore_errors=True)
    _empty_what_waits(Path(os.environ["SAMIZDAT_DATA"]))
    for name in ("samizdat.audience.read_limits", "samizdat.incoming.mail_space", "samizdat.worker.inbox.inbox"):
        if (module := sys.modules.get(name)) is not None:
            module.forget()
    if (library := sys.modules.get("samizdat.campaigns.media.library")) is not None:
        library._known.clear()  # Which pictures a letter of that number shows.


# What the product gives up for now after a part of a second, so that others have their turn.
PORTIONS = (
    *(
        "samizdat.worker.schedule.retention.SECONDS",
        "samizdat.worker.schedule.expire_signups.SECONDS",
        "samizdat.worker.schedule.consistency_check.SECONDS",
    ),
    *("samizdat.worker.schedule.scheduler.CLEARING", "samizdat.worker.schedule.scheduler.LOOKING"),
    *("samizdat.audience.actions.bulk.LOOKING", "samizdat.audience.queries.subscriber_list.LOOKING"),
    "samizdat.worker.publishing.publish.SLICE",
)


@pytest.fixture(scope="session", autouse=True)
def portions_for_a_busy_machine() -> Iterator[None]:
    """A machine that has to do with other things gets less done in that time: a test would find half of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PORTIONS:
            patch.setattr(name, 600.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def files_found_once() -> Iterator[None]:
    """Each test client has middleware of its own; what WhiteNoise finds in the static folders is the same for all."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    find = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add(middleware: Any) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add)
        yield


def _empty(case: Any) -> None:
    from django.db import connections, transaction

    for alias in case._databases_names(include_mirrors=False):
        connection = connections[alias]
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # In any order, whatever points at whatever. TRUNCATE makes each file of each table anew: 27 ms.
                cursor.execute("SET LOCAL session_replication_role = replica")
            for name in _filled(cursor, _tables(alias), connection.vendor):
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")


def _filled(cursor: Any, names: list[str], vendor: str) -> list[str]:
    """Tables with rows; on PostgreSQL those with a page, which is asked for in a tenth of the time."""
    if vendor == "postgresql":
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE pg_relation_size(name::regclass) > 0", [names]
        )
    else:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names))
    return [name for (name,) in cursor.fetchall()]


@functools.cache
def _tables(alias: str) -> list[str]:
    from django.db import connections

    names = connections[alias].introspection.django_table_names(only_existing=True)
    return sorted(set(names) - moulds.WRITTEN_BY_MIGRATIONS)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # Code and thousands of tests stay to the end: nobody has to look through them for garbage again and again.
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        moulds.forget()


@pytest.fixture
def low_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicks and answers of a letter to anybody are counted, however new they are."""
    from samizdat.core import totals

    monkeypatch.setattr(totals, "FLOOR", 1)
    monkeypatch.setattr(totals, "SETTLED_DAYS", 0)
