"""Whatever people give: one sentence that says what to do, or a rejected line; never a traceback."""

import csv
import io
import json
import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading.documents import _Json
from samizdat.importers.reading.files import FileLimits, open_given
from samizdat.importers.reading.unfold import Rows
from tests.importers.helping import HEADING, IMPORTERS, csv_bytes, inspect, named, read, row, zipped

NAME = "subscribed_members_export_0a.csv"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("x.csv", b"", "empty"),
        ("x.csv", b" \n\n,,\n", "empty"),
        ("x.csv", b"Name,City\nAda,Riga\n", "no_address_column"),
        ("x.pdf", b"%PDF-1.7 ...", "not_text"),
        ("x.csv", b"<!DOCTYPE html><title>Log in</title>", "web_page"),
        ("x.csv", bytes(range(256)) * 20, "not_text"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 10, "spreadsheet"),
        ("x.gz", b"\x1f\x8b\x08" + b"x" * 100, "other_packing"),
        ("x.zip", b"this is no zip", "torn_zip"),
        ("x.zip", b"<!DOCTYPE html><title>Log in</title>", "web_page"),
        ("x.zip", zipped({"readme.md": b"hello"}), "no_files"),
        ("x.zip", zipped({}), "no_files"),
        ("x.xlsx", zipped({"xl/workbook.xml": b"<a/>", "[Content_Types].xml": b"<a/>"}), "torn_workbook"),
        ("x.ods", zipped({"content.xml": b"<a/>"}), "spreadsheet"),
        ("x.csv", ",".join(["email", *map(str, range(9_999))]).encode() + b"\na@x.org\n", "too_many_columns"),
        ("x.json", b'{"entries": [{"email": "a@x.org"', "torn_document"),
        ("config.pck", b"\x80\x02}q\x01", "pickle"),
    ],
)
def test_a_file_that_is_no_export_gets_one_sentence(name: str, content: bytes, code: str):
    found = inspect(named(name, content))
    assert found.files == []
    assert (found.problems or [None])[0] is None or found.problems[0].code == code
    assert found.sentence().count(". ") >= 1 or code == "no_files"
    assert "{" not in found.sentence()


def test_a_missing_and_an_unreadable_path_are_told_apart(tmp_path):
    assert inspect(tmp_path / "nothing.csv").sentence().endswith("nothing.csv can’t be found. Check the name.")
    assert inspect(tmp_path).sentence().startswith("None of these files contains subscribers")


@pytest.mark.parametrize("name", [NAME, "people.csv"])
def test_a_heading_without_rows_is_found_and_brings_nobody(name: str):
    whole = read(named(name, HEADING.encode() + b"\n"), status="subscribed")
    assert whole.problems == ["no_rows"] and whole.incoming == []
    assert not whole.found.problems[0].stops


def test_a_first_row_past_the_limit_is_rejected_and_does_not_stand_for_no_rows():
    content = b"email,name\nbig@example.org," + b"x" * 1_000_000 + b"\nada@example.org,Ada\n"
    whole = read(named("people.csv", content), status="subscribed")
    assert whole.problems == [] and whole.addresses == ["ada@example.org"]


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_torn_zip_is_named(keep: float):
    content = zipped({NAME: csv_bytes([row(f"a{n}@example.org") for n in range(500)])})
    found = inspect(named("export.zip", content[: int(len(content) * keep)]))
    assert found.sentence() == "export.zip is damaged: part of the zip is missing. Download it again."


