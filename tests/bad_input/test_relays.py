"""Relays that misbehave: the ledger holds what is known, the route says why in words, and nobody is blamed or lost."""

from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input.saying import cases, draft
from tests.cli.conftest import House
from tests.smtp_server import HANG_UP, HANG_UP_UNTAKEN, RESET, STALL, Certificates, ScriptedServer, endless

LIST = "Letter"
READERS = ("ada@one.example", "olga@two.example", "vera@three.example")
# As long as the tests of a relay that stalls need, and longer than a busy machine keeps an answer waiting.
PROMPT = "timeout=5&connect=10&idle=1"


@pytest.fixture(scope="module")
def lists(house: House) -> House:
    house.say("list", "new", LIST)
    feed = "\n".join(READERS)
    house.say("subscribers", "add", "-", "--list", LIST, "--consent", "on paper", feed=feed)
    return house


@pytest.fixture(scope="module")
def harbour(lists: House) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        lists.say("route", "add", "harbour", f"{server.url}?{PROMPT}", "--connections", "1")
        yield server


@pytest.fixture
def relay(harbour: ScriptedServer) -> ScriptedServer:
    """One relay for all; what it does is told anew by each test."""
    harbour.forget()
    return harbour


def adds_up(books: dict[str, Any]) -> None:
    words = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")
    assert sum(books[word] for word in words) == books["frozen"] == len(READERS)


def send(house: House, number: str, *words: str) -> tuple[int, dict[str, Any]]:
    result = house("campaign", "send", number, "--wait", *words, "--json", timeout=120)
    books = result.json
    adds_up(books)
    assert (result.code == 0) == (books["state"] == "finished")
    if result.code:
        assert books["sentence"] and len(books["sentence"].splitlines()) == 1
    return result.code, books


CONDEMNED = {
    "refuses everybody": ("banner", "554 5.7.1 your account is suspended", "suspended"),
    "refuses the sender": ("mail", "550 5.7.1 Relaying denied", "relay"),
    "stalls before it says a word": ("banner", STALL, "in time"),
    "stalls in the middle": ("rcpt", STALL, "in time"),
    "hangs up at once": ("connect", HANG_UP_UNTAKEN, "keeps dropping the connection"),
    "hangs up when the letter comes": ("data", RESET, "keeps dropping the connection"),
    "answers in HTTP": ("banner", b"HTTP/1.1 400 Bad Request\r\n\r\n", "SMTP"),
    "answers nonsense": ("ehlo", b"\xff\xfe\x00what?\x1b[2J\r\n", "answers we can’t understand"),
    "answers without end": ("ehlo", endless(), "without end"),
}


@pytest.fixture(scope="module")
def patient(lists: House) -> str:
    """A letter that meets one bad relay after the other."""
    return draft(lists, LIST)


@pytest.mark.parametrize(("stage", "answer", "says"), cases(CONDEMNED))
def test_a_relay_that_is_no_use_is_condemned_in_words_and_everything_is_still_owed(
    lists: House, relay: ScriptedServer, patient: str, stage: str, answer: Any, says: str
) -> None:
    lists.say("route", "resume", "harbour")
    relay.on(stage, answer)
    code, books = send(lists, patient)
    relay.forget()
    assert code == 1
    assert books["state"] == "waiting"
    assert books["pending"] + books["deferred"] == len(READERS)
    assert relay.messages == []
    reason = books["by_route"]["harbour"]["sentence"]
    assert says.casefold() in reason.casefold(), reason
    assert reason.isprintable() and reason.endswith(".")
    assert "samizdat route" in books["sentence"]


def test_once_the_cause_is_gone_the_same_command_brings_everybody_the_letter_once(
    lists: House, relay: ScriptedServer, patient: str
) -> None:
    lists.say("route", "resume", "harbour")
    before = len(relay.messages)
    code, books = send(lists, patient)
    assert code == 0, books
    assert books["accepted"] == len(READERS)
    assert sorted(caught.recipient for caught in relay.messages[before:]) == sorted(READERS)


def test_a_refused_reader_is_refused_alone(lists: House, relay: ScriptedServer) -> None:
    number = draft(lists, LIST)
    relay.on("rcpt", "550 5.1.1 no such user", recipient=READERS[0])
    code, books = send(lists, number)
    relay.forget()
    assert code == 0
    assert (books["accepted"], books["refused"]) == (2, 1)
    assert books["by_route"]["harbour"]["state"] == "live"


def test_a_relay_that_hangs_up_after_data_leaves_an_unsure_one_and_its_copy_is_the_same_message(
    lists: House, relay: ScriptedServer
) -> None:
    number = draft(lists, LIST)
    before = len(relay.messages)
    relay.on("final", HANG_UP, recipient=READERS[0])
    code, books = send(lists, number)
    relay.forget()
    assert code == 0, books
    assert (books["accepted"], books["unsure"]) == (2, 1)
    lists.say("campaign", "settle", number, "--unsure", "resend")
    code, books = send(lists, number)
    assert (code, books["accepted"], books["unsure"]) == (0, 3, 0)
    identities: dict[str, set[str]] = {}
    for caught in relay.messages[before:]:
        identities.setdefault(caught.recipient, set()).add(message_from_bytes(caught.content)["Message-ID"])
    assert {reader: len(found) for reader, found in identities.items()} == dict.fromkeys(READERS, 1)
    # Once more because a person said so, and once by the campaign's policy, unless another message stood behind its
    # dot: then no policy sends it again (tests/delivery/test_waiting.py).
    recipients = [caught.recipient for caught in relay.messages[before:]]
    assert recipients.count(READERS[0]) in (2, 3)
    assert sorted(set(recipients)) == sorted(READERS) and len(recipients) == 2 + recipients.count(READERS[0])


