"""Each service by a small file in its documented form: who may be written to, what stays out, what must be asked."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat import plugins
from samizdat.importers.reading.files import open_given
from tests.importers.helping import inspect, named, read, read_plan, zipped

SUBSTACK = """email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
ada@x.org,false,,other,false,2022-01-02T03:04:05.678Z,
boris@x.org,true,2027-01-01T00:00:00.000Z,yearly,true,2022-01-02T03:04:05.678Z,2022-02-01
"""
GHOST = """\
id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers
1,ada@x.org,'=Ada Berg,'+49 30,true,false,,2022-01-02T03:04:05.000Z,,"VIP,Press",Gold
2,boris@x.org,,,false,false,,2022-01-02T03:04:05.000Z,,,
3,clara@x.org,,,true,false,cus_1,2022-01-02T03:04:05.000Z,2023-01-01T00:00:00.000Z,,
"""
BEEHIIV = """email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Gold,unsubscribed_at,utm_source
ada@x.org,Ada,,active,free,2023-03-24 10:23:10 UTC,,No,,
boris@x.org,,,inactive,free,2023-03-24 10:23:10 UTC,,No,,
clara@x.org,,,pending,free,2023-03-24 10:23:10 UTC,,No,,
dina@x.org,,,active,free,2023-03-24 10:23:10 UTC,,No,2024-03-13 11:33:53 UTC,web
"""
BUTTONDOWN = """email_address,notes,tags,metadata,type,creation_date
ada@x.org,kind,"press,vip","{""town"": ""Riga""}",regular,2023-01-02 16:55:00+00:00
boris@x.org,,,{},unactivated,2023-01-02 16:55:00+00:00
clara@x.org,,,{},unsubscribed,2023-01-02 16:55:00+00:00
dina@x.org,,,{},complained,2023-01-02 16:55:00+00:00
emil@x.org,,,{},undeliverable,2023-01-02 16:55:00+00:00
"""
BREVO = """EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME
ada@x.org;Berg;Ada;37120000000;No;No;24-12-2023 10:15;24-12-2023 10:15
boris@x.org;;;;Yes;No;24-12-2023 10:15;
"""
MAILERLITE = """Subscriber,Name,Subscribed,Sent,Opened,Clicked,Location
ada@x.org,Ada,2023-01-02 10:00:00,12,3,1,Riga
"""
KIT = """id,first_name,email,state,created_at,tags
1,Ada,ada@x.org,active,2023-01-02T03:04:05Z,"press"
2,,boris@x.org,inactive,2023-01-02T03:04:05Z,
3,,clara@x.org,cancelled,2023-01-02T03:04:05Z,
4,,dina@x.org,bounced,2023-01-02T03:04:05Z,
5,,emil@x.org,complained,2023-01-02T03:04:05Z,
"""
LISTMONK = """uuid,email,name,attributes,status,created_at,updated_at
a1,ada@x.org,Ada Berg,"{""town"": ""Riga""}",enabled,2023-01-02 03:04:05.999999 +0000 UTC,2023-01-02
a2,boris@x.org,,{},disabled,2023-01-02 03:04:05.999999 +0000 UTC,
a3,clara@x.org,,{},blocklisted,2023-01-02 03:04:05.999999 +0000 UTC,
"""
MAILMAN_2 = """<?xml version="1.0" encoding="UTF-8"?>
<mailman xmlns:xsd="x"><list name="friends@lists.x.org"><configuration/>
<roster><member id="ada@x.org" original="Ada@x.org"><realname>Ada Berg</realname><password>s</password>
<language>de</language><delivery status="enabled" delivery="regular"/><topics/></member>
<member id="boris@x.org"><realname/><language>en</language>
<delivery status="disabled" reason="byuser" delivery="plain" changed="2019-01-02T03:04:05"/></member>
<member id="clara@x.org"><realname/><language>en</language><delivery status="disabled" reason="bybounce"/></member>
</roster></list></mailman>
"""
MAILMAN_3 = """{"start": 0, "total_size": 2, "entries": [
{"email": "ada@x.org", "display_name": "Ada Berg", "role": "member",
 "delivery_mode": "regular", "list_id": "friends.x.org"},
{"email": "boris@x.org", "display_name": "", "role": "member",
 "delivery_mode": "summary_digests", "list_id": "friends.x.org"}],
"http_etag": "x"}"""
PASTED = """Ada Berg <ada@x.org>, "Lind, Boris" <boris@x.org>; clara@x.org
    dina@x.org (Dina)
