"""How a reader wants their letters: text alone, and with a subject and sender that tell nothing to who looks over their
shoulder.

A variant is made of a compiled edition, not of its source: so every edition has it, also one that was frozen before,
and all readers of one variant get the same bytes outside of the slots, as the others do.
"""

from dataclasses import replace

from samizdat.core.content.message import CompiledContent, ConditionalParts, encoded_words

# What a subscriber's blob holds under seal.WISHES: any of these letters, in this order.
TEXT, DISCREET = "t", "d"
WISHES = ("", TEXT, DISCREET, TEXT + DISCREET)

_ALTERNATIVE = b'Content-Type: multipart/alternative; boundary="'
_PART = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def spelled(text: bool, discreet: bool) -> str:
    return (TEXT if text else "") + (DISCREET if discreet else "")


def known(wishes: str) -> str:
    """The wishes that this version knows, in their one spelling: a blob may come from a newer house."""
    return spelled(TEXT in wishes, DISCREET in wishes)


def variant(compiled: CompiledContent, wishes: str, subject: str) -> CompiledContent:
    """The edition as `wishes` want it. `subject`: the one line that discreet letters have instead of their own."""
    if DISCREET in wishes:
        compiled = _discreet(compiled, subject)
    if TEXT in wishes:
        compiled = _text_only(compiled)
    return compiled


def _discreet(compiled: CompiledContent, subject: str) -> CompiledContent:
    """From without a name, and another subject, whatever slots and conditions stood in it."""
    head = compiled.parts[0]
    address = head.rindex(b"<", 0, head.index(b">\r\nTo: "))
    parts = (b"From: " + head[address:], *compiled.parts[1:])
    first = next(i for i, part in enumerate(parts) if b"\r\nSubject:" in part)
    begin = parts[first].index(b"\r\nSubject:")
    last = next(i for i, part in enumerate(parts) if i >= first and b"\r\nDate: " in part)
    end = parts[last].index(b"\r\nDate: ", begin if last == first else 0)
    line = f"\r\nSubject: {subject if subject.isascii() else '\r\n '.join(encoded_words(subject))}".encode()
    joined = parts[first][:begin] + line + parts[last][end:]
    gone = last - first
    return replace(
        compiled,
        parts=(*parts[:first], joined, *parts[last + 1 :]),
        slots=(*compiled.slots[:first], *compiled.slots[last:]),
        choices=tuple(
            _moved(choice, gone if choice.branches[0][1] >= last else 0)
            for choice in compiled.choices
            if not first <= choice.branches[0][1] < last
        ),
    )


def _moved(choice: ConditionalParts, by: int) -> ConditionalParts:
    return ConditionalParts(tuple((condition, first - by, last - by) for condition, first, last in choice.branches))


def _text_only(compiled: CompiledContent) -> CompiledContent:
    """The plain part as the whole body."""
    top = next(i for i, part in enumerate(compiled.parts) if _ALTERNATIVE in part)
    head = compiled.parts[top]
    begin = head.index(_ALTERNATIVE)
    boundary = b"--" + head[begin + len(_ALTERNATIVE) :].partition(b'"')[0] + b"\r\n"
    body = head.index(boundary + _PART, begin) + len(boundary + _PART)
    parts = [*compiled.parts[:top], head[:begin] + _PART + head[body:], *compiled.parts[top + 1 :]]
    following = b"\r\n" + boundary + b"Content-Type: text/html"
    last = next(i for i, part in enumerate(parts) if following in part)
    text = parts[last][: parts[last].index(following)]
    # What ended softly before the next part ends hard as the end of all; DKIM wants one line end there.
    parts[last] = text.removesuffix(b"=\r\n") + b"\r\n" if text.endswith(b"=\r\n") else text
    return replace(
        compiled,
        parts=tuple(parts[: last + 1]),
        slots=compiled.slots[:last],
        choices=tuple(choice for choice in compiled.choices if choice.branches[0][1] < last),
    )
