"""An upload: sealed pieces, a look, a changed plan, the run, and nothing left."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions, queries
from samizdat.audience.errors import ImportRefused, ImportTaken
from samizdat.audience.imports import inspect, uploads
from samizdat.audience.imports.documents import ImportReport
from samizdat.audience.models import Import, ImportPiece, Subscriber
from samizdat.cli.demo.export import EXAMPLE, make_mailchimp_export
from samizdat.events.models import Event
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import split, statuses
from tests.conftest import NOW


def clock() -> Any:
    return NOW


def upload(organization: Any, list_: Any, name: str, data: bytes) -> Import:
    row = actions.begin_upload(organization, list_, now=NOW, by=None)
    pieces = [data[at : at + uploads.PIECE] for at in range(0, len(data), uploads.PIECE)]
    for number in reversed(range(len(pieces))):
        actions.add_piece(row, 0, number, pieces[number])
    return actions.finish_upload(row, [name], now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("own_process", [False, True])
def test_an_upload_is_looked_at_and_brought_in(
    lantern: Any, letter: Any, tmp_path: Any, monkeypatch: Any, own_process: bool
) -> None:
    monkeypatch.setattr(uploads, "PIECE", 4096)
    monkeypatch.setattr(inspect, "WORTH_A_PROCESS", 0 if own_process else 1 << 30)
    make_mailchimp_export(tmp_path / "export.zip", 600, domains=EXAMPLE)
    data = (tmp_path / "export.zip").read_bytes()
    row = upload(lantern, letter, "export.zip", data)
    assert (row.state, actions.inspectable(NOW), actions.resumable(NOW)) == ("reading", [row.id], [])
    assert ImportPiece.objects.count() > 5
    assert not any(
        data[at : at + 24] in bytes(piece.blob) for piece in ImportPiece.objects.all() for at in (0, 3000, 9000)
    )

    row = actions.inspect(row.id, now=clock)
    report = actions.read_report(row)
    assert (row.state, row.source, Subscriber.objects.count()) == ("found", "mailchimp", 0)
    assert len(report.samples) == 10 and report.counts["rows"] == 600 and report.questions == []

    plan = actions.read_plan(row).plan
    column = next(column for column in plan.files[-1].columns if column.label == "OPTIN_IP")
    assert (column.becomes, column.why) == ("out", "ip")
    column.becomes = "field:OPTINIP"
    actions.change_plan(row, plan, basis="They signed up with us.")
    actions.start(row, now=NOW, by=None)
    assert actions.resumable(NOW) == [row.id]
    told: list[Any] = []
    row = actions.run_import(row.id, now=clock, progress=told.append)
    assert (row.state, row.counts["added"], told[-1].rows) == ("finished", 600, 600)
    expected = {name: report.counts[name] for name in ("subscribed", "unsubscribed", "cleaned", "nonsubscribed")}
    assert statuses(row.counts) == expected
    assert not ImportPiece.objects.exists() and actions.resumable(NOW) == []
    assert actions.read_report(row) == ImportReport()
    assert "OPTINIP" in [field.tag for field in queries.fields(lantern)]
    assert Event.objects.filter(kind="subscribers.imported", about=row.id).count() == 1
    assert_projections_hold(lantern, NOW)


ROWS = b"email,status\nada@example.org,subscribed\nboris@example.org,subscribed\n"


def looked_at(lantern: Any, list_: Any) -> Import:
    row = actions.inspect(upload(lantern, list_, "bought.csv", ROWS).id, now=clock)
    assert row.state == "found"
    return row


@pytest.mark.django_db
def test_an_upload_that_nobody_confirmed_brings_nobody_in(lantern: Any, letter: Any) -> None:
    row = looked_at(lantern, letter)
    for state in ("waiting", "running"):
        Import.objects.filter(id=row.id).update(state=state)
        row = actions.run_import(row.id, now=clock)
        assert (row.state, row.owner, Subscriber.objects.count()) == ("found", "", 0)
    assert actions.run_import(actions.start(row, now=NOW, by=None).id, now=clock).counts["added"] == 2


@pytest.mark.django_db
def test_who_was_confirmed_for_one_list_comes_into_no_other_and_by_no_other_plan(lantern: Any, letter: Any) -> None:
    other = actions.new_list(lantern, "Another", now=NOW)
    row = actions.start(looked_at(lantern, letter), now=NOW, by=None)
    Import.objects.filter(id=row.id).update(list=other)
    assert actions.run_import(row.id, now=clock).state == "found" and not Subscriber.objects.exists()
    Import.objects.filter(id=row.id).update(list=letter, state="waiting")
    actions.change_plan(row, actions.read_plan(row).plan, basis="Another reason.")
    assert actions.run_import(row.id, now=clock).state == "found" and not Subscriber.objects.exists()


@pytest.mark.django_db
def test_an_import_that_was_cancelled_or_is_over_is_not_begun_again_by_whoever_writes_the_database(
    lantern: Any, letter: Any
) -> None:
    row = actions.start(looked_at(lantern, letter), now=NOW, by=None)
    before = Import.objects.filter(id=row.id).values("state", "plan_sealed", "report_sealed", "problem").get()
    pieces = [*ImportPiece.objects.filter(import_run=row)]
    for ends in (lambda row: actions.cancel(row, now=NOW, by=None), lambda row: actions.run_import(row.id, now=clock)):
        ends(row)
        had = Subscriber.objects.count()
        Import.objects.filter(id=row.id).update(**before)
        ImportPiece.objects.filter(import_run=row).delete()
        ImportPiece.objects.bulk_create(pieces)
        row = actions.run_import(row.id, now=clock)
        assert row.state in ("found", "stopped") and Subscriber.objects.count() == had
        row = actions.start(row, now=NOW, by=None)
        before["plan_sealed"] = row.plan_sealed


@pytest.mark.django_db
def test_no_row_of_a_confirmed_upload_is_passed_over_whatever_the_database_says(lantern: Any, letter: Any) -> None:
    """Those who left stand in the last files of an export; where an import goes on is sealed with its plan."""
    row = actions.start(looked_at(lantern, letter), now=NOW, by=None)
    Import.objects.filter(id=row.id).update(row_no=2, counts={"rows": 2, "added": 2})
    row = actions.run_import(row.id, now=clock)
    assert row.state == "finished" and Subscriber.objects.count() == 2


@pytest.mark.django_db
def test_an_upload_with_a_hole_is_refused(lantern: Any, letter: Any) -> None:
    row = actions.begin_upload(lantern, letter, now=NOW, by=None)
    actions.add_piece(row, 0, 1, b"second")
    with pytest.raises(ImportRefused) as refused:
        actions.finish_upload(row, ["a.csv"], now=NOW)
    assert refused.value.code == "upload_torn"
    with pytest.raises(ImportRefused):
        actions.add_piece(row, 0, 0, b"x" * (uploads.PIECE + 1))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "data", "code"), [("a.zip", b"PK\x03\x04 torn", "torn_zip"), ("a.csv", b"x,y\n1,2\n", "no_address_column")]
)
def test_what_is_no_export_fails_with_a_sentence(lantern: Any, letter: Any, name: str, data: bytes, code: str) -> None:
    row = actions.inspect(upload(lantern, letter, name, data).id, now=clock)
    assert (row.state, row.problem, row.owner) == ("failed", code, "")
    assert name in actions.read_report(row).failed.sentence
    assert not ImportPiece.objects.exists()


@pytest.mark.django_db
def test_a_file_that_does_not_say_a_status_is_asked_about_and_then_runs(lantern: Any, letter: Any) -> None:
    data = b"Email Address,OPTIN_TIME,CONFIRM_TIME,MEMBER_RATING\nada@post.example,2020-01-01 10:00:00,,3\n"
    row = actions.inspect(upload(lantern, letter, "people.csv", data).id, now=clock)
    report = actions.read_report(row)
    assert [question.code for question in report.questions] == ["ask_status"] and report.counts is None
    with pytest.raises(ImportRefused):
        actions.start(row, now=NOW, by=None)
    plan = actions.read_plan(row).plan
    plan.files[0].status = "nonsubscribed"
    actions.change_plan(row, plan)
    row = actions.inspect(actions.look_again(row, now=NOW, by=None).id, now=clock)
    assert actions.read_report(row).counts["nonsubscribed"] == 1
    row = actions.run_import(actions.start(row, now=NOW, by=None).id, now=clock)
    assert split(row.counts) == (1, 0, 0, 0)


@pytest.mark.django_db
def test_an_import_asked_to_stop_keeps_what_is_in_and_goes_on_when_started_again(
    lantern: Any, letter: Any, tmp_path: Any
) -> None:
    make_mailchimp_export(tmp_path / "export.zip", 400, domains=EXAMPLE)
    row = actions.inspect(upload(lantern, letter, "export.zip", (tmp_path / "export.zip").read_bytes()).id, now=clock)
    actions.start(row, now=NOW, by=None)
    row = actions.run_import(row.id, now=clock, progress=lambda far: actions.cancel(row, now=NOW, by=None))
    assert row.state == "stopped" and 0 < row.counts["rows"] < 400
    row = actions.run_import(actions.start(row, now=NOW, by=None).id, now=clock)
    assert (row.state, row.counts["added"], queries.count(lantern)) == ("finished", 400, 400)


@pytest.mark.django_db
def test_a_cancelled_upload_is_gone_and_an_old_one_is_swept(lantern: Any, letter: Any) -> None:
    one, two = (upload(lantern, letter, "a.csv", b"email\nada@post.example\n") for _ in range(2))
    actions.cancel(one, now=NOW, by=None)
    assert list(queries.imports(lantern)) == [two]
    assert actions.sweep_uploads(NOW + timedelta(hours=23)) == 0
    assert actions.sweep_uploads(NOW + timedelta(hours=25)) == 1
    assert not ImportPiece.objects.exists()
    two.refresh_from_db()
    assert (two.state, two.problem) == ("failed", "upload_too_old")


@pytest.mark.django_db
def test_an_import_of_a_living_process_on_another_machine_is_left_alone_for_a_minute(lantern: Any, letter: Any) -> None:
    row = upload(lantern, letter, "a.csv", b"email\nada@post.example\n")
    Import.objects.filter(id=row.id).update(owner="elsewhere-17-4711", heartbeat=NOW)
    with pytest.raises(ImportTaken):
        actions.inspect(row.id, now=clock)
    assert actions.inspect(row.id, now=lambda: NOW + timedelta(seconds=61)).state == "found"
