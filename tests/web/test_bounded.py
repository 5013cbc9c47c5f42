"""What somebody wrote or uploaded cannot keep the desk busy: helpers have a budget, and say so."""

import ast
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat import bounded, processes
from samizdat.campaigns import actions, pictures, pixels
from samizdat.campaigns.errors import BadPicture, LetterHasFlaws
from samizdat.campaigns.letter import proof_of
from samizdat.core.letter import Content, Letter, render
from tests.campaigns.test_pictures import huge, picture
from tests.conftest import NOW

FACTS = {"subject": "x", "from_name": "x", "from_address": "ada@post.example"}
FINE = Content(body="Hello", **FACTS)  # type: ignore[arg-type]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[bounded.Pool]:
    made = bounded.Pool()
    monkeypatch.setattr(bounded, "_pool", made)
    yield made
    made.close()


def nothing(_helper: Any, _until: float) -> None:
    """What there is of an answer that does not come in time."""


def test_a_helper_makes_the_same_letter(pool: bounded.Pool) -> None:
    assert bounded.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)
    assert isinstance(bounded.work("Lantern", render, FINE, now=NOW, images=False), Letter)


def test_a_helper_that_takes_too_long_is_ended_and_the_next_one_works(
    pool: bounded.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded.work("Lantern", render, FINE, now=NOW)
    [pid] = [helper._process.pid for helper in pool._all if helper._process]
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as slow:
        slow.setitem(bounded.JOBS, "render", bounded.Job("samizdat.core.letter", 0.1))
        with pytest.raises(bounded.TooMuch):
            bounded.work("Lantern", render, FINE, now=NOW)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert bounded.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)


def test_one_organization_never_takes_the_last_helper(pool: bounded.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool._changed:
        pool._at["Lantern"], pool._wait["Lantern"] = 1, bounded.WAITING
    monkeypatch.setattr(bounded, "ON_TOP", 0.0)
    with pytest.raises(bounded.TooMuch):
        bounded.work("Lantern", render, FINE, now=NOW)
    assert bounded.work("Harbour", render, FINE, now=NOW) == render(FINE, now=NOW)


def test_who_comes_on_top_of_many_is_not_kept_waiting(pool: bounded.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "ON_TOP", 0.0)
    with pool._changed:
        pool._at["Lantern"], pool._wait["Lantern"] = bounded.AT_ONCE, bounded.WAITING
    with pytest.raises(bounded.TooMuch):
        bounded.work("Lantern", render, FINE, now=NOW)


def test_errors_of_ours_come_back_and_others_by_name_alone(pool: bounded.Pool) -> None:
    with pytest.raises(pixels.Unusable) as bad:
        bounded.work("Lantern", pixels.take, huge())
    assert bad.value.values == {"limit": 24}
    with pytest.raises(bounded.HelperBroke, match=r"^AttributeError$"):
        bounded.work("Lantern", render, None, now=NOW)  # type: ignore[arg-type]


def test_a_helper_that_was_taken_over_runs_nothing_here() -> None:
    import io
    import pickle

    class Evil:
        def __reduce__(self) -> Any:
            return os.getpid, ()

    with pytest.raises(pickle.UnpicklingError):
        bounded._Reader(io.BytesIO(pickle.dumps((True, Evil())))).load()


def test_a_helper_has_no_database_and_no_key_in_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SAMIZDAT_KEY_FILE", "/secret")
    helper = processes.reader("samizdat.bounded")
    try:
        assert b"secret" not in Path(f"/proc/{helper.pid}/environ").read_bytes()
    finally:
        helper.kill()
        helper.wait()


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_takes_too_long_says_so_and_cannot_go_out(
    here: Any, desk: Any, pool: bounded.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded._Helper, "_answer", nothing)
    letter = here.campaign
    client = desk("editor")
    for page in ("", "preview/light", "look/light", "alongside"):
        shown = client.get(f"/o/{here.organisation.slug}/campaigns/{letter.pk}/{page}")
        assert shown.status_code == 200
        assert "takes too long to prepare" in shown.content.decode(), page
    with pytest.raises(LetterHasFlaws) as refused:
        actions.freeze(letter, now=NOW)
    assert [flaw.code for flaw in refused.value.flaws if flaw.severity == "stop"] == ["letter_slow"]


@pytest.mark.django_db
def test_a_release_waits_for_a_helper_that_somebody_else_holds(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever uploads pictures, or has taken this group's name, keeps it from sending."""
    monkeypatch.setattr(bounded, "work", busy := _Busy(2))
    actions.freeze(here.campaign, now=NOW)
    assert busy.asked == [here.organisation.pk] * 3
    monkeypatch.setattr(bounded, "work", busy := _Busy(1))
    assert [flaw.code for flaw in proof_of(here.campaign, NOW).flaws] == ["letter_slow"], "who looks is told at once"
    assert len(busy.asked) == 1


class _Busy:
    """No helper is free the first times."""

    def __init__(self, times: int) -> None:
        self.times, self.asked = times, list[Any]()

    def __call__(self, whose: Any, function: Any, *args: Any, **more: Any) -> Any:
        self.asked.append(whose)
        if len(self.asked) <= self.times:
            raise bounded.TooMuch
        return function(*args, **more)


def test_helpers_are_asked_for_by_the_number_of_an_organization() -> None:
    """A name can be given away and taken: by it one group had both helpers, or used up another one's."""
    folder = Path(bounded.__file__).parent
    asked = {
        f"{path.relative_to(folder)}: {ast.unparse(node.args[0])}"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "bounded.work"
    }
    assert len(asked) >= 2
    assert not [one for one in asked if not re.search(r"organisation(\.pk|\.id|_id)$", one)]


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_takes_too_long_or_too_much_is_refused_with_a_sentence(
    lantern: Any, pool: bounded.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pictures.take_in(lantern, picture(), NOW).width == 80
    monkeypatch.setattr(bounded._Helper, "_answer", nothing)
    with pytest.raises(BadPicture, match="takes too long to read"):
        pictures.take_in(lantern, picture(), NOW)


def test_many_threads_share_the_helpers(pool: bounded.Pool) -> None:
    made: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(bounded.work(n, render, FINE, now=NOW))) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [render(FINE, now=NOW)] * 6
