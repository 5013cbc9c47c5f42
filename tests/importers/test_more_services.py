"""What single services write besides the plain sample of test_services: other files, other labels, donors, charsets."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat import plugins
from samizdat.core.imports import OTHERS
from samizdat.importers.reading.convert import STRENGTH
from samizdat.importers.service_tables import Service, rule_of
from tests.importers.helping import inspect, named, read
from tests.importers.test_services import FILES, SHAPES


def statuses(content: str, name: str = "list.csv", status: str = "subscribed") -> dict[str, str]:
    """First letter of each address -> its status, after a person said what the others are."""
    whole = read(named(name, content.encode()), status=status)
    assert whole.complaints == []
    return {person.address[0]: person.status for person in whole.incoming}


@pytest.mark.parametrize("source", sorted(FILES))
def test_of_what_a_service_explains_nothing_is_asked(source: str) -> None:
    name, content, _ = FILES[source]
    found = inspect(named(name, content.encode()))
    # In the samples there are a tag and a tier that say who gives, and a surname that says that somebody left.
    asked = {column.label for file in found.files for column in file.columns if column.asks}
    assert asked <= {"can2_user_tags", "Gold", "Last Name"}


def source_of(content: str) -> str:
    return inspect(named("list.csv", content.encode())).source


def test_hubspots_file_of_unsubscribes_and_bounces_brings_nobody_in() -> None:
    content = """Email,Portal Bounce,Portal Unsubscribe,Portal Spam Report,Global Bounce,Marketing Information
ann@example.org,,FALSE,FALSE,FALSE,TRUE
bob@example.org,,TRUE,FALSE,FALSE,FALSE
cyd@example.org,UNKNOWN_USER,FALSE,FALSE,TRUE,FALSE
dan@example.org,,FALSE,TRUE,FALSE,FALSE
"""
    assert source_of(content) == "hubspot"
    assert statuses(content) == {"a": "nonsubscribed", "b": "unsubscribed", "c": "cleaned", "d": "complained"}


def test_who_opted_out_of_one_kind_of_email_in_hubspot_has_left() -> None:
    content = """Record ID,Email,Unsubscribed from all email,Opted out of email: Newsletter,Invalid email address
1,ann@example.org,,,
2,bob@example.org,,Yes,
3,cyd@example.org,,,true
"""
    assert statuses(content) == {"a": "subscribed", "b": "unsubscribed", "c": "cleaned"}


def test_phplist_is_known_by_the_labels_of_its_database_and_by_tabs() -> None:
    content = (
        "id\tEmail\tconfirmed\tblacklisted\tList Membership\n"
        "1\tann@example.org\t1\t0\tNews Courts \n"
        "2\tbob@example.org\t1\t1\tNews \n"
        "3\tcyd@example.org\t1\t0\tNo Lists\n"
        "4\tdan@example.org\t0\t0\tNews \n"
    )
    assert source_of(content) == "phplist"
    assert statuses(content) == {"a": "subscribed", "b": "unsubscribed", "c": "nonsubscribed", "d": "pending"}


def test_the_suppression_list_of_campaign_monitor_brings_nobody_in() -> None:
    content = """Email Address,Date,State,Suppression Reason
ann@example.org,2019-02-01,Suppressed,Unsubscribed
bob@example.org,2019-02-01,Suppressed,Bounced
cyd@example.org,2019-02-01,Suppressed,Spam complaint
"""
    assert source_of(content) == "campaignmonitor"
    assert statuses(content) == {"a": "unsubscribed", "b": "cleaned", "c": "complained"}


@pytest.mark.parametrize(
    ("hold", "status"),
    [("0", "subscribed"), ("1", "cleaned"), ("2", "unsubscribed"), ("", "subscribed"), ("On Hold", "cleaned")],
)
def test_a_hold_of_civicrm_by_number_or_word_is_a_no(hold: str, status: str) -> None:
    content = f"Contact ID,Email,Do Not Email,On Hold,Group(s)\n1,ann@example.org,,{hold},News\n"
    assert source_of(content) == "civicrm"
    assert statuses(content) == {"a": status}


def test_what_salesforce_adds_up_of_gifts_and_memberships_stays_out() -> None:
    content = """Id,FirstName,LastName,Email,HasOptedOutOfEmail,npo02__TotalOppAmount__c,npo02__LastCloseDate__c,\