def test_a_zip_with_a_spoilt_member_is_refused_before_anything_is_read():
    content = bytearray(zipped({NAME: csv_bytes([row(f"a{n}@example.org") for n in range(5_000)])}))
    content[len(content) // 2] ^= 0xFF
    found = inspect(named("export.zip", bytes(content)))
    assert found.files == [] and [problem.code for problem in found.problems] == ["torn_zip"]


def test_a_spoilt_member_stops_the_reading_with_a_sentence_if_nobody_looked_before():
    content = bytearray(zipped({NAME: csv_bytes([row(f"a{n}@example.org") for n in range(50_000)])}))
    content[len(content) - 2_000] ^= 0xFF
    with open_given([named("export.zip", bytes(content))]) as opened:
        plan = IMPORTERS[0].inspect(opened, thorough=False).plan()
        with pytest.raises(ImportFailed, match="Download it again"):
            list(IMPORTERS[0].read(opened, plan))


def test_a_zip_bomb_is_refused_by_its_ratio_without_unpacking_it():
    content = zipped({NAME: b"a@example.org\n" + b"0" * (40 << 20)})
    tracemalloc.start()
    found = inspect(named("bomb.zip", content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [problem.code for problem in found.problems] == ["zip_bomb"]
    assert peak < 4 << 20


def test_a_bomb_in_the_inner_zip_is_refused_too():
    content = zipped({"in.zip": zipped({NAME: b"0" * (40 << 20)})}, zipfile.ZIP_STORED)
    assert [problem.code for problem in inspect(named("bomb.zip", content)).problems] == ["zip_bomb"]


def test_members_total_size_and_depth_are_limited():
    files = {f"{number}.csv": b"email\na@example.org\n" for number in range(5)}
    assert inspect(named("a.zip", zipped(files)), limits=FileLimits(members=4)).problems[0].code == "too_many"
    assert inspect(named("a.zip", zipped(files)), limits=FileLimits(total=50)).problems[0].code == "too_large"
    deep = zipped({"c.zip": zipped({"b.zip": zipped(files)})})
    assert inspect(named("d.zip", deep)).problems[0].code == "too_deep"


def test_a_zip_whose_directory_would_fill_the_memory_is_refused_before_it_is_read():
    large = zipped({f"{number}.png": b"" for number in range(60)})
    with open_given([("large.zip", io.BytesIO(large))], FileLimits(directory=3_000)) as given:
        assert [problem.code for problem in given.problems] == ["too_many"]
    lying = large.replace(struct.pack("<HH", 60, 60), struct.pack("<HH", 1, 1))
    with open_given([("lying.zip", io.BytesIO(lying))], FileLimits(directory=3_000)) as given:
        assert [problem.code for problem in given.problems] == ["too_many"]
    with open_given([("named.zip", io.BytesIO(zipped({"n" * 600 + ".csv": b"a"})))]) as given:
        assert [problem.code for problem in given.problems] == ["long_name"]


@pytest.mark.filterwarnings("ignore:Overlapped entries")
def test_members_that_lie_over_each_other_are_refused():
    # Two entries of the directory point at the same bytes, the way of the flat zip bomb.
    content = bytearray(zipped({"a.csv": b"email\na@example.org\n" * 50, "b.csv": b"email\nb@example.org\n" * 50}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    found = inspect(named("flat.zip", bytes(content)))
    assert "torn_zip" in {problem.code for problem in found.problems}


def test_a_zip_with_a_password_says_so():
    content = bytearray(zipped({NAME: csv_bytes([row("a@example.org")])}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert inspect(named("export.zip", bytes(content))).problems[0].code == "locked_zip"


def test_half_a_bad_zip_does_not_come_in():
    content = zipped({NAME: csv_bytes([row("a@example.org")]), "b.csv": b"0" * (40 << 20)})
    assert inspect(named("bomb.zip", content)).files == []


def lines_of(*lines: bytes) -> bytes:
    return b"\n".join([b"email,first name,city", *lines, b""])


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [
        (b'b@example.org,"' + b"x" * 1_000_000 + b'",Riga', "cell_too_long"),
        (b"b@example.org," + b"x" * 1_000_000 + b",Riga", "cell_too_long"),
        (b"b@example.org,x\0y,Riga", "nul"),
        (b"b@example.org,x\xff\xfey,Riga", "encoding"),
        (b"b@example.org,one,two,three", "columns"),
        (b"where,it", "columns"),
        (b'b@example.org,"never closed,Riga', "open_quote"),
        (b"b@example.org," + b"x" * 5_000_000, "line_too_long"),
    ],
)
def test_a_spoilt_line_is_rejected_alone(spoilt: bytes, code: str):
    olga = "olga@example.org,Ольга,Рига".encode()
    people = [f"Ольга,{n}" for n in range(200)]  # enough text for one spoilt byte to be no other encoding
    rest = [f"a{n}@example.org,{name}".encode() for n, name in enumerate(people)]
    whole = read(named("list.csv", lines_of(olga, spoilt, *rest)))
    assert whole.addresses == ["olga@example.org", *(f"a{n}@example.org" for n in range(200))]
    assert [(complaint.line, complaint.code) for complaint in whole.complaints] == [(3, code)]
    assert "{" not in whole.complaints[0].sentence()
    assert [person.line for person in whole.incoming[:2]] == [2, 4]


def test_a_wrong_width_is_told_in_the_words_of_the_page():
    whole = read(named("list.csv", lines_of(b"a@example.org,Ada,Riga", b"b@example.org,1,2,3,4")))
    assert whole.complaints[0].sentence() == (
        "This line has 5 columns, but the heading has 3. Check for a stray line break."
    )


def test_a_cut_row_and_its_rest_are_both_rejected():
    content = csv_bytes([row("a@example.org"), ["b@example.org", "Bo"], ["ris", *[""] * 15], row("c@example.org")])
    whole = read(named(NAME, content))
    assert whole.addresses == ["a@example.org", "c@example.org"]
    assert whole.codes == ["columns", "columns"]


def test_two_stray_quotes_far_apart_do_not_swallow_the_people_between():
    rest = [f"a{number}@example.org,Ada,Riga".encode() for number in range(300)]
    whole = read(named("list.csv", lines_of(b'x@example.org,"Xenia,Riga', *rest, b'y@example.org,"Yuri,Riga')))
    assert whole.addresses == [f"a{number}@example.org" for number in range(300)]
    assert [(complaint.line, complaint.code) for complaint in whole.complaints] == [
        (2, "open_quote"),
        (303, "open_quote"),
    ]


def test_a_quote_open_to_the_end_of_a_large_file_costs_one_line():
    rest = [f"a{number}@example.org,Ada,Riga".encode() for number in range(20_000)]
    whole = read(named("list.csv", lines_of(b'x@example.org,Xenia,"Riga', *rest)))
    assert len(whole.incoming) == 20_000 and whole.codes == ["open_quote"]


def test_a_note_over_several_lines_is_one_row():
    content = csv_bytes([row("a@example.org", NOTES='one\n"two"\nthree'), row("b@example.org")])
    whole = read(named(NAME, content))
    assert whole.incoming[0].notes == 'one\n"two"\nthree'
    assert [person.line for person in whole.incoming] == [2, 5]


def test_rows_trimmed_or_padded_by_a_spreadsheet_are_whole():
    trimmed, padded = row("a@example.org", "Ada")[:-2], [*row("b@example.org"), "", "", " "[:0]]
    whole = read(named(NAME, csv_bytes([trimmed, padded])))
    assert whole.addresses == ["a@example.org", "b@example.org"] and whole.complaints == []


def test_blank_rows_are_no_rows():
    whole = read(named("list.csv", lines_of(b"a@example.org,,", b"", b",,", b"b@example.org,,")))
    assert len(whole.incoming) == 2 and whole.complaints == []


def test_somebody_who_left_is_heard_even_from_a_damaged_line():
    content = csv_bytes([["u@example.org", "Dolor", "Jr", "Esq", *["x"] * 30], ["v@example.org", "a", "b"]])
    whole = read(named("unsubscribed_members_export_0a.csv", content))
    assert whole.addresses == ["u@example.org", "v@example.org"]
    assert whole.counts == {"unsubscribed": 2} and whole.fields() == {}


def test_formulas_come_in_as_the_text_they_are():
    content = csv_bytes([row("a@example.org", '=HYPERLINK("http://x.example","y")', "@SUM(A1)")])
    assert list(read(named(NAME, content)).fields().values()) == ['=HYPERLINK("http://x.example","y")', "@SUM(A1)"]


def test_an_address_never_runs_over_two_lines():
    content = csv_bytes([row("a@example.org\nBcc: x@example.org"), row("b@example.org\n", "Bo")])
    whole = read(named(NAME, content))
    # What is left of the second line is no address (core/mail/address.py says so), and nobody below goes under.
    assert whole.addresses == ['Bcc: x@example.org"', "b@example.org"]
    assert whole.codes == ["open_quote"]


def test_line_breaks_in_a_name_stay_a_value_for_the_letter_to_refuse():
    content = csv_bytes([row("a@example.org", "Ada\r\nBcc: x@example.org")])
    assert read(named(NAME, content)).fields() == {"FNAME": "Ada\r\nBcc: x@example.org"}


def test_a_row_without_an_address_comes_with_an_empty_one():
    whole = read(named("list.csv", lines_of(b"a@example.org,Ada,Riga", b",Boris,Riga")))
    assert whole.addresses == ["a@example.org", ""]


def test_a_pipe_is_read_too():
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert read(("-", Pipe(b"email\na@example.org\n"))).addresses == ["a@example.org"]


def test_the_limit_for_cells_is_ours_whatever_others_set():
    csv.field_size_limit(10)
    assert read(named(NAME, csv_bytes([row("a@example.org", "Ada Maria Augusta")]))).addresses == ["a@example.org"]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(["x.csv", "x.zip", "x.json", NAME]))
def test_any_bytes_end_in_rows_or_a_sentence(content: bytes, name: str):
    with open_given([named(name, content)]) as opened:
        for importer in IMPORTERS:
            found = importer.inspect(opened)
            assert found.files or found.sentence()
            plan = found.plan().with_status("subscribed")
            if not plan.questions():
                list(importer.read(opened, plan))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text('a@.",;\n\r\0é\t \ud800', max_size=12), max_size=30))
def test_any_lines_are_counted_once(lines: list[str]):
    text = "email,name\nada@example.org,Ada\n" + "\n".join(lines)
    content = text.encode("utf-8", "surrogatepass")
    whole, slow = read(named("x.csv", content), size=5_000), read(named("x.csv", content), size=1)
    assert whole.incoming == slow.incoming and whole.complaints == slow.complaints


def test_a_document_of_a_thousand_columns_and_as_many_people_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row would have a cell for every value that anybody has."""
    people = [{"email": f"a{n}@x.org", **({f"c{m}": m for m in range(900)} if not n else {})} for n in range(3_000)]
    monkeypatch.setattr("samizdat.importers.reading.documents.MOST_CELLS", 2_000_000)
    found = inspect(named("x.json", json.dumps(people).encode()))
    assert [problem.code for problem in found.problems] == ["wide_document"]
    assert "Import the list as CSV" in found.problems[0].sentence()


def test_a_row_as_wide_as_a_document_is_read_without_being_copied_for_each_piece() -> None:
    row, copied = ["x" * 4_000_000], 0

    class Held(bytearray):
        def __delitem__(self, part: object) -> None:
            super().__delitem__(part)  # type: ignore[arg-type]

        def __getitem__(self, part: object) -> bytes:  # type: ignore[override]
            nonlocal copied
            found = bytes(super().__getitem__(part))  # type: ignore[call-overload]
            copied += len(found)
            return found

    rows = Rows(iter([row]))
    rows._held = Held()
    size = 0
    while data := rows.read(8_192):
        size += len(data)
    assert size == 4_000_005 and copied <= 2 * size


@pytest.mark.parametrize(
    ("document", "people"),
    [
        ('{"a": [1, 2, 3], "b": [{"email": "a@x.org"}, 7, {"email": "b@x.org"}], "c": [{"email": "c@x.org"}]}', 2),
        ('  [ {"email": "a@x.org"} , {"email": "b@x.org"} ]\n', 2),
        ('{"email": "a@x.org", "more": {"x": [1]}}', 1),
        ('{"email": "a@x.org"}\n{"email": "b@x.org"}\n\n', 2),
        ('{"email": "a@x.org", "tags": []}', 1),
        ('{"data": {"page": 1, "contacts": [{"email": "a@x.org"}, {"email": "b@x.org"}]}, "links": [{"x": 1}]}', 2),
        ('{"a": {"b": {"c": [{"email": "a@x.org"}, {"email": "b@x.org"}]}}}', 2),
        ('{"a": {"b": {"c": {"d": {"e": [{"email": "a@x.org"}, {"email": "b@x.org"}]}}}}}', 1),
        ('{"email": "a@x.org", "giving": {"history": [{"year": 1}, {"year": 2}]}}', 1),
        ("[]", 0),
    ],
)
def test_the_people_of_a_document_are_its_longest_list(document: str, people: int) -> None:
    assert len(list(_Json(document.encode()))) == people
    assert len(list(_Json(document.encode()))) == people


@pytest.mark.parametrize(
    "torn",
    [
        '{"a": {"b": {"c" 1}}}',
        '[{"a": 1},]',
        '[{"a": 1} {"a": 2}]',
        '{"a": [{"b": 1}',
        '{"a" 1}',
        '{"a": 1,}',
        "{1: 2}",
    ],
)
def test_a_torn_document_is_torn(torn: str) -> None:
    with pytest.raises(ValueError):
        list(_Json(torn.encode()))


def test_a_zip_whose_directory_points_before_its_beginning_is_damaged() -> None:
    content = bytearray(zipped({"people.csv": b"email\na@x.org\n"}))
    end = content.rindex(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", content, end + 16)
    struct.pack_into("<I", content, end + 16, offset + 178)
    found = inspect(named("people.zip", bytes(content)))
    assert [problem.code for problem in found.problems] == ["torn_zip"]
