"""What somebody wrote or uploaded cannot keep the desk busy: helpers have a budget, and say so."""

import ast
import contextvars
import json
import os
import pickle
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat import child_frames, limited_process, processes
from samizdat.campaigns import checks
from samizdat.campaigns.archive.web_corrections import NoCorrection, correct
from samizdat.campaigns.content import content_of, proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import BadPicture, CampaignError, ContentHasProblems
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.media import image_processing, library
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.templates import convert_format, import_template
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.render import Content, RenderedContent, render
from samizdat.web.asgi import DeskApplication
from tests.campaigns.test_library import huge, picture
from tests.conftest import NOW
from tests.visitors import listening
from tests.visitors import page as visitors_page

LANTERN, HARBOUR = 1, 2  # Numbers of two organizations.
FACTS = {"subject": "x", "from_name": "x", "from_address": "ada@post.example"}
PATIENCE = 15
FINE = Content(body="Hello", **FACTS)  # type: ignore[arg-type]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[limited_process.Pool]:
    made = limited_process.Pool()
    monkeypatch.setattr(limited_process, "_pool", made)
    # A helper that begins on a busy machine takes seconds: what is about time sets its own.
    for name, job in limited_process.JOBS.items():
        monkeypatch.setitem(limited_process.JOBS, name, job._replace(seconds=job.seconds * PATIENCE))
    for name in ("LONG", "REQUEST"):
        monkeypatch.setattr(limited_process, name, getattr(limited_process, name) * PATIENCE)
    yield made
    made.close()


def nothing(_helper: Any, _until: float) -> None:
    """What there is of an answer that does not come in time."""


def test_a_helper_makes_the_same_letter(pool: limited_process.Pool) -> None:
    assert limited_process.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)
    assert isinstance(limited_process.work("Lantern", render, FINE, now=NOW, images=False), RenderedContent)


def test_a_helper_that_takes_too_long_is_ended_and_the_next_one_works(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited_process.work("Lantern", render, FINE, now=NOW)
    [pid] = [helper._process.pid for helper in pool._all if helper._process]
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as slow:
        slow.setitem(limited_process.JOBS, "samizdat.core.content.render.render", limited_process.Job(0.1))
        with pytest.raises(limited_process.TooMuch):
            limited_process.work("Lantern", render, FINE, now=NOW)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert limited_process.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)


