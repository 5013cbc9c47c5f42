"""Address books: vCards of three versions, Google's and Outlook's tables. Being in one is no consent."""

import io
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import cells, vcards
from tests.importers.helping import inspect, named, read, zipped

OLD = (
    b"BEGIN:VCARD\r\nVERSION:2.1\r\n"
    b"N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=91=D0=B5=D1=80=D0=B3;=D0=90=D0=\r\n=BD=D0=BD=D0=B0;;;\r\n"
    b"EMAIL;INTERNET:old@x.org\r\nEMAIL;PREF;INTERNET:anna@x.org\r\n"
    b"PHOTO;ENCODING=BASE64;TYPE=JPEG:AAAA\r\n BBBB\r\n\r\nEND:VCARD\r\n"
)
APPLE = (
    b"BEGIN:VCARD\nVERSION:3.0\nN:Lind;Boris;;;\nFN:Boris Lind\n"
    b"item1.EMAIL;type=INTERNET;\n type=pref:boris@x.\n org\nitem1.X-ABLabel:_$!<Work>!$_\n"
    b"CATEGORIES:press\\,radio,vip\nNOTE:met in Riga\nTEL:+37120000000\nEND:VCARD\n"
)
NEW = (
    b"BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:Everybody\nEND:VCARD\n"
    b'BEGIN:VCARD\nVERSION:4.0\nFN:Clara Stone\nLANG:de\nEMAIL;PREF=2;TYPE="home,work":c2@x.org\n'
    b"EMAIL;PREF=1:mailto:clara@x.org\nEND:VCARD\n"
)
GOOGLE = """First Name,Last Name,Phonetic First Name,File As,Notes,Photo,Labels,E-mail 1 - Label,E-mail 1 - Value,\
E-mail 2 - Label,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value
Anna,Berg,,,,,* myContacts ::: Press ::: * starred,* Work,anna@x.org,,,Mobile,+37120000000
Boris,,,,please do not email,,* myContacts,Home,boris@x.org,Work,b2@x.org,,
"""
OUTLOOK = """"Обращение","Имя","Отчество","Фамилия","Рабочий телефон","Заметки","Категории","Адрес эл. почты",\
"Тип эл. почты","Краткое имя эл. почты","Адрес 2 эл. почты"
"","Анна","","Берг","+371","","Пресса;Друзья","anna@x.org","SMTP","Анна Берг (anna@x.org)",""
"","Борис","","","","","","boris@x.org","SMTP","",""
"""


def cards(content: bytes) -> list[dict[str, str]]:
    return [
        {label: cell for label, cell in zip(vcards.LABELS, row, strict=True) if cell}
        for row in list(vcards.rows("people.vcf", io.BytesIO(content)))[1:]
    ]


def test_cards_of_every_version_come_in_by_their_preferred_address() -> None:
    whole = read(named("contacts.vcf", OLD + APPLE + NEW), status="nonsubscribed")
    assert whole.found.source == "vcard"
    assert whole.addresses == ["anna@x.org", "boris@x.org", "clara@x.org"]
    assert [whole.fields(index) for index in range(3)] == [
        {"FNAME": "Анна", "LNAME": "Берг"},
        {"FNAME": "Boris", "LNAME": "Lind"},
        {"FNAME": "Clara", "LNAME": "Stone"},
    ]
    assert whole.incoming[1].tags == ("press,radio", "vip")
    assert whole.incoming[2].language == "de"
    assert whole.complaints == []


@pytest.mark.parametrize("name", ["contacts.vcf", "google.csv", "outlook.csv"])
def test_being_in_an_address_book_is_no_consent_and_what_is_not_needed_stays_out(name: str) -> None:
    content = {"contacts.vcf": APPLE, "google.csv": GOOGLE.encode(), "outlook.csv": OUTLOOK.encode()}[name]
    found = inspect(named(name, content))
    assert [file.status_source for file in found.files] == ["assumed"]
    assert "address_book" in [problem.code for problem in found.problems]
    plan = found.plan()
    assert plan.layout() == ("FNAME", "LNAME")
    left = {"contacts.vcf": ["Phone", "Note"], "google.csv": ["E-mail 2 - Value", "Phone 1 - Label", "Phone 1 - Value"],
            "outlook.csv": ["Рабочий телефон"]}[name]  # fmt: skip
    assert plan.left_out()["unneeded"] == left
    assert "Sending email doesn’t need it" in " ".join(problem.sentence() for problem in plan.said_out())


def test_a_note_in_an_address_book_that_says_no_is_asked_and_heard() -> None:
    found = inspect(named("contacts.csv", GOOGLE.encode()))
    assert found.source == "googlecontacts"
    assert [question.code for question in found.plan().questions()] == ["ask_columns"]
    whole = read(named("contacts.csv", GOOGLE.encode()), status="subscribed")
    assert [(person.address, person.status) for person in whole.incoming] == [
        ("anna@x.org", "subscribed"), ("boris@x.org", "unsubscribed"),
    ]  # fmt: skip
    assert whole.incoming[0].tags == ("Press", "starred")