def test_a_relay_that_puts_off_is_asked_again_later_and_wait_limit_ends_the_waiting(
    lists: House, relay: ScriptedServer
) -> None:
    number = draft(lists, LIST)
    relay.on("rcpt", "450 4.2.1 mailbox busy", recipient=READERS[0])
    for _ in range(30):  # As often as a busy machine needs.
        code, books = send(lists, number, "--wait-limit", "2")
        assert code == 1
        if not books["pending"]:
            break
    relay.forget()
    assert (books["state"], books["accepted"], books["deferred"]) == ("sending", 2, 1)
    assert lists.say("campaign", "cancel", number)["cancelled"] == 1


def test_a_certificate_that_is_not_theirs_stops_everything_before_the_password(lists: House, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    users = {"ada": "secret-word"}
    with ScriptedServer(tls="starttls", certificate=certificates.issued("elsewhere.example"), users=users) as server:
        url = server.url_for("smtp", user="ada", password="secret-word", ca=certificates.ca, timeout=20)
        lists.say("route", "pause", "harbour")
        added = lists("route", "add", "strange", url, "--json")
        assert (added.code, added.json["state"], added.json["reason"]) == (1, "dead", "certificate")
        tried = lists("route", "test", "strange", "--to", READERS[0])
        assert tried.code == 1 and len(tried.err.strip().splitlines()) == 1
        assert "certificate" in tried.err and "secret-word" not in tried.err
        number = draft(lists, LIST)
        code, books = send(lists, number)
        assert (code, books["state"], books["pending"]) == (1, "waiting", len(READERS))
        assert "certificate" in books["by_route"]["strange"]["sentence"]
        assert server.messages == []
        assert not any(line.upper().startswith("AUTH") for line in server.commands)
    lists.say("route", "rm", "strange")
    lists.say("route", "resume", "harbour")


def test_a_new_route_is_tested_before_anything_goes_by_it(lists: House, tmp_path: Path) -> None:
    def state(name: str) -> str:
        return next(route["state"] for route in lists.say("route", "ls")["routes"] if route["name"] == name)

    with ScriptedServer(users={"ada": "another"}) as server:
        wrong = server.url_for("smtp+plain", user="ada", password="secret-word", timeout=30)
        refused = lists("route", "add", "typo", wrong)
        assert refused.code == 1 and len(refused.err.strip().splitlines()) == 1
        assert "it isn't used" in refused.err and "samizdat route edit typo --url -" in refused.err
        assert "secret-word" not in refused.err and state("typo") == "dead"
        lists.say("route", "add", "trusted", wrong, "--untested", "--priority", "900")
        assert state("trusted") == "live"
        right = server.url_for("smtp+plain", user="ada", password="another", timeout=30)
        assert lists.say("route", "add", "right", right)["state"] == state("right") == "live"
        assert server.messages == [], "connecting and signing in, no email"
    away = lists.say("route", "add", "away", f"smtp+plain://127.0.0.1:{server.port}?timeout=1")
    assert (away["state"], state("away")) == ("dead", "dead") and "not in use yet" in away["sentence"]
    assert lists("route", "add", "nowhere", f"folder://{tmp_path}/missing").code == 1
    for name in ("typo", "trusted", "right", "away", "nowhere"):
        lists.say("route", "rm", name, "--yes")


def test_a_relay_without_starttls_or_with_another_password_gets_nothing(lists: House, relay: ScriptedServer) -> None:
    url = f"smtp://ada:secret-word@localhost:{relay.port}?timeout=30"
    assert lists("route", "add", "bare", url).code == 1
    before = len(relay.commands)
    tried = lists("route", "test", "bare", "--to", READERS[0], "--json")
    assert tried.code == 1 and "STARTTLS" in tried.json["sentence"]
    assert not any(line.upper().startswith(("AUTH", "MAIL")) for line in relay.commands[before:])
    with ScriptedServer(users={"ada": "another"}) as strict:
        url = strict.url_for("smtp+plain", user="ada", password="secret-word", timeout=30)
        lists.say("route", "add", "wrong", url, "--untested")
        tried = lists("route", "test", "wrong", "--to", READERS[0], "--json")
        assert tried.code == 1 and "password" in tried.json["sentence"] and "secret-word" not in tried.out
    lists.say("route", "rm", "bare")
    lists.say("route", "rm", "wrong")


def test_a_server_inside_that_has_no_tls_is_answered_with_the_command_that_works(lists: House) -> None:
    with ScriptedServer() as server:
        refused = lists("route", "add", "plain", f"smtp://127.0.0.1:{server.port}")
        assert refused.code == 1 and f"edit plain --url smtp+plain://127.0.0.1:{server.port}, then" in refused.err
        lists.say("route", "edit", "plain", "--url", f"smtp+plain://127.0.0.1:{server.port}")
        assert lists.say("route", "test", "plain", "--to", "a@lantern.example")["state"] == "live"
        secret = lists("route", "add", "secret", f"smtp://me:secret-word@127.0.0.1:{server.port}")
        assert "edit secret --url -, then" in secret.err and "secret-word" not in secret.err
