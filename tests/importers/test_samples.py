"""The real files of Mailchimp and others, with the counts that a person finds in them by hand."""

import pytest

from tests.importers.helping import SAMPLES, inspect, read, zipped

OUT = "MEMBER_RATING OPTIN_IP CONFIRM_IP LATITUDE LONGITUDE GMTOFF DSTOFF TIMEZONE CC REGION LEID EUID"
MAILCHIMP = [SAMPLES / f"mailchimp-{status}.csv" for status in ("subscribed", "unsubscribed", "cleaned")]


def test_the_three_mailchimp_files_give_five_people_each():
    whole = read(*MAILCHIMP)
    assert whole.counts == {"subscribed": 5, "unsubscribed": 5, "cleaned": 5}
    assert whole.complaints == [] and whole.found.problems == []
    assert whole.found.source == "mailchimp"


def test_the_people_who_left_are_read_first():
    statuses = [person.status for person in read(*MAILCHIMP).incoming]
    assert statuses == ["cleaned"] * 5 + ["unsubscribed"] * 5 + ["subscribed"] * 5


def test_a_subscriber_comes_with_names_tags_and_times():
    whole = read(SAMPLES / "mailchimp-subscribed.csv")
    last = whole.incoming[-1]
    assert last.address == "s5@example.com" and last.line == 6
    assert whole.fields(4) == {"FNAME": "Dolor", "LNAME": "Simet", "COMPANY": "Lorem Co."}
    assert last.tags == ("Lorem Editors",)
    assert last.opt_in_time == last.confirm_time == "2018-02-05T19:28:22Z"


def test_somebody_who_left_comes_with_the_time_they_left():
    first = read(SAMPLES / "mailchimp-unsubscribed.csv").incoming[0]
    assert (first.address, first.left_time) == ("u1@example.com", "2018-07-23T12:19:27Z")


def test_somebody_who_bounced_comes_with_the_time_of_cleaning():
    first = read(SAMPLES / "mailchimp-cleaned.csv").incoming[0]
    assert (first.tags, first.left_time) == (("Editors",), "2020-03-23T17:30:05Z")


def test_what_derives_from_ip_or_reading_stays_out():
    found = inspect(SAMPLES / "mailchimp-subscribed.csv")
    out = {column.label for column in found.files[0].columns if column.becomes == "out"}
    assert out == set(OUT.split())
    assert all(column.why for column in found.files[0].columns if column.becomes == "out")


@pytest.mark.parametrize(
    ("name", "source", "counts"),
    [
        ("beehiiv-members.csv", "beehiiv", {"subscribed": 5, "unsubscribed": 3, "pending": 1}),
        ("curated-subscribers.csv", "csv", {"subscribed": 20}),
        ("medium-members.txt", "addresses", {"subscribed": 5}),
        ("substack-signup-emails.csv", "substack", {"subscribed": 19, "unsubscribed": 2}),
        # One has no word under email_disabled, which is not a yes.
        ("substack-subscriber-emails.csv", "substack", {"subscribed": 14, "unsubscribed": 2, "nonsubscribed": 1}),
        ("substack-invalid.csv", "csv", {"subscribed": 3}),
    ],
)
def test_lists_of_other_services_come_in_by_their_columns(name: str, source: str, counts: dict[str, int]):
    whole = read(SAMPLES / name)
    assert whole.counts == counts
    assert whole.complaints == []
    assert whole.found.source == source


@pytest.mark.parametrize("name", ["beehiiv-posts.csv", "buttondown-emails.csv", "substack-posts.csv"])
def test_a_list_of_letters_is_no_list_of_people(name: str):
    found = inspect(SAMPLES / name)
    assert found.files == []
    assert found.sentence() == (
        f"No column of {name} contains email addresses. Is it a list of subscribers? Choose another file."
    )


def test_beehiiv_names_are_stripped_and_a_row_cut_short_is_whole():
    whole = read(SAMPLES / "beehiiv-members.csv")
    by_address = {person.address: index for index, person in enumerate(whole.incoming)}
    assert whole.fields(by_address["ipsum@example.com"])["LNAME"] == "Name"
    assert whole.fields(by_address["nullfirst@example.com"])["LNAME"] == "Last Only"
    assert whole.incoming[0].opt_in_time == "2023-03-24T10:23:10Z"


def test_a_folder_of_samples_mixed_with_others_gives_the_mailchimp_files_alone():
    whole = read(SAMPLES)
    assert whole.found.source == "mailchimp"
    assert sum(whole.counts.values()) == 15


def test_the_samples_in_a_zip_in_a_zip_give_the_same(tmp_path):
    inner = zipped({path.name: path.read_bytes() for path in MAILCHIMP})
    outer = tmp_path / "download.zip"
    outer.write_bytes(zipped({"export.zip": inner}))
    assert read(outer).incoming == read(*MAILCHIMP).incoming