npo02__MembershipJoinDate__c,npsp__Sustainer__c,MailingCity
1,Ann,One,ann@example.org,false,120,2019-02-01,2019-01-01,Current,Riga
"""
    plan = inspect(named("extract.csv", content.encode())).plan()
    assert plan.left_out() == {
        "provider": ["Id"],
        "donations": ["npo02__TotalOppAmount__c", "npo02__LastCloseDate__c", "npsp__Sustainer__c"],
        "members": ["npo02__MembershipJoinDate__c"],
    }
    assert plan.layout() == ("FNAME", "LNAME", "MAILINGCIT")


def test_gifts_in_a_report_of_action_network_and_an_export_of_civicrm_stay_out() -> None:
    content = "email,can2_subscription_status,total_donations\nann@example.org,subscribed,12.00\n"
    assert inspect(named("a.csv", content.encode())).plan().left_out() == {"donations": ["total_donations"]}
    content = "Contact ID,Email,Do Not Email,On Hold,Total Amount,Membership Type\n1,ann@example.org,,No,12,Friend\n"
    plan = inspect(named("b.csv", content.encode())).plan()
    assert plan.left_out()["donations"] == ["Total Amount"]
    assert plan.left_out()["members"] == ["Membership Type"]


def test_a_word_that_action_network_never_had_makes_the_file_a_list_that_is_asked_about() -> None:
    content = "email,can2_subscription_status\nann@example.org,subscribed\nbob@example.org,mothballed\n"
    found = inspect(named("a.csv", content.encode()))
    assert found.source == "csv"
    assert [question.code for question in found.plan().questions()] == ["ask_columns"]


def test_implied_permission_is_asked_and_a_no_beside_it_stays_a_no() -> None:
    content = """Email address,Email status,Email permission status
ann@example.org,Active,Implied
bob@example.org,Unsubscribed,Implied
cyd@example.org,Active,Express
"""
    assert statuses(content, status="nonsubscribed") == {"a": "nonsubscribed", "b": "unsubscribed", "c": "subscribed"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_unisender_is_known_in_every_encoding_and_by_every_delimiter(encoding: str, delimiter: str) -> None:
    rows = [
        ["email", "email_status", "email_availability", "email_list_ids", "Имя"],
        ["ann@example.org", "active", "available", "1", "Анна Каренина"],
        ["bob@example.org", "blocked", "available", "1", "Борис Годунов"],
    ]
    content = "".join(delimiter.join(row) + "\r\n" for row in rows)
    whole = read(named("contacts.csv", content.encode(encoding)), status="nonsubscribed")
    assert whole.found.source == "unisender"
    assert whole.counts == {"subscribed": 1, "complained": 1}
    assert "Анна Каренина" in whole.fields().values() or whole.fields() == {"FNAME": "Анна Каренина"}


@pytest.mark.parametrize(
    ("name", "out", "wanted"),
    [
        ("other_getresponse.csv", {"ip": ["ip"], "reading": ["scoring"]}, {"subscribed": 1, "unsubscribed": 1}),
        (
            "other_sendpulse.csv",
            {"reading": ["Рейтинг"]},
            {"subscribed": 1, "unsubscribed": 3, "cleaned": 1, "complained": 1, "pending": 1},
        ),
    ],
)
def test_services_whose_files_nobody_describes_are_read_by_their_words(
    name: str, out: dict[str, list[str]], wanted: dict[str, int]
) -> None:
    assert inspect(SHAPES / name).source == "csv"
    assert inspect(SHAPES / name).plan().left_out() == out
    assert read(SHAPES / name).counts == wanted


def test_mautic_says_that_its_export_does_not_tell_who_left() -> None:
    content = b"id,firstname,lastname,email,points,preferred_locale,attribution\n1,Ann,One,ann@x.org,0,,12.5\n"
    found = inspect(named("contacts.csv", content))
    assert found.source == "mautic"
    assert [problem.code for problem in found.problems] == ["mautic_unsaid"]
    assert found.plan().left_out()["donations"] == ["attribution"]


def test_a_report_of_mautic_tells_who_must_not_be_contacted_by_email() -> None:
    content = """Email,DNC preferences
