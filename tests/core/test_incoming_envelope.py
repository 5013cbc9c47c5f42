"""How much of a message is held while it comes in, and how much is kept."""

from samizdat.core.bounce import mime
from samizdat.core.mail.incoming_envelope import MOST, Envelope, MessageBeginning


def test_of_a_message_without_end_its_beginning_is_held() -> None:
    message = MessageBeginning.of((b"%06d" % number for number in range(100_000)), most=16)
    assert (message.raw, message.size) == (b"0000000000010000", 600_000)


def test_of_a_large_message_the_beginning_is_kept_and_of_what_nobody_reads_less() -> None:
    beginning = b"x" * (MOST + 1)
    kept = [len(Envelope.of((), beginning, size).raw) for size in (MOST + 1, mime.MOST_BYTES, mime.MOST_BYTES + 1)]
    assert kept == [MOST, MOST, mime.BYTES_READ]
    assert Envelope.of((), b"Hello", 5) == Envelope((), 5, b"Hello")
