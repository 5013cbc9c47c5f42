"""Messages read by a helper (limited_process), where one that breaks it is no harm to the others."""

from collections.abc import Callable, Sequence

from samizdat import limited_process
from samizdat.core.mail.incoming_envelope import Envelope

# What every helper reads that works at all.
_RAW = b"From: a@a.example\r\nSubject: Hello\r\n\r\nHello\r\n"
_ORDINARY = Envelope((), len(_RAW), _RAW)


def read_each[T](envelopes: Sequence[Envelope], read: Callable[[Sequence[Envelope]], Sequence[T]]) -> list[T | None]:
    """One answer each, in their order; None for a message that broke or slowed down whoever read it. Errors: TooMuch,
    HelperBroke where an ordinary one isn't read either: memory is short, or an upgrade replaces the program. Then they
    wait, so that nobody's request is lost."""
    try:
        return [*read(envelopes)]
    except (limited_process.TooMuch, limited_process.HelperBroke):
        middle = len(envelopes) // 2
        if not middle:
            read([_ORDINARY])
            return [None]
        return [answer for half in (envelopes[:middle], envelopes[middle:]) for answer in read_each(half, read)]
