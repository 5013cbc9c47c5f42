"""Logs of forms and old tables, beside mailboxes: what each of them says of an address."""

import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from samizdat.audience.errors import ImportRefused
from samizdat.core.evidence.fold import AddressEvidence, Fold
from samizdat.core.imports import Problem
from samizdat.incoming.evidence import tables
from tests.importers.test_workbook import book

TODAY = date(2026, 12, 3)
ADA, BORIS, VERA, GLEB = (f"{name}@reader.example" for name in ("ada", "boris", "vera", "gleb"))
TILDA = f"""\ufeffEmail;Name;Date;Newsletter;tranid;formid;COOKIES
{ADA};Ada;2019-03-02 10:00:00;yes;1000001:1;form848255043;_ym_uid=1
{BORIS};Boris;2019-03-03 10:00:00;;1000001:2;form848255043;
"""
GRAVITY = f"""Email,Consent (Consent),Entry Id,Entry Date,Payment Amount,User Agent,User IP
{ADA},Checked,12,2019-03-02 10:00:00,,Mozilla/5.0,203.0.113.9
{BORIS},,13,2019-03-03 10:00:00,,Mozilla/5.0,203.0.113.9
"""
GOOGLE = f""""Timestamp","Email Address","Хотите получать рассылку?"
"2019/03/02 1:00:00 AM GMT+3","{ADA}","Да"
"2019/03/03 10:00:00 AM GMT+3","{BORIS}","Нет"
"""
FLAMINGO = f"your-name,your-email,your-message,Date\nAda,{ADA},Hello,2019-03-02 10:00:00\n"
BARE = f"2019-03-02 10:00:00;{ADA}\n2019-03-03 11:00:00;{BORIS}\n"


def _read(folder: Path, *, signs_up: bool = False, **files: str | bytes) -> tuple[Fold, list[Problem]]:
    """files: by their names, with __ for the dot."""
    given = []
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        given.append(path)
    emails, rows = tables.of_paths(given)
    assert emails == []
    fold = Fold()
    return fold, tables.read(fold, rows, signs_up=signs_up, today=TODAY)


def _said(fold: Fold) -> dict[str, tuple[str, str]]:
    """Address -> what it has come to, and the last day on which something says so."""
    return {address.address: (address.status, address.last(address.status)) for address in _all(fold)}


def _all(fold: Fold) -> list[AddressEvidence]:
    return fold.addresses(frozenset())


@pytest.mark.parametrize(
    ("content", "signs_up", "ada", "boris"),
    [
        (TILDA, False, "subscribed", "wrote"),
        (TILDA, True, "subscribed", "wrote"),
        (GOOGLE, False, "subscribed", "wrote"),
        (GRAVITY, False, "wrote", "wrote"),
        (GRAVITY, True, "subscribed", "wrote"),
        (FLAMINGO, False, "wrote", ""),
        (FLAMINGO, True, "subscribed", ""),
        (BARE, False, "wrote", "wrote"),
        (BARE, True, "subscribed", "subscribed"),
    ],
)
def test_a_form_is_a_yes_with_its_day_where_people_signed_up_by_it(
    tmp_path: Path, content: str, signs_up: bool, ada: str, boris: str
) -> None:
    fold, problems = _read(tmp_path, signs_up=signs_up, log__csv=content)
    said = _said(fold)
    # The first of March in UTC where the log names a zone.
    assert said[ADA] == (ada, "2019-03-01" if "GMT+3" in content and ada == "subscribed" else said[ADA][1])
    assert said[ADA][0] == ada and said.get(BORIS, ("", ""))[0] == boris
    if ada == "subscribed":
        assert said[ADA][1] in ("2019-03-01", "2019-03-02")
    assert all(entry.origin == "form" for address in _all(fold) for entry in address.entries)
    assert not any(problem.code == "table_givers" for problem in problems)


def test_no_ip_address_and_no_name_is_kept_of_a_form(tmp_path: Path) -> None:
    fold, _problems = _read(tmp_path, signs_up=True, log__csv=GRAVITY, tilda__csv=TILDA)
    kept = repr(fold.__dict__)
    assert not [word for word in ("203.0.113", "Mozilla", "_ym_uid", "Ada") if word in kept]


def test_the_log_of_a_server_is_read_line_by_line(tmp_path: Path) -> None:
    line = '203.0.113.9 - - [10/Mar/2019:13:55:36 +0300] "GET /{} HTTP/1.1" 200 12 "-" "Mozilla/5.0"\n'
    log = line.format("subscribe?email=ada%40reader.example") + line.format("unsubscribe?email=boris%40reader.example")
    fold, _problems = _read(tmp_path, access__log=log)
    assert _said(fold) == {ADA: ("subscribed", "2019-03-10"), BORIS: ("unsubscribed", "2019-03-10")}


def test_who_stood_on_an_old_list_has_not_agreed(tmp_path: Path) -> None:
    fold, _problems = _read(tmp_path, **{"list-2019__csv": f"Email,Name\n{ADA},Ada\n"})
    (ada,) = _all(fold)
    assert (ada.status, ada.is_proposed) == ("listed", False)
    assert (ada.entries[0].first, ada.entries[0].last) == ("2019-01-01", "2019-12-31")


