"""Reading a route's URL, and holding refusals back."""

# ruff: noqa: E501  (tables are read one row a line)

import pytest

from samizdat.core.mail.outcome import Accepted, Deferred, Refused, classify
from samizdat.plugins import read_url
from samizdat.transports.base import BadRoute, OutcomeReporter
from tests.transports.desk import Desk, letter, letters


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password"),
    [
        ("smtp://mail.example.org", "mail.example.org", 0, "", ""),
        ("SMTP://Mail.Example.ORG:2525", "mail.example.org", 2525, "", ""),
        ("smtps://ada:secret@mail.example.org:465", "mail.example.org", 465, "ada", "secret"),
        ("smtp://ada%40north.example:p%40ss%2Fw%3Ard@mail.example.org", "mail.example.org", 0, "ada@north.example", "p@ss/w:rd"),
        ("smtp://ada@north.example:p@ss/w#rd?@mail.example.org:587", "mail.example.org", 587, "ada@north.example", "p@ss/w#rd?"),
        ("smtp://ada:a:b:c@mail.example.org", "mail.example.org", 0, "ada", "a:b:c"),
        ("smtp://ada:%D0%B6@mail.example.org", "mail.example.org", 0, "ada", "ж"),
        ("smtp://ada:100%@mail.example.org", "mail.example.org", 0, "ada", "100%"),
        ("smtp+plain://[::1]:2525", "::1", 2525, "", ""),
        ("smtp+plain://127.0.0.1:25?timeout=3", "127.0.0.1", 25, "", ""),
        ("smtp://почта.example.org", "xn--80a1acny.example.org", 0, "", ""),
    ],
)  # fmt: skip
def test_a_url_is_read(url: str, host: str, port: int, user: str, password: str) -> None:
    route = read_url("main", url)
    assert (route.host, route.port, route.user, route.password) == (host, port, user, password)


def test_a_password_beside_the_url_wins() -> None:
    assert read_url("main", "smtp://ada:old@mail.example.org", password="p%40 @:").password == "p%40 @:"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "smtp:mail.example.org",
        "smtp://",
        "smtp://:587",
        "smtp://ada:secret@",
        "smtp://ada:secret@:587",
        "smtp://mail.example.org:0",
        "smtp://mail.example.org:65536",
        "smtp://mail.example.org:99999999999999999999",
        "smtp://mail.example.org:smtp",
        "smtp://mail.example.org:५८७",
        "smtp://mail example.org",
        "smtp://ada:secret/mail.example.org",
        "smtp://ada:secr%00et@mail.example.org",
        "smtp://ada:secret%0d%0aQUIT@mail.example.org",
        "smtp://ada:secret%ff@mail.example.org",
        "smtp://mail.example.org\r\nQUIT",
        "://mail.example.org",
        "smtp://" + "m" * 300 + ".example",
    ],
)
def test_nonsense_is_refused_in_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(BadRoute) as refused:
        read_url("main", url)
    assert str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("bad", [{"connections": 0}, {"connections": -3}, {"connections": 100000}, {"rate": 0.0}, {"rate": -1.0}, {"rate": float("nan")}])  # fmt: skip
def test_limits_of_nothing_or_less_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadRoute):
        read_url("main", "smtp://mail.example.org", **bad)  # type: ignore[arg-type]


def test_a_transport_from_elsewhere_may_bring_a_sentence_of_its_own() -> None:
    sentence = "The pigeon needs a loft {of its own}. Write pigeon://loft."
    assert str(BadRoute(sentence)) == sentence


def test_a_password_is_in_no_printed_settings() -> None:
    assert "secret" not in repr(read_url("main", "smtp://ada:secret@mail.example.org"))


NO = Refused(550, "5.7.1 go away", "recipient", "policy")


def test_refusals_are_held_until_a_success_shows_that_they_were_meant() -> None:
    desk = Desk([])
    teller = OutcomeReporter(desk)
    one, two, three = letters(3)
    assert teller.tell(one, NO) is None
    assert teller.tell(two, NO) is None
    assert not desk.told
    desk.finished.append(three.recipient)
    teller.success(three, Accepted())
    assert len(desk.refused) == 2


def test_refusals_are_held_until_another_kind_of_answer_comes() -> None:
    desk = Desk([])
    teller = OutcomeReporter(desk)
    one, two = letters(2)
    teller.tell(one, NO)
    teller.tell(two, Deferred(450, "4.2.0 later", "recipient"))
    assert desk.refused == [one.recipient]


def test_the_one_too_many_turns_all_of_them_into_the_fault_of_the_route() -> None:
    desk = Desk([])
    teller = OutcomeReporter(desk)
    verdicts = [teller.tell(message, NO) for message in letters(5)]
    assert verdicts[:4] == [None] * 4
    assert verdicts[4] is not None
    assert (verdicts[4].state, verdicts[4].reason) == ("dead", "same_refusal")
    assert len(desk.deferred) == 5


def test_of_many_refusals_by_one_mailbox_provider_one_message_is_held_and_the_route_is_not_blamed() -> None:
    desk = Desk([])
    teller = OutcomeReporter(desk)
    hosts = ("yahoo.com", "aol.com", "yahoo.de", "ymail.com", "yahoo.fr", "rocketmail.com")
    messages = [letter(f"ada{number}@{hosts[number % 6]}") for number in range(600)]
    assert {teller.tell(message, NO) for message in messages} == {None}
    assert len(teller.held) == 1 and len(desk.refused) == 599


def test_a_missing_record_that_every_mailbox_provider_names_bars_the_domain_and_not_the_route() -> None:
    desk = Desk([])
    teller = OutcomeReporter(desk)
    said = classify("final", 550, "5.7.26 Unauthenticated email from lantern.example is not accepted: DMARC")
    assert isinstance(said, Deferred)
    verdict = [teller.tell(message, said) for message in letters(5)][-1]
    assert verdict is not None and (verdict.state, verdict.reason) == ("config", "authentication_records")
    assert {outcome.scope for outcome in desk.told.values() if isinstance(outcome, Deferred)} == {"config"}
