"""What one email of an old mailbox says of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samizdat.core.evidence.reading import MailClaim, MailEvidence, Rules, read, read_all
from tests.core.evidence import emails

RULES = Rules(frozenset({emails.OWN}), frozenset({"lantern.example"}), (("Neue Anmeldung", "yes"),))
SITE = "Site <wordpress@lantern.example>"


def claims(raw: bytes) -> list[tuple[str, str]]:
    return [(claim.kind, claim.address) for claim in read(raw, RULES).claims]


def test_a_notice_of_mailchimp_names_who_subscribed_and_who_left() -> None:
    evidence = read(emails.mailchimp("ada@reader.example"), RULES)
    assert evidence.claims == (MailClaim("yes", "ada@reader.example"),)
    assert (evidence.source, evidence.sender, evidence.server) == ("Mailchimp", "mailchimp.com", emails.SERVER)
    assert (evidence.passed, evidence.day, evidence.ours) == (("mailchimp.com",), "2022-01-03", True)
    assert claims(emails.left("ada@reader.example")) == [("left", "ada@reader.example")]


@pytest.mark.parametrize(
    ("subject", "text", "claim"),
    [
        (
            "New subscriber to Letter",
            "Hello,\n\nThe subscriber ada@reader.example has just subscribed to your list Letter!",
            ("yes", "ada@reader.example"),
        ),
        (
            "One less subscriber to Letter",
            'Howdy,\n\nThe subscriber : ada@reader.example has just unsubscribed himself to your list "Letter".',
            ("left", "ada@reader.example"),
        ),
        (
            "Letter subscription notification",
            "Ada Berg <ada@reader.example> has been successfully subscribed to Letter.",
            ("yes", "ada@reader.example"),
        ),
        (
            "Letter unsubscribe notification",
            "ada@reader.example has been removed from Letter.",
            ("left", "ada@reader.example"),
        ),
        ("Neue Anmeldung", "E-Mail: ada@reader.example", ("yes", "ada@reader.example")),
    ],
)
def test_programs_on_the_groups_own_server_send_notices_too(subject: str, text: str, claim: tuple[str, str]) -> None:
    assert claims(emails.email(SITE, subject, text)) == [claim]
    strangers = claims(emails.email("Stranger <x@evil.example>", subject, text))
    assert [address for _kind, address in strangers] == ["x@evil.example"]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("New Subscriber", "Email Address\n  ada@reader.example\n\nhelp@mailchimp.com"),
        ("New Subscriber", "*Email*: ada@reader.example, invited by boris@reader.example"),
        ("New Subscriber: ada@reader.example", f"They are on your list now. {emails.OWN}"),
        ("New Subscriber", "ada@reader.example is on your list now."),
    ],
)
def test_a_notice_names_an_address_behind_a_label_in_its_subject_or_alone(subject: str, text: str) -> None:
    assert claims(emails.email("no-reply@mailchimp.com", subject, text)) == [("yes", "ada@reader.example")]


def test_cells_of_a_table_are_read_apart() -> None:
    page = "<table><tr><td>Email Address</td><td>ada@reader.example</td></tr><tr><td>Name</td><td>Ada</td></tr></table>"
    raw = emails.email("no-reply@mailchimp.com", "New Subscriber", page, more="Content-Type: text/html\n")
    assert claims(raw) == [("yes", "ada@reader.example")]


@pytest.mark.parametrize(
    "text",
    [
        "Email: ada@reader.example\nEmail: boris@reader.example",
        "ada@reader.example and boris@reader.example",
        "help@mailchimp.com",
        f"Email: {emails.OWN}",
        "Email: nobody",
        "",
    ],
)
def test_a_notice_that_does_not_name_one_address_says_nothing(text: str) -> None:
    evidence = read(emails.email("no-reply@mailchimp.com", "New Subscriber", text), RULES)
    assert (evidence.claims, evidence.unclear) == ((), True)


def test_colleagues_in_a_signature_say_nothing() -> None:
    signature = "\n-- \n" + "\n".join(f"Email: colleague{number}@office.example" for number in range(10))
    raw = emails.email("Vera <vera@reader.example>", "Re: Letter", f"Thank you for this.\n{signature}")
    assert claims(raw) == [("wrote", "vera@reader.example")]


def test_failures_complaints_and_people_who_want_to_leave() -> None:
    assert claims(emails.bounce("ada@reader.example")) == [("hard", "ada@reader.example")]
    assert claims(emails.complaint("ada@reader.example")) == [("complaint", "ada@reader.example")]
    assert claims(emails.wants_to_leave("ada@reader.example")) == [("left", "ada@reader.example")]
    away = emails.email("ada@reader.example", "Out of office", "Back on Monday.", more="Auto-Submitted: auto-replied\n")
    assert claims(away) == []


def test_what_the_group_wrote_itself_says_nothing() -> None:
    evidence = read(emails.email(emails.OWN, "Unsubscribe", "", to="ada@reader.example"), RULES)
    assert (evidence.sent, evidence.ours, evidence.claims) == (True, False, ())


def test_all_addresses_of_a_domain_may_be_the_groups() -> None:
    raw = emails.wrote("ada@reader.example", to="team@lantern.example")
    assert not read(raw, RULES).ours
    assert read(raw, Rules(frozenset({"@lantern.example"}))).ours


def test_a_sender_is_who_stands_in_the_last_brackets() -> None:
    raw = emails.email('"no-reply@mailchimp.com" <x@evil.example>', "New Subscriber", "Email: ada@reader.example")
    assert claims(raw) == [("wrote", "x@evil.example")]


def test_wrong_character_sets_and_encodings_are_read() -> None:
    kind = "Content-Type: text/plain; charset=x-nowhere\nContent-Transfer-Encoding: base64\n"
    raw = emails.email("no-reply@mailchimp.com", "=?utf-8?q?New_Subscriber?=", "RW1haWw6IGFkYUByZWFkZXIuZXhhbXBsZQ==")
    assert claims(raw.replace(b"Date:", kind.encode() + b"Date:")) == [("yes", "ada@reader.example")]
    koi8 = "Эл. почта: ada@reader.example".encode("koi8-r")
    raw = emails.email(SITE, "Neue Anmeldung", "TEXT", more="Content-Type: text/plain; charset=koi8-r\n")
    assert claims(raw.replace(b"TEXT", koi8)) == [("yes", "ada@reader.example")]


def test_an_email_that_is_too_large_is_unreadable() -> None:
    assert read_all([b"Subject: x\n\n"], [3 << 30], RULES) == (MailEvidence(unreadable=True),)


@given(some.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert all(claim.address for claim in read(raw, RULES).claims)


@given(some.binary(max_size=200), some.integers(0, 600))
def test_any_bytes_in_a_notice_are_read(noise: bytes, place: int) -> None:
    raw = emails.mailchimp("ada@reader.example")
    evidence = read(raw[:place] + noise + raw[place:], RULES)
    assert len(evidence.claims) <= 100
