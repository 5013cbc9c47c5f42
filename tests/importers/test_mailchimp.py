"""Mailchimp's files in all the shapes that people bring: old, new, renamed, resaved, packed again."""

import io
import json

import pytest

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading.files import ArchiveMember, open_given
from samizdat.importers.services.mailchimp import status_of
from tests.importers.helping import (
    HEADING,
    IMPORTERS,
    UNSUB_HEADING,
    csv_bytes,
    inspect,
    named,
    read,
    read_plan,
    row,
    zipped,
)

CLEANED_HEADING = HEADING.replace("LAST_CHANGED", "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID")


@pytest.mark.parametrize(
    ("name", "status", "source"),
    [
        ("subscribed_members_export_0fefe82d19.csv", "subscribed", "name"),
        ("unsubscribed_members_export_0fefe82d19.csv", "unsubscribed", "name"),
        ("cleaned_email_audience_export_0fefe82d19.csv", "cleaned", "name"),
        ("nonsubscribed_email_audience_export_0fefe82d19.csv", "nonsubscribed", "name"),
        ("subscribed_email_segment_export_0fefe82d19.csv", "subscribed", "name"),
        ("subscribed_members_export_0fefe82d19 (1).csv", "subscribed", "name"),
        ("Unsubscribed_Members_Export_0fefe82d19(2).csv", "unsubscribed", "name"),
        ("my non-subscribed people.csv", "nonsubscribed", "name"),
        ("lists/unsubscribed/members_123_News.csv", "unsubscribed", "name"),
        ("lists/cleaned/members_123_News.csv", "cleaned", "name"),
        ("copy of people.csv", None, "asked"),
    ],
)
def test_the_status_stands_in_the_name(name: str, status: str | None, source: str):
    assert status_of(name, HEADING.split(",")) == (status, source)


@pytest.mark.parametrize(("heading", "status"), [(UNSUB_HEADING, "unsubscribed"), (CLEANED_HEADING, "cleaned")])
def test_a_lost_name_is_made_up_for_by_the_columns(heading: str, status: str):
    assert status_of("people.csv", heading.split(",")) == (status, "columns")


def test_the_time_an_address_was_cleaned_is_not_shown_as_the_time_somebody_left():
    rows = [["ada@example.org", "2020-01-02 03:04:05", "7"]]
    people = named("cleaned.csv", csv_bytes(rows, "Email Address,CLEAN_TIME,LEID"))
    assert [column.becomes for column in inspect(people).files[0].columns] == ["address", "clean_time", "out"]
    (ada,) = read(people).incoming
    assert (ada.status, ada.left_time) == ("cleaned", "2020-01-02T03:04:05Z")


def test_columns_of_people_who_left_are_believed_before_a_name_that_says_subscribed():
    assert status_of("subscribed.csv", UNSUB_HEADING.split(",")) == ("unsubscribed", "columns")


def test_last_changed_alone_must_be_asked():
    people = named("people.csv", csv_bytes([row("ada@example.org")]))
    found = inspect(people)
    assert found.files[0].status is None
    assert [question.code for question in found.plan().questions()] == ["ask_status"]
    with pytest.raises(ImportFailed, match=r"people.csv doesn’t say whether these people are subscribed"):
        read(people)
    assert read(people, status="nonsubscribed").counts == {"nonsubscribed": 1}


