"""However large or deep a message is, it is read or refused at once."""

import time
import tracemalloc

import pytest

from samizdat.core.bounce.reading import read

HEAD = b"From: MAILER-DAEMON@relay.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\n"
LEVELS = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000))
WITHIN = b"Content-Type: message/rfc822\n\n" * 1000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\n" + b"x" * 50_000_000, id="50 MB"),
        pytest.param(b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nhi\n" * 10_000, id="10,000 parts"),
        pytest.param(LEVELS, id="1,000 levels"),
        pytest.param(WITHIN, id="1,000 messages in each other"),
        pytest.param(b"X-A: a\n" * 500_000, id="500,000 headers"),
    ],
)
def test_what_no_report_is_like_is_unreadable_at_once(body: bytes) -> None:
    raw = HEAD + body
    tracemalloc.start()
    began = time.process_time()
    report = read(raw)
    took, (_now, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.kind, report.main.reason) == ("none", "unreadable")
    assert took < 1
    assert peak < 20_000_000


@pytest.mark.parametrize(
    "piece",
    [
        *(
            b"a@",
            b"@a.",
            b"a.",
            b"<",
            b"<a ",
            b"<style>",
            b"550 5.1.1 ",
            b"=?utf-8?q?a?=",
            b" ",
            b"final-recipient: a@b\n",
        ),
        *(b"this is a copy of the original message\n", b"<a@b.c>:\n", b"(expanded from: ", b"--", b"&amp;", b"_=\n"),
    ],
)
@pytest.mark.parametrize("kind", [b"text/plain", b"text/html", b"message/delivery-status"])
def test_a_text_that_repeats_itself_takes_no_longer(piece: bytes, kind: bytes) -> None:
    raw = HEAD + b"Content-Type: " + kind + b"\n\n" + piece * (400_000 // len(piece))
    began = time.process_time()
    read(raw)
    assert time.process_time() - began < 1


def test_the_beginning_of_a_message_is_enough_if_its_size_is_known() -> None:
    assert read(HEAD + b"\nhello", 50_000_000).main.reason == "unreadable"
    assert read(HEAD + b"\nhello", 5_000_000).main.reason != "unreadable"
