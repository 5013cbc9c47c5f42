"""An mbox becomes emails, however it is cut into pieces and whatever it holds."""

from hypothesis import given
from hypothesis import strategies as some

from samizdat.core.mail_archive import ArchivedMessage, is_mbox, messages

FIRST = b"From ada@reader.example Mon Jan  3 10:00:00 2022\n"
TAKEOUT = b"From 1724812345@xxx Tue Mar 01 10:00:00 +0000 2022\r\n"
THUNDERBIRD = b"From - Tue Mar 01 10:00:00 2022\n"
LISTED = b"From ada at reader.example  Mon Jan  3 10:00:00 2022\n"
EMAIL = b"Subject: One\n\nHello\n"


def read(*blocks: bytes, most: int = 1000) -> list[ArchivedMessage]:
    return list(messages(blocks, most))


def test_each_email_begins_with_its_first_header() -> None:
    for line in (FIRST, TAKEOUT, THUNDERBIRD, LISTED):
        assert is_mbox(line + EMAIL)
        assert [email.raw for email in read(line + EMAIL + b"\n" + line + EMAIL)] == [EMAIL, EMAIL]


def test_a_text_that_begins_so_is_no_email() -> None:
    text = b"Subject: One\n\nFrom now on we meet at 10:00 in 2022\nFrom Ada\n>From Ada\n>>From Ada\n"
    assert [email.raw for email in read(FIRST + text)] == [text.replace(b">From", b"From")]


def test_what_is_before_the_first_is_passed_over() -> None:
    assert [email.raw for email in read(b"x" * 5000 + b"\n", FIRST, EMAIL)] == [EMAIL]
    assert read(b"no mailbox at all") == read(b"") == []


def test_of_a_large_email_only_its_beginning_is_kept() -> None:
    large = EMAIL + b"x" * 5000 + b"\n"
    first, second = read(FIRST + large, b"\n" + FIRST + EMAIL, most=100)
    assert (first.raw, first.size) == (large[:100], len(large) + 1)
    assert second.raw == EMAIL


def test_an_email_of_gigabytes_never_lies_in_memory() -> None:
    blocks = [FIRST + EMAIL, *[b"y" * (1 << 20)] * 3000, b"\n" + FIRST + EMAIL]
    first, second = messages(iter(blocks), 400_000)
    assert (len(first.raw), first.size > 3_000_000_000) == (400_000, True)
    assert second.raw == EMAIL


BODIES = some.lists(
    some.binary(max_size=300).map(lambda body: b"Subject: x\n\n" + body.replace(b"From", b"from") + b"\n"), max_size=6
)


@given(BODIES, some.integers(1, 700), some.integers(50, 1000), some.sampled_from([FIRST, TAKEOUT, THUNDERBIRD]))
def test_pieces_of_any_size_give_the_same_emails(bodies: list[bytes], piece: int, most: int, line: bytes) -> None:
    whole = b"\n".join(line + body for body in bodies)
    pieces = [whole[at : at + piece] for at in range(0, len(whole), piece)]
    emails = read(*pieces, most=most)
    assert emails == read(whole, most=most)
    assert len(emails) == len(bodies)
    for email, body in zip(emails, bodies, strict=True):
        assert body.startswith(email.raw)
        assert len(email.raw) <= most
        assert email.size in (len(body), len(body) + 1)


@given(some.lists(some.sampled_from([b"\n", b"From ", FIRST, b"a: b\n", b">From ", b"x" * 90]), max_size=40))
def test_whatever_is_written_no_byte_counts_twice(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    emails = read(*pieces, most=200)
    assert emails == read(whole, most=200)
    assert sum(email.size for email in emails) <= len(whole)
