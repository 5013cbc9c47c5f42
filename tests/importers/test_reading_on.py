"""The plan through a browser and back, slices, going on after a kill, and how much memory it takes."""

import tracemalloc

import pytest
from msgspec import to_builtins

from samizdat.cli.demo.export import EXAMPLE, make_mailchimp_export
from samizdat.core.imports import BadPlan, DetectedFile, ImportPlan, Position
from samizdat.importers.reading.files import open_given
from tests.importers.helping import IMPORTERS, csv_bytes, named, read, row

MAILCHIMP = IMPORTERS[0]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "audience_export.zip"
    make_mailchimp_export(path, 3_000, domains=EXAMPLE)
    return path


def test_an_export_of_invented_people_has_the_columns_and_counts_of_a_real_one(export):
    whole = read(export)
    assert whole.counts == {"subscribed": 2520, "unsubscribed": 300, "cleaned": 150, "nonsubscribed": 30}
    assert whole.complaints == [] and whole.found.problems == []
    assert {file.status: len(file.columns) for file in whole.found.files} == {
        "subscribed": 30,
        "nonsubscribed": 30,
        "unsubscribed": 34,
        "cleaned": 32,
    }
    assert len(set(whole.addresses)) == 3_000
    assert all(address.endswith(".example") for address in whole.addresses)


def test_an_export_of_invented_people_is_the_same_for_the_same_seed(export, tmp_path):
    make_mailchimp_export(tmp_path / "again.zip", 3_000, domains=EXAMPLE)
    assert (tmp_path / "again.zip").read_bytes() == export.read_bytes()
    make_mailchimp_export(tmp_path / "other.zip", 3_000, seed=2, domains=EXAMPLE)
    assert (tmp_path / "other.zip").read_bytes() != export.read_bytes()


@pytest.mark.parametrize("kill_after", [1, 4, 7, 20])
def test_a_killed_import_goes_on_where_it_was(export, kill_after: int):
    with open_given([export]) as given:
        plan = MAILCHIMP.inspect(given).plan()
        whole = [batch.incoming for batch in MAILCHIMP.read(given, plan, size=100)]
        reading = MAILCHIMP.read(given, plan, size=100)
        before = [next(reading) for _ in range(kill_after)]
    with open_given([export]) as again:
        rest = list(MAILCHIMP.read(again, plan, before[-1].after, size=100))
    assert [batch.incoming for batch in before + rest] == whole


def test_a_finished_import_goes_on_with_nothing(export):
    with open_given([export]) as given:
        plan = MAILCHIMP.inspect(given).plan()
        last = list(MAILCHIMP.read(given, plan))[-1]
        assert list(MAILCHIMP.read(given, plan, last.after)) == []
        assert last.after == Position(3, 2520) and last.bytes_read == last.bytes_total


def test_going_on_counts_blank_and_rejected_rows_too():
    content = csv_bytes([row("a@example.org"), [""] * 20, ["x", "y"], row("b@example.org"), row("c@example.org")])
    people = named("subscribed.csv", content)
    with open_given([people]) as given:
        plan = MAILCHIMP.inspect(given).plan()
        batches = list(MAILCHIMP.read(given, plan, size=2))
        rest = list(MAILCHIMP.read(given, plan, batches[0].after, size=2))
    assert [batch.rows for batch in batches] == [1, 2, 1]
    assert [batch.after for batch in rest] == [batch.after for batch in batches[1:]]


def test_progress_rises_to_the_size_of_the_files(export):
    with open_given([export]) as given:
        plan = MAILCHIMP.inspect(given).plan()
        seen = [batch.bytes_read for batch in MAILCHIMP.read(given, plan, size=200)]
        assert seen == sorted(seen)
        assert seen[-1] == sum(file.size for file in plan.files)


def test_a_plan_goes_through_a_form_and_back_without_anybodys_data(export):
    with open_given([export]) as given:
        plan = MAILCHIMP.inspect(given).plan()
        plain = to_builtins(plan.without_examples())
        assert {column["example"] for file in plain["files"] for column in file["columns"]} == {""}
        back = ImportPlan.read(plain)
        assert [batch.incoming for batch in MAILCHIMP.read(given, back)] == [
            batch.incoming for batch in MAILCHIMP.read(given, plan)
        ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain.pop("files"),
        lambda plain: plain["files"][0].update(status="rich"),
        lambda plain: plain["files"][0].update(member=-1),
        lambda plain: plain["files"][0].update(member="0"),
        lambda plain: plain["files"][0].update(encoding="rot13"),
        lambda plain: plain["files"][0].update(delimiter="ab"),
        lambda plain: plain["files"][0].update(columns=None),
        lambda plain: plain["files"][0]["columns"][0].update(becomes="field:'); import os"),
        lambda plain: plain["files"][0]["columns"][0].update(becomes="president"),
        lambda plain: plain["files"][0]["columns"][0].update(index=99),
        lambda plain: plain["files"][0]["columns"][0].update(words={"x": "rich"}),
    ],
)
def test_a_plan_that_cannot_be_ours_is_refused(export, spoil):
    with open_given([export]) as given:
        plain = to_builtins(MAILCHIMP.inspect(given).plan())
    spoil(plain)
    with pytest.raises(BadPlan):
        ImportPlan.read(plain)


def test_two_columns_for_one_place_are_a_question(export):
    with open_given([export]) as given:
        plan = MAILCHIMP.inspect(given).plan()
    first = plan.in_order()[0]
    first.columns[1].becomes = first.columns[2].becomes = "field:FNAME"
    first.columns[0].becomes = "out"
    assert [question.code for question in plan.questions()] == ["ask_address", "two_columns"]
    assert "are both matched to FNAME" in plan.questions()[1].sentence()


def test_leaving_every_file_out_is_a_question():
    plan = ImportPlan("csv", [DetectedFile("x", 0, "subscribed", "name", "utf-8", ",", [], use=False)])
    assert [question.code for question in plan.questions()] == ["nothing_used"]


def test_reading_takes_a_few_megabytes_however_long_the_file(tmp_path):
    make_mailchimp_export(tmp_path / "export.zip", 20_000, domains=EXAMPLE)
    with open_given([tmp_path / "export.zip"]) as given:
        tracemalloc.start()
        plan = MAILCHIMP.inspect(given).plan()
        for _ in MAILCHIMP.read(given, plan, size=1_000):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12 << 20
