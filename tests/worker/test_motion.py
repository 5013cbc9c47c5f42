"""A worker whose loops stand still says so by giving no sign of life, and is started again."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from samizdat import limited_process
from samizdat.delivery.engine.heartbeat import STUCK
from samizdat.worker.processes import background
from samizdat.worker.stopping import stopping


@pytest.fixture(autouse=True)
def _moving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("intake_motion", "signups_motion"):
        monkeypatch.setattr(background, name, background.ProgressWatch())
    background.watch.pulse.move()
    yield
    stopping.clear()


def _time_passes(motion: background.ProgressWatch) -> None:
    motion.moved -= STUCK + 1


@pytest.mark.parametrize("loop", ["intake_motion", "signups_motion"])
def test_a_worker_gives_no_sign_of_life_while_one_of_its_loops_hangs(loop: str) -> None:
    started, go_on, again = threading.Event(), threading.Event(), threading.Event()
    motion = getattr(background, loop)

    def hangs(_has_news: bool) -> None:
        if started.is_set():
            again.set()
            stopping.set()
        started.set()
        go_on.wait(60)

    thread = threading.Thread(target=background._every_second, args=("A loop", hangs, None, motion))
    thread.start()
    assert started.wait(60)
    assert background.is_moving(), "it may take a while"
    _time_passes(motion)
    assert not background.is_moving(), "though the clock goes on"
    go_on.set()
    assert again.wait(60)
    thread.join()
    assert background.is_moving()


@pytest.mark.django_db
def test_a_loop_that_has_much_to_do_is_not_taken_for_one_that_hangs() -> None:
    """A flood takes longer than a round may stand still, in many statements."""
    motion = background.intake_motion
    motion.watch()
    motion.watch()
    assert connection.execute_wrappers.count(motion._did) == 1
    _time_passes(motion)
    assert not background.is_moving()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.execute_wrappers.remove(motion._did)
    assert background.is_moving()


def test_the_loops_of_the_worker_are_those_that_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}
    watched = lambda name, _round, _changes, motion: told.update({name: motion})  # noqa: E731
    monkeypatch.setattr(background, "_every_second", watched)
    background.run_intake()
    background.run_signups()
    assert list(told.values()) == [background.intake_motion, background.signups_motion]


def test_what_an_editor_wrote_is_compiled_in_a_process_with_limits_by_the_worker_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limited_process, "_pool", None)
    for name in ("_run_embedded", "run_engine", "run_guard"):
        monkeypatch.setattr(background, name, lambda *_, **__: None)
    monkeypatch.setattr(background, "LOOK_SECONDS", 0.0)
    stopping.set()
    background.run_worker()
    assert limited_process._pool is not None