def test_a_table_that_says_who_agreed_and_who_left_is_believed(tmp_path: Path) -> None:
    rows = f"{ADA},subscribed\n{BORIS},unsubscribed\n{VERA},bounced\n{GLEB},complained\n"
    fold, _problems = _read(tmp_path, **{"2019__csv": f"Email,Status\n{rows}"})
    assert [status for status, _day in _said(fold).values()] == ["subscribed", "unsubscribed", "complained", "cleaned"]


def test_a_day_on_which_they_signed_up_is_a_yes(tmp_path: Path) -> None:
    fold, _problems = _read(tmp_path, list__csv=f"Email,Subscribed at\n{ADA},2018-05-04\n{BORIS},\n")
    assert _said(fold) == {ADA: ("subscribed", "2018-05-04"), BORIS: ("listed", "")}


def test_a_word_that_nobody_knows_is_a_doubt_and_no_yes(tmp_path: Path) -> None:
    fold, _problems = _read(tmp_path, list__csv=f"Email,Status\n{ADA},subscribed\n{BORIS},на паузе\n")
    assert {address: status for address, (status, _day) in _said(fold).items()} == {
        ADA: "subscribed", BORIS: "doubtful",
    }  # fmt: skip


def test_a_later_yes_never_beats_a_no(tmp_path: Path) -> None:
    left = f"Email,Status,Unsubscribed at\n{ADA},unsubscribed,2018-01-01\n"
    fold, _problems = _read(tmp_path, signs_up=True, left__csv=left, form__csv=BARE)
    (ada, boris) = _all(fold)
    assert (ada.status, ada.last("unsubscribed"), ada.came_back) == ("unsubscribed", "2018-01-01", True)
    assert boris.status == "subscribed"


def test_who_is_missing_in_a_later_version_is_not_written_to(tmp_path: Path) -> None:
    old = f"Email,Subscribed at\n{ADA},2018-05-04\n{BORIS},2018-05-04\n{VERA},2018-05-04\n"
    new = f"Email\n{ADA}\n{BORIS}\n"
    fold, _problems = _read(tmp_path, **{"list 2019__csv": old, "list 2021__csv": new})
    vera = next(address for address in _all(fold) if address.address == VERA)
    assert (vera.status, vera.entries[-1].source, vera.entries[-1].origin) == ("doubtful", "list 2021.csv", "missing")
    assert [status for status, _day in _said(fold).values()].count("subscribed") == 2


def test_sheets_of_a_workbook_are_versions_of_a_list(tmp_path: Path) -> None:
    old = [["Email"], [ADA], [BORIS], [VERA]]
    workbook = book({"2019": old, "2021": [["Email"], [ADA], [BORIS]]})
    fold, _problems = _read(tmp_path, base__xlsx=workbook)
    assert {address: status for address, (status, _day) in _said(fold).items()} == {
        ADA: "listed", BORIS: "listed", VERA: "doubtful",
    }  # fmt: skip


def test_a_list_of_gifts_is_refused_with_a_sentence(tmp_path: Path) -> None:
    gifts = f"Date,Donor Email,Amount,Currency\n2019-03-02,{ADA},100,EUR\n"
    fold, problems = _read(tmp_path, gifts__csv=gifts)
    assert _all(fold) == []
    assert "gifts.csv lists gifts or payments" in problems[0].sentence()


def test_a_column_of_gifts_in_a_list_stays_out_and_is_named(tmp_path: Path) -> None:
    rows = f"Email,Status,Donation amount\n{ADA},subscribed,100\n"
    fold, problems = _read(tmp_path, list__csv=rows)
    assert _said(fold)[ADA][0] == "subscribed"
    assert "Donation amount" in problems[0].sentence() and "100" not in repr(fold.__dict__)


def test_a_damaged_workbook_stops_all(tmp_path: Path) -> None:
    torn = book({"2019": [["Email"], [ADA]]})[:-200]
    with pytest.raises(ImportRefused):
        _read(tmp_path, base__xlsx=torn)


def test_mailboxes_and_tables_are_told_apart(tmp_path: Path) -> None:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as packed:
        packed.writestr("Takeout/Mail/All.mbox", b"From x@y.example Mon Jan  3 10:00:00 2022\n\n")
    rows = io.BytesIO()
    with zipfile.ZipFile(rows, "w") as packed:
        packed.writestr("list.csv", f"Email\n{ADA}\n")
    files = {
        "takeout.zip": box.getvalue(),
        "lists.zip": rows.getvalue(),
        "Inbox": b"From x@y.example Mon Jan  3 10:00:00 2022\n\n",
        "old.txt": b"From x@y.example Mon Jan  3 10:00:00 2022\nFrom: x@y.example\n\n",
        "log.txt": BARE.encode(),
        "torn.zip": b"PK\x03\x04",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    emails, found = tables.of_paths([tmp_path / name for name in files])
    assert [path.name for path in emails] == ["takeout.zip", "Inbox", "old.txt", "torn.zip"]
    assert [table.name for table in found] == ["lists.zip", "log.txt"]