Stone, Emil <emil@x.org>
"""
GHOST = GHOST.replace("\n", "\r\n")

EVIDENCE = """Email address,Status,Agreed,Left,Bounced,Evidence
ada@x.org,subscribed,2022-01-03,,,2022-01-03 Mailchimp: subscribed
boris@x.org,unsubscribed,2022-01-03,2022-02-07,,2022-02-07 email: unsubscribed
vera@x.org,complained,,2022-02-07,,2022-02-07 email: marked an email as spam
dead@x.org,cleaned,,,2022-02-07,2022-02-07 email: the address bounced
fake@x.org,unproven,,,,2022-02-07 Mailchimp: subscribed
carl@x.org,wrote,,,,2022-02-07 email: wrote to you
"""
SHAPES = Path(__file__).parent.parent / "payloads" / "odd-lists"


def shape(name: str) -> str:
    return (SHAPES / name).read_text()


FILES = {
    "substack": ("email_list.lantern.csv", SUBSTACK, {"subscribed": 1, "unsubscribed": 1}),
    "ghost": ("members.2024-01-01.csv", GHOST, {"subscribed": 1, "unsubscribed": 2}),
    "beehiiv": ("subscribers.csv", BEEHIIV, {"subscribed": 1, "unsubscribed": 2, "pending": 1}),
    "buttondown": (
        "subscribers.csv", BUTTONDOWN,
        {"subscribed": 1, "pending": 1, "unsubscribed": 1, "complained": 1, "cleaned": 1},
    ),
    "brevo": ("contacts.csv", BREVO, {"nonsubscribed": 1, "unsubscribed": 1}),
    "mailerlite": ("active.csv", MAILERLITE, {"subscribed": 1}),
    "kit": ("people.csv", KIT, {"subscribed": 1, "pending": 1, "unsubscribed": 1, "cleaned": 1, "complained": 1}),
    "listmonk": ("subscribers.csv", LISTMONK, {"nonsubscribed": 1, "unsubscribed": 1, "complained": 1}),
    "mailman": ("export.xml", MAILMAN_2, {"subscribed": 1, "unsubscribed": 1, "cleaned": 1}),
    "evidence": (
        "evidence.csv", EVIDENCE,
        {"subscribed": 1, "unsubscribed": 1, "complained": 1, "cleaned": 1, "nonsubscribed": 2},
    ),
    "addresses": ("paste.txt", PASTED, {"nonsubscribed": 5}),
    "actionnetwork": (
        "export-2022-03-22-csv_report_332566.csv", shape("actionnetwork.csv"),
        {"subscribed": 1, "unsubscribed": 1, "cleaned": 1, "complained": 1},
    ),
    "activecampaign": (
        "contacts.csv", shape("activecampaign.csv"),
        {"subscribed": 1, "unsubscribed": 1, "cleaned": 1, "pending": 1},
    ),
    "campaignmonitor": (
        "list.csv", shape("campaignmonitor.csv"), {"subscribed": 1, "unsubscribed": 2, "cleaned": 1}
    ),
    "civicrm": (
        "CiviCRM_Contact_Search.csv", shape("civicrm_export.csv"),
        {"nonsubscribed": 1, "unsubscribed": 3, "cleaned": 1},
    ),
    "constantcontact": (
        "contact_export_1.csv", shape("constantcontact.csv"),
        {"subscribed": 1, "unsubscribed": 1, "nonsubscribed": 1},
    ),
    "hubspot": (
        "hubspot-crm-exports.csv", shape("hubspot.csv"), {"nonsubscribed": 1, "unsubscribed": 1, "cleaned": 1}
    ),
    "phplist": (
        "phpList Export.csv", shape("phplist.csv"), {"subscribed": 1, "unsubscribed": 1, "pending": 1}
    ),
    "salesforce": (
        "extract.csv", shape("salesforce_contacts.csv"), {"nonsubscribed": 1, "unsubscribed": 3, "cleaned": 1}
    ),
    "mautic": (
        "contacts.csv",
        "id,points,title,firstname,lastname,company,email,preferred_locale,attribution\n"
        "1,5,,Ada,Berg,,ada@x.org,de,0\n",
        {"nonsubscribed": 1},
    ),
    "vcard": (
        "contacts.vcf",
        "BEGIN:VCARD\nVERSION:3.0\nN:Berg;Ada;;;\nEMAIL;TYPE=INTERNET:ada@x.org\nEND:VCARD\n",
        {"nonsubscribed": 1},
    ),
    "googlecontacts": (
        "contacts.csv",
        "First Name,Last Name,Labels,E-mail 1 - Label,E-mail 1 - Value\n"
        "Ada,Berg,* myContacts ::: Press,* Work,ada@x.org\n",
        {"nonsubscribed": 1},
    ),
    "outlook": (
        "contacts.csv",
        '"Имя","Фамилия","Категории","Адрес эл. почты","Тип эл. почты","Адрес 2 эл. почты"\n'
        '"Ада","Берг","Пресса","ada@x.org","SMTP",""\n',
        {"nonsubscribed": 1},
    ),
    "sendy": ("our-news-unsubscribed.csv", '"Ada Berg","ada@x.org"\n"","boris@x.org"', {"unsubscribed": 2}),
    "unisender": (
        "contacts.csv", shape("unisender.csv"),
        {"subscribed": 1, "unsubscribed": 2, "cleaned": 1, "pending": 1, "complained": 1},
    ),
}  # fmt: skip
ASKED = {
    "brevo", "listmonk", "addresses", "civicrm", "hubspot", "salesforce", "mautic", "vcard", "googlecontacts",
    "outlook", "constantcontact", "unisender",  # of some people only: of those whose permission is implied, of new ones
}  # fmt: skip


@pytest.mark.parametrize("source", FILES)
def test_a_service_is_known_by_its_file_and_every_status_survives(source: str):
    name, content, counts = FILES[source]
    whole = read(named(name, content.encode()), status="nonsubscribed")
    assert whole.found.source == source
    assert whole.counts == counts
    assert whole.complaints == []


@pytest.mark.parametrize("source", FILES)
def test_whether_they_agreed_is_asked_where_the_file_does_not_say(source: str):
    name, content, _ = FILES[source]
    assumed = {file.status_source for file in inspect(named(name, content.encode())).files}
    assert (assumed == {"assumed"}) == (source in ASKED)


@pytest.mark.parametrize("source", FILES)
def test_a_plan_comes_back_from_a_form_as_it_went(source: str):
    name, content, _ = FILES[source]
    plan = inspect(named(name, content.encode())).plan()
    assert plan.checked() == plan


def test_every_plug_has_a_sample_here():
    assert set(plugins.importers()) == {*FILES, "csv", "mailchimp"}


def test_what_tells_of_reading_and_places_stays_out_and_is_named():
    plan = inspect(named("active.csv", MAILERLITE.encode())).plan()
    assert plan.left_out() == {"ip": ["Location"], "reading": ["Sent", "Opened", "Clicked"]}
    plan = inspect(named("subscribers.csv", BEEHIIV.encode())).plan()
    assert plan.left_out() == {
        "reading": ["utm_source"],
        "donations": ["tier", "stripe_customer_id"],
    }


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("unsubscribed.csv", {"unsubscribed": 1}),
        ("bounced.csv", {"cleaned": 1}),
        ("junk.csv", {"unsubscribed": 1}),
        ("unconfirmed.csv", {"pending": 1}),
        ("inactive.csv", {"unsubscribed": 1}),
        ("mailerlite/active.csv", {"subscribed": 1}),
    ],
)
def test_mailerlite_tells_the_status_by_the_name_of_the_file(name: str, counts: dict[str, int]):
    assert read(named(name, MAILERLITE.encode())).counts == counts


def test_ghosts_marks_against_formulas_go_again():
    whole = read(named("members.csv", GHOST.encode()))
    ada = next(index for index, person in enumerate(whole.incoming) if person.address == "ada@x.org")
    assert whole.fields(ada) == {"FNAME": "=Ada", "LNAME": "Berg"}
    assert whole.incoming[ada].notes == "+49 30"
    assert whole.incoming[ada].tags == ("VIP", "Press")


def test_substacks_zip_gives_the_people_and_passes_over_who_read_what():
    opened = b"post_id,timestamp,email\n1,2022-01-01,ada@x.org\n"
    content = zipped(
        {"email_list.x.csv": SUBSTACK.encode(), "posts.csv": b"post_id,title\n1,x\n", "posts/1.opens.csv": opened}
    )
    whole = read(named("export.zip", content))
    assert whole.counts == {"subscribed": 1, "unsubscribed": 1}
    assert whole.problems == ["reading_files"] and not whole.found.problems[0].stops


def test_people_of_another_service_in_the_same_zip_are_named_and_left_out():
    content = zipped({"email_list.x.csv": SUBSTACK.encode(), "fair.csv": b"email\nnina@x.org\n"})
    whole = read(named("export.zip", content))
    assert whole.counts == {"subscribed": 1, "unsubscribed": 1}
    assert [(problem.code, problem.file) for problem in whole.found.problems] == [("other_people", "fair.csv")]


def test_listmonk_says_that_its_file_does_not_tell_who_left_a_list():
    assert [problem.code for problem in inspect(named("subscribers.csv", LISTMONK.encode())).problems] == [
        "lists_unsaid"
    ]


def test_an_empty_document_is_an_empty_field():
    whole = read(named("subscribers.csv", BUTTONDOWN.encode()))
    documents = {person.address[0]: whole.fields(index) for index, person in enumerate(whole.incoming)}
    assert documents == {"a": {"METADATA": '{"town": "Riga"}'}, "b": {}, "c": {}, "d": {}, "e": {}}


def test_days_are_read_the_way_each_service_writes_them():
    assert read(named("c.csv", BREVO.encode()), status="subscribed").incoming[0].opt_in_time == "2023-12-24T10:15:00Z"
    assert read(named("c.csv", LISTMONK.encode())).incoming[0].opt_in_time == "2023-01-02T03:04:05Z"
    assert read(named("c.csv", BUTTONDOWN.encode())).incoming[0].opt_in_time == "2023-01-02T16:55:00Z"


def test_mailmans_rest_interface_gives_its_members():
    whole = read(named("roster.json", MAILMAN_3.encode()))
    assert whole.found.source == "mailman"
    assert whole.addresses == ["ada@x.org", "boris@x.org"]
    assert whole.fields() == {"FNAME": "Ada", "LNAME": "Berg", "DELIVERY": "regular"}


def test_who_only_looks_after_a_list_of_mailman_or_once_wrote_to_it_asked_for_no_letters() -> None:
    row = '{"email": "%s@x.org", "role": "%s", "delivery_mode": "regular", "delivery_status": "enabled"}'
    roles = [("ada", "member"), ("olga", "owner"), ("max", "moderator"), ("nina", "nonmember")]
    whole = read(named("members.json", f'{{"entries": [{", ".join(row % one for one in roles)}]}}'.encode()))
    assert whole.found.source == "mailman"
    assert whole.counts == {"subscribed": 1, "nonsubscribed": 3}


def test_mailman_2_is_known_where_the_way_of_delivery_is_the_text_of_its_element() -> None:
    text = MAILMAN_2.replace('status="enabled" delivery="regular"/>', 'status="enabled">regular</delivery>')
    whole = read(named("export.xml", text.encode()))
    assert (whole.found.source, whole.counts) == ("mailman", {"subscribed": 1, "unsubscribed": 1, "cleaned": 1})
    assert "regular" in whole.incoming[0].fields


def test_a_name_beside_a_last_name_is_the_first_name() -> None:
    text = MAILERLITE.replace("Name,", "Name,Last name,").replace("Ada,", "Ada,Berg,")
    assert read(named("active.csv", text.encode())).fields() == {"FNAME": "Ada", "LNAME": "Berg"}


def test_mailman_2_gives_names_and_languages_and_keeps_no_password():
    whole = read(named("export.xml", MAILMAN_2.encode()))
    ada = next(person for person in whole.incoming if person.address == "ada@x.org")
    assert (ada.language, ada.fields[:2]) == ("de", ("Ada", "Berg"))
    assert "s" not in ada.fields


def test_an_xml_with_a_document_type_is_refused():
    bomb = MAILMAN_2.replace("\n<mailman", '\n<!DOCTYPE m [<!ENTITY a "b">]><mailman')
    assert inspect(named("export.xml", bomb.encode())).files == []


def test_pasted_addresses_come_with_their_names_and_lines():
    whole = read(named("paste.txt", PASTED.encode()), status="subscribed")
    assert [(person.line, person.address, *person.fields) for person in whole.incoming] == [
        (1, "ada@x.org", "Ada", "Berg"),
        (1, "boris@x.org", "Boris", "Lind"),
        (1, "clara@x.org", "", ""),
        (2, "dina@x.org", "Dina", ""),
        (3, "emil@x.org", "Emil", "Stone"),
    ]


@pytest.mark.parametrize("text", ["ada@x.org boris", "Anna;anna@x.org\nBoris;boris@x.org\n", "email\nada@x.org\n"])
def test_a_table_is_not_taken_for_pasted_addresses(text: str):
    assert inspect(named("x.txt", text.encode())).source == "csv"


sign = st.sampled_from("a@.<>\"'(),;\\ \t\r\n\0é{}[]:=|/!-&#x\ud800")
piece = st.one_of(
    sign, st.sampled_from(["ada@x.org", "<mailman", "<!DOCTYPE", '{"email":', "\n", ",", "true", "status"])
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.lists(piece, max_size=40).map("".join), st.integers(0, 4_000))
def test_whatever_stands_in_a_file_it_is_rows_and_rejected_lines(source: str, noise: str, place: int):
    """Never anything but the documented: problems of files, complaints about lines."""
    name, content, _ = FILES[source]
    at = place % (len(content) + 1)
    spoilt = (content[:at] + noise + content[at:]).encode("utf-8", "surrogatepass")
    with open_given([named(name, spoilt)]) as opened:
        found = plugins.importer(source)().inspect(opened)
        assert all(problem.sentence() for problem in found.problems)
        plan = found.plan().with_status("subscribed")
        if not plan.questions():
            whole = read_plan(opened, found, plan)
            assert (
                len(whole.incoming) + len(whole.complaints) <= spoilt.count(b"@") + spoilt.count(b"\n") + len(noise) + 9
            )


def test_a_file_of_a_service_that_is_damaged_stops_the_whole_export():
    content = zipped({"email_list.x.csv": SUBSTACK.encode(), "email_list.y.csv": b""})
    assert "empty" in [problem.code for problem in inspect(named("export.zip", content)).problems if problem.stops]