def test_google_contacts_of_before_2024_are_known_in_utf_16() -> None:
    content = "Name,Given Name,Family Name,Group Membership,E-mail 1 - Type,E-mail 1 - Value\n"
    content += "Anna Berg,Anna,Berg,* My Contacts ::: Пресса,* Work,anna@x.org ::: a2@x.org\n"
    whole = read(named("google.csv", content.encode("utf-16")), status="nonsubscribed")
    assert whole.found.source == "googlecontacts"
    assert whole.fields() == {"FNAME": "Anna", "LNAME": "Berg"}
    assert whole.incoming[0].tags == ("Пресса",)
    assert whole.addresses == ["anna@x.org"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1251"])
def test_outlook_in_russian_is_known_in_the_code_page_that_it_writes(encoding: str) -> None:
    whole = read(named("контакты.csv", OUTLOOK.encode(encoding)), status="nonsubscribed")
    assert whole.found.source == "outlook"
    assert whole.fields() == {"FNAME": "Анна", "LNAME": "Берг"}
    assert whole.incoming[0].tags == ("Пресса", "Друзья")


@pytest.mark.parametrize(
    "heading",
    [
        "First Name,Last Name,E-mail Address,E-mail Type,E-mail Display Name,Categories",
        "Vorname,Nachname,E-Mail-Adresse,E-Mail-Typ,E-Mail 2: Adresse,Kategorien",
        "Prénom,Nom,Adresse de messagerie,Type de messagerie,Adresse de messagerie 2,Catégories",
    ],
)
def test_outlook_is_known_in_other_languages(heading: str) -> None:
    whole = read(named("c.csv", f"{heading}\nAnna,Berg,anna@x.org,SMTP,,Press;Vip\n".encode()), status="subscribed")
    assert whole.found.source == "outlook"
    assert whole.fields() == {"FNAME": "Anna", "LNAME": "Berg"}
    assert whole.incoming[0].tags == ("Press", "Vip")


@pytest.mark.parametrize("charset", ["WINDOWS-1251", "KOI8-R", "UTF-8", ""])
def test_names_are_read_in_the_charset_that_a_card_says_or_in_the_likely_one(charset: str) -> None:
    written = "Анна".encode(charset or "cp1251")
    named_charset = f";CHARSET={charset}".encode() if charset else b""
    card = b"BEGIN:VCARD\nVERSION:2.1\nN" + named_charset + b":;" + written + b"\nEMAIL:a@x.org\nEND:VCARD\n"
    assert cards(card) == [{"E-mail": "a@x.org", "First name": "Анна"}]


@pytest.mark.parametrize("charset", ["unicode_escape", "zip", "hex", "utf-7", "idna", "no-such", "../x"])
def test_a_charset_that_is_none_is_not_obeyed(charset: str) -> None:
    card = f"BEGIN:VCARD\nN;CHARSET={charset}:;A\\u0041\nEMAIL:a@x.org\nEND:VCARD\n".encode()
    assert cards(card) == [{"E-mail": "a@x.org", "First name": "Au0041"}]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_cards_are_read_with_every_line_end_and_byte_order_mark(end: bytes, encoding: str) -> None:
    content = APPLE.replace(b"\n", end).decode().encode(encoding)
    assert cards(content)[0]["E-mail"] == "boris@x.org"
    assert inspect(named("x.vcf", content)).source == "vcard"


def test_cards_in_a_zip_come_in() -> None:
    assert read(named("export.zip", zipped({"a.vcf": APPLE})), status="subscribed").addresses == ["boris@x.org"]


def test_a_card_that_is_cut_off_is_refused() -> None:
    assert inspect(named("x.vcf", OLD + APPLE[:-12])).sentence() == "x.vcf is cut off or damaged. Download it again."
    with pytest.raises(ImportFailed, match="cut off"):
        cards(APPLE[:-12])


def test_a_card_inside_of_a_card_brings_no_address_of_its_own() -> None:
    inner = b"AGENT:\nBEGIN:VCARD\nN:Other;Agent\nEMAIL:agent@x.org\nEND:VCARD\n"
    assert [card["E-mail"] for card in cards(APPLE.replace(b"NOTE", inner + b"NOTE"))] == ["boris@x.org"]


def test_a_thousand_cards_in_each_other_are_one_and_cost_nothing() -> None:
    assert cards(b"BEGIN:VCARD\n" * 1_000 + b"EMAIL:a@x.org\n" + b"END:VCARD\n" * 1_000) == [{}]


def test_pictures_of_any_size_pass_by_without_being_held() -> None:
    picture = b"PHOTO;ENCODING=b;TYPE=JPEG:" + b"\n ".join([b"QUJD" * 18] * 300_000) + b"\n"
    content = io.BytesIO(APPLE.replace(b"NOTE", picture + b"NOTE"))
    tracemalloc.start()
    try:
        rows = list(vcards.rows("x.vcf", content))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows[1][0] == "boris@x.org" and peak < 3 << 20


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b'BEGIN:VCARD\nEMAIL;TYPE="a:b\nEND:VCARD')
@example(b"BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:=\n=\n=\nEND:VCARD")
@example(b"BEGIN:VCARD\nEMAIL:\\")
def test_whatever_is_given_becomes_rows_or_one_sentence(content: bytes) -> None:
    for start in (b"", b"BEGIN:VCARD\nVERSION:3.0\n"):
        rows = []
        with suppress(ImportFailed):
            rows += vcards.rows("x.vcf", io.BytesIO(start + content))
        assert {len(row) for row in rows} <= {len(vcards.LABELS)}


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES, st.lists(NAMES, max_size=4, unique=True), st.integers(20, 75))
def test_what_is_escaped_and_folded_comes_back(first: str, last: str, tags: list[str], width: int) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")

    lines = [f"N:{escaped(last)};{escaped(first)};;;", f"CATEGORIES:{','.join(map(escaped, tags))}", "EMAIL:a@x.org"]
    folded = [
        b"\r\n ".join(line.encode()[at : at + width] for at in range(0, len(line.encode()), width)) for line in lines
    ]
    content = b"\r\n".join([b"BEGIN:VCARD", b"VERSION:3.0", *folded, b"END:VCARD", b""])
    (card,) = cards(content)
    assert (card["First name"], card["Last name"]) == (first, last)
    assert cells.tags(card.get("Categories", "")) == tuple(tags)
