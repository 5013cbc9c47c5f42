"""Lists from anywhere: which column is what, guessed from labels and cells."""

import pytest

from samizdat.core.imports import ImportFailed
from tests.importers.helping import inspect, named, read


def becomes(content: bytes, name: str = "list.csv") -> dict[str, str]:
    return {column.label: column.becomes for column in inspect(named(name, content)).files[0].columns}


@pytest.mark.parametrize(
    "label", ["E-mail", "Электронная почта", "Correo electrónico", "Courriel", "Deine E-Mail Adresse", "sähköposti"]
)
def test_the_address_is_known_by_its_label_in_many_languages(label: str):
    assert becomes(f"Name,{label}\nAnna Berg,anna@example.org\n".encode()) == {"Name": "name", label: "address"}


def test_the_address_is_known_by_its_cells_under_any_label():
    assert becomes(b"Who,Where\nAnna,anna@example.org\nBoris,boris@example.org\n")["Where"] == "address"


def test_the_log_of_a_form_brings_its_time_and_no_ip_address():
    content = (
        b"Email,Entry Id,Entry Date,User Agent,User IP\nanna@example.org,1,2019-03-02 10:00:00,Mozilla,203.0.113.9\n"
    )
    columns = becomes(content)
    assert (columns["Entry Date"], columns["User IP"], columns["User Agent"]) == ("opt_in_time", "out", "out")
    google = '"Отметка времени","Email"\n"2019/03/02 1:00:00 AM GMT+3","anna@example.org"\n'
    assert read(named("form.csv", google.encode())).incoming[0].opt_in_time == "2019-03-01T22:00:00Z"


def test_a_label_that_means_a_postal_address_here_is_not_taken_for_mail():
    found = becomes("Адрес,Почта\nул. Мира 5,anna@example.org\n".encode())
    assert found["Почта"] == "address" and found["Адрес"].startswith("field:")


def test_a_table_of_ours_for_people_is_refused_since_whoever_left_would_be_back():
    content = b"Email address,First name,Language,Letter,Tags,Suppressed,Joined,Consent,Notes\n"
    content += b"ada@example.org,Ada,en,unsubscribed,,manual,2026-01-01,,\n"
    (problem,) = inspect(named("subscribers.csv", content)).problems
    assert (problem.code, problem.stops) == ("own_table", True)


def test_a_list_of_addresses_alone_needs_no_heading():
    whole = read(named("medium.txt", b"a@example.org\n\nb@example.org"))
    assert whole.addresses == ["a@example.org", "b@example.org"]
    assert [person.line for person in whole.incoming] == [1, 3]
    assert whole.found.files[0].status_source == "assumed"


def test_a_table_without_heading_is_read_by_its_cells():
    whole = read(named("list.csv", b"Anna;anna@example.org\nBoris;boris@example.org\n"))
    assert whole.addresses == ["anna@example.org", "boris@example.org"]


def test_names_times_tags_and_notes_are_known_by_their_labels():
    content = "email;Имя;Фамилия;created_at;Tags;Notes;Язык\na@x.org;Анна;Берг;2020-01-02;a,b;вежливая;ru\n"
    person = read(named("list.csv", content.encode())).incoming[0]
    assert person.fields == ("Анна", "Берг")
    assert (person.opt_in_time, person.tags, person.notes) == ("2020-01-02T00:00:00Z", ("a", "b"), "вежливая")
    assert person.language == "ru"


@pytest.mark.parametrize(
    ("label", "words", "statuses"),
    [
        ("status", ["active", "bounced"], {"subscribed": 1, "cleaned": 1}),
        ("Статус", ["подписан", "отписан"], {"subscribed": 1, "unsubscribed": 1}),
        ("email_disabled", ["true", "false"], {"subscribed": 1, "unsubscribed": 1}),
        ("subscribed", ["1", "0"], {"subscribed": 1, "unsubscribed": 1}),
        ("unsubscribed", ["", "yes"], {"subscribed": 1, "unsubscribed": 1}),
        ("unsubscribed_at", ["", "2020-01-02"], {"subscribed": 1, "unsubscribed": 1}),
        ("status", ["pending", "Transactional"], {"pending": 1, "nonsubscribed": 1}),
    ],
)
def test_the_status_of_a_row_is_read_from_its_column(label: str, words: list[str], statuses: dict[str, int]):
    content = f"email,{label}\na@example.org,{words[0]}\nb@example.org,{words[1]}\n"
    assert read(named("list.csv", content.encode())).counts == statuses


def test_a_word_that_is_no_status_we_know_is_asked():
    with pytest.raises(ImportFailed, match="say what these words mean in the column “status”: VIP"):
        read(named("list.csv", b"email,status\na@example.org,active\nb@example.org,VIP\n"))


def test_the_strongest_of_several_columns_wins():
    content = b"email,status,bounced,unsubscribed_at\na@example.org,active,yes,2020-01-02\nb@example.org,active,no,\n"
    assert read(named("list.csv", content)).counts == {"cleaned": 1, "subscribed": 1}


def test_a_name_that_says_unsubscribed_is_believed():
    whole = read(named("unsubscribed-people.csv", b"email\na@example.org\n"))
    assert whole.counts == {"unsubscribed": 1}


def test_what_derives_from_ip_or_reading_stays_out_here_too():
    heading = b"email,ip_address,open rate,last click,utm_source,Country code,id,City"
    found = becomes(heading + b"\na@example.org,192.0.2.1,1,1,x,LV,7,Riga\n")
    assert [label for label, target in found.items() if target != "out"] == ["email", "City"]