def test_both_generations_a_zip_and_a_folder_give_the_same(tmp_path):
    content = csv_bytes([row("ada@example.org", "Ada")])
    old = named("members_export_0a.zip", zipped({"subscribed_members_export_0a.csv": content}))
    new = tmp_path / "audience_export_0a"
    new.mkdir()
    (new / "subscribed_email_audience_export_0a.csv").write_bytes(content)
    assert read(old).incoming == read(new).incoming
    assert read(new).counts == {"subscribed": 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("lineterminator", ["\n", "\r\n", "\r"])
def test_resaved_files_are_read_whatever_their_signs(delimiter: str, encoding: str, lineterminator: str):
    people = [row("olga@example.org", "Ольга; она", "Berg|Lind", TAGS='"Книга, том 2","b"'), row("b@example.org")]
    content = csv_bytes(people, delimiter=delimiter, encoding=encoding, lineterminator=lineterminator)
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.addresses == ["olga@example.org", "b@example.org"]
    assert whole.fields() == {"FNAME": "Ольга; она", "LNAME": "Berg|Lind"}
    assert whole.incoming[0].tags == ("Книга, том 2", "b")
    assert [person.line for person in whole.incoming] == [2, 3]


def test_excels_first_line_naming_the_delimiter_is_passed_over():
    content = b"sep=;\r\n" + csv_bytes([row("ada@example.org", "Ada")], delimiter=";")
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.addresses == ["ada@example.org"] and whole.incoming[0].line == 3


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252"])
def test_old_code_pages_are_guessed_and_said_to_be(encoding: str):
    names = {"cp1251": ("Ольга", "Иванова"), "cp1252": ("Jürgen", "Müller-Lindström")}[encoding]
    content = csv_bytes([row("a@example.org", *names)], encoding=encoding)
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert list(whole.fields().values()) == list(names)
    assert whole.problems == ["assumed_encoding"]
    assert encoding.replace("cp", "Windows-") in whole.found.problems[0].sentence()


def test_a_file_in_two_encodings_is_refused_and_a_spoilt_line_rejected_alone():
    half = csv_bytes([row("a@example.org", "Ольга")])
    other = csv_bytes([row("b@example.org", "Иванова")], encoding="cp1251").partition(b"\n")[2]
    refused = read(named("subscribed_members_export_0a.csv", half + other))
    assert (
        refused.problems == ["mixed_encodings"]
        and "UTF-8 and partly in Windows-1251" in refused.found.problems[0].sentence()
    )
    many = csv_bytes([row(f"a{number}@example.org", "Ольга Иванова") for number in range(20)])
    whole = read(named("subscribed_members_export_0a.csv", many + other))
    assert (len(whole.addresses), whole.problems) == (20, [])


def test_an_old_code_page_far_down_a_file_is_seen_before_anything_is_read():
    many = [row(f"a{number}@example.org", "Ada") for number in range(6_000)]
    content = csv_bytes([*many, row("olga@example.org", "Ольга", "Иванова")], encoding="cp1251")
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.fields(6_000) == {"FNAME": "Ольга", "LNAME": "Иванова"}


def test_a_no_in_an_old_code_page_far_down_a_file_is_asked():
    many = [[*row(f"a{number}@example.org"), "Riga"] for number in range(6_000)]
    content = csv_bytes([*many, [*row("olga@example.org"), "отписалась"]], f"{HEADING},Group", encoding="cp1251")
    group = inspect(named("subscribed_members_export_0a.csv", content)).files[0].columns[-1]
    assert group.asks and group.words["отписалась"] == "unsubscribed"


def test_a_file_is_looked_through_to_its_end_once(monkeypatch: pytest.MonkeyPatch):
    opened, opening = [], ArchiveMember.open
    monkeypatch.setattr(ArchiveMember, "open", lambda member: opened.append(member.name) or opening(member))
    content = zipped({"subscribed_members_export_0a.csv": csv_bytes([row("ada@example.org", "Ada")])})
    assert inspect(named("export.zip", content), thorough=False).files
    top = len(opened)
    assert inspect(named("export.zip", content)).files
    assert len(opened) == 2 * top + 1


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2018/02/05", "2018-02-05T00:00:00Z"),
        ("2/5/18 19:28", "2018-02-05T19:28:00Z"),
        ("2018-02-05T19:28:23Z", "2018-02-05T19:28:23Z"),
        ("05.02.2018 19:28:23", "2018-02-05T19:28:23Z"),
    ],
)
def test_resaved_dates_are_understood(text: str, iso: str):
    content = csv_bytes([row("ada@example.org", OPTIN_TIME=text)])
    assert read(named("subscribed_members_export_0a.csv", content)).incoming[0].opt_in_time == iso


def test_one_day_above_twelve_turns_the_dates_of_the_file_round():
    content = csv_bytes([row("a@example.org", OPTIN_TIME="3/2/18"), row("b@example.org", CONFIRM_TIME="23/2/18")])
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.incoming[0].opt_in_time == "2018-02-03T00:00:00Z"


def test_times_nobody_can_read_are_said_before():
    content = csv_bytes([row("a@example.org", OPTIN_TIME="43136.81"), row("b@example.org", OPTIN_TIME="43137")])
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.problems == ["unread_times"]
    assert "such as 43136.81" in whole.found.problems[0].sentence()
    assert whole.incoming[0].opt_in_time == ""


def test_numbers_a_spreadsheet_has_shortened_are_said_before():
    content = csv_bytes([["a@example.org", "1.23E+09", "", ""]], "Email Address,Phone Number,OPTIN_TIME,LEID")
    assert read(named("subscribed_members_export_0a.csv", content)).problems == ["short_numbers"]


