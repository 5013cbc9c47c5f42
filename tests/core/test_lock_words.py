"""A code from paper is found in whatever an email program makes of it."""

import pytest

from samizdat.core.mail import lock_words

CODE = lock_words.spelled(0x0123456789ABCDEF0123)


def mail(body: str, subject: str = "Hello", head: str = "Content-Type: text/plain; charset=utf-8") -> bytes:
    return f"From: a@a.example\r\nSubject: {subject}\r\n{head}\r\n\r\n{body}\r\n".encode()


def test_a_code_has_eighty_bits_and_is_eight_words() -> None:
    assert len(CODE.split()) == lock_words.WORDS
    assert len({lock_words.spelled(1 << bit) for bit in range(lock_words.BITS)}) == lock_words.BITS


@pytest.mark.parametrize(
    "raw",
    [
        mail(CODE),
        mail("", CODE),
        mail("", f"Re: {CODE.upper()}"),
        mail("Please help!\n\n" + CODE.replace(" ", "\n") + "\n\nSent from my phone"),
        mail(" ".join(word[:4] for word in CODE.split())),
        mail(", ".join(f"{number}. {word}" for number, word in enumerate(CODE.split(), 1))),
        mail(f"<p>{CODE.replace(' ', '<br>')}</p>", head="Content-Type: text/html"),
        mail(CODE.replace(" ", "=20=\r\n"), head="Content-Transfer-Encoding: quoted-printable"),
    ],
)
def test_it_is_found_however_it_was_typed(raw: bytes) -> None:
    assert CODE in lock_words.in_message(raw)


@pytest.mark.parametrize("raw", [mail("Hello"), mail(" ".join(CODE.split()[:7])), mail(CODE.replace(" ", " or ")), b""])
def test_no_code_is_found_where_there_is_none(raw: bytes) -> None:
    assert not lock_words.in_message(raw)


def test_a_message_full_of_guesses_has_a_few_of_them() -> None:
    assert len(lock_words.in_message(mail(" ".join(map(lock_words.spelled, range(2000)))))) == lock_words.MOST