def test_one_organization_never_takes_the_last_helper(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool._changed:
        pool._at["Lantern"], pool._waiting[:] = 1, [("Lantern", False)] * limited_process.WAITING
    monkeypatch.setattr(limited_process, "ON_TOP", 0.0)
    with pytest.raises(limited_process.TooMuch):
        limited_process.work("Lantern", render, FINE, now=NOW)
    assert limited_process.work("Harbour", render, FINE, now=NOW) == render(FINE, now=NOW)


def test_whoever_has_used_helpers_least_comes_first(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited_process.work("Thieves", render, FINE, now=NOW)
    pool._waiting.append(("Lantern", False))
    monkeypatch.setitem(limited_process.JOBS, "samizdat.core.content.render.render", limited_process.Job(0.1))
    with pytest.raises(limited_process.TooMuch):
        limited_process.work("Thieves", render, FINE, now=NOW)
    monkeypatch.undo()
    monkeypatch.setattr(limited_process, "_pool", pool)
    assert limited_process.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)
    pool._used["Lantern"] = time.monotonic()
    pool._used["Thieves"] -= limited_process.COUNTED
    assert limited_process.work("Thieves", render, FINE, now=NOW) == render(FINE, now=NOW), "a minute later"


def test_pictures_of_several_organizations_leave_a_helper_for_previews(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool._changed:
        pool._idle.pop()
        pool._at["Thieves"], pool._long_at_work = 1, 1
    monkeypatch.setattr(limited_process, "REQUEST", 0.1)

    def upload() -> None:
        limited_process.begin_request()
        limited_process.work("Harbour", image_processing.take, picture())

    with pytest.raises(limited_process.TooMuch):
        contextvars.copy_context().run(upload)
    assert not pool._is_next("Harbour", True), "it was not even begun"
    assert limited_process.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW)


def test_all_work_for_a_request_ends_with_the_time_of_one(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request() -> None:
        limited_process.begin_request()
        limited_process.work("Lantern", render, FINE, now=NOW)

    contextvars.copy_context().run(request)
    monkeypatch.setattr(limited_process, "REQUEST", 0.0)
    with pytest.raises(limited_process.TooMuch):
        contextvars.copy_context().run(request)
    assert limited_process.work("Lantern", render, FINE, now=NOW) == render(FINE, now=NOW), "and the next has its own"


def test_a_request_to_the_desk_has_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(limited_process, "begin_request", lambda: begun.append(True))

    def wsgi(_asked: Any, start: Any) -> list[bytes]:
        assert begun, "before the page"
        start("200 OK", [])
        return []

    with listening(DeskApplication(wsgi)) as port:
        assert visitors_page(port, "/") == 200


def test_who_comes_on_top_of_many_is_not_kept_waiting(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_process, "ON_TOP", 0.0)
    with pool._changed:
        pool._at["Lantern"] = limited_process.AT_ONCE
        pool._waiting[:] = [("Lantern", False)] * limited_process.WAITING
    with pytest.raises(limited_process.TooMuch):
        limited_process.work("Lantern", render, FINE, now=NOW)


def test_errors_of_ours_come_back_and_others_by_name_alone(pool: limited_process.Pool) -> None:
    with pytest.raises(image_processing.Unusable) as bad:
        limited_process.work("Lantern", image_processing.take, huge())
    assert bad.value.values == {"limit": 24}
    with pytest.raises(limited_process.HelperBroke, match=r"^AttributeError$"):
        limited_process.work("Lantern", render, None, now=NOW)  # type: ignore[arg-type]


def answered(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch, kind: bytes, value: Any, data: bytes = b""
) -> None:
    """From now on helpers answer so, whatever they are asked."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    monkeypatch.setattr(
        limited_process._Helper, "_answer", lambda _helper, _until: child_frames.Frame(kind, text, data)
    )


PIECES = {"subject": ["x"], "html": ["x"], "text": ["x"]}
LETTER = PIECES | {"to_name": [], "fields": [], "links": [], "flaws": []}


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps((True, 1)),
        PIECES,
        [*LETTER.values()],
        LETTER | {"html": [1]},
        LETTER | {"html": [{"name": "zipfile.importlib.util.types.CodeType"}]},
        LETTER | {"html": "x"},
        LETTER | {"fields": [{"bytes beside": 0}]},
        LETTER | {"fields": [{"bytes beside": 1}]},
        LETTER | {"fields": [{"bytes beside": -1}]},
        None,
        b"[" + b"[]," * 1_500_000 + b"[]]",
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_helper_that_was_taken_over_makes_nothing_here_but_what_it_was_asked_for(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    answered(pool, monkeypatch, b"V", value)
    with pytest.raises(limited_process.HelperBroke):
        limited_process.work("Lantern", render, FINE, now=NOW)
    assert not any(helper._process for helper in pool._all)
    answered(pool, monkeypatch, b"V", LETTER)
    assert limited_process.work("Lantern", render, FINE, now=NOW).html == ("x",)


@pytest.mark.parametrize("name", ["SystemExit", "Image", "io", "_Odd", "Unusable.__init__"])
def test_a_helper_raises_nothing_here_but_what_its_work_may(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answered(pool, monkeypatch, b"X", [name, ["x"]])
    with pytest.raises(limited_process.HelperBroke):
        limited_process.work("Lantern", image_processing.take, b"x")


def pid_of(pool: limited_process.Pool, whose: int, function: Any, *args: Any, **more: Any) -> int:
    """Of the process that does this work, with one helper for all."""
    pool._idle = [pool._all[0]]
    limited_process.work(whose, function, *args, **more)
    assert pool._all[0]._process is not None
    return pool._all[0]._process.pid


def test_a_helper_that_decodes_files_renders_no_letter_and_answers_no_other_organization(
    pool: limited_process.Pool,
) -> None:
    first = pid_of(pool, LANTERN, image_processing.take, picture())
    assert pid_of(pool, LANTERN, image_processing.take, picture()) == first
    other = pid_of(pool, HARBOUR, image_processing.take, picture())
    assert other != first
    assert pid_of(pool, HARBOUR, render, FINE, now=NOW) != other


@pytest.mark.parametrize("whose", [LANTERN, HARBOUR])
def test_a_helper_that_decodes_a_file_has_no_letter_in_its_memory(pool: limited_process.Pool, whose: int) -> None:
    """A file that takes it over hands back what is there as its picture."""
    renders = pid_of(pool, LANTERN, render, FINE, now=NOW)
    assert pid_of(pool, HARBOUR, render, FINE, now=NOW) == renders, "what decodes nothing works for all"
    assert pid_of(pool, whose, image_processing.take, picture()) != renders


def test_a_picture_ends_no_helper_of_letters_while_another_is_idle(pool: limited_process.Pool) -> None:
    for _ in range(2):
        limited_process.work(LANTERN, render, FINE, now=NOW)
        limited_process.work(LANTERN, image_processing.take, picture())
        pids = [helper._process.pid for helper in pool._all if helper._process]
    limited_process.work(HARBOUR, render, FINE, now=NOW)
    assert len(pids) == 2 and [helper._process.pid for helper in pool._all if helper._process] == pids


def test_a_helper_that_reads_nothing_is_ended_in_time(
    pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = subprocess.Popen(["sleep", "10"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    monkeypatch.setattr(processes, "reader", lambda _module: taken)
    monkeypatch.setitem(limited_process.JOBS, "samizdat.core.content.render.render", limited_process.Job(0.1))
    more_than_a_pipe_holds = Content(body="x" * 300_000, **FACTS)  # type: ignore[arg-type]
    with pytest.raises(limited_process.TooMuch):
        limited_process.work("Lantern", render, more_than_a_pipe_holds, now=NOW)
    assert taken.returncode == -signal.SIGKILL


def test_a_helper_has_no_database_and_no_key_in_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SAMIZDAT_KEY_FILE", "/secret")
    helper = processes.reader("samizdat.limited_process")
    try:
        assert b"secret" not in Path(f"/proc/{helper.pid}/environ").read_bytes()
    finally:
        helper.kill()
        helper.wait()


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_takes_too_long_says_so_and_cannot_go_out(
    here: Any, desk: Any, pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_process._Helper, "_answer", nothing)
    letter = here.campaign
    client = desk("editor")
    for page in ("", "preview/light", "preview-frame/light", "sidebar"):
        shown = client.get(f"/o/{here.organization.slug}/campaigns/{letter.pk}/{page}")
        assert shown.status_code == 200
        assert "takes too long to prepare" in shown.content.decode(), page
    with pytest.raises(ContentHasProblems) as refused:
        freeze(open_campaign(letter), NOW)
    assert [flaw.code for flaw in refused.value.flaws if flaw.severity == "stop"] == ["letter_slow"]


@pytest.mark.django_db
def test_a_release_waits_for_a_helper_that_somebody_else_holds(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever uploads pictures, or has taken this group's name, keeps it from sending."""
    monkeypatch.setattr(limited_process, "work", busy := _Busy(2))
    freeze(open_campaign(here.campaign), NOW)
    assert busy.asked == [here.organization.pk] * 4, "three times for the letter, once for its checks"
    monkeypatch.setattr(limited_process, "work", busy := _Busy(1))
    assert [flaw.code for flaw in proof_of(here.campaign, NOW).flaws] == ["letter_slow"], "who looks is told at once"
    assert len(busy.asked) == 1


class _Busy:
    """No helper is free the first times."""

    def __init__(self, times: int) -> None:
        self.times, self.asked = times, list[Any]()

    def __call__(self, whose: Any, function: Any, *args: Any, **more: Any) -> Any:
        self.asked.append(whose)
        if len(self.asked) <= self.times:
            raise limited_process.TooMuch
        return function(*args, **more)


def test_helpers_are_asked_for_by_the_number_of_an_organization() -> None:
    """A name can be given away and taken: by it one group had both helpers, or used up another one's."""
    folder = Path(limited_process.__file__).parent
    asked = {
        f"{path.relative_to(folder)}: {ast.unparse(node.args[0])}"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "limited_process.work"
    }
    assert len(asked) >= 2
    assert not [one for one in asked if not re.search(r"organization(\.pk|\.id|_id)$", one)]


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_says_so_on_each_page_and_changes_nothing(
    here: Any, desk: Any, pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_process._Helper, "_answer", nothing)
    letter, client, base = here.campaign, desk("editor"), f"/o/{here.organization.slug}"
    before = draft_of(letter)
    with pytest.raises(CampaignError, match="Switching takes too long"):
        convert_format.switch(letter, "html", by=None, now=NOW)
    letter.refresh_from_db()
    assert draft_of(letter) == before
    assert "takes too long to prepare" in client.get(f"{base}/settings/branding/light").content.decode()
    Campaign.objects.filter(pk=here.sent.pk).update(state="finished", pending=0, accepted=1)
    here.sent.refresh_from_db()
    with pytest.raises(NoCorrection, match="takes too long"):
        correct(here.sent, "water", "river", by=None, now=NOW)
    with pytest.raises(CampaignError, match="The template takes too long"):
        import_template.take_in(here.organization, "Frame", b"<table><tr><td>x</td></tr></table>", by=None, now=NOW)
    rendered, content = RenderedContent((), (), (), (), (), (), ()), content_of(letter, before)
    found = checks.look(letter, before, CompileProof(None, (), rendered, content), NOW).findings
    assert [one.severity for one in found if "takes too long" in one.sentence] == ["stop"]


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_takes_too_long_or_too_much_is_refused_with_a_sentence(
    lantern: Any, pool: limited_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert library.take_in(lantern, picture(), NOW).width == 80
    monkeypatch.setattr(limited_process._Helper, "_answer", nothing)
    with pytest.raises(BadPicture, match="takes too long to read"):
        library.take_in(lantern, picture(), NOW)


def test_many_threads_share_the_helpers(pool: limited_process.Pool) -> None:
    made: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(limited_process.work(n, render, FINE, now=NOW)))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [render(FINE, now=NOW)] * 6