ann@example.org,
bob@example.org,DNC Unsubscribed: Email
cyd@example.org,DNC Bounced: Email
dan@example.org,"DNC Manually Unsubscribed: Text Message, DNC Unsubscribed: Email"
eve@example.org,DNC Manually Unsubscribed: Text Message
fay@example.org,"DNC Manually Unsubscribed: Email, DNC Bounced: Web Notification"
"""
    assert source_of(content) == "mautic"
    assert statuses(content, status="nonsubscribed") == {
        "a": "nonsubscribed", "b": "unsubscribed", "c": "cleaned", "d": "unsubscribed", "e": "nonsubscribed",
        "f": "unsubscribed",
    }  # fmt: skip


# Services whose file is a table with a column, or several, that tells the status. Kit is known by some of its words
# only, and the sample of MailerLite tells the status by its name.
TABLES = sorted(
    name
    for name, plug in plugins.importers().items()
    if issubclass(plug, Service) and plug.words and name in FILES and FILES[name][0].endswith(".csv")
    if name not in {"kit", "mailerlite"}
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TABLES), st.data())
def test_of_all_that_the_columns_of_a_service_say_the_strongest_no_counts(source: str, data: st.DataObject) -> None:
    """Whatever words stand together in a row: who has a no in one column never comes in as subscribed."""
    name, content, _ = FILES[source]
    plug = plugins.importer(source)
    delimiter = max(",;\t", key=content.partition("\n")[0].count)
    heading, row = list(csv.reader(io.StringIO(content), delimiter=delimiter))[:2]
    said = []
    for index, label in enumerate(heading):
        if words := rule_of(plug.words, label):
            word = data.draw(st.sampled_from(sorted(set(words) - {OTHERS, ""})), label)
            row[index] = word
            said.append(words[word])
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([heading, row])
    whole = read(named(name, out.getvalue().encode()), status="nonsubscribed")
    assert whole.found.source == source
    expected = min(filter(None, said), key=STRENGTH.index, default="nonsubscribed")
    assert [person.status for person in whole.incoming] == [expected]


SENDY = b'"Ann","a@example.org","Tbilisi"\n"","b@example.org",""'


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("our-news-active.csv", "subscribed"),
        ("our-news-unconfirmed.csv", "pending"),
        ("our-news-unsubscribed.csv", "unsubscribed"),
        ("our-news-bounced (1).csv", "cleaned"),
        ("our-news-marked-as-spam.csv", "unsubscribed"),
    ],
)
def test_sendy_says_the_status_in_the_name_of_its_file(name: str, status: str) -> None:
    whole = read(named(name, SENDY))
    assert whole.found.source == "sendy" and whole.addresses == ["a@example.org", "b@example.org"]
    assert whole.counts == {status: 2}


def test_sendys_file_of_everybody_makes_nobody_a_subscriber_unasked() -> None:
    found = inspect(named("our-news-all.csv", SENDY))
    assert found.source == "sendy" and found.files[0].status is None


def test_a_list_with_a_heading_is_not_sendys() -> None:
    assert inspect(named("our-news-active.csv", b"Name,Email\nAnn,a@example.org\n")).source != "sendy"
