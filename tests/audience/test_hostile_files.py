"""Files that were made to break whoever reads them cost a process of their own and a sentence."""

import io
import json
import resource
import zipfile
from datetime import date, timedelta
from typing import Any

import pytest

from samizdat.audience import actions
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import failures, ownership, uploads, writer
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.imports.reading import subprocess_reader
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.models import Import, ImportPiece
from samizdat.worker.queue import tasks
from tests.audience.test_uploads import upload
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)

MANY = json.dumps([{"email": f"reader{n}@post.example", "name": f"Reader {n}"} for n in range(6_000)]).encode()
GONE = ownership.myself().rpartition("-")[0] + "-0"  # A process of this number that ended.
LEFT = (("LEAVE_TIME=left_time",), ())


def clock() -> Any:
    return NOW


def test_a_document_that_takes_more_memory_than_a_list_is_refused_with_a_sentence(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_reader, "MOST_MEMORY", 48 << 20)
    text = json.dumps([{"email": "a@x.org", "notes": "я" * 12_000_000}], ensure_ascii=False).encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = actions.inspect(upload(lantern, letter, "people.json", text).id, now=clock)
    assert (row.state, row.problem) == ("failed", "costs_too_much")
    assert actions.read_report(row).failed.sentence == (
        "people.json takes more time or memory to read than a list of its size should. Save it as “CSV UTF-8” and "
        "choose that file."
    )
    assert not ImportPiece.objects.exists()
    # What was uploaded is in our own memory, a piece at a time; nothing of what it unfolds to.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_document_that_takes_longer_than_a_list_is_refused_with_a_sentence(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_reader, "SECONDS", 1)
    monkeypatch.setattr(subprocess_reader, "SECONDS_A_MEGABYTE", 0)
    text = b'[{"email": "a@x.org"}' + b',{"a":{"a":{"a":{}}}}' * 1_400_000 + b"]"
    row = actions.inspect(upload(lantern, letter, "people.json", text).id, now=clock)
    assert (row.state, row.problem) == ("failed", "costs_too_much")


def test_a_document_of_thousands_of_people_comes_in_within_the_limits(lantern: Any, letter: Any) -> None:
    row = actions.inspect(upload(lantern, letter, "people.json", MANY).id, now=clock)
    assert (row.state, row.tries) == ("found", 0)
    assert actions.read_report(row).counts["rows"] == 6_000


def test_plain_text_is_read_here_and_what_may_unfold_is_not(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise subprocess_reader.ReadingBroke

    monkeypatch.setattr("samizdat.audience.imports.inspect.found_beside", refuse)

    def packed(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as box:
            box.writestr(name, data)
        return out.getvalue()

    rows = b"email\nada@post.example\n"
    row = upload(lantern, letter, "people.csv", rows)
    assert actions.inspect(row.id, now=clock).state == "found"
    for name, data in (
        ("people.zip", packed("people.csv", rows)),
        ("people.json", MANY),
        ("people.csv", MANY),
        ("people.zip", packed("people.json", MANY)),
        ("people.zip", packed("people.xlsx", rows)),
        ("people.zip", packed("people.csv", rows, zipfile.ZIP_LZMA)),
        ("people.zip", rows),
    ):
        row = upload(lantern, letter, name, data)
        with pytest.raises(subprocess_reader.ReadingBroke):
            actions.inspect(row.id, now=clock)


def test_a_file_that_kills_its_reader_is_tried_five_times_and_then_says_so(lantern: Any, letter: Any) -> None:
    row = upload(lantern, letter, "people.csv", b"email\nada@post.example\n")
    for tried in range(1, failures.TRIES + 1):
        assert row.id in actions.inspectable(NOW)
        # The worker takes it, and is killed by it.
        ownership.take(row.id, ("reading",), NOW)
        Import.objects.filter(pk=row.pk).update(owner=GONE)
        row.refresh_from_db()
        assert (row.state, row.tries) == ("reading", tried)
    tasks.inspect_import.call(row.pk)
    row.refresh_from_db()
    assert (row.state, row.problem, row.id in actions.inspectable(NOW)) == ("failed", failures.PROBLEM, False)
    assert not ImportPiece.objects.exists()


def test_a_reader_that_is_killed_while_it_brings_in_is_not_tried_for_ever(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = actions.inspect(upload(lantern, letter, "people.json", MANY[:-1] + b"]").id, now=clock)
    plan = actions.read_plan(row).plan
    plan.files[0].status, plan.files[0].status_source = "subscribed", "asked"
    actions.change_plan(row, plan)
    actions.start(row, now=NOW, by=None)
    begin = subprocess_reader.ReaderProcess.__enter__

    def killed(reading: Any) -> Any:
        begin(reading)._process.kill()
        return reading

    monkeypatch.setattr(subprocess_reader.ReaderProcess, "__enter__", killed)
    rung = 0
    while row.id in actions.resumable(NOW):
        tasks.run_import.call(row.pk)
        rung += 1
    row.refresh_from_db()
    assert (row.state, row.problem, rung) == ("stopped", failures.PROBLEM, failures.TRIES)
    monkeypatch.undo()
    actions.start(row, now=NOW, by=None)
    tasks.run_import.call(row.pk)
    row.refresh_from_db()
    assert (row.state, row.counts["added"], row.tries) == ("finished", 6_000, 0)


def test_nobody_fills_the_disk_with_uploads(lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST", 3)
    for number in range(3):
        upload(lantern, letter, f"people{number}.csv", b"email\nada@post.example\n")
    with pytest.raises(ImportRefused, match="Import or cancel them"):
        upload(lantern, letter, "one-more.csv", b"email\nada@post.example\n")
    actions.cancel(Import.objects.earliest("id"), now=NOW, by=None)
    upload(lantern, letter, "one-more.csv", b"email\nada@post.example\n")

    monkeypatch.setattr(uploads, "MOST", 50)
    monkeypatch.setenv("SAMIZDAT_UPLOADS", "18")
    row = actions.begin_upload(lantern, letter, now=NOW, by=None)
    for number in range(16):
        actions.add_piece(row, 0, number, b"x")
    with pytest.raises(ImportRefused, match="Import or cancel them"):
        actions.add_piece(row, 0, 16, b"x")


def test_a_file_that_repeats_an_address_thousands_of_times_asks_for_its_records_a_few_times(
    lantern: Any, letter: Any, django_assert_max_num_queries: Any
) -> None:
    """Each repeat reads all that is recorded of that person, while everybody else waits for the database."""
    first = date(1990, 1, 1)
    lines = [f"ada@post.example,unsubscribed,{first + timedelta(days=day)}" for day in range(400)]
    data = "\n".join(["email,status,LEAVE_TIME", *lines, "ben@post.example,subscribed,"]).encode() + b"\n"
    with django_assert_max_num_queries(400):
        row = actions.direct(lantern, letter, [HeldUpload("people.csv", data)], now=clock, answers=LEFT)
    assert (row.counts["added"], row.counts["rejected"]) == (2, 400 - 1 - writer.MOST_REPEATS)
    reject = row.rejects.order_by("line")[0]
    assert sentence_of(reject.code, reject.values) == (
        "This address is in the file too many times. Keep one row per person."
    )