def test_columns_of_one_label_become_two_fields():
    content = csv_bytes([["a@example.org", "Ada", "Lovelace", "", ""]], "Email Address,Name,Name,OPTIN_TIME,LEID")
    whole = read(named("subscribed_members_export_0a.csv", content))
    assert whole.fields() == {"NAME": "Ada", "NAME2": "Lovelace"}
    assert whole.plan.fields() == {"NAME": "Name", "NAME2": "Name"}


def test_a_label_gets_the_same_tag_in_every_file():
    people = {
        "subscribed_members_export_0a.csv": csv_bytes([["a@x.org", "1", "2", "", ""]], "E,Город,Ort,OPTIN_TIME,LEID"),
        "cleaned_members_export_0a.csv": csv_bytes([["b@x.org", "3", "4", "", ""]], "E,Ort,Город,OPTIN_TIME,LEID"),
    }
    whole = read(named("export.zip", zipped(people)))
    assert whole.plan.layout() == ("ORT", "GOROD")
    assert [person.fields for person in whole.incoming] == [("3", "4"), ("2", "1")]


def test_the_first_column_is_the_address_in_any_language():
    content = csv_bytes([["a@example.org", "", ""]], "Sinu postkast,OPTIN_TIME,LEID")
    assert read(named("subscribed_members_export_0a.csv", content)).addresses == ["a@example.org"]


def test_interest_groups_are_told_from_text_by_their_cells():
    heading = "Email Address,Interests,Company,OPTIN_TIME,LEID"
    cells = [("Letters", "Court Diary, Ltd"), ("Letters, Prisons\\, camps", ""), ("Poetry,Prisons\\, camps", "Kiosk")]
    rows = [[f"a{number}@example.org", *pair, "", ""] for number, pair in enumerate(cells)]
    whole = read(named("subscribed_members_export_0a.csv", csv_bytes(rows, heading)))
    assert whole.incoming[1].groups == (("Interests", "Letters"), ("Interests", "Prisons, camps"))
    assert whole.fields(0) == {"COMPANY": "Court Diary, Ltd"}


def test_address_telephone_and_birthday_lose_the_marks_of_their_format():
    heading = "Email Address,Address,Phone Number,Birthday,OPTIN_TIME,LEID"
    cells = ["a@example.org", "1 Main St  Flat 2  Riga    LV-1010  LV", "'+12155550100", "04/21", "", ""]
    whole = read(named("subscribed_members_export_0a.csv", csv_bytes([cells], heading)))
    assert whole.fields() == {
        "ADDRESS": "1 Main St, Flat 2, Riga, LV-1010, LV",
        "PHONE": "+12155550100",
        "BIRTHDAY": "04/21",
    }


def test_birthdays_written_day_first_are_turned_round():
    heading = "Email Address,Birthday,OPTIN_TIME,LEID"
    rows = [["a@example.org", "03/04", "", ""], ["b@example.org", "21/04", "", ""]]
    whole = read(named("subscribed_members_export_0a.csv", csv_bytes(rows, heading)))
    assert [person.fields for person in whole.incoming] == [("04/03",), ("04/21",)]


def test_the_reason_for_leaving_joins_code_and_words():
    cells = row("a@example.org")
    at = HEADING.split(",").index("LAST_CHANGED")
    rows = [[*cells[:at], "2020-01-02 03:04:05", "Letter 1", "0a", "OTHER", "too many", *cells[at + 1 :]]]
    rows.append([*cells[:at], "2020-01-02 03:04:05", "Letter 1", "0a", "N/A", "", *cells[at + 1 :]])
    whole = read(named("people.csv", csv_bytes(rows, UNSUB_HEADING)))
    assert [person.left_reason for person in whole.incoming] == ["OTHER: too many", ""]


def test_sms_contacts_without_addresses_are_left_out_with_a_word():
    files = {
        "subscribed_email_audience_export_0a.csv": csv_bytes([row("a@example.org")]),
        "sms_only_audience_export_0a.csv": b"Phone Number,First Name\n+12155550100,Ada\n",
    }
    whole = read(named("export.zip", zipped(files)))
    assert whole.counts == {"subscribed": 1}
    assert whole.problems == ["sms_only"]


