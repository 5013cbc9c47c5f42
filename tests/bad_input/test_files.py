"""Files that are no export, or spoilt ones: one sentence and nothing written, or the spoilt line alone is left out."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from tests.bad_input.saying import EXPORT, cases, count, export, one_sentence, refuses, rows
from tests.cli.conftest import House

LIST = "Letter"


@pytest.fixture(scope="module")
def lists(house: House) -> House:
    house.say("list", "new", LIST)
    return house


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


GOOD = export(500).encode()
BOMB = zipped({EXPORT: GOOD + b"0" * (40 << 20)})

NO_EXPORTS = {
    "empty": ("people.csv", b"", "empty"),
    "a photo": ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40, "isn’t a text file with rows"),
    "a PDF": ("report.pdf", b"%PDF-1.7 nothing here", "isn’t a text file with rows"),
    "a web page": ("export.zip", b"<!DOCTYPE html><title>Log in</title>", "web page"),
    "a spreadsheet": ("people.xlsx", zipped({"xl/workbook.xml": b"<a/>", "[Content_Types].xml": b"<a/>"}), "CSV UTF-8"),
    "a workbook that unfolds": (
        "people.xlsx",
        zipped({"xl/workbook.xml": b"<a/>", "xl/worksheets/sheet1.xml": b"0" * (40 << 20)}),
        "unpacks to more",
    ),
    "a spreadsheet of another kind": ("people.ods", zipped({"content.xml": b"<a/>"}), "CSV UTF-8"),
    "an ODS with a password": (
        "people.ods",
        zipped(
            {
                "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
                "content.xml": b"\x8f\x01sealed",
                "META-INF/manifest.xml": b"<manifest:encryption-data/>",
            }
        ),
        "password-protected",
    ),
    "half an address book": ("contacts.vcf", b"BEGIN:VCARD\nVERSION:3.0\nEMAIL:ada@x.org\n", "cut off or damaged"),
    "a document a thousand deep": ("a.json", b'{"a": ' * 1_000 + b"1" + b"}" * 1_000, "contains email addresses"),
    "a document without a floor": ("a.json", b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "cut off or damaged"),
    "ten thousand columns": ("wide.csv", ",".join(["email", *map(str, range(9_999))]).encode(), "more than 1,000"),
    "half a document": ("roster.json", b'{"entries": [{"email": "ada@x.org"', "cut off or damaged"),
    "what may run anything": ("config.pck", b"\x80\x02}q\x01.", "list_members"),
    "no addresses": (
        "towns.csv",
        b"name,city\nAda,Riga\nBoris,Minsk\n",
        "contains email addresses",
    ),
    "NUL bytes alone": ("zeros.csv", bytes(4000), "is empty"),
    "a torn zip": ("torn.zip", zipped({EXPORT: GOOD})[:900], "damaged"),
    "a torn zip by name": ("torn.zip", b"PK\x03\x04torn", "damaged"),
    "a bomb by ratio": ("bomb.zip", BOMB, "unpacks to more"),
    "a bomb in a zip": ("bomb.zip", zipped({"in.zip": BOMB}, zipfile.ZIP_STORED), "unpacks to more"),
    "a folder in a zip": (
        "photos.zip",
        zipped({"a/photo.jpg": b"\xff\xd8"}),
        "None of these files contains subscribers",
    ),
    "only rows that are none": ("people.csv", b"email\nnobody\nno-one\n@\n", "address"),
}


@pytest.mark.parametrize(("name", "content", "says"), cases(NO_EXPORTS))
def test_what_is_no_export_is_refused_in_one_sentence_and_nothing_is_written(
    lists: House, name: str, content: bytes, says: str
) -> None:
    (lists.folder / name).write_bytes(content)
    before, files = rows(lists), files_of(lists)
    one_sentence(lists("import", name, "--list", LIST, "--status", "subscribed"), says)
    assert rows(lists) == before
    assert files_of(lists) == files


def files_of(house: House) -> set[Path]:
    """Without the note of where the installation is, which says nothing of what was imported."""
    return {path for path in house.folder.rglob("*") if "journals" not in path.parts}


def test_a_zip_that_says_it_unpacks_to_more_than_eight_gigabytes_is_refused_by_its_size(lists: House) -> None:
    # A stored file has the ratio 1; the size that the directory claims is what has to stop it.
    content = bytearray(zipped({EXPORT: GOOD}, zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        at = content.index(mark) + place
        content[at : at + 8] = (0xFFFFFFF0).to_bytes(4, "little") * 2
    names = [f"part{number}.zip" for number in range(3)]
    for name in names:
        (lists.folder / name).write_bytes(content)
    before = rows(lists)
    refuses(lists, "import", *names, "--list", LIST)
    assert rows(lists) == before


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1251"])
def test_another_encoding_is_recognized_and_names_arrive_whole(lists: House, encoding: str) -> None:
    address = f"olga-{encoding}@reader.example"
    people = [f"{address};Ольга", *(f"p{n}-{encoding}@reader.example;Пётр Сергеевич" for n in range(20))]
    text = "\r\n".join(["Email Address;First Name", *people, ""])
    (lists.folder / "people.csv").write_bytes(text.encode(encoding))
    said = lists.say("import", "people.csv", "--list", LIST, "--status", "subscribed")
    assert (said["added"], said["rejected"]) == (21, 0)
    assert lists.say("subscribers", "show", address)["values"]["FNAME"] == "Ольга"


SPOILT = (
    b"email,First Name\r\n"
    b"long@reader.example," + b"x" * 1_000_000 + b"\r\n"
    b"nul@reader.example,A\0B\r\n"
    b'formula@reader.example,"=HYPERLINK(""https://evil.example"",""x"")"\r\n'
    b"=cmd|'/c calc'!A1,Six\r\n"
    b'"+1\t@nowhere",x\r\n'
    b'"bcc@reader.example\r\nBcc: everybody@reader.example",x\r\n'
    b'folded@reader.example,"Nine\r\nBcc: everybody@reader.example"\r\n'
)
NO_ADDRESSES = (
    "", "@", "ada", "ada@", "@reader.example", "ada@boris@reader.example", "ada boris@reader.example",
    "ada@reader..example", "ada@-reader.example", "x" * 65 + "@reader.example", "ada@" + "x" * 250 + ".example",
    "<script>@reader.example", "ada@[127.0.0.1]", "ada..b@reader.example", "ada@localhost",
)  # fmt: skip


def test_spoilt_lines_are_rejected_with_line_and_reason_and_the_rest_comes_in(lists: House) -> None:
    lists.say("list", "new", "Spoilt")
    good = b"".join(b"good%d@reader.example,Good\r\n" % n for n in range(50))
    bad = "".join(f'"{address}",x\r\n' for address in NO_ADDRESSES).encode()
    name = "=spoilt.csv"
    (lists.folder / name).write_bytes(SPOILT + good + bad)
    said = lists.say("import", f"./{name}", "--list", "Spoilt", "--status", "subscribed")
    assert said["added"] + said["updated"] + said["unchanged"] + said["rejected"] == said["rows"]
    assert said["added"] == 52 == count(lists, "Spoilt")
    with Path(lists.folder / said["rejects_file"]).open(newline="") as file:
        heading, *rejected = list(csv.reader(file))
    assert heading == ["file", "line", "reason"]
    assert len(rejected) == said["rejected"] >= 4 + len(NO_ADDRESSES)
    assert {int(line) for _file, line, _reason in rejected} >= {2, 3, 5}
    # The file says where and why, and repeats nothing of what stood there.
    text = (lists.folder / said["rejects_file"]).read_text()
    assert "evil" not in text and "cmd" not in text and "everybody" not in text
    for cell in (cell for row in rejected for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert lists("subscribers", "show", "everybody@reader.example").code == 1


def test_the_rejected_lines_of_a_file_on_a_disk_without_room_to_write_go_elsewhere(lists: House) -> None:
    lists.say("list", "new", "Stick")
    stick = lists.folder / "stick"
    stick.mkdir()
    (stick / "people.csv").write_text("email\nada@stick.example\nnobody\n")
    # Root may write everywhere: a folder of the same name is what cannot be written over by anybody.
    (stick / "people.rejected.csv").mkdir()
    said = lists.say("import", "stick/people.csv", "--list", "Stick", "--status", "subscribed")
    assert (said["added"], said["rejected"]) == (1, 1)
    assert "line,reason" in Path(lists.folder / said["rejects_file"]).read_text()


def test_an_address_that_is_none_is_refused_by_hand_too(lists: House) -> None:
    before = rows(lists)
    address = "ada@reader.example\r\nBcc: boris@reader.example"
    one_sentence(lists("subscribers", "add", address, "--list", LIST, "--consent", "on paper"), "line break")
    assert rows(lists) == before


def test_of_addresses_from_standard_input_all_come_in_or_none(lists: House) -> None:
    before = rows(lists)
    words = ("subscribers", "add", "-", "--list", LIST, "--consent", "on paper")
    refuses(lists, *words, feed="first@stdin.example\nnobody\nlast@stdin.example\n", says=("Line 2",))
    assert rows(lists) == before
