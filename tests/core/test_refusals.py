"""Whose a refusal is: values in, groups out; and what is missing, by the words of mailbox providers."""

import pytest

from samizdat.core.mail.outcome import Deferred, Refused, classify
from samizdat.core.mail.refusals import ALIKE, ALIKE_MAILBOXES, MOST_WAITING, REASONS, Refusals, of, reason

NO = Refused(550, "5.7.1 go away", "message", "content")
DEAD = Refused(550, "5.1.1 no such user", "recipient", "no_such_mailbox")


def noted(mine: Refusals, said: Deferred | Refused, count: int, provider: str = "gmail") -> list[bool]:
    return [mine.note(provider, said, place) is not None for place in range(count)]


@pytest.mark.parametrize(("said", "limit"), [(NO, ALIKE), (DEAD, ALIKE_MAILBOXES)])
def test_so_many_alike_without_a_success_between_are_about_us(said: Refused, limit: int) -> None:
    mine = Refusals()
    assert noted(mine, said, limit - 1) == [False] * (limit - 1)
    group = mine.note("gmail", said, "last")
    assert group is not None and len(group.waiting) == group.count == limit and len(mine) == 0


def test_a_success_at_the_same_provider_shows_that_they_were_theirs_and_the_count_begins_anew() -> None:
    mine = Refusals()
    noted(mine, NO, ALIKE - 1)
    noted(mine, NO, 3, provider="yahoo")
    [group] = mine.of_provider("gmail")
    assert [item for item, _said in group.waiting] == list(range(ALIKE - 1)) and len(mine) == 3
    assert not any(noted(mine, NO, ALIKE - 1))


def test_other_words_of_the_same_provider_do_not_begin_anew() -> None:
    mine = Refusals()
    for place in range(ALIKE - 1):
        assert mine.note("gmail", NO, place) is None
        assert mine.note("gmail", DEAD, place) is None
    assert mine.note("gmail", NO, "last") is not None


def test_what_is_believed_is_so_of_mailboxes_alone() -> None:
    mine = Refusals()
    mine.believed = frozenset({"@closed.example"})
    assert mine.is_believed("@closed.example", DEAD)
    assert not mine.is_believed("@closed.example", NO) and not mine.is_believed("gmail", DEAD)


def test_so_many_wait_and_no_more_and_small_domains_are_believed_first() -> None:
    mine = Refusals()
    noted(mine, NO, ALIKE - 1)
    for place in range(MOST_WAITING):
        mine.note(f"@d{place}.example", NO, place)
    gone = [group.provider for group in mine.too_many()]
    assert gone == [f"@d{place}.example" for place in range(ALIKE - 1)] and len(mine) == MOST_WAITING


def test_all_domains_of_a_provider_are_one() -> None:
    assert {of("ada@aol.com"), of("boris@Yahoo.DE")} == {"yahoo"}
    assert of("clara@small.example") == "@small.example"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("5.7.40 The sender's domain does not have a DMARC record", "dmarc"),
        ("5.7.32 the From: header is not aligned with either the authenticated SPF or DKIM domains", "dmarc"),
        ("5.7.26 This mail has been blocked because the sender is unauthenticated: SPF or DKIM", "authentication"),
        ("5.7.515 sending domain doesn't meet the required authentication level.", "authentication"),
        ("5.7.27 This mail has been blocked because SPF does not pass.", "spf"),
        ("5.7.23 rejected because of Sender Policy Framework violation", "spf"),
        ("5.7.30 This mail has been blocked because DKIM does not pass.", "dkim"),
        ("5.7.25 The IP address sending this message does not have a PTR record setup", "ptr"),
        ("5.7.29 Email has been blocked because it wasn't sent over a TLS connection.", "tls"),
        ("5.7.1 messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3140)", "listed"),
        ("5.7.511 Access denied, banned sender[192.0.2.1]", "listed"),
        ("5.7.1 [BL21] Connections will not be accepted from 192.0.2.1", "listed"),
        ("5.7.1 Blocked by spam statistics", "listed"),
        ("5.7.1 [2] Message rejected under suspicion of SPAM", "spam"),
        ("5.7.9 Message not accepted for policy reasons.", "policy"),
        ("5.7.1 [CS01] Message rejected due to local policy.", "policy"),
        ("5.1.1 no such user", "mailbox"),
    ],
)
def test_what_is_missing_is_read_from_the_words(text: str, missing: str) -> None:
    said = classify("final", 550, text)
    assert isinstance(said, Deferred | Refused)
    assert reason(said) == missing
    sentence = REASONS[missing].format(provider="Gmail", count="20", answer=text)
    assert "Gmail" in sentence and text in sentence and "20" in sentence