def test_a_whole_account_export_gives_its_contacts_and_nothing_else():
    short = b"Email Address,First Name\n"
    files = {
        "12345/lists/members/members_77_News.csv": short + b"ada@example.org,Ada\n",
        "12345/lists/unsubscribed/members_77_News.csv": short + b"boris@example.org,Boris\n",
        "12345/lists/cleaned/members_77_News.csv": short + b"gone@example.org,\n",
        "12345/granular_activity/opens/99_x.csv": b"Email,Timestamp\nada@example.org,2019-01-01\n",
        "12345/campaigns.csv": b"Title,Subject\nx,y\n",
        "12345/campaigns_content/1_x.html": b"<html>",
    }
    # Without the marks of an export the columns do not tell, the folder does; an audience export lies beside it.
    files["subscribed_members_export_0a.csv"] = csv_bytes([row("c@example.org")])
    found = inspect(named("account.zip", zipped(files)))
    statuses = {file.name.split("/", 1)[-1]: file.status for file in found.files}
    assert statuses == {
        "lists/cleaned/members_77_News.csv": "cleaned",
        "lists/unsubscribed/members_77_News.csv": "unsubscribed",
        "lists/members/members_77_News.csv": "subscribed",
        "subscribed_members_export_0a.csv": "subscribed",
    }
    assert [problem.code for problem in found.problems] == ["several_audiences"]


def test_the_status_column_of_an_account_export_tells_each_row():
    content = csv_bytes(
        [["a@example.org", "Subscribed", "", ""], ["b@example.org", "Unsubscribed", "", ""]],
        "Email Address,Status,OPTIN_TIME,LEID",
    )
    assert read(named("members_77_News.csv", content)).counts == {"subscribed": 1, "unsubscribed": 1}


def test_files_put_together_by_hand_tell_by_row_who_left():
    heading = "Email Address,OPTIN_TIME,LAST_CHANGED,UNSUB_TIME,CLEAN_TIME,LEID"
    time = "2020-01-02 03:04:05"
    rows = [
        ["a@example.org", "", time, "", "", ""],
        ["b@example.org", "", time, time, "", ""],
        ["c@example.org", "", time, "", time, ""],
    ]
    whole = read(named("all.csv", csv_bytes(rows, heading)), status="subscribed")
    assert [person.status for person in whole.incoming] == ["subscribed", "unsubscribed", "cleaned"]
    assert [person.left_time for person in whole.incoming] == ["", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"]


def test_a_dump_of_the_old_export_api_is_read_line_by_line():
    lines = [HEADING.split(","), [cell or None for cell in row("ada@example.org", "Ольга", TAGS='"a","b"')]]
    content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode() + b"\n[broken\n"
    whole = read(named("subscribed.json", content))
    assert whole.counts == {"subscribed": 1}
    assert whole.fields() == {"FNAME": "Ольга"} and whole.incoming[0].tags == ("a", "b")
    assert [(complaint.line, complaint.code) for complaint in whole.complaints] == [(3, "not_json")]


def test_an_address_in_two_files_is_read_as_gone_first():
    files = {
        "subscribed_members_export_0a.csv": csv_bytes([row("ada@example.org")]),
        "cleaned_members_export_0a.csv": csv_bytes(
            [row("ada@example.org")], CLEANED_HEADING.replace(",CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID", "")
        ),
    }
    assert [person.status for person in read(named("e.zip", zipped(files))).incoming] == ["cleaned", "subscribed"]


def test_a_plan_can_take_in_what_stays_out_and_leave_a_column_or_a_file_out():
    files = {
        "subscribed_members_export_0a.csv": csv_bytes([row("a@example.org", "Ada", "Berg", REGION="TA")]),
        "nonsubscribed_members_export_0a.csv": csv_bytes([row("b@example.org")]),
    }
    with open_given([named("e.zip", zipped(files))]) as given:
        found = IMPORTERS[0].inspect(given)
        plan = found.plan()
        plan.files[0].use = False
        for column in plan.files[1].columns:
            column.becomes = {"REGION": "field:REGION", "Last Name": "out"}.get(column.label, column.becomes)
        whole = read_plan(given, found, plan)
    assert whole.addresses == ["a@example.org"]
    assert whole.fields() == {"FNAME": "Ada", "REGION": "TA"}


def test_a_file_object_is_read_where_it_stands_and_stays_open():
    file = io.BytesIO(csv_bytes([row("a@example.org")]))
    file.seek(7)
    assert read(("subscribed.csv", file)).addresses == ["a@example.org"]
    assert not file.closed
